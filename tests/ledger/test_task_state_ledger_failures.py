"""The ledger in the task state store when the store fails, answers late, or the task is killed."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable

import pytest
from ledger.task_state_ledger_helpers import (
    Killed,
    ServerError,
    Store,
    claim,
    claims,
    in_thread,
    opening,
    settled,
    states,
)

from braze_provider.api.errors import BrazeError
from braze_provider.ledger import task_state, task_state_cells
from braze_provider.ledger.base import Receipt, State
from braze_provider.ledger.task_state import TaskStateLedger

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import stateful  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

# Failures of the store --------------------------------------------------------------------------------------


class Failing:
    """Makes calls of some kind fail a number of times."""

    def __init__(self, error: Exception, *, times: int, verb: str = "set", part: str = "") -> None:
        self.error, self.left, self.verb, self.part = error, times, verb, part

    def __call__(self, verb: str, key: str) -> None:
        if verb == self.verb and self.part in key and self.left:
            self.left -= 1
            raise self.error


@pytest.mark.parametrize("error", [ServerError(500), ServerError(503), ServerError(429), OSError("reset")])
@pytest.mark.parametrize("verb", ["get", "set"])
def test_a_passing_failure_of_the_store_is_not_noticed(task_state_store: Store, task_state_copy, verb, error):
    ledger = task_state_copy()
    task_state_store.on_call = Failing(error, times=2, verb=verb)

    assert list(ledger.write([], claims(0))) == [0]
    assert states(task_state_copy("B")) == {0: State.CLAIMED}


def test_a_lasting_failure_is_raised_and_grants_nothing(task_state_store: Store, task_state_copy):
    ledger = task_state_copy()
    task_state_store.on_call = Failing(OSError("connection refused"), times=100)

    with pytest.raises(BrazeError, match=r"task state store can't be written: OSError: connection refused"):
        ledger.write([], claims(0))


@pytest.mark.parametrize("error", [ServerError(403), ServerError(422), ValueError("no such backend")])
def test_an_error_that_cannot_pass_is_not_tried_again(task_state_store: Store, task_state_copy, error):
    ledger = task_state_copy()
    task_state_store.on_call = failing = Failing(error, times=100)

    with pytest.raises(BrazeError):
        ledger.write([], claims(0))

    assert failing.left == 99


@pytest.mark.parametrize("applied", [True, False])
def test_after_a_failure_receipts_and_claims_can_be_written_again(
    task_state_store: Store, task_state_copy, applied
):
    ledger = task_state_copy()
    ledger.write([], claims(0))
    failing = Failing(OSError("timed out"), times=3, part=".page.")
    if applied:
        task_state_store.on_return = failing
    else:
        task_state_store.on_call = failing
    with pytest.raises(BrazeError):
        ledger.write([settled(0)], claims(1))

    ledger.write([], [])
    assert states(task_state_copy("B")) == {0: State.SENT}


def test_a_failed_second_look_at_the_owner_grants_nothing(task_state_store: Store, task_state_copy):
    ledger = task_state_copy()
    looks = 0

    def fail_from_the_second_look_on(verb: str, key: str) -> None:
        nonlocal looks
        if key.endswith(".1.door"):
            looks += 1
            if looks > 1:
                raise OSError("connection refused")

    task_state_store.on_call = fail_from_the_second_look_on
    with pytest.raises(BrazeError):
        ledger.write([], claims(0))
    task_state_store.on_call = lambda verb, key: None

    assert list(ledger.write([], claims(0))) == [0]


# What is missing or can't be read ---------------------------------------------------------------------------


def test_a_missing_page_is_not_taken_for_nothing_sent(task_state_store: Store, task_state_copy):
    task_state_copy().write([], claims(0, 300))
    for key in task_state_store.keys(".page.1."):
        del task_state_store.values[key]
    ledger = task_state_copy("B")

    with pytest.raises(BrazeError, match="batches from 256 to 511 is missing"):
        list(ledger.receipts())
    with pytest.raises(BrazeError, match="is missing"):
        ledger.write([], claims(301))


def test_a_missing_record_is_not_taken_for_nothing_sent(task_state_store: Store, task_state_copy):
    task_state_copy().write([], claims(0))
    for key in task_state_store.keys(".session."):
        del task_state_store.values[key]

    with pytest.raises(BrazeError, match="damaged"):
        task_state_copy("B")


TWO_IDS = [[0, "s", 50, "f", 0, ["dispatch", "schedule"]]]


@pytest.mark.parametrize(
    "value",
    [
        {"page": 0},
        {"page": 0, "receipts": [["?"]]},
        {"page": 0, "receipts": TWO_IDS},
        {"page": 0, "receipts": TWO_IDS, "ids": ["dispatch_id"]},
        "text",
        [1],
        7,
    ],
)
def test_an_unreadable_page_is_not_taken_for_nothing_sent(task_state_store: Store, task_state_copy, value):
    task_state_copy().write([], claims(0))
    (key,) = task_state_store.keys(".page.")
    task_state_store.values[key] = json.dumps(value)

    with pytest.raises(BrazeError, match="can't be read"):
        list(task_state_copy("B").receipts())


def test_a_ledger_of_a_newer_format_is_refused(task_state_store: Store, task_state_copy, monkeypatch):
    monkeypatch.setattr(task_state, "FORMAT", 4)
    task_state_copy().write([], claims(0))
    monkeypatch.undo()

    with pytest.raises(
        BrazeError, match=r"newer release of this provider \(format 4, and this one knows 3\)"
    ):
        task_state_copy("B")


# A repeated request of Airflow's client that is carried out late --------------------------------------------


def test_a_key_that_may_be_written_twice_never_gets_another_value(
    task_state_store: Store, task_state_copy, monkeypatch
):
    write = task_state_cells.Cells.set

    def write_late(cells: task_state_cells.Cells, key: str, value: object) -> bool:
        return write(cells, key, value) and key.endswith(".door")  # else no copy gets a number

    monkeypatch.setattr(task_state_cells.Cells, "set", write_late)
    for owner in "AB":
        ledger = task_state_copy(owner)
        start = len(states(ledger))
        for index in range(start, start + 5):
            ledger.write([settled(index - 1)] if index > start else [], claims(index))
        ledger.finish({})

    values: dict[str, set[str]] = {}
    for key, text in task_state_store.log:
        values.setdefault(key, set()).add(text)
    assert [key for key, different in values.items() if len(different) > 1] == ["braze-ledger.head"]
    assert len(states(task_state_copy("C"))) == 10


@pytest.mark.parametrize("late", [task_state.MAX_RACES - 1, task_state.MAX_RACES])
def test_a_copy_whose_name_may_be_written_twice_gets_no_number(
    task_state_store: Store, task_state_copy, late
):
    # The first request times out, and may be carried out later; its repeat is answered.
    doors = [f"braze-ledger.{number}.door" for number in range(late)]

    def time_out(verb: str, key: str) -> None:
        if verb == "set" and key in doors:
            doors.remove(key)
            raise OSError("timed out")

    task_state_store.on_return = time_out
    if late == task_state.MAX_RACES:
        with pytest.raises(BrazeError, match="API server takes longer than 1 s to answer"):
            task_state_copy("A")
        return

    ledger = task_state_copy("A")

    assert list(ledger.write([], claims(0))) == [0]
    assert states(task_state_copy("B")) == {0: State.CLAIMED}


def test_a_late_repeat_of_a_write_restores_no_old_value(task_state_store: Store, task_state_copy):
    ledger = task_state_copy()
    ledger.write([], claims(0))
    task_state_store.on_return = Failing(OSError("timed out"), times=1, part=".page.")
    ledger.write([settled(0)], claims(1))
    ghost = task_state_store.log[-1]
    ledger.write([settled(1)], claims(2))

    task_state_store.values[ghost[0]] = ghost[1]

    assert states(task_state_copy("B")) == {0: State.SENT, 1: State.SENT, 2: State.CLAIMED}


def test_values_after_writes_that_never_arrived_are_found(task_state_store: Store, task_state_copy):
    ledger = task_state_copy()
    for index in range(3):
        for _ in range(3):
            task_state_store.on_call = Failing(OSError("timed out"), times=3, part=".page.")
            with pytest.raises(BrazeError):
                ledger.write([settled(index - 1)] if index else [], claims(index))
        ledger.write([], claims(index))

    assert states(task_state_copy("B")) == {0: State.SENT, 1: State.SENT, 2: State.CLAIMED}


# Signals ----------------------------------------------------------------------------------------------------


def test_a_signal_does_not_interrupt_a_call_in_the_middle(task_state_store: Store, task_state_copy):
    class TimedOut(BaseException):
        pass

    def raise_timed_out(*_: object) -> None:
        raise TimedOut

    ledger = task_state_copy()
    ledger.write([], claims(0))
    events: list[str] = []

    def slow(verb: str, key: str) -> None:
        if verb == "set":
            events.append("begun")
            time.sleep(0.3)
            events.append("ended")

    task_state_store.on_call = slow
    previous = signal.signal(signal.SIGALRM, raise_timed_out)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(TimedOut):
            ledger.write([settled(0)], claims(1))
    finally:
        signal.signal(signal.SIGALRM, previous)
    task_state_store.on_call = lambda verb, key: None

    ledger.write([], [])  # waits for the one before
    assert events == ["begun", "ended"]
    assert states(task_state_copy("B")) == {0: State.SENT}


# A kill at any time -----------------------------------------------------------------------------------------


class OneTryAfterAnother(stateful.RuleBasedStateMachine):
    """A task that is killed at any call of the store, before or after its effect, and tried again."""

    def __init__(self) -> None:
        super().__init__()
        self.store = Store()
        self.store.on_call = self._maybe_kill(after=False)
        self.store.on_return = self._maybe_kill(after=True)
        self.kill_in: tuple[int, bool] | None = None
        self.tries = 0
        self.next = 0
        self.granted: dict[int, bool] = {}
        """Batches of this try that are under way."""
        self.certain: dict[int, Receipt] = {}
        """The states that write() has noted; CLAIMED for claims that it has granted."""
        self.possible: dict[int, set[State]] = {}
        """Other states that may be found, because a write was cut off."""
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
                in_thread(lambda: self.ledger.open(opening()))
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
        self.tries += 1
        self.ledger = TaskStateLedger(self.store, f"try {self.tries}")
        assert in_thread(lambda: self.ledger.open(opening(starts_over=True))) is None
        self.certain.clear()
        self.granted.clear()
        self.next = 0

    @stateful.invariant()
    def every_receipt_is_there(self) -> None:
        found = {receipt.index: receipt.state for receipt in in_thread(lambda: list(self.ledger.receipts()))}
        assert found == {index: receipt.state for index, receipt in self.certain.items()}


TestOneTryAfterAnother = OneTryAfterAnother.TestCase
TestOneTryAfterAnother.settings = hypothesis.settings(max_examples=60, stateful_step_count=20, deadline=None)
