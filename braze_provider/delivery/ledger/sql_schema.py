"""
The SQL ledger's tables, the same on SQLite, PostgreSQL and MySQL.

Times are text, ISO 8601 in UTC: it sorts as it reads, and no session's time zone changes what it means.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    insert,
    inspect,
    select,
)
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from braze_provider.api.errors import BrazeError
from braze_provider.delivery.ledger.base import DeliveryKey, Receipt, State
from braze_provider.delivery.ledger.sql_engine import begin_writing

SCHEMA_VERSION = 1
MAX_ID_LENGTH = 255
CREATE_ATTEMPTS = 20

# Binary collation: Airflow tells ids apart by case, which MySQL by itself does not. InnoDB: other engines
# have no transactions.
_MYSQL: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}
# SQLite counts up by itself only what is declared as exactly INTEGER.
_ID = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData()

delivery = Table(
    "braze_delivery",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    # Three ids of 255 characters are too long for MySQL's index, and its comparison ignores trailing spaces.
    Column("key_digest", String(64), nullable=False),
    Column("dag_id", String(MAX_ID_LENGTH), nullable=False),
    Column("run_id", String(MAX_ID_LENGTH), nullable=False),
    Column("task_id", String(MAX_ID_LENGTH), nullable=False),
    Column("map_index", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("clear_number", Integer, nullable=False),
    Column("begun_by", String(MAX_ID_LENGTH), nullable=False),
    Column("owner", String(MAX_ID_LENGTH), nullable=False),
    Column("finished", Boolean, nullable=False),
    Column("report", Text),
    Column("created_at", String(40), nullable=False),
    Column("updated_at", String(40), nullable=False),
    UniqueConstraint("key_digest", name="braze_delivery_key"),
    # An id that were used again would give its receipts to another delivery.
    sqlite_autoincrement=True,
    **_MYSQL,
)
"""One row for each task instance: who owns its delivery, and how that ended."""

receipt = Table(
    "braze_receipt",
    metadata,
    Column("delivery_id", _ID, ForeignKey(delivery.c.id, ondelete="CASCADE"), primary_key=True),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("batch_index", Integer, primary_key=True, autoincrement=False),
    Column("recipients", Integer, nullable=False),
    Column("fingerprint", String(128), nullable=False),
    Column("state", String(16), nullable=False),
    Column("dispatch_id", Text),
    Column("reason", Text),
    Column("owner", String(MAX_ID_LENGTH), nullable=False),
    Column("token", String(32), nullable=False),
    Column("noted_at", String(40), nullable=False),
    **_MYSQL,
)
"""One row for each batch of each generation. Its primary key is what makes a claim exclusive."""

receipt_columns = (
    receipt.c.batch_index,
    receipt.c.recipients,
    receipt.c.fingerprint,
    receipt.c.state,
    receipt.c.noted_at,
    receipt.c.dispatch_id,
    receipt.c.reason,
)
"""What :func:`to_receipt` needs."""

version = Table(
    "braze_ledger_version",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    **_MYSQL,
)
"""A single row, written last: where it is, the other tables are complete."""


class LedgerVersionError(BrazeError):
    """The tables were made by a newer version of this package."""


def digest(key: DeliveryKey) -> str:
    """
    Name a delivery by a text of fixed length that differs wherever two keys do.

    :param key: The task instance whose delivery it is.
    """
    parts = [key.dag_id, key.run_id, key.task_id, key.map_index]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def to_receipt(row: Any) -> Receipt:
    """
    Make a receipt of a row.

    :param row: A row of ``receipt_columns``.
    """
    index, recipients, fingerprint, state, at, dispatch_id, reason = row
    return Receipt(index, recipients, fingerprint, State(state), at, dispatch_id, reason)


def exists(connection: Connection) -> bool:
    """
    Check that the tables are there, and of a version that this code knows.

    :param connection: A connection to the ledger's database.
    :raises LedgerVersionError: If they are newer.
    """
    if not inspect(connection).has_table(version.name):
        return False
    found = connection.execute(select(version.c.version)).scalar()
    if found is not None and found > SCHEMA_VERSION:
        raise LedgerVersionError(
            f"its tables are of version {found}, and this version of the package knows {SCHEMA_VERSION} at "
            "most: update airflow-provider-braze-messaging here as well"
        )
    return found is not None


def create(engine: Engine) -> None:
    """
    Create the tables if they are not there.

    Any number of tasks may do that at the same time: no database creates a table atomically if, and only
    if, there is none, so whoever comes second fails and looks again.

    :param engine: An engine to the ledger's database.
    """
    for attempt in range(1, CREATE_ATTEMPTS + 1):
        try:
            with engine.connect() as connection, connection.begin():
                if exists(connection):
                    return
            with engine.connect() as connection, connection.begin():
                begin_writing(connection)
                metadata.create_all(connection)
                connection.execute(insert(version).values(id=1, version=SCHEMA_VERSION))
        except DBAPIError:  # noqa: PERF203
            if attempt == CREATE_ATTEMPTS:
                raise
            time.sleep(random.uniform(0.02, 0.2))  # noqa: S311 - no secret
        else:
            return
