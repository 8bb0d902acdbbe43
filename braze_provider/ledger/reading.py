"""What the SQL ledger holds, read for people; nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from braze_provider.delivery.ledger import sql_schema as schema
from braze_provider.delivery.ledger.base import DeliveryKey, Receipt, State
from braze_provider.delivery.ledger.sql_schema import delivery, receipt

DELIVERIES_PER_PAGE = 200
RECEIPTS_PER_PAGE = 1_000

RUNNING = timedelta(minutes=2)
"""A delivery that was written to so recently is taken for one that is running."""


@dataclass(frozen=True)
class Wanted:
    """
    Which deliveries to look at; what is None does not matter.

    :param dag_id: Id of the Dag.
    :param run_id: Id of the Dag run.
    :param task_id: Id of the task.
    :param map_index: Index of a mapped task instance, -1 for one that is not mapped.
    """

    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """What matters."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Delivery:
    """
    A delivery as the ledger has it.

    :param id: Its number in the ledger.
    :param key: The task instance.
    :param generation: How often it was started over.
    :param clear_number: How often the Dag run had been cleared when it began, or was started over.
    :param status: ``finished``; ``running``, if it was written to in the last two minutes; else ``open``.
    :param begun_at: When it began.
    :param written_at: When it was last written to.
    :param report: The report that it ended with, if it finished.
    :param batches: Number of batches in each state.
    :param people: Number of people in them.
    """

    id: int
    key: DeliveryKey
    generation: int
    clear_number: int
    status: str
    begun_at: str
    written_at: str
    report: Mapping[str, Any] | None
    batches: dict[State, int] = field(default_factory=dict)
    people: dict[State, int] = field(default_factory=dict)

    def means(self, states: Collection[State]) -> set[State]:
        """
        Say in which states the batches are that somebody who names these states looks for.

        A claim without outcome is in doubt, unless its task is still at it.

        :param states: The states by name.
        """
        claims = {State.CLAIMED} if State.UNCERTAIN in states and self.status != "running" else set()
        return {*states, *claims}


class LedgerReader:
    """
    Reads a SQL ledger.

    :param connection: A connection to its database, which need not have a ledger yet.
    :raises LedgerVersionError: If the ledger is newer than this code.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._exists = schema.exists(connection)

    def deliveries(self, wanted: Wanted) -> Iterator[Delivery]:
        """
        Read deliveries in the order in which they began, a few at a time.

        :param wanted: Which ones.
        """
        recently = (datetime.now(timezone.utc) - RUNNING).isoformat()
        fields = wanted.fields
        last = 0
        while self._exists:
            rows = self._connection.execute(
                select(delivery)
                .where(delivery.c.id > last, *(delivery.c[name] == value for name, value in fields.items()))
                .order_by(delivery.c.id)
                .limit(DELIVERIES_PER_PAGE)
            ).all()
            # MySQL finds ids with trailing spaces as well.
            page = [
                _delivery(row, recently)
                for row in rows
                if all(getattr(row, name) == value for name, value in fields.items())
            ]
            self._count(page)
            yield from page
            if len(rows) < DELIVERIES_PER_PAGE:
                return
            last = rows[-1].id

    def receipts(
        self, of: Delivery, *, states: Iterable[State] = tuple(State), dispatched: bool = False
    ) -> Iterator[Receipt]:
        """
        Read a delivery's receipts in the order of their batches, a few at a time.

        :param of: The delivery.
        :param states: Only batches in these states. Default: all.
        :param dispatched: Only batches that Braze gave a dispatch id. Default: all.
        """
        query = select(*schema.receipt_columns).where(
            receipt.c.delivery_id == of.id,
            receipt.c.generation == of.generation,
            receipt.c.state.in_([state.value for state in states]),
        )
        if dispatched:
            query = query.where(receipt.c.dispatch_id.is_not(None))
        query = query.order_by(receipt.c.batch_index).limit(RECEIPTS_PER_PAGE)
        last = -1
        while True:
            page = self._connection.execute(query.where(receipt.c.batch_index > last)).all()
            yield from map(schema.to_receipt, page)
            if len(page) < RECEIPTS_PER_PAGE:
                return
            last = page[-1].batch_index

    def _count(self, page: Collection[Delivery]) -> None:
        """Add to deliveries what is in their batches."""
        by_id = {one.id: one for one in page}
        if not by_id:
            return
        counts = self._connection.execute(
            select(
                receipt.c.delivery_id,
                receipt.c.state,
                func.count().label("batches"),
                func.sum(receipt.c.recipients).label("people"),
            )
            .select_from(receipt.join(delivery))
            .where(delivery.c.id.in_(list(by_id)), receipt.c.generation == delivery.c.generation)
            .group_by(receipt.c.delivery_id, receipt.c.state)
        )
        for row in counts:
            state = State(row.state)
            by_id[row.delivery_id].batches[state] = row.batches
            by_id[row.delivery_id].people[state] = int(row.people)


def _delivery(row: Any, recently: str) -> Delivery:
    status = "finished" if row.finished else "running" if row.updated_at > recently else "open"
    return Delivery(
        id=row.id,
        key=DeliveryKey(row.dag_id, row.run_id, row.task_id, row.map_index),
        generation=row.generation,
        clear_number=row.clear_number,
        status=status,
        begun_at=row.created_at,
        written_at=row.updated_at,
        report=None if row.report is None else json.loads(row.report),
    )
