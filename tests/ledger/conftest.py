"""Databases and stores for the tests of the ledgers, and ledgers in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from braze_provider.ledger import sql_engine, task_state_cells
from braze_provider.ledger.sql import SqlLedger
from braze_provider.ledger.task_state import TaskStateLedger

# Pytest reports a failed assertion of a helper in full, as it does in a test.
pytest.register_assert_rewrite("ledger")

from ledger.sql_ledger_helpers import (  # noqa: E402
    MYSQL_URL,
    POSTGRES_URL,
    Database,
    claims,
    goes_on,
    new_database,
)
from ledger.task_state_ledger_helpers import Store, opening  # noqa: E402

# The SQL ledger ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def postgresql_database() -> Iterator[Database]:
    pytest.importorskip("psycopg2")
    try:
        yield from new_database(POSTGRES_URL)
    except OperationalError as error:
        reason = sql_engine.first_line(error)
        pytest.skip(f"no PostgreSQL (set BRAZE_TEST_POSTGRES_URL to name one): {reason}")


@pytest.fixture(scope="module")
def mysql_database() -> Iterator[Database]:
    pytest.importorskip("pymysql" if "pymysql" in MYSQL_URL else "MySQLdb")
    try:
        # The worst default that a server can have: the ledger must not depend on it.
        yield from new_database(MYSQL_URL, "CHARACTER SET latin1")
    except OperationalError as error:
        reason = sql_engine.first_line(error)
        pytest.skip(f"no MySQL (set BRAZE_TEST_MYSQL_URL to name one): {reason}")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres), "mysql"])
def sql_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of each kind in turn, without any delivery."""
    if request.param == "sqlite":
        one = Database(f"sqlite:///{tmp_path / 'ledger.db'}")
    else:
        one = request.getfixturevalue(f"{request.param}_database")
    yield one
    one.close_ledgers()
    one.delete_rows()


@pytest.fixture
def empty_sql_database(sql_database: Database) -> Iterator[Database]:
    """The same without the ledger's tables, for tests that create or change them."""
    sql_database.drop_tables()
    yield sql_database
    sql_database.close_ledgers()
    sql_database.drop_tables()


@pytest.fixture
def sql_ledger(sql_database: Database) -> SqlLedger:
    """A ledger that was just opened for the first time."""
    opened = sql_database.ledger()
    assert opened.open(goes_on) is None
    return opened


@pytest.fixture
def sql_successor(sql_database: Database, sql_ledger: SqlLedger) -> SqlLedger:
    """The new owner of a ledger. The former owner had claimed batches 0 to 2."""
    assert list(sql_ledger.write([], claims(0, 1, 2))) == [0, 1, 2]
    other = sql_database.ledger("second")
    assert other.open(goes_on) is not None
    return other


# The ledger in the task state store -------------------------------------------------------------------------


@pytest.fixture
def task_state_store(monkeypatch: pytest.MonkeyPatch) -> Store:
    """An empty store. After a failure, calls are repeated without a wait."""
    monkeypatch.setattr(task_state_cells, "RETRY_WAITS", (0.0, 0.0))
    return Store()


@pytest.fixture
def task_state_copy(task_state_store: Store) -> Iterator[Callable[..., TaskStateLedger]]:
    """Start a copy of the task: ``task_state_copy("B")`` gives its open ledger."""
    ledgers = []

    def start(owner: str = "A", **how: Any) -> TaskStateLedger:
        ledger = TaskStateLedger(task_state_store, owner)
        ledgers.append(ledger)
        ledger.open(opening(**how))
        return ledger

    yield start
    for ledger in ledgers:
        ledger.close()
