"""
Make an engine for the SQL ledger's database from an Airflow connection.

The Airflow connection's hook opens the database connections, because it understands all fields of the Airflow
connection (TLS, sockets, tokens of cloud accounts). The URL that hooks make for SQLAlchemy leaves out many.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from contextlib import closing
from typing import Any

from sqlalchemy import create_engine
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from braze_provider.api.errors import BrazeConnectionError
from braze_provider.ledger.sql_engine import first_line
from braze_provider.ledger.sql_line import ANSWER_SECONDS, in_time
from braze_provider.ledger.sql_schema import MAX_ID_LENGTH

DEPLOYMENT = "braze_deployment"
"""The field of the extra that names the Airflow deployment, if several share the database."""

# The driver's module, and SQLAlchemy's name for the driver.
_DIALECTS: Mapping[str, str] = {
    "sqlite3": "sqlite",
    "psycopg2": "postgresql+psycopg2",
    "psycopg": "postgresql+psycopg",
    "MySQLdb": "mysql+mysqldb",
    "pymysql": "mysql+pymysql",
    "mysql": "mysql+mysqlconnector",
}
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    # By default, this driver makes a round trip for each row that it changes.
    "psycopg2": {"executemany_mode": "values_plus_batch"},
}


def ledger_engine(conn_id: str) -> tuple[Engine, str]:
    """
    Make an engine whose connections are opened by an Airflow connection's hook.

    :param conn_id: Id of a connection to SQLite, PostgreSQL or MySQL.
    :return: The engine, and the name of the Airflow deployment in the connection; "" if it has none.
    :raises BrazeConnectionError: If the connection is not defined, can't be used, or is not to such a
        database.
    """
    from braze_provider._compat import BaseHook

    subject = f"The ledger's connection {conn_id!r}"
    try:
        connection = copy.deepcopy(BaseHook.get_connection(conn_id))
        deployment = _take_deployment(connection, subject)
        hook = connection.get_hook()
        if not hasattr(hook, "get_records"):
            raise BrazeConnectionError(
                f"{subject} is not to a SQL database: its hook is {type(hook).__name__}"
            )
        # Some hooks, such as PostgreSQL's, pass every field of the extra to the driver. So the hook gets a
        # copy of the connection without the deployment's name.
        hook.get_connection = lambda *_, **__: connection
        driver = in_time(lambda: _driver_of(hook, subject))
    except BrazeConnectionError:
        raise
    except Exception as error:  # The hook, its provider and its driver may raise anything.
        raise BrazeConnectionError(f"{subject} can't be used: {first_line(error)}") from error
    if driver not in _DIALECTS:
        raise BrazeConnectionError(
            f"{subject} uses the driver {driver}: the ledger needs SQLite, PostgreSQL or MySQL"
        )
    try:
        engine = create_engine(
            f"{_DIALECTS[driver]}://",
            creator=hook.get_conn,
            hide_parameters=True,
            poolclass=NullPool,
            **_OPTIONS.get(driver, {}),
        )
    except (SQLAlchemyError, ImportError) as error:
        raise BrazeConnectionError(
            f"{subject} can't be used with SQLAlchemy here: {first_line(error)}"
        ) from error
    return engine, deployment


def _take_deployment(connection: Any, subject: str) -> str:
    """Take the deployment's name out of a connection's extra, and limit the time to connect."""
    extra = dict(connection.extra_dejson)
    deployment = extra.pop(DEPLOYMENT, "")
    if not isinstance(deployment, str) or len(deployment) > MAX_ID_LENGTH:
        raise BrazeConnectionError(
            f"{subject}: {DEPLOYMENT!r} in its extra must be a text of at most {MAX_ID_LENGTH} characters"
        )
    if connection.conn_type == "postgres":
        # Else the thread that connects might never end after it is given up.
        extra.setdefault("connect_timeout", int(ANSWER_SECONDS))
    if extra != connection.extra_dejson:
        connection.extra = json.dumps(extra)
    return deployment


def _driver_of(hook: Any, subject: str) -> str:
    with closing(hook.get_conn()) as opened:
        driver = type(opened).__module__.partition(".")[0]
        if driver == "sqlite3" and not opened.execute("PRAGMA database_list").fetchone()[2]:
            raise BrazeConnectionError(f"{subject} names no file: a ledger must outlive its task")
    return driver
