"""Settle batches in doubt in a SQL ledger, as a person has decided."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pendulum
from sqlalchemy import bindparam, func, insert, literal, select, update
from sqlalchemy.engine import Connection, Engine

from braze_provider.api.errors import BrazeError
from braze_provider.ledger import sql_migrations as migrations
from braze_provider.ledger import sql_schema as schema
from braze_provider.ledger import sql_statements as statements
from braze_provider.ledger.base import DeliveryKey, State
from braze_provider.ledger.show_sql import RUNNING
from braze_provider.ledger.sql_rows import MAX_REASON_LENGTH, now_iso, to_iso
from braze_provider.ledger.sql_schema import delivery, receipt
from braze_provider.ledger.sql_transactions import Transactions

MAX_NAME_LENGTH = 100

_IN_DOUBT = (State.CLAIMED.value, State.UNCERTAIN.value)


class Decision(str, Enum):
    """What a person has decided about batches in doubt."""

    SENT = "sent"
    """They are taken for sent."""
    RESEND = "resend"
    """They are sent again."""


_SETTLED = {
    Decision.SENT: (State.SENT, "taken for sent"),
    Decision.RESEND: (State.FAILED, "to be sent again"),
}


class NotSettledError(BrazeError):
    """Nothing was settled, for a reason that the text gives."""


@dataclass(frozen=True)
class Settled:
    """
    What was settled.

    :param batches: Number of batches.
    :param recipients: Number of recipients in them; a broadcast has 0.
    """

    batches: int
    recipients: int


def settle(
    engine: Engine,
    key: DeliveryKey,
    decision: Decision,
    who: str,
    *,
    only: Collection[int] = (),
    force: bool = False,
    as_of: str | None = None,
    name: str = "the ledger",
) -> Settled | None:
    """
    Settle a delivery's batches in doubt, in one transaction.

    A batch that is taken for sent stays sent for all later tries. A batch that is to be sent again counts as
    not sent, so that the next try sends it. If it ends in doubt again, it needs a decision of its own. The
    ledger keeps who has decided, when, and about which batches.

    The delivery gets a new owner. If a copy of the task runs after all, it starts no request any more.

    :param engine: An engine of the ledger's database that has not been used.
    :param key: The task instance that the delivery belongs to.
    :param decision: What was decided.
    :param who: The name of who has decided.
    :param only: Indexes of the batches to settle. Default: all in doubt.
    :param force: Whether to settle a delivery that was written to in the last two minutes. Default False.
    :param as_of: When the delivery was last written to, as the person saw it. If it was written to since,
        nothing is settled: a new try may have begun. Default: not checked.
    :param name: The ledger's name in messages.
    :return: What was settled; None if the ledger has no such delivery.
    :raises NotSettledError: If it is running or finished, or has no such batches in doubt.
    :raises LedgerVersionError: If the tables are newer than this code.
    :raises LedgerUnavailableError: If the database can't be reached or can't be written to.
    """
    if not who.strip() or not who.isprintable() or len(who) > MAX_NAME_LENGTH:
        raise ValueError(f"who decides is a name of 1 to {MAX_NAME_LENGTH} characters, not {who!r}")
    owner = f"the decision of {who} ({secrets.token_hex(4)})"
    # Returned if the database has committed the transaction, but its answer to the commit was lost.
    done: list[Settled] = []

    def work(connection: Connection) -> Settled | None:
        row = connection.execute(_lock, {"digest": schema.digest(key)}).first()
        if row is None:
            _check_mapped(connection, key)
            return None
        if done and row.owner == owner:
            return done[-1]
        _check_idle(row, force=force, as_of=as_of)
        in_doubt = _in_doubt(row)
        if only:
            _check_all_in_doubt(connection, in_doubt, only)
            in_doubt = (*in_doubt, receipt.c.batch_index.in_(list(only)))
        settled = connection.execute(
            select(receipt.c.batch_index, receipt.c.recipients)
            .where(*in_doubt)
            .order_by(receipt.c.batch_index)
        ).all()
        if not settled:
            raise NotSettledError("It has no batches in doubt")
        now = now_iso()
        recipients = sum(one.recipients for one in settled)
        connection.execute(
            insert(schema.decision).values(
                delivery_id=row.id,
                generation=row.generation,
                decision=decision.value,
                decided_by=who,
                decided_at=now,
                batches=as_ranges(one.batch_index + 1 for one in settled),
                recipients=recipients,
            )
        )
        connection.execute(update(receipt).where(*in_doubt).values(_values(decision, who, now)))
        # The time of the last write stays: the delivery must not count as running because of a decision.
        connection.execute(statements.change.values(owner=owner), {"delivery": row.id})
        done.append(Settled(len(settled), recipients))
        return done[-1]

    transactions = Transactions(engine, name)
    try:
        version = transactions.run(migrations.read_version, writes=False)
        if version is None:
            return None
        if version.version < _DECISIONS_SINCE:
            # Workers of an older release go on with the rest of the tables.
            transactions.run(migrations.prepare_decisions, limit=migrations.MIGRATION_SECONDS)
            transactions.close()
        return transactions.run(work)
    finally:
        transactions.close()


_DECISIONS_SINCE = 4


def as_ranges(numbers: Iterable[int]) -> str:
    """
    Write numbers as ranges, such as ``3-7, 12``.

    :param numbers: The numbers, in order.
    """
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


# It must be the transaction's first statement: what MySQL reads later is as old as the first read without a
# lock. Tables of any version have these columns.
_lock = (
    select(delivery.c.id, delivery.c.generation, delivery.c.owner, delivery.c.finished, delivery.c.updated_at)
    .where(delivery.c.key_digest == bindparam("digest"))
    .with_for_update()
)


def _check_mapped(connection: Connection, key: DeliveryKey) -> None:
    if key.map_index >= 0:
        return
    mapped = select(delivery.c.id).where(
        delivery.c.dag_id == key.dag_id,
        delivery.c.run_id == key.run_id,
        delivery.c.task_id == key.task_id,
        delivery.c.map_index >= 0,
    )
    if connection.execute(mapped.limit(1)).first() is not None:
        raise NotSettledError("The task is mapped: name one of its instances (--map-index)")


def _check_idle(row: Any, *, force: bool, as_of: str | None) -> None:
    if row.finished:
        raise NotSettledError("It is finished, so nothing is in doubt")
    if as_of not in (None, row.updated_at):
        raise NotSettledError("A task has written to it since you looked. Look again")
    if row.updated_at > to_iso(pendulum.now("UTC") - RUNNING) and not force:
        raise NotSettledError(
            f"It may be running: it was last written to at {row.updated_at[:19]}Z. Wait until "
            f"{RUNNING.in_words()} have passed, or give --force if the task has ended"
        )


def _check_all_in_doubt(connection: Connection, in_doubt: Any, only: Collection[int]) -> None:
    # All of them are read, because databases take only so many parameters.
    known = set(connection.execute(select(receipt.c.batch_index).where(*in_doubt)).scalars())
    if others := sorted(set(only) - known):
        raise NotSettledError(f"Not in doubt: {', '.join(f'batch {index + 1:,}' for index in others)}")


def _in_doubt(row: Any) -> tuple[Any, ...]:
    return (
        receipt.c.delivery_id == row.id,
        receipt.c.generation == row.generation,
        receipt.c.state.in_(_IN_DOUBT),
    )


def _values(decision: Decision, who: str, now: str) -> dict[str, Any]:
    state, what = _SETTLED[decision]
    before = func.coalesce(receipt.c.reason, "no outcome was known")
    reason = literal(f"{what}, decided by {who} at {now[:19]}Z; before that: ") + before
    # The owner of the receipt stays: if a request is still under way, its true outcome counts.
    return {"state": state.value, "reason": func.substr(reason, 1, MAX_REASON_LENGTH), "noted_at": now}
