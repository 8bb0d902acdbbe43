"""
How the SQL ledger's tables come to be what this code needs: made, or brought on from an older version.

A step from one version to the next is a function that may be run again, because MySQL commits each change of
a table at once: whoever opens the ledger after a step was killed runs it once more. To add version 4, give
its new columns ``info={"since": 4}`` in ``sql_schema``, raise ``SCHEMA_VERSION``, and add to ``_STEPS`` what
is to be done besides, if anything is.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import insert, inspect, text, update
from sqlalchemy.engine import Connection
from sqlalchemy.schema import CreateColumn

from braze_provider.api.errors import BrazeError
from braze_provider.ledger import sql_engine
from braze_provider.ledger import sql_schema as schema
from braze_provider.ledger.sql_schema import SCHEMA_VERSION, metadata, version

MIGRATION_SECONDS = 600.0
"""How long one statement of a migration may take: an index on a large table takes minutes."""

_LOCK = 0x6272617A65  # "braze"


class LedgerVersionError(BrazeError):
    """The tables were made by a newer version of this package."""


@dataclass(frozen=True)
class Marks:
    """
    What tells a ledger from all others.

    :param identity: Its name.
    :param secret: Its key for digests of people.
    """

    identity: str
    secret: bytes = field(repr=False)


def read_version(connection: Connection) -> Any:
    """
    Read the row that says of which version the tables are, with whatever that version has in it.

    :param connection: A connection to the ledger's database.
    :return: The row; None if the tables are not there, or not complete.
    :raises LedgerVersionError: If they are newer than this code.
    """
    if not inspect(connection).has_table(version.name):
        return None
    row = connection.execute(text(f"SELECT * FROM {version.name}")).first()  # noqa: S608 - our own name
    if row is not None and row.version > SCHEMA_VERSION:
        raise LedgerVersionError(
            f"its tables are of version {row.version}, and this version of the package knows "
            f"{SCHEMA_VERSION} at most: update airflow-provider-braze-messaging here as well"
        )
    return row


def read_marks(connection: Connection) -> Marks | None:
    """
    Read what tells the ledger from others, if its tables are as this code needs them.

    :param connection: A connection to the ledger's database.
    :return: None if :func:`prepare` is to be called first.
    :raises LedgerVersionError: If the tables are newer than this code.
    """
    row = read_version(connection)
    if row is None or row.version < SCHEMA_VERSION:
        return None
    return Marks(row.identity, bytes(row.secret))


def prepare(connection: Connection) -> None:
    """
    Make the tables, or bring them to the version of this code.

    Any number of tasks may do that at the same time: one does it, the others wait for it and find it done.

    :param connection: A connection in a transaction that has done nothing yet, to be closed after it.
    :raises LedgerVersionError: If the tables are newer than this code.
    """
    _keep_others_out(connection)
    row = read_version(connection)
    found = None if row is None else row.version
    if found == SCHEMA_VERSION:
        return
    # What is missing as a whole. Tables without a version were left by a process that was killed.
    metadata.create_all(connection)
    for number in range((found or 1) + 1, SCHEMA_VERSION + 1):
        _add_columns(connection, number)
        if number in _STEPS:
            _STEPS[number](connection)
        if found is not None:
            connection.execute(update(version).values(version=number))
    if found is None:
        connection.execute(insert(version).values(id=1, version=SCHEMA_VERSION, **_new_marks()))


def _new_marks() -> dict[str, Any]:
    return {"identity": f"sql:{secrets.token_hex(16)}", "secret": secrets.token_bytes(32)}


def _add_columns(connection: Connection, number: int) -> None:
    """Add the columns that a version brought, where they are not there yet."""
    for table in metadata.sorted_tables:
        present = {column["name"] for column in inspect(connection).get_columns(table.name)}
        for column in table.c:
            if column.info.get("since") == number and column.name not in present:
                definition = CreateColumn(column).compile(dialect=connection.dialect)
                connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {definition}"))


def _to_version_2(connection: Connection) -> None:
    """Give the ledger an identity and a secret, and find batches by their fingerprints."""
    schema.by_fingerprint.create(connection, checkfirst=True)
    connection.execute(update(version).where(version.c.identity.is_(None)).values(_new_marks()))


_STEPS: Mapping[int, Callable[[Connection], None]] = {2: _to_version_2}


def _keep_others_out(connection: Connection) -> None:
    """Let nobody else change the tables until the session ends, and lift the limit on a statement's time."""
    dialect = connection.dialect.name
    if dialect == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    elif dialect == "mysql":
        # A lock of the session's, because each change of a table ends the transaction.
        name = "CONCAT('braze_ledger_', MD5(DATABASE()))"
        if connection.execute(text(f"SELECT GET_LOCK({name}, {sql_engine.BUSY_SECONDS})")).scalar() != 1:
            raise sql_engine.LockedError
        connection.execute(text(sql_engine.mysql_limits(statement=0)))
    # SQLite's transaction has locked the file.
