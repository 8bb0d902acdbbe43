"""
Engines for the SQL ledger: how its database is reached, and what of its errors passes.

Connections are opened by the Airflow connection's hook, which knows all that the connection says (TLS,
sockets, tokens of cloud accounts); the URL that hooks make for SQLAlchemy leaves much of it out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from braze_provider.api.errors import BrazeConnectionError

BUSY_SECONDS = 10
"""
How long a transaction waits for another one's lock before it is tried again: a worker that vanished holds
its locks until the server notices, which can take hours.
"""

# The driver of a connection that Airflow opened, and SQLAlchemy's name for it.
_DIALECTS: Mapping[str, str] = {
    "sqlite3": "sqlite",
    "psycopg2": "postgresql+psycopg2",
    "psycopg": "postgresql+psycopg",
    "MySQLdb": "mysql+mysqldb",
    "pymysql": "mysql+pymysql",
    "mysql": "mysql+mysqlconnector",
}
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    # A connection of SQLite's belongs to the thread that opened it.
    "sqlite3": {"poolclass": NullPool},
    # Of itself, the driver makes a round trip for each row that it changes.
    "psycopg2": {"executemany_mode": "values_plus_batch"},
}
# Too many connections; shutting down; lock wait timeout; deadlock; a snapshot overtaken (MariaDB); gone away;
# lost; connection killed.
_MYSQL_TRANSIENT = frozenset({1040, 1053, 1205, 1213, 1020, 2002, 2003, 2006, 2013, 2055, 1927})
# Serialization failure, deadlock, lock timeout, too many connections, shutting down or starting up.
_POSTGRES_TRANSIENT = frozenset({"40001", "40P01", "55P03", "53300", "57P01", "57P02", "57P03"})


def ledger_engine(conn_id: str) -> Engine:
    """
    Make an engine whose connections are opened by an Airflow connection's hook.

    :param conn_id: Id of a connection to SQLite, PostgreSQL or MySQL.
    :raises BrazeConnectionError: If the connection is not defined, leads nowhere, or to something else.
    """
    from braze_provider._compat import BaseHook

    subject = f"The ledger's connection {conn_id!r}"
    try:
        hook = BaseHook.get_hook(conn_id)
        if not hasattr(hook, "get_records"):
            raise BrazeConnectionError(f"{subject} is no SQL database's, but a {type(hook).__name__}'s")
        with closing(hook.get_conn()) as connection:
            driver = type(connection).__module__.partition(".")[0]
            if driver == "sqlite3" and not connection.execute("PRAGMA database_list").fetchone()[2]:
                raise BrazeConnectionError(f"{subject} names no file: a ledger has to outlive its task")
    except BrazeConnectionError:
        raise
    except Exception as error:  # Whatever the hook, its provider and its driver raise.
        raise BrazeConnectionError(f"{subject} can't be used: {first_line(error)}") from error
    if driver not in _DIALECTS:
        raise BrazeConnectionError(
            f"{subject} is one of {driver}: the ledger needs SQLite, PostgreSQL or MySQL"
        )
    try:
        return create_engine(
            f"{_DIALECTS[driver]}://", creator=hook.get_conn, hide_parameters=True, **_OPTIONS.get(driver, {})
        )
    except (SQLAlchemyError, ImportError) as error:
        raise BrazeConnectionError(
            f"{subject} can't be used with SQLAlchemy here: {first_line(error)}"
        ) from error


def first_line(error: BaseException) -> str:
    """
    Say in one line what went wrong, as the driver said it.

    :param error: The exception.
    """
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def set_up(engine: Engine) -> Engine:
    """
    Have each connection of an engine prepared as the ledger needs it.

    :param engine: An engine that has not been used.
    :return: The same.
    """
    prepare = {"sqlite": _prepare_sqlite, "mysql": _prepare_mysql, "postgresql": _prepare_postgres}.get(
        engine.dialect.name
    )
    if prepare is None:
        raise BrazeConnectionError(f"the ledger needs SQLite, PostgreSQL or MySQL, not {engine.dialect.name}")
    if not event.contains(engine, "connect", prepare):
        # First of all: SQLAlchemy asks a new connection about the server.
        event.listen(engine, "connect", prepare, insert=True)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    # The driver's own transactions begin too late, and with the wrong lock.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA busy_timeout = {1_000 * BUSY_SECONDS}")


def _prepare_postgres(connection: Any, _: object) -> None:
    # The Airflow connection may ask for rows that are dictionaries.
    if type(connection).__module__.startswith("psycopg2"):
        connection.cursor_factory = None
    else:
        from psycopg.rows import tuple_row

        connection.row_factory = tuple_row
        # Statements prepared in one session are unknown in the next that a connection pooler gives.
        connection.prepare_threshold = None


def _prepare_mysql(connection: Any, _: object) -> None:
    driver = type(connection).__module__.partition(".")[0]
    # Ids and Braze's messages may be in any language, whatever the server's default is. And the Airflow
    # connection may ask for rows that are dictionaries.
    if driver == "mysql":
        connection.set_charset_collation("utf8mb4")
    elif driver == "MySQLdb":
        from MySQLdb import cursors

        connection.set_character_set("utf8mb4")
        connection.cursorclass = cursors.Cursor
    else:
        from pymysql import cursors

        connection.set_character_set("utf8mb4")
        connection.cursorclass = cursors.Cursor
    with closing(connection.cursor()) as cursor:
        cursor.execute(f"SET SESSION innodb_lock_wait_timeout = {BUSY_SECONDS}")


def begin_writing(connection: Connection) -> None:
    """
    Say at a transaction's beginning that it will write, and that it waits for others only so long.

    :param connection: A connection in a transaction that has done nothing yet.
    """
    dialect = connection.dialect.name
    if dialect == "sqlite":
        # Or the lock would be asked for after the first read, when SQLite may refuse it without waiting.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif dialect == "postgresql":
        # Only for this transaction: a connection pooler may hand the session to somebody else.
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")


def is_transient(error: SQLAlchemyError) -> bool:
    """
    Whether the same transaction may well succeed a moment later.

    :param error: What ended it.
    """
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated or isinstance(error, IntegrityError):
        # The latter: another copy was quicker, past the lock or before there was anything to lock.
        return True
    original = error.orig
    if isinstance(original, sqlite3.Error):
        return "locked" in str(original)
    if hasattr(original, "diag"):
        # PostgreSQL's. psycopg2 has another name for the code.
        code = getattr(original, "sqlstate", None) or getattr(original, "pgcode", None)
        if code is None:
            return isinstance(error, OperationalError)  # There was no connection to say more.
        return code in _POSTGRES_TRANSIENT or code.startswith("08")
    arguments = original.args if original else ()
    return bool(arguments) and arguments[0] in _MYSQL_TRANSIENT
