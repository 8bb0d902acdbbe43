"""The SQL ledger, on each database that is there."""

from __future__ import annotations

import dataclasses
import gc
import json
import multiprocessing
import os
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, func, insert, literal, select, text, update
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from braze_provider.api.errors import BrazeConnectionError, BrazeError
from braze_provider.delivery.ledger import sql, sql_engine, sql_schema
from braze_provider.delivery.ledger.base import (
    Claim,
    DeliveryKey,
    Head,
    LedgerLostError,
    Receipt,
    State,
)
from braze_provider.delivery.ledger.sql import LedgerUnavailableError, SqlLedger, open_sql_ledger

POSTGRES_URL = os.environ.get("BRAZE_TEST_POSTGRES_URL", "postgresql://root@127.0.0.1:5432/test").replace(
    "postgresql:", "postgresql+psycopg2:"
)
MYSQL_URL = os.environ.get("BRAZE_TEST_MYSQL_URL", "mysql+pymysql://root@127.0.0.1:3306/test")

KEY = DeliveryKey("welcome", "scheduled__2026-01-01T00:00:00+00:00", "send")
AT = "2026-01-01T00:00:00.125+00:00"


# What the tests run on --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Database:
    """A database of the tests' own."""

    url: str
    ledgers: list[SqlLedger] = field(default_factory=list)

    @property
    def kind(self) -> str:
        return make_url(self.url).get_backend_name()

    def engine(self) -> Engine:
        """An engine without a pool, which leaves nothing open."""
        return create_engine(self.url, poolclass=NullPool)

    def ledger(self, owner: str = "first", key: DeliveryKey = KEY) -> SqlLedger:
        ledger = SqlLedger(create_engine(self.url), key, owner)
        self.ledgers.append(ledger)
        return ledger

    def close_ledgers(self) -> None:
        while self.ledgers:
            self.ledgers.pop().close()

    def query(self, statement: Any) -> list[Any]:
        with self.engine().begin() as connection:
            result = connection.execute(statement)
            return list(result.all()) if result.returns_rows else []

    def cut_all_other_connections(self) -> None:
        if self.kind == "postgresql":
            self.query(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        elif self.kind == "mysql":
            others = self.query(
                text(
                    "SELECT id FROM information_schema.processlist "
                    "WHERE db = database() AND id <> connection_id()"
                )
            )
            for (number,) in others:
                self.query(text(f"KILL {number}"))

    def drop_tables(self) -> None:
        with self.engine().begin() as connection:
            sql_schema.metadata.drop_all(connection)

    def delete_rows(self) -> None:
        with sql_engine.set_up(self.engine()).begin() as connection:
            if sql_schema.exists(connection):
                connection.execute(sql_schema.delivery.delete())


def new_database(url: str, options: str = "") -> Iterator[Database]:
    """Make a database on a server, for the tests of this module; creating one takes long."""
    server = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    name = f"braze_provider_test_{secrets.token_hex(6)}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} {options}"))
    try:
        yield Database(make_url(url).set(database=name).render_as_string(hide_password=False))
    finally:
        with server.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name}"))


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Database]:
    pytest.importorskip("psycopg2")
    try:
        yield from new_database(POSTGRES_URL)
    except OperationalError as error:
        reason = sql_engine.first_line(error)
        pytest.skip(f"no PostgreSQL (set BRAZE_TEST_POSTGRES_URL to name one): {reason}")


@pytest.fixture(scope="module")
def mysql() -> Iterator[Database]:
    pytest.importorskip("pymysql" if "pymysql" in MYSQL_URL else "MySQLdb")
    try:
        # The worst default there is: what is kept must not depend on it.
        yield from new_database(MYSQL_URL, "CHARACTER SET latin1")
    except OperationalError as error:
        reason = sql_engine.first_line(error)
        pytest.skip(f"no MySQL (set BRAZE_TEST_MYSQL_URL to name one): {reason}")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres), "mysql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of each kind in turn, without any delivery."""
    if request.param == "sqlite":
        one = Database(f"sqlite:///{tmp_path / 'ledger.db'}")
    else:
        one = request.getfixturevalue(request.param)
    yield one
    one.close_ledgers()
    one.delete_rows()


@pytest.fixture
def empty_database(database: Database) -> Iterator[Database]:
    """The same without the ledger's tables, and for tests that do something to them."""
    database.drop_tables()
    yield database
    database.close_ledgers()
    database.drop_tables()


@pytest.fixture
def ledger(database: Database) -> SqlLedger:
    """A ledger that was just opened for the first time."""
    opened = database.ledger()
    assert opened.open(clear_number=0) is None
    return opened


@pytest.fixture
def successor(database: Database, ledger: SqlLedger) -> SqlLedger:
    """A ledger that another copy of the task has opened since; it claimed batches 0 to 2 before."""
    assert list(ledger.write([], claims(0, 1, 2))) == [0, 1, 2]
    other = database.ledger("second")
    assert other.open(clear_number=0) is not None
    return other


def claims(*indexes: int, again: bool = False) -> list[Claim]:
    return [Claim(index, 50, f"fingerprint-{index}", again) for index in indexes]


def settled(index: int, state: State = State.SENT, **changes: Any) -> Receipt:
    one = Receipt(index, 50, f"fingerprint-{index}", state, AT)
    return dataclasses.replace(one, **changes)


def in_state(state: State, ledger: SqlLedger, index: int = 0) -> None:
    """Bring a batch to a state, from whatever it is in now."""
    ledger.write([], claims(index, again=True))
    if state is not State.CLAIMED:
        ledger.write([settled(index, state)], [])


def states(ledger: SqlLedger) -> dict[int, State]:
    return {one.index: one.state for one in ledger.receipts()}


def in_processes(number: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Run a function in that many processes, which begin together, and return what each returned."""
    context = multiprocessing.get_context("fork")
    start = context.Barrier(number)
    results = context.Queue()

    def run(place: int) -> None:
        start.wait(30)
        try:
            results.put(work(f"copy-{place}", *arguments))
        except BaseException as error:  # noqa: BLE001 - raised again
            results.put(error)

    processes = [context.Process(target=run, args=(place,), daemon=True) for place in range(number)]
    for process in processes:
        process.start()
    found = [results.get(timeout=60) for _ in processes]
    for process in processes:
        process.join(10)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return found


def in_threads(number: int, work: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Do the same in threads."""
    start = threading.Barrier(number)
    found: list[Any] = []

    def run(place: int) -> None:
        start.wait(30)
        try:
            found.append(work(f"copy-{place}", *arguments))
        except BaseException as error:  # noqa: BLE001 - raised again
            found.append(error)

    threads = [threading.Thread(target=run, args=(place,)) for place in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return found


# Opening ----------------------------------------------------------------------------------------------------


def test_the_first_opening_finds_nothing(database: Database):
    assert database.ledger().open(clear_number=0) is None


def test_a_later_opening_finds_the_delivery_unfinished(database: Database, ledger: SqlLedger):
    assert database.ledger("second").open(clear_number=5) == Head(clear_number=0, finished=False, report=None)


def test_the_clear_number_is_that_of_the_beginning(database: Database):
    database.ledger("first").open(clear_number=3)
    database.ledger("second").open(clear_number=4)
    head = database.ledger("third").open(clear_number=5)
    assert head is not None
    assert head.clear_number == 3


def test_a_finished_delivery_is_found_with_its_report(database: Database, ledger: SqlLedger):
    report = {"recipients": 3, "sent": 3, "note": "übermittelt 🎉"}
    ledger.finish(report)
    assert database.ledger("second").open(clear_number=0) == Head(0, finished=True, report=report)


def test_the_same_owner_may_open_again(ledger: SqlLedger):
    ledger.write([], claims(0))
    assert ledger.open(clear_number=0) == Head(clear_number=0)
    assert list(ledger.write([settled(0)], claims(1))) == [1]


def test_the_receipts_outlive_the_ledger_that_wrote_them(database: Database, ledger: SqlLedger):
    ledger.write([], claims(0, 1))
    ledger.write([settled(0)], [])
    ledger.close()
    later = database.ledger("second")
    later.open(clear_number=0)
    assert states(later) == {0: State.SENT, 1: State.CLAIMED}


@pytest.mark.parametrize(
    "other",
    [
        dataclasses.replace(KEY, dag_id="Welcome"),
        dataclasses.replace(KEY, dag_id="welcome "),
        dataclasses.replace(KEY, dag_id="welcomé"),
        dataclasses.replace(KEY, dag_id="welcome\u0301"),
        dataclasses.replace(KEY, dag_id="w" * 255),
        dataclasses.replace(KEY, dag_id="🎉" * 255, run_id="🎊" * 255, task_id="🎈" * 255),
        dataclasses.replace(KEY, run_id=KEY.run_id.lower()),
        dataclasses.replace(KEY, task_id="group.send"),
        dataclasses.replace(KEY, map_index=0),
        DeliveryKey("welcom", "e" + KEY.run_id, "send"),
    ],
    ids=lambda key: f"{key.dag_id[:8]!a}-{key.run_id[:4]!a}-{key.task_id[:8]!a}-{key.map_index}",
)
def test_task_instances_that_differ_in_anything_share_nothing(
    database: Database, ledger: SqlLedger, other: DeliveryKey
):
    ledger.write([], claims(0))
    another = database.ledger("second", other)
    assert another.open(clear_number=0) is None
    assert list(another.write([], claims(0))) == [0]
    assert list(ledger.write([settled(0)], claims(1))) == [1]
    assert states(another) == {0: State.CLAIMED}
    assert database.ledger("third", other).open(clear_number=0) is not None


def test_an_id_that_does_not_fit_is_refused_at_once(database: Database):
    with pytest.raises(BrazeError, match="256 characters is too long"):
        database.ledger(key=dataclasses.replace(KEY, task_id="t" * 256))


@pytest.mark.parametrize("owner", ["", " ", "first ", "o" * 256])
def test_an_owner_that_might_be_mistaken_for_another_is_refused(database: Database, owner: str):
    with pytest.raises(ValueError, match="owner"):
        database.ledger(owner)


def test_a_ledger_is_durable(ledger: SqlLedger):
    assert ledger.durable


def test_a_ledger_has_to_be_opened_first(database: Database, ledger: SqlLedger):
    with pytest.raises(RuntimeError, match="opened first"):
        database.ledger("second").write([], claims(0))


# Claims -----------------------------------------------------------------------------------------------------


def test_a_batch_is_granted_once(ledger: SqlLedger):
    assert list(ledger.write([], claims(0, 1))) == [0, 1]
    assert list(ledger.write([], claims(1, 2))) == [2]


def test_a_batch_that_an_earlier_copy_claimed_is_not_granted(successor: SqlLedger):
    assert list(successor.write([], claims(1, 2, 3))) == [3]


@pytest.mark.parametrize("state", [State.CLAIMED, State.UNCERTAIN, State.REJECTED])
def test_a_batch_with_a_receipt_is_granted_only_if_that_is_to_be_replaced(ledger: SqlLedger, state: State):
    in_state(state, ledger)
    assert list(ledger.write([], claims(0))) == []
    assert states(ledger) == {0: state}
    assert list(ledger.write([], claims(0, again=True))) == [0]
    assert states(ledger) == {0: State.CLAIMED}


def test_a_batch_that_was_sent_is_never_granted_again(ledger: SqlLedger):
    in_state(State.SENT, ledger)
    assert list(ledger.write([], claims(0, again=True))) == []
    assert states(ledger) == {0: State.SENT}


@pytest.mark.parametrize("again", [False, True])
def test_a_batch_that_was_certainly_not_sent_is_granted(ledger: SqlLedger, again: bool):
    in_state(State.FAILED, ledger)
    assert list(ledger.write([], claims(0, again=again))) == [0]


def test_a_claim_that_replaces_nothing_is_granted_all_the_same(ledger: SqlLedger):
    assert list(ledger.write([], claims(0, again=True))) == [0]


def test_a_new_claim_bears_nothing_of_the_receipt_that_it_replaces(ledger: SqlLedger):
    ledger.write([], claims(0))
    ledger.write([settled(0, State.UNCERTAIN, dispatch_id="abc", reason="read timeout")], [])
    ledger.write([], [Claim(0, 49, "other", again=True)])
    (found,) = ledger.receipts()
    assert (found.recipients, found.fingerprint, found.dispatch_id, found.reason) == (49, "other", None, None)


def test_a_batch_may_be_settled_and_claimed_again_in_one_step(ledger: SqlLedger):
    ledger.write([], claims(0))
    assert list(ledger.write([settled(0, State.FAILED)], claims(0))) == [0]
    assert states(ledger) == {0: State.CLAIMED}


def test_a_batch_settled_as_sent_is_not_granted_in_the_same_step(ledger: SqlLedger):
    ledger.write([], claims(0))
    assert list(ledger.write([settled(0)], claims(0, again=True))) == []


def test_a_large_window_is_written_at_once(ledger: SqlLedger):
    many = range(2_500)
    assert len(ledger.write([], claims(*many))) == 2_500
    assert len(ledger.write([settled(index) for index in many], claims(*many, again=True))) == 0
    assert set(states(ledger).values()) == {State.SENT}


# Receipts ---------------------------------------------------------------------------------------------------


def test_a_receipt_is_read_as_it_was_written(ledger: SqlLedger):
    written = settled(7, State.UNCERTAIN, dispatch_id="d" * 32, reason="502: Bad Gateway – später? 🎉")
    ledger.write([], claims(7))
    ledger.write([written], [])
    assert list(ledger.receipts()) == [written]


def test_a_claim_without_outcome_is_read_as_one(ledger: SqlLedger):
    ledger.write([], claims(7))
    (found,) = ledger.receipts()
    assert dataclasses.replace(found, at=AT) == settled(7, State.CLAIMED)
    assert found.at.endswith("+00:00")


def test_receipts_come_in_the_order_of_their_batches(ledger: SqlLedger):
    for index in (5, 0, 3, 10, 1):
        ledger.write([], claims(index))
    assert [one.index for one in ledger.receipts()] == [0, 1, 3, 5, 10]


def test_receipts_may_be_read_from_the_middle(ledger: SqlLedger):
    ledger.write([], claims(0, 3, 5, 10))
    assert [one.index for one in ledger.receipts(4)] == [5, 10]


def test_receipts_may_be_written_while_others_are_read(ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sql, "ROWS_PER_PAGE", 10)
    ledger.write([], claims(*range(30)))
    for one in ledger.receipts():
        ledger.write([settled(one.index)], [])
    assert set(states(ledger).values()) == {State.SENT}


def test_a_hundred_thousand_receipts_are_read_in_little_memory(database: Database, ledger: SqlLedger):
    ledger.write([], claims(0))
    with database.engine().begin() as connection:
        table = sql_schema.receipt
        # What is kept is ours, and the same on each database; the others only take longer.
        powers = 17 if database.kind == "sqlite" else 14
        for power in range(powers):
            columns = [
                (column + literal(2**power)).label("batch_index") if column.name == "batch_index" else column
                for column in table.c
            ]
            names = [column.name for column in table.c]
            connection.execute(insert(table).from_select(names, select(*columns)))
    next(ledger.receipts())  # What is loaded and cached once does not count.
    gc.collect()
    before = sys.getallocatedblocks()
    most = number = 0
    for number, _ in enumerate(ledger.receipts(), 1):
        if number % 100 == 0:
            most = max(most, sys.getallocatedblocks() - before)
    assert number == 2**powers
    # A dozen objects for each row of a page, not for each row.
    assert most < 20 * sql.ROWS_PER_PAGE


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("a\x00b", "a\ufffdb"),
        ("lone \ud83c surrogate", "lone ? surrogate"),
        ("ü" * 10_000, "ü" * sql.MAX_REASON_LENGTH),
        ("", ""),
    ],
    ids=["nul", "surrogate", "long", "empty"],
)
def test_no_wording_of_a_reason_keeps_an_outcome_from_being_noted(ledger: SqlLedger, reason: str, kept: str):
    ledger.write([], claims(0))
    ledger.write([settled(0, State.REJECTED, reason=reason)], [])
    assert [one.reason for one in ledger.receipts()] == [kept]


def test_a_dispatch_id_is_kept_whatever_its_length(ledger: SqlLedger):
    ledger.write([], claims(0))
    ledger.write([settled(0, dispatch_id="d" * 5_000)], [])
    assert [one.dispatch_id for one in ledger.receipts()] == ["d" * 5_000]


def test_settling_twice_comes_to_the_same(ledger: SqlLedger):
    ledger.write([], claims(0))
    ledger.write([settled(0)], [])
    ledger.write([settled(0)], [])
    assert list(ledger.receipts()) == [settled(0)]


def test_a_batch_that_nobody_claimed_can_not_be_settled(ledger: SqlLedger):
    ledger.write([settled(0)], [])
    assert list(ledger.receipts()) == []


# Two copies of one task -------------------------------------------------------------------------------------


def test_a_former_owner_is_granted_nothing(ledger: SqlLedger, successor: SqlLedger):
    with pytest.raises(LedgerLostError, match="second"):
        ledger.write([], claims(3))
    assert states(successor) == dict.fromkeys((0, 1, 2), State.CLAIMED)


def test_what_a_former_owner_had_claimed_it_still_settles(ledger: SqlLedger, successor: SqlLedger):
    with pytest.raises(LedgerLostError):
        ledger.write([settled(0, dispatch_id="abc"), settled(1, State.UNCERTAIN)], claims(3))
    assert states(successor) == {0: State.SENT, 1: State.UNCERTAIN, 2: State.CLAIMED}


def test_what_was_claimed_again_its_former_owner_does_not_settle(ledger: SqlLedger, successor: SqlLedger):
    successor.write([], claims(0, again=True))
    with pytest.raises(LedgerLostError):
        ledger.write([settled(0), settled(1)], [])
    assert states(successor) == {0: State.CLAIMED, 1: State.SENT, 2: State.CLAIMED}


def test_a_former_owner_does_not_settle_what_the_successor_claimed(ledger: SqlLedger, successor: SqlLedger):
    successor.write([], claims(3))
    with pytest.raises(LedgerLostError):
        ledger.write([settled(3)], [])
    assert states(successor)[3] is State.CLAIMED


def test_a_former_owner_can_not_finish(database: Database, ledger: SqlLedger, successor: SqlLedger):
    with pytest.raises(LedgerLostError):
        ledger.finish({"sent": 1})
    assert database.ledger("third").open(clear_number=0) == Head(0, finished=False)


def test_a_former_owner_can_not_start_over(ledger: SqlLedger, successor: SqlLedger):
    with pytest.raises(LedgerLostError):
        ledger.start_over(clear_number=1)
    assert len(states(successor)) == 3


def test_a_copy_that_wakes_up_after_its_successor_has_finished_is_granted_nothing(
    ledger: SqlLedger, successor: SqlLedger
):
    successor.write([], claims(0, 1, 2, 3, again=True))
    successor.write([settled(index) for index in range(4)], [])
    successor.finish({"sent": 200})
    successor.close()
    with pytest.raises(LedgerLostError):
        ledger.write([], claims(3, 4, again=True))
    with pytest.raises(LedgerLostError):
        ledger.write([settled(0, State.UNCERTAIN)], claims(4))
    assert set(states(ledger).values()) == {State.SENT}


def test_ownership_comes_back_to_who_opens_again(ledger: SqlLedger, successor: SqlLedger):
    ledger.open(clear_number=0)
    assert list(ledger.write([settled(0)], claims(3))) == [3]
    with pytest.raises(LedgerLostError):
        successor.write([], claims(4))


def test_nobody_takes_over_in_the_middle_of_a_write(
    database: Database, ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch
):
    taken_over = threading.Event()

    def take_over() -> None:
        database.ledger("second").open(clear_number=0)
        taken_over.set()

    look_up = ledger._known
    other = threading.Thread(target=take_over)

    def dawdle(*arguments: Any) -> Any:
        # It is found to be the owner, and has not claimed yet.
        other.start()
        assert not taken_over.wait(0.5)
        return look_up(*arguments)

    monkeypatch.setattr(ledger, "_known", dawdle)
    assert list(ledger.write([], claims(0))) == [0]
    assert taken_over.wait(10)
    other.join(10)


def claim_all(owner: str, database: Database, windows: list[list[int]]) -> list[int]:
    """Claim windows against others who do the same, opening the ledger again whenever it is lost."""
    ledger = database.ledger(owner)
    ledger.open(clear_number=0)
    granted: list[int] = []
    for window in windows:
        while True:
            try:
                granted += ledger.write([], claims(*window))
            except LedgerLostError:  # noqa: PERF203
                ledger.open(clear_number=0)
            else:
                break
    return granted


@pytest.mark.parametrize("together", [in_threads, in_processes])
def test_copies_that_race_are_granted_each_batch_once(database: Database, together: Callable[..., list[Any]]):
    windows = [list(range(first, first + 10)) for first in range(0, 200, 5)]
    granted = together(3, claim_all, database, windows)
    assert Counter(index for part in granted for index in part) == Counter(range(205))


def deliver_own(owner: str, database: Database, windows: int) -> tuple[int, dict[int, State]]:
    """Deliver as a mapped task of its own."""
    ledger = database.ledger(owner, dataclasses.replace(KEY, map_index=int(owner.rpartition("-")[2])))
    assert ledger.open(clear_number=0) is None
    granted: list[int] = []
    for number in range(windows):
        window = range(10 * number, 10 * number + 10)
        granted += ledger.write([settled(index) for index in granted[-10:]], claims(*window))
    return len(granted), states(ledger)


def test_mapped_tasks_that_start_at_once_on_an_empty_database_do_not_disturb_each_other(
    empty_database: Database,
):
    for granted, found in in_processes(8, deliver_own, empty_database, 10):
        assert granted == 100
        assert Counter(found.values()) == {State.SENT: 90, State.CLAIMED: 10}
    assert len(empty_database.query(select(sql_schema.version))) == 1


# Starting over ----------------------------------------------------------------------------------------------


def test_starting_over_leaves_no_receipt_and_no_end(database: Database, ledger: SqlLedger):
    in_state(State.SENT, ledger)
    ledger.finish({"sent": 1})
    ledger.start_over(clear_number=2)
    assert list(ledger.receipts()) == []
    assert list(ledger.write([], claims(0))) == [0]
    assert database.ledger("second").open(clear_number=3) == Head(clear_number=2, finished=False)


def test_receipts_from_before_stay_in_the_table(database: Database, ledger: SqlLedger):
    in_state(State.SENT, ledger)
    ledger.start_over(clear_number=1)
    ledger.write([], claims(0))
    table = sql_schema.receipt
    rows = database.query(select(table.c.generation, table.c.state).order_by(table.c.generation))
    assert [tuple(row) for row in rows] == [(0, "sent"), (1, "claimed")]


def test_a_later_try_goes_on_with_the_newest_beginning(database: Database, ledger: SqlLedger):
    in_state(State.SENT, ledger, 0)
    ledger.start_over(clear_number=1)
    in_state(State.SENT, ledger, 1)
    later = database.ledger("second")
    later.open(clear_number=1)
    assert states(later) == {1: State.SENT}


def test_a_copy_from_before_settles_nothing_of_the_new_beginning(ledger: SqlLedger, successor: SqlLedger):
    successor.start_over(clear_number=1)
    successor.write([], claims(0))
    with pytest.raises(LedgerLostError):
        ledger.write([settled(0)], [])
    assert states(successor) == {0: State.CLAIMED}


# A database that fails --------------------------------------------------------------------------------------


class Commits:
    """Lets commits of an engine fail once, as they do when the connection goes just then."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self._fail: str | None = None
        self.failed = 0
        commit = engine.dialect.do_commit

        def do_commit(connection: Any) -> None:
            fail, self._fail = self._fail, None
            if fail is None:
                return commit(connection)
            self.failed += 1
            if fail == "after":
                commit(connection)
            raise self._error(engine)

        monkeypatch.setattr(engine.dialect, "do_commit", do_commit)

    def fail(self, when: str) -> None:
        self._fail = when

    @staticmethod
    def _error(engine: Engine) -> Exception:
        error: type[Exception] = engine.dialect.dbapi.OperationalError  # type: ignore[union-attr]
        return {
            "sqlite": error("database is locked"),
            "postgresql": error("server closed the connection unexpectedly"),
            "mysql": error(2013, "Lost connection to MySQL server during query"),
        }[engine.dialect.name]


@pytest.fixture
def commits(ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch) -> Commits:
    return Commits(ledger._engine, monkeypatch)


WHEN = pytest.mark.parametrize("when", ["before", "after"])


@WHEN
def test_a_commit_without_answer_grants_each_claim_once(ledger: SqlLedger, commits: Commits, when: str):
    ledger.write([], claims(0))
    commits.fail(when)
    assert sorted(ledger.write([settled(0)], claims(1, 2))) == [1, 2]
    assert commits.failed == 1
    assert states(ledger) == {0: State.SENT, 1: State.CLAIMED, 2: State.CLAIMED}
    assert list(ledger.write([], claims(1, 2))) == []


@WHEN
def test_a_commit_without_answer_grants_nothing_that_was_claimed_before(
    ledger: SqlLedger, successor: SqlLedger, monkeypatch: pytest.MonkeyPatch, when: str
):
    commits = Commits(successor._engine, monkeypatch)
    commits.fail(when)
    assert list(successor.write([], claims(0, 1, 3))) == [3]


@WHEN
def test_a_commit_without_answer_grants_a_claim_that_replaces_a_receipt(
    ledger: SqlLedger, commits: Commits, when: str
):
    in_state(State.UNCERTAIN, ledger, 0)
    in_state(State.SENT, ledger, 1)
    commits.fail(when)
    assert list(ledger.write([], claims(0, 1, again=True))) == [0]


@WHEN
def test_a_commit_without_answer_does_not_settle_what_was_claimed_again_by_it(
    ledger: SqlLedger, commits: Commits, when: str
):
    ledger.write([], claims(0))
    commits.fail(when)
    assert list(ledger.write([settled(0, State.FAILED)], claims(0))) == [0]
    assert states(ledger) == {0: State.CLAIMED}


def test_claims_whose_commit_had_no_answer_are_not_granted_to_who_was_replaced_meanwhile(
    database: Database, ledger: SqlLedger, commits: Commits, monkeypatch: pytest.MonkeyPatch
):
    other = database.ledger("second")
    sleep = time.sleep

    def meanwhile(seconds: float) -> None:
        other.open(clear_number=0)
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", meanwhile)
    commits.fail("after")
    with pytest.raises(LedgerLostError):
        ledger.write([], claims(0))
    assert states(other) == {0: State.CLAIMED}


@WHEN
def test_a_commit_without_answer_begins_one_delivery(
    database: Database, monkeypatch: pytest.MonkeyPatch, when: str
):
    first = database.ledger()
    commits = Commits(first._engine, monkeypatch)
    sql_schema.create(database.engine())
    monkeypatch.setattr(sql_schema, "create", lambda _: commits.fail(when))  # The commit after this.
    assert first.open(clear_number=4) is None
    assert commits.failed == 1
    assert list(first.write([], claims(0))) == [0]
    assert database.ledger("second").open(clear_number=5) == Head(clear_number=4)


@WHEN
def test_a_commit_without_answer_starts_over_once(
    database: Database, ledger: SqlLedger, commits: Commits, when: str
):
    in_state(State.SENT, ledger)
    commits.fail(when)
    ledger.start_over(clear_number=1)
    assert list(ledger.write([], claims(0))) == [0]
    assert [row.generation for row in database.query(select(sql_schema.delivery.c.generation))] == [1]


def test_a_connection_that_was_cut_is_replaced(database: Database):
    if database.kind == "sqlite":
        pytest.skip("SQLite has no connection to cut")
    ledger = database.ledger()
    ledger.open(clear_number=0)
    for index in range(5):
        database.cut_all_other_connections()
        assert list(ledger.write([settled(index - 1)], claims(index))) == [index]
    database.cut_all_other_connections()
    assert len(list(ledger.receipts())) == 5


def hold_the_lock(database: Database, held: threading.Event, let_go: threading.Event) -> None:
    """Be a copy that hangs in the middle of a transaction."""
    engine = sql_engine.set_up(database.engine())
    with engine.connect() as connection, connection.begin():
        sql_engine.begin_writing(connection)
        connection.execute(update(sql_schema.delivery).values(updated_at="later"))
        held.set()
        let_go.wait(30)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the databases wait a second; comes before the first connection."""
    monkeypatch.setattr(sql_engine, "BUSY_SECONDS", 1)


@pytest.fixture
def lock(database: Database, ledger: SqlLedger) -> Iterator[threading.Event]:
    """Another transaction holds the delivery's lock until this event is set."""
    held, let_go = threading.Event(), threading.Event()
    thread = threading.Thread(target=hold_the_lock, args=(database, held, let_go))
    thread.start()
    assert held.wait(10)
    yield let_go
    let_go.set()
    thread.join(10)


def test_a_copy_that_holds_the_lock_for_a_moment_is_waited_for(ledger: SqlLedger, lock: threading.Event):
    threading.Timer(0.3, lock.set).start()
    assert list(ledger.write([], claims(0))) == [0]


def test_a_copy_that_holds_the_lock_is_waited_for_beyond_the_database_s_patience(
    impatient: None, ledger: SqlLedger, lock: threading.Event
):
    threading.Timer(1.5, lock.set).start()
    assert list(ledger.write([], claims(0))) == [0]


def test_a_copy_that_hangs_with_the_lock_is_not_waited_for_forever(
    impatient: None, ledger: SqlLedger, lock: threading.Event, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sql, "PATIENCE", 0.5)
    with pytest.raises(LedgerUnavailableError, match=r"braze_receipt .*can't be used"):
        ledger.write([], claims(0))


def test_a_delivery_whose_record_was_removed_goes_no_further(database: Database, ledger: SqlLedger):
    database.query(sql_schema.delivery.delete())
    with pytest.raises(LedgerLostError, match="gone"):
        ledger.write([], claims(0))


def test_removing_a_delivery_removes_its_receipts(database: Database, ledger: SqlLedger):
    ledger.write([], claims(0))
    engine = sql_engine.set_up(database.engine())
    with engine.begin() as connection:
        connection.execute(sql_schema.delivery.delete())
    assert database.query(select(func.count()).select_from(sql_schema.receipt))[0][0] == 0
    assert database.ledger("second").open(clear_number=0) is None


def test_a_database_that_can_not_be_written_to_is_named(empty_database: Database):
    ledger = empty_database.ledger()
    ledger.open(clear_number=0)
    empty_database.query(text("DROP TABLE braze_receipt"))
    began = time.monotonic()
    with pytest.raises(LedgerUnavailableError, match=r"braze_receipt .*can't be used: \w+") as caught:
        ledger.write([], claims(0))
    assert time.monotonic() - began < 5
    assert "\n" not in str(caught.value)


# The tables -------------------------------------------------------------------------------------------------


def open_once(owner: str, database: Database) -> bool:
    return database.ledger(owner).open(clear_number=0) is None


def test_copies_that_start_at_once_on_an_empty_database_agree_who_began(empty_database: Database):
    assert sorted(in_processes(8, open_once, empty_database)) == [False] * 7 + [True]


def test_tables_of_a_newer_version_are_refused(empty_database: Database):
    newer = sql_schema.SCHEMA_VERSION + 1
    sql_schema.create(empty_database.engine())
    empty_database.query(update(sql_schema.version).values(version=newer))
    with pytest.raises(sql_schema.LedgerVersionError, match=rf"braze_receipt.* version {newer}.*update"):
        empty_database.ledger().open(clear_number=0)


def test_tables_that_were_made_in_part_are_completed(empty_database: Database):
    with empty_database.engine().begin() as connection:
        sql_schema.delivery.create(connection)
        sql_schema.version.create(connection)
    ledger = empty_database.ledger()
    assert ledger.open(clear_number=0) is None
    assert list(ledger.write([], claims(0))) == [0]


# Airflow's connections --------------------------------------------------------------------------------------


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Define an Airflow connection: ``connection(conn_type=…, host=…)`` gives its id."""

    def define(**fields: Any) -> str:
        monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps(fields))
        return "ledger"

    return define


def test_a_ledger_is_kept_in_a_sqlite_file(connection: Callable[..., str], tmp_path: Path):
    conn_id = connection(conn_type="sqlite", host=str(tmp_path / "ledger.db"))
    ledger = open_sql_ledger(conn_id, KEY, "first")
    assert ledger.open(clear_number=0) is None
    assert list(ledger.write([], claims(0))) == [0]
    assert in_threads(1, lambda _: list(ledger.write([], claims(1)))) == [[1]]
    assert open_sql_ledger(conn_id, KEY, "second").open(clear_number=0) is not None
    assert str(ledger) == "table braze_receipt of connection 'ledger' (sqlite)"
    ledger.close()


@pytest.mark.postgres
@pytest.mark.parametrize("cursor", [None, "realdictcursor", "dictcursor", "namedtuplecursor"])
def test_a_ledger_is_kept_in_postgresql(
    connection: Callable[..., str], postgres_dsn: str, cursor: str | None
):
    pytest.importorskip("airflow.providers.postgres")
    url = make_url(postgres_dsn)
    conn_id = connection(
        conn_type="postgres",
        host=url.host,
        port=url.port,
        login=url.username,
        password=url.password or "s3cret",
        schema=url.database,
        extra=json.dumps({"cursor": cursor} if cursor else {}),
    )
    try:
        ledger = open_sql_ledger(conn_id, KEY, "first")
    except BrazeConnectionError as error:
        if cursor and "ursor" in str(error):
            pytest.skip(f"Airflow's own hook refuses that: {error}")
        raise
    assert ledger.open(clear_number=0) is None
    assert list(ledger.write([], claims(0, 1))) == [0, 1]
    assert list(ledger.write([settled(0), settled(1)], claims(2))) == [2]
    assert states(ledger) == {0: State.SENT, 1: State.SENT, 2: State.CLAIMED}
    assert str(ledger) == "table braze_receipt of connection 'ledger' (postgresql)"
    ledger.close()


def test_a_connection_that_is_not_defined_is_named():
    with pytest.raises(BrazeConnectionError, match="connection 'no_such_ledger' can't be used"):
        open_sql_ledger("no_such_ledger", KEY, "first")


@pytest.mark.postgres
def test_a_database_that_can_not_be_reached_is_named_without_its_password(connection: Callable[..., str]):
    conn_id = connection(conn_type="postgres", host="127.0.0.1", port=1, login="me", password="s3cret")
    with pytest.raises(BrazeConnectionError, match=r"connection 'ledger' can't be used: .*refused") as caught:
        open_sql_ledger(conn_id, KEY, "first")
    assert "s3cret" not in str(caught.value)


def test_a_connection_to_something_else_is_refused(connection: Callable[..., str]):
    conn_id = connection(conn_type="fs", extra={"path": "/tmp"})
    with pytest.raises(BrazeConnectionError, match="'ledger' is no SQL database's, but a FSHook's"):
        open_sql_ledger(conn_id, KEY, "first")


def test_a_database_in_memory_is_refused(connection: Callable[..., str]):
    with pytest.raises(BrazeConnectionError, match="outlive"):
        open_sql_ledger(connection(conn_type="sqlite", host=""), KEY, "first")


# The promise ------------------------------------------------------------------------------------------------


def test_whatever_two_copies_do_no_batch_is_sent_twice_unless_asked_for(tmp_path: Path):
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
        """Copies of a task, any of which may stop or go on at any time, beside a model of what is right."""

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
            head = self.ledgers[name].open(clear_number=0)
            assert (head is None) == (self.owner is None)
            self.owner = name
            self.generation[name] = self.current

        @rule(name=copies, settle=batches, outcome=outcomes, claim=batches, again=st.booleans())
        def write(self, name: str, settle: list[int], outcome: State, claim: list[int], again: bool) -> None:
            if name not in self.generation:
                return
            generation = self.generation[name]
            for index in settle:
                if self.batches.get((generation, index), (None, ""))[1] == name:
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
            try:
                self.ledgers[name].start_over(clear_number=0)
            except LedgerLostError:
                assert name != self.owner
            else:
                assert name == self.owner
                self.current += 1
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
