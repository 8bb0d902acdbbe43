"""The ledger in the task state store when several copies of a task are alive."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

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

from braze_provider.ledger.base import LedgerLostError, Receipt, State
from braze_provider.ledger.task_state import TaskStateLedger

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import strategies as st  # noqa: E402

# Owners -----------------------------------------------------------------------------------------------------


def test_a_former_owner_is_granted_nothing_and_learns_the_new_owner(task_state_copy):
    zombie = task_state_copy("A")
    successor = task_state_copy("host-2")

    with pytest.raises(LedgerLostError, match=r"another copy \(host-2\) has taken over"):
        zombie.write([], claims(0))

    assert states(successor) == {}


def test_only_the_owner_is_confirmed(task_state_copy):
    zombie = task_state_copy("A")
    zombie.confirm()
    successor = task_state_copy("B")

    successor.confirm()
    with pytest.raises(LedgerLostError):
        zombie.confirm()


def test_a_former_owner_still_settles_its_own_claims(task_state_copy):
    zombie = task_state_copy("A")
    zombie.write([], claims(0, 1))
    successor = task_state_copy("B")
    successor.write([], claims(2))

    with pytest.raises(LedgerLostError):
        zombie.write([settled(0)], claims(3))

    assert states(successor) == {0: State.SENT, 1: State.CLAIMED, 2: State.CLAIMED}


def test_a_former_owner_does_not_settle_batches_claimed_again(task_state_copy):
    zombie = task_state_copy("A")
    zombie.write([], claims(0))
    successor = task_state_copy("B")
    successor.write([], [claim(0, again=True)])

    with pytest.raises(LedgerLostError):
        zombie.write([settled(0, State.REJECTED)], [])

    assert states(successor) == {0: State.CLAIMED}


@pytest.mark.parametrize(
    "call",
    [
        lambda ledger: ledger.finish({}),
        lambda ledger: list(ledger.receipts()),
        lambda ledger: ledger.write([], []),
    ],
)
def test_a_former_owner_changes_nothing(task_state_store: Store, task_state_copy, call):
    zombie = task_state_copy("A")
    zombie.write([], claims(0))
    task_state_copy("B")
    before = dict(task_state_store.values)

    with pytest.raises(LedgerLostError):
        call(zombie)

    assert task_state_store.values == before


def test_a_copy_that_loses_the_ledger_during_a_claim_takes_it_back(task_state_store: Store, task_state_copy):
    zombie = task_state_copy("A")
    zombie.write([], claims(0))
    late: list[TaskStateLedger] = []

    def take_over(verb: str, key: str) -> None:
        if verb == "set" and ".page." in key and not late:
            late.append(TaskStateLedger(task_state_store, "B"))
            late[0].open(opening())

    task_state_store.on_return = take_over
    with pytest.raises(LedgerLostError):
        zombie.write([settled(0)], claims(1))

    assert states(late[0]) == {0: State.SENT}


@pytest.mark.parametrize("status", [404, 410])
def test_a_copy_learns_that_airflow_has_ended_its_try(task_state_store: Store, task_state_copy, status):
    # Each try has its own id. For an earlier id, reads find nothing and writes are refused.
    zombie = task_state_copy("A")
    zombie.write([], claims(0))
    task_state_store.values.clear()

    def refuse(verb: str, key: str) -> None:
        if verb == "set":
            raise ServerError(status)

    task_state_store.on_call = refuse

    with pytest.raises(LedgerLostError, match="Airflow has ended its try"):
        zombie.write([], claims(1))
    zombie._pages.clear()  # as if they had made room for others
    with pytest.raises(LedgerLostError, match="is empty for this copy"):
        list(zombie.receipts())
    with pytest.raises(LedgerLostError, match="is empty for this copy"):
        zombie.confirm()


def test_a_copy_that_takes_over_during_a_start_over_keeps_all_receipts(
    task_state_store: Store, task_state_copy
):
    task_state_copy("A").write([], claims(0))
    late: list[TaskStateLedger] = []

    def take_over(verb: str, key: str) -> None:
        if verb == "set" and ".session." in key and not late:
            late.append(TaskStateLedger(task_state_store, "C"))
            late[0].open(opening())

    task_state_store.on_call = take_over
    with pytest.raises(LedgerLostError):
        task_state_copy("B", starts_over=True)

    assert states(late[0]) == {0: State.CLAIMED}


# Any order of events ----------------------------------------------------------------------------------------

SMALL = {"max_examples": 150, "deadline": None}


class Turns:
    """Threads that take turns at the store, one call at a time, in a given order."""

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
def test_copies_stalled_anywhere_never_get_the_same_batch(order, victim):
    store = Store()
    batches = 6
    sent: list[list[int]] = [[], [], []]
    noted: list[list[int]] = [[], [], []]

    def copy(number: int) -> None:
        ledger = TaskStateLedger(store, str(number))
        ledger.open(opening())
        known = set(states(ledger))
        done: list[Receipt] = []
        for start in range(0, batches, 2):
            # They are far apart, so that they lie on different pages.
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
    in_thread(lambda: ledger.open(opening()))
    found = in_thread(lambda: states(ledger))
    assert set(everything) <= set(found)
    for each in noted:
        assert {found[index] for index in each} <= {State.SENT}
