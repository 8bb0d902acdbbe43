"""The differences between SQLite, PostgreSQL and MySQL: how each is set up, and which errors pass."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, SQLAlchemyError

from braze_provider.api.errors import BrazeConnectionError

BUSY_SECONDS = 6
"""
How long a statement waits for another session's lock before its transaction is run again. The wait must end:
a worker that vanished holds its locks until the server notices, which can take hours.
"""
STATEMENT_SECONDS = 9
"""How long the server works on a statement. The client waits longer, so that the server can report it."""

_MYSQL_LOCKED = 1205
# Too many connections; shutting down; lock wait timeout; deadlock; a snapshot overtaken (MariaDB); gone away;
# lost; connection killed; statement took too long (MariaDB, MySQL).
_MYSQL_TRANSIENT = frozenset(
    {1040, 1053, _MYSQL_LOCKED, 1213, 1020, 2002, 2003, 2006, 2013, 2055, 1927, 1969, 3024}
)
_POSTGRES_LOCKED = "55P03"
# Serialization failure, deadlock, lock timeout, too many connections, statement took too long, shutting down
# or starting up.
_POSTGRES_TRANSIENT = frozenset(
    {"40001", "40P01", _POSTGRES_LOCKED, "53300", "57014", "57P01", "57P02", "57P03"}
)


class LockedError(Exception):
    """Another session holds the lock that this one waits for."""


def first_line(error: BaseException) -> str:
    """
    Give the first line of the driver's error, with the error's name.

    :param error: The exception.
    """
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def set_up(engine: Engine) -> Engine:
    """
    Set up an engine, so that each of its connections is prepared as the ledger needs it.

    :param engine: An engine that has not been used.
    :return: The same engine.
    """
    prepare = {"sqlite": _prepare_sqlite, "mysql": _prepare_mysql, "postgresql": _prepare_postgres}.get(
        engine.dialect.name
    )
    if prepare is None:
        raise BrazeConnectionError(f"the ledger needs SQLite, PostgreSQL or MySQL, not {engine.dialect.name}")
    if not event.contains(engine, "connect", prepare):
        # It must come first: SQLAlchemy itself asks a new connection about the server.
        event.listen(engine, "connect", prepare, insert=True)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    # The driver's own transactions begin too late and with the wrong lock.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA busy_timeout = {1_000 * BUSY_SECONDS}")


def _prepare_postgres(connection: Any, _: object) -> None:
    # Else the driver would send the BEGIN of each transaction separately, and wait for the answer.
    connection.autocommit = True
    # The Airflow connection may have asked for rows as dictionaries.
    if type(connection).__module__.startswith("psycopg2"):
        connection.cursor_factory = None
    else:
        from psycopg.rows import tuple_row

        connection.row_factory = tuple_row
        # A connection pooler may switch sessions, and the next session does not know prepared statements.
        connection.prepare_threshold = None


def _prepare_mysql(connection: Any, _: object) -> None:
    driver = type(connection).__module__.partition(".")[0]
    # Ids and Braze's messages may be in any language, and the server's default may be a narrower character
    # set. The Airflow connection may have asked for rows as dictionaries.
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
        cursor.execute(mysql_limits())


def mysql_limits(statement: int | None = None) -> str:
    """
    Give the statement that limits how long a session's statements may wait and work in MySQL or MariaDB.

    :param statement: Seconds that a statement may work, if the server has such a limit; 0 for no limit.
        Default: :data:`STATEMENT_SECONDS`.
    """
    statement = STATEMENT_SECONDS if statement is None else statement
    return (
        f"SET SESSION innodb_lock_wait_timeout = {BUSY_SECONDS}, lock_wait_timeout = {BUSY_SECONDS}"
        # Only MariaDB runs the first comment, and only MySQL runs the second one.
        f" /*M!100101 , max_statement_time = {statement} */"
        f" /*!50708 , max_execution_time = {1_000 * statement} */"
    )


def begin_writing(connection: Connection) -> None:
    """
    Begin a transaction that writes: take its locks early, and limit how long it waits for them.

    :param connection: A connection in a transaction that has done nothing yet.
    """
    dialect = connection.dialect.name
    if dialect == "sqlite":
        # Else SQLite would take the lock after the first read, and may then refuse it without waiting.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif dialect == "postgresql":
        # LOCAL, for this transaction only: a connection pooler may give the session to another client.
        connection.exec_driver_sql(
            f"BEGIN; SET LOCAL lock_timeout = '{BUSY_SECONDS}s'; "
            f"SET LOCAL statement_timeout = '{STATEMENT_SECONDS}s'"
        )


def commit(connection: Connection, transaction: Any, *, writes: bool) -> None:
    """
    Commit a transaction.

    :param connection: The connection.
    :param transaction: SQLAlchemy's object for it.
    :param writes: Whether it began with :func:`begin_writing`.
    """
    if writes and connection.dialect.name == "postgresql":
        connection.exec_driver_sql("COMMIT")
    transaction.commit()


def is_locked(error: Exception) -> bool:
    """
    Tell whether another session has kept this one waiting for too long.

    :param error: The error that ended a transaction.
    """
    if isinstance(error, LockedError):
        return True
    original = error.orig if isinstance(error, DBAPIError) else None
    if isinstance(original, sqlite3.Error):
        return "locked" in str(original)
    if hasattr(original, "diag"):
        return _postgres_code(original) == _POSTGRES_LOCKED
    return original is not None and original.args[:1] == (_MYSQL_LOCKED,)


def is_transient(error: Exception) -> bool:
    """
    Tell whether the same transaction may succeed a moment later.

    :param error: The error that ended it.
    """
    if not isinstance(error, DBAPIError):
        return not isinstance(error, SQLAlchemyError)  # The ledger's own errors: locked, or no answer.
    if error.connection_invalidated or isinstance(error, IntegrityError):
        # An IntegrityError means that another copy was faster: there was no row to lock yet.
        return True
    original = error.orig
    if isinstance(original, sqlite3.Error):
        return "locked" in str(original)
    if hasattr(original, "diag"):
        code = _postgres_code(original)
        if code is None:
            return isinstance(error, OperationalError)  # No code: there was no connection.
        return code in _POSTGRES_TRANSIENT or code.startswith("08")
    arguments = original.args if original else ()
    return bool(arguments) and arguments[0] in _MYSQL_TRANSIENT


def _postgres_code(error: Any) -> str | None:
    # psycopg2 has another name for the code.
    code: str | None = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    return code
