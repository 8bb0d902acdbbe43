"""How the SQL ledger's tables are created, and upgraded from older versions, on each kind of database."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from ledger.sql_ledger_helpers import (
    AT,
    KEY,
    Database,
    claims,
    goes_on,
    goes_on_as,
    in_processes,
    settled,
    states,
)
from sqlalchemy import event, inspect, select, text, update

from braze_provider.ledger import sql_engine, sql_migrations, sql_schema
from braze_provider.ledger.base import Counters, Head, Opening, Receipt, State

LATER = Counters(try_number=3, max_tries=3, run_started_at=AT)
DONE = dataclasses.replace(KEY, task_id="done", map_index=3)


@dataclasses.dataclass(frozen=True)
class Older:
    """
    The delivery ``KEY`` in a ledger of an older version.

    It was started over once and is not finished; ``DONE`` is finished. The versions differ in what they keep.
    """

    version: int
    counters: Counters | None = None
    resends: tuple[str, ...] = ()
    recipients: tuple[bytes, ...] = ()
    """The recipients of batches that were sent or are in doubt; empty if they were not kept."""


OLDER = [
    Older(1),
    Older(
        2,
        Counters(2, 3, AT),
        ("new vouchers",),
        recipients=(b"purpose", b"person-0", b"person-1", b"person-3"),
    ),
    Older(
        3,
        Counters(2, 3, AT),
        ("new vouchers",),
        recipients=(b"purpose", b"person-0", b"person-1", b"person-3"),
    ),
]


@pytest.fixture(params=OLDER, ids=lambda older: f"version {older.version}")
def older(request: pytest.FixtureRequest) -> Older:
    known: Older = request.param
    return known


@pytest.fixture
def old_sql_database(empty_sql_database: Database, older: Older) -> Database:
    """A ledger as an older version made it."""
    empty_sql_database.fill_as_version(older.version)
    return empty_sql_database


def receipts_of_before(found: list[Receipt]) -> list[Receipt]:
    at = found[1].at if len(found) > 1 else ""
    return [
        settled(0, ids={"dispatch_id": "0123456789abcdef0123456789abcdef"}),
        settled(1, State.CLAIMED, at=at),
        settled(2, State.REJECTED, reason="400: später? 🎉"),
        settled(3, State.UNCERTAIN, reason="502: Bad Gateway"),
        settled(4, State.FAILED, reason="connection refused"),
    ]


def columns_and_indexes(database: Database) -> dict[str, Any]:
    with database.engine().connect() as connection:
        tables = inspect(connection)
        return {
            name: (
                {
                    (column["name"], str(column["type"]), column["nullable"])
                    for column in tables.get_columns(name)
                },
                {index["name"] for index in tables.get_indexes(name)},
            )
            for name in sql_schema.metadata.tables
        }


def version_of(database: Database) -> int:
    ((found,),) = database.query(select(sql_schema.version.c.version))
    return int(found)


def assert_is_taken_up(database: Database, older: Older) -> None:
    ledger = database.ledger("later")
    assert ledger.open(goes_on_as(LATER)) == Head(older.counters, older.resends, finished=False)
    found = list(ledger.receipts())
    assert found == receipts_of_before(found)
    if older.recipients:
        assert set(ledger.settled_recipients()) == set(map(ledger.keyed, older.recipients))
    assert list(ledger.write([], claims(*range(6)))) == [4, 5]
    ids = {"dispatch_id": "d", "schedule_id": "s"}
    ledger.write([settled(5, ids=ids)], [])
    assert [one.ids for one in ledger.receipts(5)] == [ids]
    done = database.ledger("later", DONE).open(goes_on_as(LATER))
    assert done is not None
    assert (done.finished, done.report) == (
        True,
        {"recipients": 100, "sent": 100, "note": "übermittelt 🎉"},
    )
    assert version_of(database) == sql_schema.SCHEMA_VERSION


# Older ledgers ----------------------------------------------------------------------------------------------


def test_a_ledger_of_an_older_version_keeps_all_that_it_knows(old_sql_database: Database, older: Older):
    assert_is_taken_up(old_sql_database, older)


def test_a_ledger_that_has_an_identity_keeps_it(empty_sql_database: Database):
    empty_sql_database.fill_as_version(2)
    ((before,),) = empty_sql_database.query(select(sql_schema.version.c.identity))
    ledger = empty_sql_database.ledger("later")
    ledger.open(goes_on_as(LATER))
    assert ledger.identity == before


def test_a_migrated_ledger_is_like_a_new_one(old_sql_database: Database):
    old_sql_database.ledger().open(goes_on_as(LATER))
    migrated = columns_and_indexes(old_sql_database)
    old_sql_database.close_ledgers()
    old_sql_database.drop_tables()
    old_sql_database.ledger().open(goes_on)
    assert migrated == columns_and_indexes(old_sql_database)


def open_other(owner: str, database: Database) -> tuple[bool, str]:
    ledger = database.ledger(owner, dataclasses.replace(KEY, map_index=int(owner.rpartition("-")[2])))
    return ledger.open(goes_on) is None, ledger.identity


def test_tasks_that_open_an_old_ledger_together_migrate_it_once(old_sql_database: Database, older: Older):
    found = in_processes(6, open_other, old_sql_database)
    assert {new for new, _ in found} == {True}
    assert len({identity for _, identity in found}) == 1
    assert_is_taken_up(old_sql_database, older)


class KilledError(BaseException):
    """The process ends here."""


def killed_at(database: Database, number: int) -> bool:
    """Migrate until that statement; tell whether the migration reached it."""
    engine = sql_engine.set_up(database.engine())
    left = number

    def count(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise KilledError

    with engine.connect() as connection:
        transaction = connection.begin()
        sql_engine.begin_writing(connection)
        event.listen(engine, "before_cursor_execute", count)
        try:
            sql_migrations.prepare(connection)
        except KilledError:
            connection.invalidate()
            return True
        event.remove(engine, "before_cursor_execute", count)
        sql_engine.commit(connection, transaction, writes=True)
    return False


def test_a_killed_migration_is_finished_by_the_next_one(old_sql_database: Database, older: Older):
    number = 0
    while killed_at(old_sql_database, number):
        number += 1
    assert number > 5
    assert_is_taken_up(old_sql_database, older)


def test_a_kill_during_creation_is_repaired_by_the_next_task(empty_sql_database: Database):
    number = 0
    while killed_at(empty_sql_database, number):
        number += 1
    assert number > 3
    ledger = empty_sql_database.ledger()
    assert ledger.open(goes_on) is None
    assert list(ledger.write([], claims(0))) == [0]


def test_incomplete_tables_of_an_older_version_are_completed(old_sql_database: Database):
    old_sql_database.query(text("DROP TABLE braze_receipt"))
    old_sql_database.query(sql_schema.version.delete())
    ledger = old_sql_database.ledger()
    ledger.open(goes_on_as(LATER))
    assert list(ledger.write([settled(0)], claims(0))) == [0]
    assert states(ledger) == {0: State.CLAIMED}


# Newer ledgers ----------------------------------------------------------------------------------------------


def test_a_ledger_of_a_newer_version_is_refused(empty_sql_database: Database):
    newer = sql_schema.SCHEMA_VERSION + 1
    empty_sql_database.ledger().open(goes_on)
    empty_sql_database.query(update(sql_schema.version).values(version=newer))
    with pytest.raises(sql_migrations.LedgerVersionError, match=rf"braze_receipt.* version {newer}.*update"):
        empty_sql_database.ledger("second").open(goes_on)
    assert version_of(empty_sql_database) == newer


# Identity ---------------------------------------------------------------------------------------------------


def test_a_ledger_has_an_identity_before_anything_is_decided(sql_database: Database):
    ledger = sql_database.ledger()
    seen = []

    def decide(head: Head | None) -> Opening:
        seen.append(ledger.identity)
        return goes_on(head)

    ledger.open(decide)
    assert seen == [ledger.identity]
    assert len(ledger.identity) == len("sql:") + 32
    assert int(ledger.identity.removeprefix("sql:"), 16)


def test_all_tasks_see_the_same_identity_of_a_ledger(sql_database: Database, sql_ledger: Any):
    second = sql_database.ledger("second")
    second.open(goes_on)
    assert second.identity == sql_ledger.identity


def test_a_ledger_that_was_dropped_and_created_again_is_another(empty_sql_database: Database):
    first = empty_sql_database.ledger()
    first.open(goes_on)
    empty_sql_database.close_ledgers()
    empty_sql_database.drop_tables()
    second = empty_sql_database.ledger()
    second.open(goes_on)
    assert first.identity != second.identity


def test_a_ledger_that_was_not_opened_has_no_identity_yet(sql_database: Database):
    with pytest.raises(RuntimeError, match="opened first"):
        _ = sql_database.ledger().identity
