"""
The SQL ledger's statements.

Each statement takes a round trip, and round trips are what makes a ledger slow. So the update that notes when
a delivery was last written to also locks its row, and one statement writes all receipts of a window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import and_, bindparam, case, func, insert, literal_column, or_, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite

from braze_provider.ledger import sql_schema as schema
from braze_provider.ledger.base import State
from braze_provider.ledger.sql_schema import delivery, receipt

_of_this = (receipt.c.delivery_id == bindparam("delivery"), receipt.c.generation == bindparam("generation"))
_in_doubt_or_sent = receipt.c.state.in_([State.SENT.value, State.CLAIMED.value, State.UNCERTAIN.value])

# The delivery's row -----------------------------------------------------------------------------------------

find = select(delivery.c.id).where(delivery.c.key_digest == bindparam("digest"))
begin = insert(delivery)
lock = select(delivery).where(delivery.c.id == bindparam("delivery")).with_for_update()
change = update(delivery).where(delivery.c.id == bindparam("delivery"))
lock_as_owner = change.where(delivery.c.owner == bindparam("me")).values(updated_at=bindparam("now"))
"""Changes no row if another copy is the owner."""

# Its receipts -----------------------------------------------------------------------------------------------

look_up = select(receipt.c.batch_index, receipt.c.state, receipt.c.owner, receipt.c.token).where(
    *_of_this, receipt.c.batch_index.in_(bindparam("indexes", expanding=True))
)


def _page_of(*columns: Any) -> Any:
    return (
        select(*columns)
        .where(*_of_this, receipt.c.batch_index >= bindparam("start"))
        .order_by(receipt.c.batch_index)
        .limit(bindparam("rows"))
    )


read_page = _page_of(*schema.receipt_columns)
read_recipients = _page_of(receipt.c.batch_index, receipt.c.who).where(_in_doubt_or_sent)

find_elsewhere = (
    select(delivery)
    .join(
        receipt, and_(receipt.c.delivery_id == delivery.c.id, receipt.c.generation == delivery.c.generation)
    )
    .where(
        receipt.c.fingerprint == bindparam("fingerprint"),
        _in_doubt_or_sent,
        delivery.c.dag_id == bindparam("dag_id"),
        delivery.c.run_id == bindparam("run_id"),
        delivery.c.task_id == bindparam("task_id"),
        func.coalesce(delivery.c.deployment, "") == bindparam("deployment"),
        delivery.c.map_index != bindparam("map_index"),
        or_(delivery.c.created_at < bindparam("before"), delivery.c.clear_number < bindparam("clears")),
    )
    .order_by(delivery.c.map_index)
)

# Writing them -----------------------------------------------------------------------------------------------

# The state comes last: MySQL's condition reads the values that were assigned before it.
_OF_A_CLAIM = ("recipients", "fingerprint", "who", "owner", "token")
_OF_AN_OUTCOME = ("dispatch_id", "other_ids", "reason", "noted_at", "state")
# Literals, because MySQL's drivers send many rows at once only if nothing but the rows has parameters.
_CLAIMED: Any = literal_column(f"'{State.CLAIMED.value}'")
_SENT: Any = literal_column(f"'{State.SENT.value}'")


_OF_A_NEW_OUTCOME = (*_OF_AN_OUTCOME, "owner", "token")
replace_receipts = (
    update(receipt)
    .where(
        receipt.c.delivery_id == bindparam("delivery"),
        receipt.c.generation == bindparam("of_generation"),
        receipt.c.batch_index == bindparam("at"),
    )
    .values({name: bindparam(f"new_{name}") for name in _OF_A_NEW_OUTCOME})
)
"""Whatever the batch's state is. The recipients of the claim stay noted."""


def replacing(row: Mapping[str, Any]) -> dict[str, Any]:
    """
    Give the parameters of :data:`replace_receipts`.

    :param row: The row of the new outcome.
    """
    place = {
        "delivery": row["delivery_id"],
        "of_generation": row["generation"],
        "at": row["batch_index"],
    }
    return {**place, **{f"new_{name}": row[name] for name in _OF_A_NEW_OUTCOME}}


def write_receipts(dialect: str) -> Any:
    """
    Make the statement that writes claims and outcomes.

    It is an insert with a rule for rows that exist, because drivers send all rows of an insert together, but
    updates one by one. A claim replaces a receipt unless that batch was sent. An outcome replaces a receipt
    that has the same owner.

    :param dialect: SQLAlchemy's name for the database's dialect.
    """
    if dialect == "mysql":
        in_mysql = mysql.insert(receipt)
        return in_mysql.on_duplicate_key_update(list(_values(in_mysql.inserted, guarded=True)))
    on_conflict = (postgresql if dialect == "postgresql" else sqlite).insert(receipt)
    new = on_conflict.excluded
    return on_conflict.on_conflict_do_update(
        index_elements=list(receipt.primary_key.columns),
        set_=dict(_values(new, guarded=False)),
        where=or_(_is_claim(new), _is_outcome(new)),
    )


def _values(new: Any, *, guarded: bool) -> Iterable[tuple[str, Any]]:
    for name in _OF_A_CLAIM:
        yield name, case((_is_claim(new), new[name]), else_=receipt.c[name])
    for name in _OF_AN_OUTCOME:
        if guarded:
            yield name, case((or_(_is_claim(new), _is_outcome(new)), new[name]), else_=receipt.c[name])
        else:
            yield name, new[name]


def _is_claim(new: Any) -> Any:
    return and_(new.state == _CLAIMED, receipt.c.state != _SENT)


def _is_outcome(new: Any) -> Any:
    return and_(new.state != _CLAIMED, receipt.c.owner == new.owner)
