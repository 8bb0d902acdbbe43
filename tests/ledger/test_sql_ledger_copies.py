"""The SQL ledger when several copies of a task are alive, on each database that is available."""

from __future__ import annotations

import dataclasses
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ledger.sql_ledger_helpers import (
    COUNTERS,
    KEY,
    Database,
    claims,
    goes_on,
    in_processes,
    in_threads,
    settled,
    starts_over,
    states,
)
from sqlalchemy import select, update

from braze_provider.ledger import sql_engine, sql_schema, sql_transactions
from braze_provider.ledger.base import Head, LedgerLostError, State
from braze_provider.ledger.sql import LedgerUnavailableError, SqlLedger

# A copy that was replaced -----------------------------------------------------------------------------------


def test_a_former_owner_is_granted_nothing(sql_ledger: SqlLedger, sql_successor: SqlLedger):
    with pytest.raises(LedgerLostError, match="second"):
        sql_ledger.write([], claims(3))
    assert states(sql_successor) == dict.fromkeys((0, 1, 2), State.CLAIMED)


def test_only_the_owner_is_confirmed(sql_ledger: SqlLedger, sql_successor: SqlLedger):
    sql_successor.confirm()
    with pytest.raises(LedgerLostError, match="second"):
        sql_ledger.confirm()


def test_a_former_owner_still_settles_its_own_claims(sql_ledger: SqlLedger, sql_successor: SqlLedger):
    with pytest.raises(LedgerLostError):
        sql_ledger.write([settled(0, ids={"dispatch_id": "abc"}), settled(1, State.UNCERTAIN)], claims(3))
    assert states(sql_successor) == {0: State.SENT, 1: State.UNCERTAIN, 2: State.CLAIMED}


def test_a_former_owner_does_not_settle_batches_claimed_again(
    sql_ledger: SqlLedger, sql_successor: SqlLedger
):
    sql_successor.write([], claims(0, again=True))
    with pytest.raises(LedgerLostError):
        sql_ledger.write([settled(0), settled(1)], [])
    assert states(sql_successor) == {0: State.CLAIMED, 1: State.SENT, 2: State.CLAIMED}


def test_a_former_owner_does_not_settle_claims_of_its_successor(
    sql_ledger: SqlLedger, sql_successor: SqlLedger
):
    sql_successor.write([], claims(3))
    with pytest.raises(LedgerLostError):
        sql_ledger.write([settled(3)], [])
    assert states(sql_successor)[3] is State.CLAIMED


def test_a_former_owner_can_not_finish(
    sql_database: Database, sql_ledger: SqlLedger, sql_successor: SqlLedger
):
    with pytest.raises(LedgerLostError):
        sql_ledger.finish({"sent": 1})
    assert sql_database.ledger("third").open(goes_on) == Head(COUNTERS, finished=False)


def test_a_copy_that_wakes_up_after_the_end_is_granted_nothing(
    sql_ledger: SqlLedger, sql_successor: SqlLedger
):
    sql_successor.write([], claims(0, 1, 2, 3, again=True))
    sql_successor.write([settled(index) for index in range(4)], [])
    sql_successor.finish({"sent": 200})
    sql_successor.close()
    with pytest.raises(LedgerLostError):
        sql_ledger.write([], claims(3, 4, again=True))
    with pytest.raises(LedgerLostError):
        sql_ledger.write([settled(0, State.UNCERTAIN)], claims(4))
    assert set(states(sql_ledger).values()) == {State.SENT}


def test_a_copy_that_opens_again_is_the_owner_again(sql_ledger: SqlLedger, sql_successor: SqlLedger):
    sql_ledger.open(goes_on)
    assert list(sql_ledger.write([settled(0)], claims(3))) == [3]
    with pytest.raises(LedgerLostError):
        sql_successor.write([], claims(4))


def test_no_copy_takes_over_in_the_middle_of_a_write(
    sql_database: Database, sql_ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch
):
    taken_over = threading.Event()

    def take_over() -> None:
        sql_database.ledger("second").open(goes_on)
        taken_over.set()

    look_up = sql_ledger._known
    other = threading.Thread(target=take_over)

    def dawdle(*arguments: Any) -> Any:
        # It has confirmed that it is the owner, but has not claimed yet.
        other.start()
        assert not taken_over.wait(0.5)
        return look_up(*arguments)

    monkeypatch.setattr(sql_ledger, "_known", dawdle)
    assert list(sql_ledger.write([], claims(0))) == [0]
    assert taken_over.wait(10)
    other.join(10)


def test_an_old_copy_settles_nothing_after_a_start_over(sql_ledger: SqlLedger, sql_successor: SqlLedger):
    sql_successor.open(starts_over)
    sql_successor.write([], claims(0))
    with pytest.raises(LedgerLostError):
        sql_ledger.write([settled(0)], [])
    assert states(sql_successor) == {0: State.CLAIMED}


# Copies that race -------------------------------------------------------------------------------------------


def claim_all(owner: str, database: Database, windows: list[list[int]]) -> list[int]:
    """Claim windows while other copies do the same. Open the ledger again whenever it is lost."""
    ledger = database.ledger(owner)
    ledger.open(goes_on)
    granted: list[int] = []
    for window in windows:
        while True:
            try:
                granted += ledger.write([], claims(*window))
            except LedgerLostError:  # noqa: PERF203
                ledger.open(goes_on)
            else:
                break
    return granted


@pytest.mark.parametrize("together", [in_threads, in_processes])
def test_copies_that_race_are_granted_each_batch_once(
    sql_database: Database, together: Callable[..., list[Any]]
):
    windows = [list(range(first, first + 10)) for first in range(0, 200, 5)]
    granted = together(3, claim_all, sql_database, windows)
    assert Counter(index for part in granted for index in part) == Counter(range(205))


def deliver_own(owner: str, database: Database, windows: int) -> tuple[int, dict[int, State]]:
    """Deliver as one instance of a mapped task."""
    ledger = database.ledger(owner, dataclasses.replace(KEY, map_index=int(owner.rpartition("-")[2])))
    assert ledger.open(goes_on) is None
    granted: list[int] = []
    for number in range(windows):
        window = range(10 * number, 10 * number + 10)
        granted += ledger.write([settled(index) for index in granted[-10:]], claims(*window))
    return len(granted), states(ledger)


def test_mapped_tasks_can_start_together_on_an_empty_database(
    empty_sql_database: Database,
):
    for granted, found in in_processes(8, deliver_own, empty_sql_database, 10):
        assert granted == 100
        assert Counter(found.values()) == {State.SENT: 90, State.CLAIMED: 10}
    assert len(empty_sql_database.query(select(sql_schema.version))) == 1


def open_once(owner: str, database: Database) -> bool:
    return database.ledger(owner).open(goes_on) is None


def test_copies_that_start_together_agree_which_one_began(empty_sql_database: Database):
    assert sorted(in_processes(8, open_once, empty_sql_database)) == [False] * 7 + [True]


# A copy that holds the lock ---------------------------------------------------------------------------------


def hold_the_lock(database: Database, held: threading.Event, let_go: threading.Event) -> None:
    """Act as a copy that hangs in the middle of a transaction."""
    engine = sql_engine.set_up(database.engine())
    with engine.connect() as connection, connection.begin():
        sql_engine.begin_writing(connection)
        connection.execute(update(sql_schema.delivery).values(updated_at="later"))
        held.set()
        let_go.wait(30)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the databases wait for one second. It must come before the first connection."""
    monkeypatch.setattr(sql_engine, "BUSY_SECONDS", 1)


@pytest.fixture
def lock(sql_database: Database, sql_ledger: SqlLedger) -> Iterator[threading.Event]:
    """Hold the delivery's lock in another transaction until this event is set."""
    held, let_go = threading.Event(), threading.Event()
    thread = threading.Thread(target=hold_the_lock, args=(sql_database, held, let_go))
    thread.start()
    assert held.wait(10)
    yield let_go
    let_go.set()
    thread.join(10)


def test_a_short_lock_of_another_copy_is_waited_for(sql_ledger: SqlLedger, lock: threading.Event):
    threading.Timer(0.3, lock.set).start()
    assert list(sql_ledger.write([], claims(0))) == [0]


def test_a_lock_is_waited_for_longer_than_the_database_waits(
    impatient: None, sql_ledger: SqlLedger, lock: threading.Event
):
    threading.Timer(1.5, lock.set).start()
    assert list(sql_ledger.write([], claims(0))) == [0]


def test_a_lock_of_a_copy_that_hangs_is_not_waited_for_forever(
    impatient: None, sql_ledger: SqlLedger, lock: threading.Event, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sql_transactions, "PATIENCE", 0.5)
    with pytest.raises(LedgerUnavailableError, match=r"Another session holds .*braze_receipt .*waited \d+ s"):
        sql_ledger.write([], claims(0))


# The promise ------------------------------------------------------------------------------------------------


def test_two_copies_never_send_a_batch_twice_unless_asked_to(tmp_path: Path):
    pytest.importorskip("hypothesis")
    from hypothesis import HealthCheck, settings
    from hypothesis import strategies as st
    from hypothesis.stateful import (
        RuleBasedStateMachine,
        initialize,
        invariant,
        rule,
        run_state_machine_as_test,
    )

    copies = st.sampled_from(["first", "second", "third"])
    batches = st.lists(st.integers(0, 5), min_size=0, max_size=4, unique=True)
    outcomes = st.sampled_from([state for state in State if state is not State.CLAIMED])

    class Copies(RuleBasedStateMachine):
        """Copies of a task that may stop or go on at any time, compared with a model of the ledger."""

        @initialize()
        def begin(self) -> None:
            database = Database(f"sqlite:///{tmp_path / secrets.token_hex(8)}.db")
            self.ledgers = {name: database.ledger(name) for name in ("first", "second", "third")}
            self.reader = database.ledger("reader")
            self.owner: str | None = None
            self.generation: dict[str, int] = {}
            self.current = 0
            self.batches: dict[tuple[int, int], tuple[State, str]] = {}

        @rule(name=copies)
        def open(self, name: str) -> None:
            head = self.ledgers[name].open(goes_on)
            assert (head is None) == (self.owner is None)
            self.owner = name
            self.generation[name] = self.current

        @rule(name=copies, settle=batches, outcome=outcomes, claim=batches, again=st.booleans())
        def write(self, name: str, settle: list[int], outcome: State, claim: list[int], again: bool) -> None:
            if name not in self.generation:
                return
            generation = self.generation[name]
            for index in settle:
                known = self.batches.get((generation, index))
                # A batch that is sent stays sent.
                if known is not None and known[1] == name and known[0] is not State.SENT:
                    self.batches[generation, index] = (outcome, name)
            expected = set()
            if name == self.owner:
                for index in claim:
                    state = self.batches.get((generation, index), (None, ""))[0]
                    if state in (None, State.FAILED) or (again and state is not State.SENT):
                        expected.add(index)
                        self.batches[generation, index] = (State.CLAIMED, name)
            try:
                granted = set(
                    self.ledgers[name].write(
                        [settled(index, outcome) for index in settle], claims(*claim, again=again)
                    )
                )
            except LedgerLostError:
                assert name != self.owner
            else:
                assert name == self.owner or not (settle or claim)
                assert granted == expected

        @rule(name=copies)
        def start_over(self, name: str) -> None:
            if name not in self.generation:
                return
            assert self.ledgers[name].open(starts_over) is None
            self.current += 1
            self.owner = name
            self.generation[name] = self.current

        @invariant()
        def the_owner_reads_what_happened(self) -> None:
            if self.owner is None:
                return
            expected = {
                index: state
                for (generation, index), (state, _) in sorted(self.batches.items())
                if generation == self.current
            }
            assert states(self.ledgers[self.owner]) == expected

    run_state_machine_as_test(
        Copies,
        settings=settings(
            max_examples=25,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
