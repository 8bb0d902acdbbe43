"""
Create the SQL ledger's tables, or upgrade them from an older version.

A step from one version to the next is a function that may run twice: MySQL commits each change of a table at
once, so if a step is killed, the next task that opens the ledger runs it again. To add version 5, give its
new columns ``info={"since": 5}`` in ``sql_schema`` and raise ``SCHEMA_VERSION``. If more is to be done, add a
function to ``_STEPS``.
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
    """A newer version of this package has created or upgraded the tables."""


@dataclass(frozen=True)
class Marks:
    """
    Values that no other ledger has.

    :param identity: The ledger's name.
    :param secret: The ledger's key for digests of recipients.
    """

    identity: str
    secret: bytes = field(repr=False)


def read_version(connection: Connection) -> Any:
    """
    Read the row with the version of the tables, with all columns that it has in that version.

    :param connection: A connection to the ledger's database.
    :return: The row; None if the tables do not exist or are not complete.
    :raises LedgerVersionError: If the tables are newer than this code.
    """
    if not inspect(connection).has_table(version.name):
        return None
    row = connection.execute(text(f"SELECT * FROM {version.name}")).first()  # noqa: S608 - our own name
    if row is not None and row.version > SCHEMA_VERSION:
        raise LedgerVersionError(
            f"its tables are of version {row.version}, and this version of the package knows versions up to "
            f"{SCHEMA_VERSION}: update airflow-provider-braze-messaging here as well"
        )
    return row


def read_marks(connection: Connection) -> Marks | None:
    """
    Read the ledger's marks, if its tables are of the version that this code needs.

    :param connection: A connection to the ledger's database.
    :return: The marks; None if :func:`prepare` must be called first.
    :raises LedgerVersionError: If the tables are newer than this code.
    """
    row = read_version(connection)
    if row is None or row.version < SCHEMA_VERSION:
        return None
    return Marks(row.identity, bytes(row.secret))


def prepare(connection: Connection) -> None:
    """
    Create the tables, or upgrade them to the version of this code.

    Any number of tasks may call this at the same time: one does the work, and the others wait for it.

    :param connection: A connection in a transaction that has done nothing yet. Close it after the
        transaction.
    :raises LedgerVersionError: If the tables are newer than this code.
    """
    _keep_others_out(connection)
    row = read_version(connection)
    found = None if row is None else row.version
    if found == SCHEMA_VERSION:
        return
    # Create the tables that are missing. If there are some without a version, a killed process left them.
    metadata.create_all(connection)
    for number in range((found or 1) + 1, SCHEMA_VERSION + 1):
        _add_columns(connection, number)
        if number in _STEPS:
            _STEPS[number](connection)
        if found is not None:
            connection.execute(update(version).values(version=number))
    if found is None:
        connection.execute(insert(version).values(id=1, version=SCHEMA_VERSION, **_new_marks()))


def prepare_decisions(connection: Connection) -> None:
    """
    Create the table of decisions in a ledger of an older version. The rest of the ledger stays as it is.

    :param connection: A connection in a transaction that has done nothing yet. Close it after the
        transaction.
    """
    _keep_others_out(connection)
    schema.decision.create(connection, checkfirst=True)


def _new_marks() -> dict[str, Any]:
    return {"identity": f"sql:{secrets.token_hex(16)}", "secret": secrets.token_bytes(32)}


def _add_columns(connection: Connection, number: int) -> None:
    """Add the columns that are new in a version, if they do not exist yet."""
    for table in metadata.sorted_tables:
        present = {column["name"] for column in inspect(connection).get_columns(table.name)}
        for column in table.c:
            if column.info.get("since") == number and column.name not in present:
                definition = CreateColumn(column).compile(dialect=connection.dialect)
                connection.execute(text(f"ALTER TABLE {table.name} ADD COLUMN {definition}"))


def _to_version_2(connection: Connection) -> None:
    """Give the ledger an identity and a secret, and index the fingerprints of batches."""
    schema.by_fingerprint.create(connection, checkfirst=True)
    connection.execute(update(version).where(version.c.identity.is_(None)).values(_new_marks()))


_STEPS: Mapping[int, Callable[[Connection], None]] = {2: _to_version_2}


def _keep_others_out(connection: Connection) -> None:
    """Keep other tasks from changing the tables until the session ends, and lift the time limit."""
    dialect = connection.dialect.name
    if dialect == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    elif dialect == "mysql":
        # A lock of the session, because each change of a table ends the transaction.
        name = "CONCAT('braze_ledger_', MD5(DATABASE()))"
        if connection.execute(text(f"SELECT GET_LOCK({name}, {sql_engine.BUSY_SECONDS})")).scalar() != 1:
            raise sql_engine.LockedError
        connection.execute(text(sql_engine.mysql_limits(statement=0)))
    # SQLite needs nothing: the transaction has locked the file.
