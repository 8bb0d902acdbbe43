"""The SQL ledger when its database fails or its tables are damaged, on each database that is available."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import pytest
from ledger.sql_ledger_helpers import (
    COUNTERS,
    KEY,
    Database,
    claims,
    goes_on,
    goes_on_as,
    in_state,
    settled,
    starts_over,
    states,
)
from sqlalchemy import select, text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import OperationalError

from braze_provider.ledger import sql_line, sql_schema
from braze_provider.ledger.base import Head, LedgerLostError, State
from braze_provider.ledger.sql import LedgerUnavailableError, SqlLedger

# A commit whose answer is lost ------------------------------------------------------------------------------


class Commits:
    """Makes commits of an engine fail once, as if the connection were lost at that moment."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self._fail: str | None = None
        self.failed = 0
        commit = sql_line.commit

        def commit_or_fail(connection: Connection, *arguments: Any, writes: bool) -> None:
            fail = None
            if connection.engine is engine and writes:
                fail, self._fail = self._fail, None
            if fail != "before":
                commit(connection, *arguments, writes=writes)
            if fail is not None:
                self.failed += 1
                raise OperationalError("COMMIT", None, self._error(engine))

        monkeypatch.setattr(sql_line, "commit", commit_or_fail)

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
def commits(sql_ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch) -> Commits:
    return Commits(sql_ledger._engine, monkeypatch)


WHEN = pytest.mark.parametrize("when", ["before", "after"])


@WHEN
def test_a_commit_without_answer_grants_each_claim_once(sql_ledger: SqlLedger, commits: Commits, when: str):
    sql_ledger.write([], claims(0))
    commits.fail(when)
    assert sorted(sql_ledger.write([settled(0)], claims(1, 2))) == [1, 2]
    assert commits.failed == 1
    assert states(sql_ledger) == {0: State.SENT, 1: State.CLAIMED, 2: State.CLAIMED}
    assert list(sql_ledger.write([], claims(1, 2))) == []


@WHEN
def test_a_commit_without_answer_grants_no_batch_claimed_before(
    sql_ledger: SqlLedger, sql_successor: SqlLedger, monkeypatch: pytest.MonkeyPatch, when: str
):
    commits = Commits(sql_successor._engine, monkeypatch)
    commits.fail(when)
    assert list(sql_successor.write([], claims(0, 1, 3))) == [3]


@WHEN
def test_a_commit_without_answer_grants_a_claim_that_replaces_a_receipt(
    sql_ledger: SqlLedger, commits: Commits, when: str
):
    in_state(State.UNCERTAIN, sql_ledger, 0)
    in_state(State.SENT, sql_ledger, 1)
    commits.fail(when)
    assert list(sql_ledger.write([], claims(0, 1, again=True))) == [0]


@WHEN
def test_a_commit_without_answer_does_not_settle_its_own_new_claims(
    sql_ledger: SqlLedger, commits: Commits, when: str
):
    sql_ledger.write([], claims(0))
    commits.fail(when)
    assert list(sql_ledger.write([settled(0, State.FAILED)], claims(0))) == [0]
    assert states(sql_ledger) == {0: State.CLAIMED}


def test_claims_without_answer_are_not_granted_to_a_former_owner(
    sql_database: Database, sql_ledger: SqlLedger, commits: Commits, monkeypatch: pytest.MonkeyPatch
):
    other = sql_database.ledger("second")
    sleep = time.sleep

    def meanwhile(seconds: float) -> None:
        other.open(goes_on)
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", meanwhile)
    commits.fail("after")
    with pytest.raises(LedgerLostError):
        sql_ledger.write([], claims(0))
    assert states(other) == {0: State.CLAIMED}


@WHEN
def test_a_commit_without_answer_begins_one_delivery(
    sql_database: Database, sql_ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch, when: str
):
    key = dataclasses.replace(KEY, task_id="another")
    first = sql_database.ledger("another", key)
    commits = Commits(first._engine, monkeypatch)
    commits.fail(when)
    assert first.open(goes_on) is None
    assert commits.failed == 1
    assert list(first.write([], claims(0))) == [0]
    assert sql_database.ledger("second", key).open(goes_on) == Head(COUNTERS)


@WHEN
def test_an_opening_without_answer_finds_the_earlier_record(
    sql_database: Database, sql_ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch, when: str
):
    sql_ledger.finish({"sent": 1})
    second = sql_database.ledger("second")
    Commits(second._engine, monkeypatch).fail(when)
    later = dataclasses.replace(COUNTERS, try_number=2)
    assert second.open(goes_on_as(later)) == Head(COUNTERS, finished=True, report={"sent": 1})
    assert sql_database.ledger("third").open(goes_on_as(later)) == Head(
        later, finished=True, report={"sent": 1}
    )


@WHEN
def test_a_commit_without_answer_starts_over_once(
    sql_database: Database, sql_ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch, when: str
):
    in_state(State.SENT, sql_ledger)
    second = sql_database.ledger("second")
    Commits(second._engine, monkeypatch).fail(when)
    assert second.open(starts_over) is None
    assert list(second.write([], claims(0))) == [0]
    assert [row.generation for row in sql_database.query(select(sql_schema.delivery.c.generation))] == [1]


def test_an_opening_without_answer_is_not_mistaken_for_an_older_one(sql_ledger: SqlLedger, commits: Commits):
    later = dataclasses.replace(COUNTERS, try_number=2)
    commits.fail("before")
    assert sql_ledger.open(goes_on_as(later)) == Head(COUNTERS)
    assert sql_ledger.open(goes_on_as(later)) == Head(later)


# A database that can't be used ------------------------------------------------------------------------------


def test_a_lost_connection_is_replaced(sql_database: Database):
    if sql_database.kind == "sqlite":
        pytest.skip("SQLite has no connection to cut")
    ledger = sql_database.ledger()
    ledger.open(goes_on)
    for index in range(5):
        sql_database.cut_all_other_connections()
        assert list(ledger.write([settled(index - 1)], claims(index))) == [index]
    sql_database.cut_all_other_connections()
    assert len(list(ledger.receipts())) == 5


def test_a_read_only_database_is_named(empty_sql_database: Database):
    ledger = empty_sql_database.ledger()
    ledger.open(goes_on)
    empty_sql_database.query(text("DROP TABLE braze_receipt"))
    began = time.monotonic()
    with pytest.raises(LedgerUnavailableError, match=r"braze_receipt .*can't be used: \w+") as caught:
        ledger.write([], claims(0))
    assert time.monotonic() - began < 5
    assert "\n" not in str(caught.value)


# Tables that are damaged --------------------------------------------------------------


def test_a_delivery_whose_record_was_removed_ends(sql_database: Database, sql_ledger: SqlLedger):
    sql_database.query(sql_schema.delivery.delete())
    with pytest.raises(LedgerLostError, match="gone"):
        sql_ledger.write([], claims(0))
