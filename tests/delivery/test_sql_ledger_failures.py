"""The SQL ledger when its database fails or its tables are damaged, on each database that is there."""

from __future__ import annotations

import time
from typing import Any

import pytest
from delivery.sql_ledger_helpers import Database, claims, in_state, settled, states
from sqlalchemy import select, text, update
from sqlalchemy.engine import Engine

from braze_provider.delivery.ledger import sql_schema
from braze_provider.delivery.ledger.base import Head, LedgerLostError, State
from braze_provider.delivery.ledger.sql import LedgerUnavailableError, SqlLedger

# A commit whose answer is lost ------------------------------------------------------------------------------


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
def test_a_commit_without_answer_grants_nothing_that_was_claimed_before(
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
def test_a_commit_without_answer_does_not_settle_what_was_claimed_again_by_it(
    sql_ledger: SqlLedger, commits: Commits, when: str
):
    sql_ledger.write([], claims(0))
    commits.fail(when)
    assert list(sql_ledger.write([settled(0, State.FAILED)], claims(0))) == [0]
    assert states(sql_ledger) == {0: State.CLAIMED}


def test_claims_whose_commit_had_no_answer_are_not_granted_to_who_was_replaced_meanwhile(
    sql_database: Database, sql_ledger: SqlLedger, commits: Commits, monkeypatch: pytest.MonkeyPatch
):
    other = sql_database.ledger("second")
    sleep = time.sleep

    def meanwhile(seconds: float) -> None:
        other.open(clear_number=0)
        sleep(seconds)

    monkeypatch.setattr(time, "sleep", meanwhile)
    commits.fail("after")
    with pytest.raises(LedgerLostError):
        sql_ledger.write([], claims(0))
    assert states(other) == {0: State.CLAIMED}


@WHEN
def test_a_commit_without_answer_begins_one_delivery(
    sql_database: Database, monkeypatch: pytest.MonkeyPatch, when: str
):
    first = sql_database.ledger()
    commits = Commits(first._engine, monkeypatch)
    sql_schema.create(sql_database.engine())
    monkeypatch.setattr(sql_schema, "create", lambda _: commits.fail(when))  # The commit after this.
    assert first.open(clear_number=4) is None
    assert commits.failed == 1
    assert list(first.write([], claims(0))) == [0]
    assert sql_database.ledger("second").open(clear_number=5) == Head(clear_number=4)


@WHEN
def test_a_commit_without_answer_starts_over_once(
    sql_database: Database, sql_ledger: SqlLedger, commits: Commits, when: str
):
    in_state(State.SENT, sql_ledger)
    commits.fail(when)
    sql_ledger.start_over(clear_number=1)
    assert list(sql_ledger.write([], claims(0))) == [0]
    assert [row.generation for row in sql_database.query(select(sql_schema.delivery.c.generation))] == [1]


# A database that can't be used ------------------------------------------------------------------------------


def test_a_connection_that_was_cut_is_replaced(sql_database: Database):
    if sql_database.kind == "sqlite":
        pytest.skip("SQLite has no connection to cut")
    ledger = sql_database.ledger()
    ledger.open(clear_number=0)
    for index in range(5):
        sql_database.cut_all_other_connections()
        assert list(ledger.write([settled(index - 1)], claims(index))) == [index]
    sql_database.cut_all_other_connections()
    assert len(list(ledger.receipts())) == 5


def test_a_database_that_can_not_be_written_to_is_named(empty_sql_database: Database):
    ledger = empty_sql_database.ledger()
    ledger.open(clear_number=0)
    empty_sql_database.query(text("DROP TABLE braze_receipt"))
    began = time.monotonic()
    with pytest.raises(LedgerUnavailableError, match=r"braze_receipt .*can't be used: \w+") as caught:
        ledger.write([], claims(0))
    assert time.monotonic() - began < 5
    assert "\n" not in str(caught.value)


# Tables that are damaged or of another version --------------------------------------------------------------


def test_a_delivery_whose_record_was_removed_goes_no_further(sql_database: Database, sql_ledger: SqlLedger):
    sql_database.query(sql_schema.delivery.delete())
    with pytest.raises(LedgerLostError, match="gone"):
        sql_ledger.write([], claims(0))


def test_tables_of_a_newer_version_are_refused(empty_sql_database: Database):
    newer = sql_schema.SCHEMA_VERSION + 1
    sql_schema.create(empty_sql_database.engine())
    empty_sql_database.query(update(sql_schema.version).values(version=newer))
    with pytest.raises(sql_schema.LedgerVersionError, match=rf"braze_receipt.* version {newer}.*update"):
        empty_sql_database.ledger().open(clear_number=0)


def test_tables_that_were_made_in_part_are_completed(empty_sql_database: Database):
    with empty_sql_database.engine().begin() as connection:
        sql_schema.delivery.create(connection)
        sql_schema.version.create(connection)
    ledger = empty_sql_database.ledger()
    assert ledger.open(clear_number=0) is None
    assert list(ledger.write([], claims(0))) == [0]
