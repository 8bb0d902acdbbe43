"""The ledger in Airflow's task state store, against a store with the limits of the real one."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from braze_provider.api.errors import BrazeError
from braze_provider.delivery.ledger import task_state, task_state_cells
from braze_provider.delivery.ledger.base import Claim, LedgerLostError, Receipt, State
from braze_provider.delivery.ledger.task_state import TaskStateLedger
from braze_provider.delivery.ledger.task_state_pages import (
    MAX_PAGE_BYTES,
    MAX_REASON_BYTES,
    RECEIPTS_PER_PAGE,
    from_ranges,
    shorten,
    to_ranges,
)

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import stateful  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

DISPATCH_ID = "5f0e9a1b2c3d4e5f60718293a4b5c6d7"
EMOJI = "\N{GRINNING FACE}"


class Killed(BaseException):
    """SIGKILL: nothing handles it."""


class ServerError(Exception):
    """What Airflow's client raises for an answer that is an error."""

    def __init__(self, status: int) -> None:
        super().__init__(f"Server returned {status}")
        self.response = type("Response", (), {"status_code": status})


class Store:
    """The task state of one task instance: keys to JSON, within the limits that Airflow names."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.calls: Counter[str] = Counter()
        self.log: list[tuple[str, str]] = []
        self.on_call: Callable[[str, str], None] = lambda verb, key: None
        """Called before each call takes effect; what it raises, the call raises."""
        self.on_return: Callable[[str, str], None] = lambda verb, key: None

    def get(self, key: str, default: Any = None) -> Any:
        return self._call("get", key, lambda: json.loads(self.values.get(key, json.dumps(default))))

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        assert retention is timedelta.max, "the receipts would expire"
        assert value is not None
        text = json.dumps(value, allow_nan=False)
        assert len(text) <= 65_535
        assert json.loads(text) == value, "not plain JSON"
        text.encode("utf-8")

        def put() -> None:
            self.values[key] = text
            self.log.append((key, text))

        self._call("set", key, put)

    def delete(self, key: str) -> None:
        self._call("delete", key, lambda: self.values.pop(key, None))

    def _call(self, verb: str, key: str, effect: Callable[[], Any]) -> Any:
        assert key.isascii()
        assert len(key) <= 512
        self.calls[verb] += 1
        self.on_call(verb, key)
        result = effect()
        self.on_return(verb, key)
        return result

    def keys(self, part: str) -> list[str]:
        return [key for key in self.values if part in key]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def copy_of_task(store: Store) -> Iterator[Callable[..., TaskStateLedger]]:
    """A copy of the task that comes alive: ``copy_of_task("B")`` is an opened ledger."""
    ledgers = []

    def start(owner: str = "A", *, clear_number: int = 0) -> TaskStateLedger:
        ledger = TaskStateLedger(store, owner)
        ledgers.append(ledger)
        ledger.open(clear_number=clear_number)
        return ledger

    yield start
    for ledger in ledgers:
        ledger.close()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_state_cells, "RETRY_WAITS", (0.0, 0.0))


def claim(index: int, *, again: bool = False) -> Claim:
    return Claim(index, recipients=50, fingerprint=f"{index:032x}", again=again)


def claims(*indexes: int) -> list[Claim]:
    return [claim(index) for index in indexes]


def settled(index: int, state: State = State.SENT, **more: Any) -> Receipt:
    known = {"dispatch_id": DISPATCH_ID} if state is State.SENT else {"reason": "refused"}
    return Receipt(index, 50, f"{index:032x}", state, "2026-10-01T12:00:00.123+00:00", **{**known, **more})


def states(ledger: TaskStateLedger, start: int = 0) -> dict[int, State]:
    return {receipt.index: receipt.state for receipt in ledger.receipts(start)}


# What a later try finds -------------------------------------------------------------------------------------


def test_the_first_to_open_it_is_told_that_there_is_nothing(store: Store):
    assert TaskStateLedger(store, "A").open(clear_number=0) is None


def test_a_later_try_finds_what_was_claimed_and_what_became_of_it(copy_of_task):
    ledger = copy_of_task()
    ledger.write([], claims(0, 1, 2))
    ledger.write([settled(0), settled(1, State.REJECTED, reason="400: bad")], claims(3))

    found = list(copy_of_task("B").receipts())

    assert found[0] == settled(0)
    assert found[1] == settled(1, State.REJECTED, reason="400: bad")
    assert [(receipt.index, receipt.state) for receipt in found[2:]] == [
        (2, State.CLAIMED),
        (3, State.CLAIMED),
    ]
    assert (found[2].recipients, found[2].fingerprint) == (50, f"{2:032x}")


def test_it_remembers_how_often_the_run_was_cleared_when_the_delivery_began(store: Store, copy_of_task):
    copy_of_task(clear_number=3)

    head = TaskStateLedger(store, "B").open(clear_number=5)

    assert head is not None
    assert (head.clear_number, head.finished, head.report) == (3, False, None)


def test_a_finished_delivery_is_known_as_finished_with_its_report(store: Store, copy_of_task):
    copy_of_task().finish({"sent": 50, "started_at": "2026-10-01"})
    copy_of_task("B")  # and so it stays, however often it is opened

    head = TaskStateLedger(store, "C").open(clear_number=0)

    assert head is not None
    assert (head.finished, head.report) == (True, {"sent": 50, "started_at": "2026-10-01"})


def test_receipts_come_in_the_order_of_their_batches_over_all_tries(copy_of_task):
    copy_of_task("A").write([], claims(700, 3))
    copy_of_task("B").write([], claims(2, 300, 701))
    last = copy_of_task("C")
    last.write([], claims(1))

    assert list(states(last)) == [1, 2, 3, 300, 700, 701]


def test_receipts_can_be_read_from_an_index_on(copy_of_task):
    copy_of_task().write([], claims(1, 299, 300, 900))

    assert list(states(copy_of_task("B"), start=300)) == [300, 900]


def test_receipts_are_read_page_by_page_as_they_are_asked_for(store: Store, copy_of_task):
    copy_of_task().write([], claims(*range(0, 20 * RECEIPTS_PER_PAGE, RECEIPTS_PER_PAGE)))
    ledger = copy_of_task("B")
    store.calls.clear()

    next(ledger.receipts())

    assert store.calls["get"] <= 3


def test_what_the_latest_try_knows_of_a_batch_counts(copy_of_task):
    first = copy_of_task("A")
    first.write([], claims(0))
    first.write([settled(0, State.UNCERTAIN)], [])
    second = copy_of_task("B")
    second.write([], [claim(0, again=True)])
    second.write([settled(0)], [])

    assert states(copy_of_task("C")) == {0: State.SENT}


# Claims -----------------------------------------------------------------------------------------------------


def test_new_batches_are_granted(copy_of_task):
    assert list(copy_of_task().write([], claims(0, 1))) == [0, 1]


@pytest.mark.parametrize("state", [State.SENT, State.REJECTED, State.UNCERTAIN])
@pytest.mark.parametrize("owner", ["the same try", "another try"])
def test_a_batch_with_a_receipt_is_granted_only_to_be_sent_again(copy_of_task, owner, state):
    ledger = copy_of_task()
    ledger.write([], claims(0))
    ledger.write([settled(0, state)], [])
    if owner == "another try":
        ledger = copy_of_task("B")

    assert list(ledger.write([], [claim(0), claim(1)])) == [1]
    assert list(ledger.write([], [claim(0, again=True)])) == [0]


def test_a_batch_that_another_try_claimed_is_granted_only_to_be_sent_again(copy_of_task):
    copy_of_task().write([], claims(0))
    ledger = copy_of_task("B")

    assert list(ledger.write([], [claim(0)])) == []
    assert list(ledger.write([], [claim(0, again=True)])) == [0]


@pytest.mark.parametrize("owner", ["the same try", "another try"])
def test_a_batch_that_was_not_sent_is_open_to_be_claimed(copy_of_task, owner):
    ledger = copy_of_task()
    ledger.write([], claims(0))
    ledger.write([settled(0, State.FAILED)], [])
    if owner == "another try":
        ledger = copy_of_task("B")

    assert list(ledger.write([], claims(0))) == [0]
    assert states(ledger) == {0: State.CLAIMED}


# Owners -----------------------------------------------------------------------------------------------------


def test_a_copy_that_was_taken_over_is_granted_nothing_and_told_by_whom(copy_of_task):
    zombie = copy_of_task("A")
    successor = copy_of_task("host-2")

    with pytest.raises(LedgerLostError, match=r"another copy .* \(host-2\) has taken over"):
        zombie.write([], claims(0))

    assert states(successor) == {}


def test_what_a_copy_had_claimed_it_may_still_settle_after_it_was_taken_over(copy_of_task):
    zombie = copy_of_task("A")
    zombie.write([], claims(0, 1))
    successor = copy_of_task("B")
    successor.write([], claims(2))

    with pytest.raises(LedgerLostError):
        zombie.write([settled(0)], claims(3))

    assert states(successor) == {0: State.SENT, 1: State.CLAIMED, 2: State.CLAIMED}


def test_what_somebody_has_claimed_again_the_first_copy_does_not_overrule(copy_of_task):
    zombie = copy_of_task("A")
    zombie.write([], claims(0))
    successor = copy_of_task("B")
    successor.write([], [claim(0, again=True)])

    with pytest.raises(LedgerLostError):
        zombie.write([settled(0, State.REJECTED)], [])

    assert states(successor) == {0: State.CLAIMED}


@pytest.mark.parametrize(
    "call",
    [
        lambda ledger: ledger.finish({}),
        lambda ledger: ledger.start_over(clear_number=1),
        lambda ledger: list(ledger.receipts()),
        lambda ledger: ledger.write([], []),
    ],
)
def test_a_copy_that_was_taken_over_changes_nothing(store: Store, copy_of_task, call):
    zombie = copy_of_task("A")
    zombie.write([], claims(0))
    copy_of_task("B")
    before = dict(store.values)

    with pytest.raises(LedgerLostError):
        call(zombie)

    assert store.values == before


def test_a_copy_taken_over_in_the_middle_of_a_claim_takes_the_claim_back(store: Store, copy_of_task):
    zombie = copy_of_task("A")
    zombie.write([], claims(0))
    late: list[TaskStateLedger] = []

    def take_over(verb: str, key: str) -> None:
        if verb == "set" and ".page." in key and not late:
            late.append(TaskStateLedger(store, "B"))
            late[0].open(clear_number=0)

    store.on_return = take_over
    with pytest.raises(LedgerLostError):
        zombie.write([settled(0)], claims(1))

    assert states(late[0]) == {0: State.SENT}


@pytest.mark.parametrize("status", [404, 410])
def test_a_copy_whose_try_airflow_has_ended_is_told_so(store: Store, copy_of_task, status):
    # Each try has an id of its own, and to an earlier one reading finds nothing and writing is refused.
    zombie = copy_of_task("A")
    zombie.write([], claims(0))
    store.values.clear()

    def refuse(verb: str, key: str) -> None:
        if verb == "set":
            raise ServerError(status)

    store.on_call = refuse

    with pytest.raises(LedgerLostError, match="doesn't know this try"):
        zombie.write([], claims(1))
    zombie._pages.clear()  # as if they had made room for others
    with pytest.raises(LedgerLostError, match="nothing any more"):
        list(zombie.receipts())


# Starting over ----------------------------------------------------------------------------------------------


def test_starting_over_forgets_the_receipts(copy_of_task):
    copy_of_task("A").write([], claims(0, 300))
    ledger = copy_of_task("B")
    ledger.write([], claims(1))
    ledger.start_over(clear_number=2)

    assert states(ledger) == {}
    assert list(ledger.write([], claims(0))) == [0]
    assert states(copy_of_task("C")) == {0: State.CLAIMED}


def test_starting_over_a_finished_delivery_makes_it_unfinished(store: Store, copy_of_task):
    ledger = copy_of_task("A")
    ledger.finish({"sent": 1})
    ledger.start_over(clear_number=2)

    head = TaskStateLedger(store, "B").open(clear_number=9)

    assert head is not None
    assert (head.clear_number, head.finished, head.report) == (2, False, None)


def test_starting_over_deletes_the_old_pages(store: Store, copy_of_task):
    copy_of_task("A").write([], claims(0, 300))
    ledger = copy_of_task("B")
    ledger.write([], claims(1))
    ledger.start_over(clear_number=0)

    assert store.keys(".page.") == []


def test_starting_over_does_not_depend_on_the_old_pages_being_deleted(store: Store, copy_of_task):
    copy_of_task("A").write([], claims(0, 300))
    ledger = copy_of_task("B")

    def refuse(verb: str, key: str) -> None:
        if verb == "delete":
            raise ServerError(500)

    store.on_call = refuse
    ledger.start_over(clear_number=0)

    assert states(ledger) == {}
    assert states(copy_of_task("C")) == {}


def test_who_took_over_in_the_middle_of_starting_over_keeps_all_the_receipts(store: Store, copy_of_task):
    ledger = copy_of_task("A")
    ledger.write([], claims(0))
    late: list[TaskStateLedger] = []

    def take_over(verb: str, key: str) -> None:
        if verb == "set" and not late:
            late.append(TaskStateLedger(store, "B"))
            late[0].open(clear_number=0)

    store.on_call = take_over
    with pytest.raises(LedgerLostError):
        ledger.start_over(clear_number=1)

    assert states(late[0]) == {0: State.CLAIMED}


# Sizes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("character", ["x", "é", EMOJI, "\\", '"', "\x00", "\ud83d"])
def test_pages_full_of_the_longest_reasons_stay_below_the_limit_and_lose_no_receipt(copy_of_task, character):
    ledger = copy_of_task("a name of some length for this copy of the task " * 3)
    indexes = range(2 * RECEIPTS_PER_PAGE)
    reasons = {index: f"request {index}: " + character * 1_000 for index in indexes}
    ledger.write([], claims(*indexes))
    ledger.write(
        [
            settled(index, State.UNCERTAIN, dispatch_id=DISPATCH_ID, reason=reason)
            for index, reason in reasons.items()
        ],
        [],
    )

    found = list(copy_of_task("B").receipts())

    assert [receipt.index for receipt in found] == list(indexes)
    assert {receipt.dispatch_id for receipt in found} == {DISPATCH_ID}
    for receipt in found:
        assert receipt.reason is not None
        assert receipt.reason.startswith(f"request {receipt.index}: ")
        assert receipt.reason.endswith("…")


def test_a_delivery_to_a_million_people_fits(store: Store, copy_of_task):
    ledger = copy_of_task()
    batches, window = 20_000, 500
    done: list[Receipt] = []
    for start in range(0, batches, window):
        indexes = range(start, min(start + window, batches))
        ledger.write(done, claims(*indexes))
        done = [settled(i, State.UNCERTAIN, reason=f"request {i}: " + "é" * 1_000) for i in indexes]
    ledger.write(done, [])

    assert len(ledger._pages) <= task_state.PAGES_IN_MEMORY
    assert len(states(copy_of_task("B"))) == batches
    assert max(map(len, store.values.values())) <= MAX_PAGE_BYTES


def test_where_there_is_room_reasons_are_kept_at_length(copy_of_task):
    ledger = copy_of_task()
    ledger.write([], claims(0, 1))
    ledger.write([settled(0, State.REJECTED, reason="x" * MAX_REASON_BYTES)], [])
    ledger.write([settled(1, State.REJECTED, reason="x" * (MAX_REASON_BYTES + 1))], [])

    short, cut = copy_of_task("B").receipts()

    assert short.reason == "x" * MAX_REASON_BYTES
    assert cut.reason is not None
    assert cut.reason == "x" * (MAX_REASON_BYTES - 6) + "…"


def test_many_tries_fit_as_well(store: Store, copy_of_task):
    for number in range(300):
        copy_of_task(f"try {number}").write([], claims(number * 100))

    assert list(states(copy_of_task("last"))) == [number * 100 for number in range(300)]


@hypothesis.given(st.text(), st.integers(0, 60))
def test_a_shortened_text_never_takes_more_room_than_it_may(text, size):
    short = shorten(text, size)

    assert len(json.dumps(short)) - 2 <= size
    assert short == text or len(json.dumps(text)) - 2 > size


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
def test_times_come_back_as_utc_in_milliseconds(copy_of_task, written, read):
    ledger = copy_of_task()
    ledger.write([], claims(0))
    ledger.write([replace(settled(0), at=written)], [])

    assert [receipt.at for receipt in copy_of_task("B").receipts()] == [read]


# Cost -------------------------------------------------------------------------------------------------------


def test_a_window_costs_two_writes_and_two_looks_at_the_owner(store: Store, copy_of_task):
    ledger = copy_of_task()
    costs = []
    done: list[Receipt] = []
    for start in range(0, 70 * 100, 70):
        store.calls.clear()
        ledger.write(done, claims(*range(start, start + 70)))
        done = [settled(index) for index in range(start, start + 70)]
        costs.append((store.calls["set"], store.calls["get"]))

    # Now and then a page is new, and is named in the session's record as well.
    assert sum(sets for sets, _ in costs) / len(costs) < 2
    assert max(sets for sets, _ in costs) == 3
    assert {gets for _, gets in costs} == {2}


# Failures of the store --------------------------------------------------------------------------------------


class Failing:
    """Fails calls of some kind a number of times."""

    def __init__(self, error: Exception, *, times: int, verb: str = "set", part: str = "") -> None:
        self.error, self.left, self.verb, self.part = error, times, verb, part

    def __call__(self, verb: str, key: str) -> None:
        if verb == self.verb and self.part in key and self.left:
            self.left -= 1
            raise self.error


@pytest.mark.parametrize("error", [ServerError(500), ServerError(503), ServerError(429), OSError("reset")])
@pytest.mark.parametrize("verb", ["get", "set"])
def test_a_passing_failure_of_the_store_is_not_noticed(store: Store, copy_of_task, verb, error):
    ledger = copy_of_task()
    store.on_call = Failing(error, times=2, verb=verb)

    assert list(ledger.write([], claims(0))) == [0]
    assert states(copy_of_task("B")) == {0: State.CLAIMED}


def test_a_lasting_failure_is_told_and_grants_nothing(store: Store, copy_of_task):
    ledger = copy_of_task()
    store.on_call = Failing(OSError("connection refused"), times=100)

    with pytest.raises(BrazeError, match=r"task state store can't be written: OSError: connection refused"):
        ledger.write([], claims(0))


@pytest.mark.parametrize("error", [ServerError(403), ServerError(422), ValueError("no such backend")])
def test_what_cannot_pass_is_not_tried_again(store: Store, copy_of_task, error):
    ledger = copy_of_task()
    store.on_call = failing = Failing(error, times=100)

    with pytest.raises(BrazeError):
        ledger.write([], claims(0))

    assert failing.left == 99


@pytest.mark.parametrize("applied", [True, False])
def test_after_a_failure_the_receipts_can_be_written_and_the_claims_are_open(
    store: Store, copy_of_task, applied
):
    ledger = copy_of_task()
    ledger.write([], claims(0))
    failing = Failing(OSError("timed out"), times=3, part=".page.")
    if applied:
        store.on_return = failing
    else:
        store.on_call = failing
    with pytest.raises(BrazeError):
        ledger.write([settled(0)], claims(1))

    ledger.write([], [])
    assert states(copy_of_task("B")) == {0: State.SENT}


def test_the_second_look_at_the_owner_failing_grants_nothing(store: Store, copy_of_task):
    ledger = copy_of_task()
    looks = 0

    def fail_from_the_second_look_on(verb: str, key: str) -> None:
        nonlocal looks
        if key.endswith(".1.door"):
            looks += 1
            if looks > 1:
                raise OSError("connection refused")

    store.on_call = fail_from_the_second_look_on
    with pytest.raises(BrazeError):
        ledger.write([], claims(0))
    store.on_call = lambda verb, key: None

    assert list(ledger.write([], claims(0))) == [0]


def test_a_missing_page_is_not_taken_for_nothing_sent(store: Store, copy_of_task):
    copy_of_task().write([], claims(0, 300))
    for key in store.keys(".page.1."):
        del store.values[key]
    ledger = copy_of_task("B")

    with pytest.raises(BrazeError, match="batches from 256 to 511 is missing"):
        list(ledger.receipts())
    with pytest.raises(BrazeError, match="is missing"):
        ledger.write([], claims(301))


def test_a_missing_record_is_not_taken_for_nothing_sent(store: Store, copy_of_task):
    copy_of_task().write([], claims(0))
    for key in store.keys(".session."):
        del store.values[key]

    with pytest.raises(BrazeError, match="damaged"):
        copy_of_task("B")


@pytest.mark.parametrize("value", [{"page": 0}, {"page": 0, "receipts": [["?"]]}, "text", [1], 7])
def test_an_unreadable_page_is_not_taken_for_nothing_sent(store: Store, copy_of_task, value):
    copy_of_task().write([], claims(0))
    (key,) = store.keys(".page.")
    store.values[key] = json.dumps(value)

    with pytest.raises(BrazeError, match="can't be read"):
        list(copy_of_task("B").receipts())


def test_a_ledger_of_a_newer_format_is_refused(store: Store, copy_of_task, monkeypatch):
    monkeypatch.setattr(task_state, "FORMAT", 2)
    copy_of_task().write([], claims(0))
    monkeypatch.undo()

    with pytest.raises(
        BrazeError, match=r"newer release of this provider \(format 2, and this one knows 1\)"
    ):
        copy_of_task("B")


def test_it_must_be_opened_first(store: Store):
    with pytest.raises(BrazeError, match="not opened"):
        TaskStateLedger(store, "A").write([], claims(0))


# A request that Airflow's client repeated, and that is carried out when nobody waits for it any more --------


def test_a_key_that_may_have_been_written_repeatedly_never_gets_another_value(
    store: Store, copy_of_task, monkeypatch
):
    monkeypatch.setattr(task_state_cells, "_repeated_after", lambda: -1.0)  # every answer is late
    for owner in "AB":
        ledger = copy_of_task(owner)
        start = len(states(ledger))
        for index in range(start, start + 5):
            ledger.write([settled(index - 1)] if index > start else [], claims(index))
        ledger.finish({})

    values: dict[str, set[str]] = {}
    for key, text in store.log:
        values.setdefault(key, set()).add(text)
    assert [key for key, different in values.items() if len(different) > 1] == ["braze-ledger.head"]
    assert len(states(copy_of_task("C"))) == 10


def test_a_late_second_execution_of_a_write_takes_nothing_back(store: Store, copy_of_task):
    ledger = copy_of_task()
    ledger.write([], claims(0))
    store.on_return = Failing(OSError("timed out"), times=1, part=".page.")
    ledger.write([settled(0)], claims(1))
    ghost = store.log[-1]
    ledger.write([settled(1)], claims(2))

    store.values[ghost[0]] = ghost[1]

    assert states(copy_of_task("B")) == {0: State.SENT, 1: State.SENT, 2: State.CLAIMED}


def test_what_comes_after_writes_that_never_arrived_is_found(store: Store, copy_of_task):
    ledger = copy_of_task()
    for index in range(3):
        for _ in range(3):
            store.on_call = Failing(OSError("timed out"), times=3, part=".page.")
            with pytest.raises(BrazeError):
                ledger.write([settled(index - 1)] if index else [], claims(index))
        ledger.write([], claims(index))

    assert states(copy_of_task("B")) == {0: State.SENT, 1: State.SENT, 2: State.CLAIMED}


# Signals ----------------------------------------------------------------------------------------------------


def test_a_signal_that_raises_does_not_tear_a_call_apart(store: Store, copy_of_task):
    class TimedOut(BaseException):
        pass

    def raise_timed_out(*_: object) -> None:
        raise TimedOut

    ledger = copy_of_task()
    ledger.write([], claims(0))
    events: list[str] = []

    def slow(verb: str, key: str) -> None:
        if verb == "set":
            events.append("begun")
            time.sleep(0.3)
            events.append("ended")

    store.on_call = slow
    previous = signal.signal(signal.SIGALRM, raise_timed_out)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(TimedOut):
            ledger.write([settled(0)], claims(1))
    finally:
        signal.signal(signal.SIGALRM, previous)
    store.on_call = lambda verb, key: None

    ledger.write([], [])  # waits for the one before
    assert events == ["begun", "ended"]
    assert states(copy_of_task("B")) == {0: State.SENT}


# What the log says ------------------------------------------------------------------------------------------


def test_it_is_durable_and_says_what_it_is(store: Store):
    ledger = TaskStateLedger(store, "A")

    assert ledger.durable
    assert str(ledger) == "Airflow's task state store"


# Any order of events ----------------------------------------------------------------------------------------

SMALL = {"max_examples": 150, "deadline": None}


class OneTryAfterAnother(stateful.RuleBasedStateMachine):
    """A task that is killed at any call of the store, before or after it took effect, and tried again."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store()
        self.store.on_call = self._maybe_kill(after=False)
        self.store.on_return = self._maybe_kill(after=True)
        self.kill_in: tuple[int, bool] | None = None
        self.tries = 0
        self.next = 0
        self.granted: dict[int, bool] = {}
        """Batches of this try under way."""
        self.certain: dict[int, Receipt] = {}
        """What write() has said to be noted; CLAIMED for what it granted."""
        self.possible: dict[int, set[State]] = {}
        """What else may be found, because a write was cut off."""
        self._open()

    def _maybe_kill(self, *, after: bool) -> Callable[[str, str], None]:
        def hook(verb: str, key: str) -> None:
            if self.kill_in is not None and self.kill_in[1] is after:
                left = self.kill_in[0] - 1
                self.kill_in = (left, after)
                if left < 0:
                    raise Killed

        return hook

    def _open(self) -> None:
        while True:
            self.tries += 1
            self.ledger = TaskStateLedger(self.store, f"try {self.tries}")
            try:
                in_thread(lambda: self.ledger.open(clear_number=0))
            except Killed:
                continue
            finally:
                self.kill_in = None
            break
        self.granted.clear()
        found = list(in_thread(lambda: list(self.ledger.receipts())))
        assert [receipt.index for receipt in found] == sorted({receipt.index for receipt in found})
        known = {receipt.index: receipt for receipt in found}
        for index, receipt in self.certain.items():
            allowed = {receipt.state} | self.possible.get(index, set())
            assert index in known, f"batch {index} is lost: {receipt.state}"
            assert known[index].state in allowed
        for index, receipt in known.items():
            assert index in self.certain or receipt.state in self.possible[index]
        self.certain = known
        self.possible = {}

    @stateful.rule(
        settle=st.lists(st.tuples(st.integers(0, 400), st.sampled_from(list(State)[1:])), max_size=6),
        new=st.integers(0, 200),
        again=st.booleans(),
        kill=st.none() | st.tuples(st.integers(0, 7), st.booleans()),
    )
    def write(self, settle, new, again, kill) -> None:
        under_way = sorted(self.granted)
        receipts = {}
        for choice, state in settle if under_way else []:
            index = under_way[choice % len(under_way)]
            receipts[index] = settled(index, state)
        wanted = [claim(index) for index in range(self.next, self.next + new)]
        if again:
            held = (State.FAILED, State.UNCERTAIN, State.CLAIMED)
            wanted += [
                claim(index, again=True)
                for index, receipt in self.certain.items()
                if receipt.state in held and index not in self.granted
            ][:10]
        self.kill_in = kill
        try:
            granted = in_thread(lambda: self.ledger.write(list(receipts.values()), wanted))
        except Killed:
            for index, receipt in receipts.items():
                self.possible.setdefault(index, set()).add(receipt.state)
            for each in wanted:
                self.possible.setdefault(each.index, set()).add(State.CLAIMED)
            self._open()
            self.next = max([self.next, *(index + 1 for index in self.certain)])
            return
        finally:
            self.kill_in = None
        assert set(granted) == {each.index for each in wanted}
        self.certain.update(receipts)
        for index in receipts:
            self.granted.pop(index, None)
        for each in wanted:
            self.certain[each.index] = Receipt(each.index, 50, each.fingerprint, State.CLAIMED, "")
            self.granted[each.index] = True
        self.next += new

    @stateful.rule()
    def die(self) -> None:
        self._open()

    @stateful.rule(kill=st.none() | st.tuples(st.integers(0, 12), st.booleans()))
    def die_while_opening(self, kill) -> None:
        self.kill_in = kill
        self._open()

    @stateful.rule()
    def start_over(self) -> None:
        in_thread(lambda: self.ledger.start_over(clear_number=0))
        self.certain.clear()
        self.granted.clear()
        self.next = 0

    @stateful.invariant()
    def every_receipt_is_there(self) -> None:
        found = {receipt.index: receipt.state for receipt in in_thread(lambda: list(self.ledger.receipts()))}
        assert found == {index: receipt.state for index, receipt in self.certain.items()}


TestOneTryAfterAnother = OneTryAfterAnother.TestCase
TestOneTryAfterAnother.settings = hypothesis.settings(max_examples=60, stateful_step_count=20, deadline=None)


def in_thread(call: Callable[[], Any]) -> Any:
    """Away from the main thread, a ledger starts no thread of its own, of which thousands would be left."""
    result: list[Any] = []
    error: list[BaseException] = []

    def run() -> None:
        try:
            result.append(call())
        except BaseException as raised:  # noqa: BLE001
            error.append(raised)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if error:
        raise error[0]
    return result[0]


class Turns:
    """Threads that take turns at the store, one call at a time, in an order that is given."""

    def __init__(self, programs: Sequence[Callable[[], None]], store: Store) -> None:
        self._store = store
        self._may_go = [threading.Semaphore(0) for _ in programs]
        self._waits = [threading.Semaphore(0) for _ in programs]
        self._alive = [True] * len(programs)
        self._killed = [False] * len(programs)
        self._number = threading.local()
        self._errors: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._run, args=(number, program), daemon=True)
            for number, program in enumerate(programs)
        ]
        store.on_call = self._wait
        for number, thread in enumerate(self._threads):
            thread.start()
            self._waits[number].acquire()

    def _run(self, number: int, program: Callable[[], None]) -> None:
        self._number.value = number
        try:
            program()
        except (Killed, LedgerLostError):
            pass
        except BaseException as error:  # noqa: BLE001
            self._errors.append(error)
        finally:
            self._alive[number] = False
            self._waits[number].release()

    def _wait(self, verb: str, key: str) -> None:
        number = self._number.value
        self._waits[number].release()
        self._may_go[number].acquire()
        if self._killed[number]:
            raise Killed

    def step(self, number: int) -> None:
        if self._alive[number]:
            self._may_go[number].release()
            self._waits[number].acquire()

    def kill(self, number: int) -> None:
        self._killed[number] = True
        while self._alive[number]:
            self.step(number)

    def finish(self) -> None:
        for number in range(len(self._threads)):
            while self._alive[number]:
                self.step(number)
        self._store.on_call = lambda verb, key: None
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]


@hypothesis.settings(**SMALL)
@hypothesis.given(
    order=st.lists(st.integers(0, 2), max_size=120),
    victim=st.none() | st.tuples(st.integers(0, 2), st.integers(0, 100)),
)
def test_copies_alive_at_the_same_time_never_get_the_same_batch_whoever_is_stalled_where(order, victim):
    store = Store()
    batches = 6
    sent: list[list[int]] = [[], [], []]
    noted: list[list[int]] = [[], [], []]

    def copy(number: int) -> None:
        ledger = TaskStateLedger(store, str(number))
        ledger.open(clear_number=0)
        known = set(states(ledger))
        done: list[Receipt] = []
        for start in range(0, batches, 2):
            # Wide apart, so that they lie on different pages.
            wanted = [index * 100 for index in range(start, start + 2)]
            granted = ledger.write(done, claims(*(index for index in wanted if index not in known)))
            noted[number] += [receipt.index for receipt in done]
            sent[number] += granted
            done = [settled(index) for index in granted]
        ledger.write(done, [])
        noted[number] += [receipt.index for receipt in done]
        ledger.finish({})

    turns = Turns([lambda number=number: copy(number) for number in range(3)], store)
    for position, number in enumerate(order):
        if victim is not None and victim[1] == position:
            turns.kill(victim[0])
        turns.step(number)
    turns.finish()

    everything = [index for each in sent for index in each]
    assert len(everything) == len(set(everything)), f"sent twice: {sent}"
    ledger = TaskStateLedger(store, "last")
    in_thread(lambda: ledger.open(clear_number=0))
    found = in_thread(lambda: states(ledger))
    assert set(everything) <= set(found)
    for each in noted:
        assert {found[index] for index in each} <= {State.SENT}
