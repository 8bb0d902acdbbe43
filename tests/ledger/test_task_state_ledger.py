"""What the ledger in Airflow's task state store keeps, grants and costs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID

import pytest
from ledger.task_state_ledger_helpers import (
    DISPATCH_ID,
    ServerError,
    Store,
    claim,
    claims,
    opening,
    settled,
    states,
)

from braze_provider.api.errors import BrazeError
from braze_provider.ledger import task_state
from braze_provider.ledger.base import (
    Counters,
    Decide,
    Head,
    LedgerLostError,
    Opening,
    Receipt,
    State,
)
from braze_provider.ledger.task_state import TaskStateLedger
from braze_provider.ledger.task_state_pages import (
    MAX_PAGE_BYTES,
    MAX_REASON_BYTES,
    RECEIPTS_PER_PAGE,
    decode_page,
    encode_page,
    from_ranges,
    shorten,
    to_ranges,
)

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import strategies as st  # noqa: E402

EMOJI = "\N{GRINNING FACE}"

# A later try ------------------------------------------------------------------------------------------------


def test_the_first_opening_finds_nothing(task_state_store: Store):
    assert TaskStateLedger(task_state_store, "A").open(opening()) is None


def test_a_later_try_finds_claims_and_outcomes(task_state_copy):
    ledger = task_state_copy()
    ledger.write([], claims(0, 1, 2))
    ledger.write([settled(0), settled(1, State.REJECTED, reason="400: bad")], claims(3))

    found = list(task_state_copy("B").receipts())

    assert found[0] == settled(0)
    assert found[1] == settled(1, State.REJECTED, reason="400: bad")
    assert [(receipt.index, receipt.state) for receipt in found[2:]] == [
        (2, State.CLAIMED),
        (3, State.CLAIMED),
    ]
    assert (found[2].recipients, found[2].fingerprint) == (50, f"{2:032x}")


def test_a_later_try_finds_the_counters_and_resends_of_the_last_one(task_state_store: Store, task_state_copy):
    task_state_copy("A")
    task_state_copy("B", try_number=3, max_tries=4, resends=("one", "two"))

    head = TaskStateLedger(task_state_store, "C").open(opening(4))

    assert head == Head(Counters(3, 4, "2026-10-01"), ("one", "two"))


def test_a_finished_delivery_is_found_with_its_report(task_state_store: Store, task_state_copy):
    task_state_copy().finish({"sent": 50, "started_at": "2026-10-01"})
    task_state_copy("B")  # and so it stays, however often it is opened

    head = TaskStateLedger(task_state_store, "C").open(opening())

    assert head is not None
    assert (head.finished, head.report) == (True, {"sent": 50, "started_at": "2026-10-01"})


def test_receipts_of_all_tries_come_in_the_order_of_their_batches(task_state_copy):
    task_state_copy("A").write([], claims(700, 3))
    task_state_copy("B").write([], claims(2, 300, 701))
    last = task_state_copy("C")
    last.write([], claims(1))

    assert list(states(last)) == [1, 2, 3, 300, 700, 701]


def test_receipts_can_be_read_from_an_index_on(task_state_copy):
    task_state_copy().write([], claims(1, 299, 300, 900))

    assert list(states(task_state_copy("B"), start=300)) == [300, 900]


def test_receipts_are_read_page_by_page_when_they_are_needed(task_state_store: Store, task_state_copy):
    task_state_copy().write([], claims(*range(0, 20 * RECEIPTS_PER_PAGE, RECEIPTS_PER_PAGE)))
    ledger = task_state_copy("B")
    task_state_store.calls.clear()

    next(ledger.receipts())

    assert task_state_store.calls["get"] <= 3


def test_the_receipt_of_the_latest_try_counts(task_state_copy):
    first = task_state_copy("A")
    first.write([], claims(0))
    first.write([settled(0, State.UNCERTAIN)], [])
    second = task_state_copy("B")
    second.write([], [claim(0, again=True)])
    second.write([settled(0)], [])

    assert states(task_state_copy("C")) == {0: State.SENT}


def test_it_must_be_opened_first(task_state_store: Store):
    with pytest.raises(BrazeError, match="not opened"):
        TaskStateLedger(task_state_store, "A").write([], claims(0))


# Claims -----------------------------------------------------------------------------------------------------


def test_new_batches_are_granted(task_state_copy):
    assert list(task_state_copy().write([], claims(0, 1))) == [0, 1]


@pytest.mark.parametrize("state", [State.SENT, State.REJECTED, State.UNCERTAIN])
@pytest.mark.parametrize("owner", ["the same try", "another try"])
def test_a_batch_with_a_receipt_is_granted_only_with_again(task_state_copy, owner, state):
    ledger = task_state_copy()
    ledger.write([], claims(0))
    ledger.write([settled(0, state)], [])
    if owner == "another try":
        ledger = task_state_copy("B")

    assert list(ledger.write([], [claim(0), claim(1)])) == [1]
    assert list(ledger.write([], [claim(0, again=True)])) == [0]


def test_a_batch_claimed_by_another_try_is_granted_only_with_again(task_state_copy):
    task_state_copy().write([], claims(0))
    ledger = task_state_copy("B")

    assert list(ledger.write([], [claim(0)])) == []
    assert list(ledger.write([], [claim(0, again=True)])) == [0]


@pytest.mark.parametrize("owner", ["the same try", "another try"])
def test_a_batch_that_was_not_sent_can_be_claimed(task_state_copy, owner):
    ledger = task_state_copy()
    ledger.write([], claims(0))
    ledger.write([settled(0, State.FAILED)], [])
    if owner == "another try":
        ledger = task_state_copy("B")

    assert list(ledger.write([], claims(0))) == [0]
    assert states(ledger) == {0: State.CLAIMED}


# Refusing -------------------------------------------------------------------------------------------------


class RefusedError(Exception):
    """The error of a decision that refuses."""


def refuse(head: Head | None) -> Opening:
    raise RefusedError


def test_refused_openings_leave_no_trace(task_state_store: Store):
    for _ in range(3):
        with pytest.raises(RefusedError):
            TaskStateLedger(task_state_store, "A").open(refuse)

    assert task_state_store.values == {}


def test_a_refused_opening_does_not_change_the_owner(task_state_store: Store, task_state_copy):
    owner = task_state_copy("A")
    owner.write([], claims(0))
    before = dict(task_state_store.values)

    with pytest.raises(RefusedError):
        TaskStateLedger(task_state_store, "B").open(refuse)

    assert task_state_store.values == before
    assert list(owner.write([settled(0)], claims(1))) == [1]


@pytest.mark.parametrize("opened", [False, True])
def test_a_refusal_after_taking_a_number_leaves_no_delivery(task_state_store: Store, task_state_copy, opened):
    if opened:
        task_state_copy("A").write([], claims(0))

    for _ in range(3):
        answers = iter([opening()])

        def refuse_the_second_time(head: Head | None, answers: Iterator[Decide] = answers) -> Opening:
            return next(answers, refuse)(head)

        with pytest.raises(RefusedError):
            TaskStateLedger(task_state_store, "B").open(refuse_the_second_time)

    known: list[Head | None] = []
    ledger = TaskStateLedger(task_state_store, "C")
    ledger.open(lambda head: known.append(head) or opening()(head))
    assert {head is not None for head in known} == {opened}
    assert states(ledger) == ({0: State.CLAIMED} if opened else {})


def test_an_older_try_never_takes_over_from_a_newer_one(task_state_store: Store, task_state_copy):
    newer = task_state_copy("B", try_number=2)

    with pytest.raises(LedgerLostError, match=r"this try, 1, sends nothing more: try 2 .* has taken over"):
        task_state_copy("A", try_number=1, starts_over=True)

    assert list(newer.write([], claims(0))) == [0]


def test_an_older_try_that_opens_meanwhile_does_not_take_over(task_state_store: Store, task_state_copy):
    def open_as_a_newer_try(verb: str, key: str) -> None:
        if verb == "set" and ".door" in key:
            task_state_store.on_call = lambda verb, key: None
            task_state_copy("B", try_number=2)

    task_state_store.on_call = open_as_a_newer_try
    with pytest.raises(LedgerLostError, match="try 2"):
        task_state_copy("A", try_number=1)

    head = TaskStateLedger(task_state_store, "C").open(opening(3))
    assert head is not None
    assert head.counters == Counters(2, 0, "2026-10-01")


@pytest.mark.parametrize("how", [{"try_number": 2}, {"try_number": 1, "run_started_at": "2026-11-01"}])
def test_the_same_try_and_the_first_one_of_a_new_run_take_over(task_state_copy, how):
    task_state_copy("A", try_number=2)

    assert list(task_state_copy("B", **how).write([], claims(0))) == [0]


# Starting over ----------------------------------------------------------------------------------------------


def test_starting_over_forgets_the_receipts(task_state_copy):
    task_state_copy("A").write([], claims(0, 300))
    task_state_copy("B").write([], claims(1))
    ledger = task_state_copy("C", starts_over=True)

    assert states(ledger) == {}
    assert list(ledger.write([], claims(0))) == [0]
    assert states(task_state_copy("D")) == {0: State.CLAIMED}


def test_starting_over_a_finished_delivery_makes_it_unfinished(task_state_store: Store, task_state_copy):
    task_state_copy("A").finish({"sent": 1})

    assert TaskStateLedger(task_state_store, "B").open(opening(2, starts_over=True)) is None
    assert TaskStateLedger(task_state_store, "C").open(opening(3)) == Head(Counters(2, 0, "2026-10-01"))


def test_starting_over_and_opening_are_one_write(task_state_store: Store, task_state_copy):
    task_state_copy("A").write([], claims(0))
    before = dict(task_state_store.values)
    writes = len(task_state_store.log)
    task_state_copy("B", starts_over=True, resends=("now",))
    log = [(key, value) for key, value in task_state_store.log[writes:] if ".session." in key]

    ((key, value),) = log
    task_state_store.values = {**before, "braze-ledger.1.taken": "true", key: value}

    head = TaskStateLedger(task_state_store, "C").open(opening())
    assert head is not None
    assert head.resends == ("now",)
    assert states(task_state_copy("D")) == {}


def test_starting_over_deletes_the_old_pages(task_state_store: Store, task_state_copy):
    task_state_copy("A").write([], claims(0, 300))
    task_state_copy("B").write([], claims(1))
    task_state_copy("C", starts_over=True)

    assert task_state_store.keys(".page.") == []


def test_starting_over_works_without_deleting_the_old_pages(task_state_store: Store, task_state_copy):
    task_state_copy("A").write([], claims(0, 300))

    def fail(verb: str, key: str) -> None:
        if verb == "delete":
            raise ServerError(500)

    task_state_store.on_call = fail

    assert states(task_state_copy("B", starts_over=True)) == {}
    assert states(task_state_copy("C")) == {}


# Records of older releases ----------------------------------------------------------------------------------


# The first format had no counters and no resends.
LAST_OPENED = {1: (None, ()), 2: (Counters(2, 3, "2026-10-01"), ("new vouchers",))}


@pytest.fixture(params=LAST_OPENED)
def older_format(request: pytest.FixtureRequest) -> int:
    """Number of a format whose code left two sessions and five pages."""
    known: int = request.param
    return known


def test_a_delivery_of_an_older_format_can_be_continued(
    task_state_store: Store, task_state_copy, older_format
):
    task_state_store.fill_as_format(older_format, "unfinished")
    ledger = TaskStateLedger(task_state_store, "C")
    known: list[Head | None] = []

    head = ledger.open(lambda head: known.append(head) or opening(9)(head))
    ledger.write([], [claim(301), claim(2)])
    ids = {"dispatch_id": DISPATCH_ID, "schedule_id": "s"}
    ledger.write([settled(301, ids=ids)], [])

    assert head == known[-1] == Head(*LAST_OPENED[older_format], finished=False, report=None)
    found = {receipt.index: receipt for receipt in task_state_copy("D", try_number=10).receipts()}
    assert {index: receipt.state for index, receipt in found.items()} == {
        0: State.SENT,
        1: State.REJECTED,
        2: State.SENT,
        **dict.fromkeys([3, 255, 256, 300], State.CLAIMED),
        301: State.SENT,
        600: State.SENT,
    }
    assert found[0] == settled(0)
    assert found[1] == settled(1, State.REJECTED)
    assert found[301] == settled(301, ids=ids)
    assert found[600] == settled(600)


def test_a_finished_delivery_of_an_older_format_is_finished(
    task_state_store: Store, task_state_copy, older_format
):
    task_state_store.fill_as_format(older_format, "finished")
    head = TaskStateLedger(task_state_store, "C").open(opening(2))

    assert head is not None
    assert (head.counters, head.resends, head.finished) == (*LAST_OPENED[older_format], True)
    assert head.report is not None
    assert (head.report["sent"], head.report["rejected"]) == (400, 50)
    assert set(states(task_state_copy("D", try_number=3)).values()) == {State.SENT, State.REJECTED}


@pytest.mark.parametrize("delivery", ["unfinished", "finished"])
def test_a_delivery_of_an_older_format_can_start_over(
    task_state_store: Store, task_state_copy, older_format, delivery
):
    task_state_store.fill_as_format(older_format, delivery)

    assert states(task_state_copy("C", try_number=3, starts_over=True)) == {}
    assert task_state_store.keys(".page.") == []


def test_a_page_with_dispatch_ids_only_is_as_in_format_2(task_state_store: Store):
    task_state_store.fill_as_format(2, "finished")
    pages = [task_state_store.get(key) for key in task_state_store.keys(".page.")]
    assert len(pages) == 5

    for page in pages:
        assert encode_page(page["page"], page, decode_page(page)) == page


# Ids -----------------------------------------------------------------------------------------------------


def test_each_receipt_of_a_page_has_its_own_ids(task_state_copy):
    every = [
        {"dispatch_id": DISPATCH_ID},
        {},
        {"dispatch_id": DISPATCH_ID, "schedule_id": "s0"},
        {"send_id": "later 🎉"},
        {"dispatch_id": DISPATCH_ID, "schedule_id": "s1", "send_id": "s2"},
    ]
    ledger = task_state_copy()
    ledger.write([], claims(*range(10)))
    sent = [settled(index, ids=ids) for index, ids in enumerate(every)]
    rejected = [settled(5 + index, State.REJECTED, ids=ids) for index, ids in enumerate(every)]
    ledger.write([*sent, *rejected], [])

    assert list(task_state_copy("B").receipts()) == [*sent, *rejected]


# Sizes ------------------------------------------------------------------------------------------------------


ALL_IDS = {"dispatch_id": DISPATCH_ID, "schedule_id": str(UUID(DISPATCH_ID)), "send_id": "s" * 64}


@pytest.mark.parametrize("ids", [{"dispatch_id": DISPATCH_ID}, ALL_IDS], ids=["dispatch id", "all ids"])
@pytest.mark.parametrize("character", ["x", "é", EMOJI, "\\", '"', "\x00", "\ud83d"])
def test_pages_full_of_long_reasons_stay_below_the_limit(task_state_copy, character, ids):
    ledger = task_state_copy("a name of some length for this copy of the task " * 3)
    indexes = range(2 * RECEIPTS_PER_PAGE)
    reasons = {index: f"request {index}: " + character * 1_000 for index in indexes}
    ledger.write([], claims(*indexes))
    ledger.write(
        [settled(index, State.UNCERTAIN, ids=ids, reason=reason) for index, reason in reasons.items()],
        [],
    )

    found = list(task_state_copy("B").receipts())

    assert [receipt.index for receipt in found] == list(indexes)
    assert all(receipt.ids == ids for receipt in found)
    for receipt in found:
        assert receipt.reason is not None
        assert receipt.reason.startswith(f"request {receipt.index}: ")
        assert receipt.reason.endswith("…")


def test_a_delivery_to_a_million_recipients_fits(task_state_store: Store, task_state_copy):
    ledger = task_state_copy()
    batches, window = 20_000, 500
    done: list[Receipt] = []
    for start in range(0, batches, window):
        indexes = range(start, min(start + window, batches))
        ledger.write(done, claims(*indexes))
        done = [settled(i, State.UNCERTAIN, reason=f"request {i}: " + "é" * 1_000) for i in indexes]
    ledger.write(done, [])

    assert len(ledger._pages) <= task_state.PAGES_IN_MEMORY
    assert len(states(task_state_copy("B"))) == batches
    assert max(map(len, task_state_store.values.values())) <= MAX_PAGE_BYTES


def test_reasons_are_kept_in_full_if_there_is_room(task_state_copy):
    ledger = task_state_copy()
    ledger.write([], claims(0, 1))
    ledger.write([settled(0, State.REJECTED, reason="x" * MAX_REASON_BYTES)], [])
    ledger.write([settled(1, State.REJECTED, reason="x" * (MAX_REASON_BYTES + 1))], [])

    short, cut = task_state_copy("B").receipts()

    assert short.reason == "x" * MAX_REASON_BYTES
    assert cut.reason is not None
    assert cut.reason == "x" * (MAX_REASON_BYTES - len(r"\\u2026")) + "…"


def test_a_delivery_with_many_tries_fits(task_state_store: Store, task_state_copy):
    for number in range(300):
        task_state_copy(f"try {number}").write([], claims(number * 100))

    assert list(states(task_state_copy("last"))) == [number * 100 for number in range(300)]


def size_in_a_page(text: str) -> int:
    return len(json.dumps(json.dumps([text]))) - len(json.dumps(json.dumps([""])))


@hypothesis.given(st.text(), st.integers(0, 60))
def test_a_shortened_text_never_takes_too_many_bytes(text, size):
    short = shorten(text, size)

    assert size_in_a_page(short) <= size
    assert short == text or size_in_a_page(text) > size


@hypothesis.given(st.sets(st.integers(0, 300)))
def test_ranges_hold_exactly_the_numbers(numbers):
    assert from_ranges(to_ranges(numbers)) == numbers


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-10-01T12:00:00.123+00:00", "2026-10-01T12:00:00.123+00:00"),
        ("2026-10-01T12:00:00Z", "2026-10-01T12:00:00.000+00:00"),
        ("2026-10-01T14:00:00+02:00", "2026-10-01T12:00:00.000+00:00"),
        ("2026-10-01T12:00:00", "2026-10-01T12:00:00.000+00:00"),
    ],
)
def test_times_come_back_as_utc_in_milliseconds(task_state_copy, written, read):
    ledger = task_state_copy()
    ledger.write([], claims(0))
    ledger.write([replace(settled(0), at=written)], [])

    assert [receipt.at for receipt in task_state_copy("B").receipts()] == [read]


# Cost -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("looks_last", "looks"), [(math.inf, 1), (0.0, 2)])
def test_a_window_costs_one_write_and_one_or_two_looks_at_the_owner(
    task_state_store: Store, task_state_copy, monkeypatch, looks_last, looks
):
    monkeypatch.setattr(task_state, "LOOK_SECONDS", looks_last)
    ledger = task_state_copy()
    costs = []
    done: list[Receipt] = []
    for start in range(0, 70 * 100, 70):
        task_state_store.calls.clear()
        ledger.write(done, claims(*range(start, start + 70)))
        done = [settled(index) for index in range(start, start + 70)]
        costs.append((task_state_store.calls["set"], task_state_store.calls["get"]))

    # Sometimes a window lies on two pages, or a page is new and must be named in the session's record.
    assert sum(sets for sets, _ in costs) / len(costs) < 2
    assert max(sets for sets, _ in costs) == 3
    assert [gets for _, gets in costs[1:]] == [looks] * 99


# The log ----------------------------------------------------------------------------------------------------


def test_it_is_durable_and_has_a_name(task_state_store: Store):
    ledger = TaskStateLedger(task_state_store, "A")

    assert ledger.durable
    assert ledger.identity == "task-state"
    assert str(ledger) == "Airflow's task state store"
