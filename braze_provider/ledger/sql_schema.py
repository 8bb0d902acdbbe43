"""
The SQL ledger's tables, the same on SQLite, PostgreSQL and MySQL.

Times are text, ISO 8601 in UTC: texts sort by time, and a session's time zone does not change their meaning.
The ``info`` of a column names the version of the tables that added it; see
:mod:`braze_provider.ledger.sql_migrations`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    null,
)
from sqlalchemy.sql.expression import ColumnElement

from braze_provider.ledger.base import Counters, DeliveryKey, Head, Outline, Receipt, State

SCHEMA_VERSION = 4
MAX_ID_LENGTH = 255

# Binary collation: for Airflow, ids that differ in case are different ids; for MySQL's default they are not.
# InnoDB: other engines have no transactions.
_MYSQL: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}
# SQLite numbers rows by itself only if the column is declared as exactly INTEGER.
_ID = BigInteger().with_variant(Integer(), "sqlite")
_SINCE_2: dict[Any, Any] = {"since": 2}
_SINCE_3: dict[Any, Any] = {"since": 3}
_SINCE_4: dict[Any, Any] = {"since": 4}

metadata = MetaData()

delivery = Table(
    "braze_delivery",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    # An index over the ids is no choice in MySQL: three ids of 255 characters are too long for it, and its
    # comparison ignores trailing spaces.
    Column("key_digest", String(64), nullable=False),
    Column("dag_id", String(MAX_ID_LENGTH), nullable=False),
    Column("run_id", String(MAX_ID_LENGTH), nullable=False),
    Column("task_id", String(MAX_ID_LENGTH), nullable=False),
    Column("map_index", Integer, nullable=False),
    Column("generation", Integer, nullable=False),
    # Version 1, whose tasks may still be running, reads it in its own row; newer versions in other rows only.
    Column("clear_number", Integer, nullable=False, default=0),
    Column("begun_by", String(MAX_ID_LENGTH), nullable=False),
    Column("owner", String(MAX_ID_LENGTH), nullable=False),
    Column("finished", Boolean, nullable=False),
    Column("report", Text),
    Column("created_at", String(40), nullable=False),
    Column("updated_at", String(40), nullable=False),
    Column("deployment", String(MAX_ID_LENGTH), info=_SINCE_2),
    Column("try_number", Integer, info=_SINCE_2),
    Column("max_tries", Integer, info=_SINCE_2),
    Column("run_started_at", String(64), info=_SINCE_2),
    Column("resends", Text, info=_SINCE_2),
    # What the last try that began to send was about. Only people read it.
    Column("endpoint", String(MAX_ID_LENGTH), info=_SINCE_4),
    Column("total", Integer, info=_SINCE_4),
    Column("target", Text, info=_SINCE_4),
    UniqueConstraint("key_digest", name="braze_delivery_key"),
    # Never use an id twice: the receipts of the old delivery would become those of the new one.
    sqlite_autoincrement=True,
    **_MYSQL,
)
"""One row for each task instance: the owner of its delivery, and how the delivery ended."""

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
    # Keyed digests of the recipients, one after the other; NULL if they were not kept.
    Column("who", LargeBinary, info=_SINCE_2),
    # A JSON object of names and ids; NULL if there is no id besides the dispatch id.
    Column("other_ids", Text, info=_SINCE_3),
    **_MYSQL,
)
"""One row for each batch of each generation. Its primary key makes a claim exclusive."""

by_fingerprint = Index("braze_receipt_fingerprint", receipt.c.fingerprint)
"""Finds a batch among those of other deliveries; since version 2."""

receipt_columns = (
    receipt.c.batch_index,
    receipt.c.recipients,
    receipt.c.fingerprint,
    receipt.c.state,
    receipt.c.noted_at,
    receipt.c.dispatch_id,
    receipt.c.reason,
    receipt.c.other_ids,
)
"""The columns that :func:`to_receipt` needs."""

decision = Table(
    "braze_decision",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("delivery_id", _ID, ForeignKey(delivery.c.id, ondelete="CASCADE"), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("decision", String(16), nullable=False),
    Column("decided_by", String(MAX_ID_LENGTH), nullable=False),
    Column("decided_at", String(40), nullable=False),
    # Their numbers from 1, as ranges: 3-7, 12.
    Column("batches", Text, nullable=False),
    Column("recipients", Integer, nullable=False),
    Index("braze_decision_delivery", "delivery_id"),
    **_MYSQL,
)
"""One row for each decision about batches in doubt; since version 4. It has changed the receipts already."""

version = Table(
    "braze_ledger_version",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("identity", String(64), info=_SINCE_2),
    Column("secret", LargeBinary(32), info=_SINCE_2),
    **_MYSQL,
)
"""A single row, written last: if it exists, the other tables are complete."""


def column_of(column: Column[Any], known: int) -> ColumnElement[Any]:
    """
    Give the expression that selects a column: NULL if a version of the tables does not have the column.

    :param column: A column of one of these tables.
    :param known: The version of the tables.
    """
    return column if column.info.get("since", 1) <= known else null().label(column.name)


def digest(key: DeliveryKey) -> str:
    """
    Give a text of fixed length that names a delivery. Different keys have different texts.

    :param key: The task instance that the delivery belongs to.
    """
    parts = [key.dag_id, key.run_id, key.task_id, key.map_index]
    if key.deployment:  # Without one, the digest must stay as it was before keys had deployments.
        parts.append(key.deployment)
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def to_key(row: Any) -> DeliveryKey:
    """
    Give the task instance that a row's delivery belongs to.

    :param row: A row of ``delivery``.
    """
    return DeliveryKey(row.dag_id, row.run_id, row.task_id, row.map_index, row.deployment or "")


def to_head(row: Any) -> Head:
    """
    Make a head from a row.

    :param row: A row of ``delivery``.
    """
    counters = None
    if row.try_number is not None:
        counters = Counters(row.try_number, row.max_tries, row.run_started_at)
    return Head(
        counters,
        resends=tuple(json.loads(row.resends or "[]")),
        finished=bool(row.finished),
        report=None if row.report is None else json.loads(row.report),
    )


def to_outline(row: Any) -> Outline | None:
    """
    Make an outline from a row.

    :param row: A row of ``delivery``.
    :return: The outline; None if no try has noted one.
    """
    if row.endpoint is None:
        return None
    return Outline(row.endpoint, row.total, json.loads(row.target or "{}"))


def to_receipt(row: Any) -> Receipt:
    """
    Make a receipt from a row.

    :param row: A row with the ``receipt_columns``.
    """
    index, recipients, fingerprint, state, at, dispatch_id, reason, other_ids = row
    ids = {} if dispatch_id is None else {"dispatch_id": dispatch_id}
    if other_ids is not None:
        ids.update(json.loads(other_ids))
    return Receipt(index, recipients, fingerprint, State(state), at, ids, reason)
