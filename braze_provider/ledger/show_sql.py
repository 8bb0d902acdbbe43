"""Read the contents of a SQL ledger, to show them. Nothing is changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pendulum
from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from braze_provider.ledger import sql_migrations as migrations
from braze_provider.ledger import sql_schema as schema
from braze_provider.ledger.base import DeliveryKey, Head, Receipt, State
from braze_provider.ledger.sql_schema import delivery, receipt

DELIVERIES_PER_PAGE = 200
RECEIPTS_PER_PAGE = 1_000

RUNNING = pendulum.duration(minutes=2)
"""A delivery counts as running for so long after the last write to it."""


@dataclass(frozen=True)
class Wanted:
    """
    Which deliveries to look at. A field that is None does not matter.

    :param dag_id: Id of the Dag.
    :param run_id: Id of the Dag run.
    :param task_id: Id of the task.
    :param map_index: Index of a mapped task instance, -1 for one that is not mapped.
    :param deployment: Name of the Airflow deployment, "" for those without one.
    """

    dag_id: str | None = None
    run_id: str | None = None
    task_id: str | None = None
    map_index: int | None = None
    deployment: str | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The fields that matter."""
        return {name: value for name, value in vars(self).items() if value is not None}

    def includes(self, key: DeliveryKey) -> bool:
        """
        Tell whether a delivery is wanted.

        :param key: The delivery's task instance.
        """
        return all(getattr(key, name) == value for name, value in self.fields.items())


@dataclass(frozen=True)
class Delivery:
    """
    A delivery as the ledger has it.

    :param id: Id of its row in the ledger.
    :param key: The task instance.
    :param generation: How often it was started over.
    :param head: What the ledger knows of it as a whole.
    :param status: ``finished``; ``running``, if it was written to in the last two minutes; else ``open``.
    :param begun_at: When it began.
    :param written_at: When it was last written to.
    :param batches: Number of batches in each state.
    :param recipients: Number of recipients in them.
    """

    id: int
    key: DeliveryKey
    generation: int
    head: Head
    status: str
    begun_at: str
    written_at: str
    batches: dict[State, int] = field(default_factory=dict)
    recipients: dict[State, int] = field(default_factory=dict)

    def means(self, states: Collection[State]) -> set[State]:
        """
        Tell which states of batches belong to the states that a user asks for.

        A claim without an outcome counts as uncertain, unless the delivery is running.

        :param states: The states that the user asks for.
        """
        claims = {State.CLAIMED} if State.UNCERTAIN in states and self.status != "running" else set()
        return {*states, *claims}


class LedgerReader:
    """
    Reads a SQL ledger whose tables are of this version or an older one.

    :param connection: A connection to its database, which may have no ledger yet.
    :raises LedgerVersionError: If the ledger is newer than this code.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        row = migrations.read_version(connection)
        self._version: int | None = None if row is None else row.version

    def deliveries(self, wanted: Wanted) -> Iterator[Delivery]:
        """
        Read deliveries in the order in which they began, a few at a time.

        :param wanted: Which deliveries to read.
        """
        if self._version is None:
            return
        recently = (pendulum.now("UTC") - RUNNING).isoformat()
        columns = [schema.column_of(column, self._version) for column in delivery.c]
        # The deployment is compared below: version 1 of the tables has no such column.
        fields = {name: value for name, value in wanted.fields.items() if name != "deployment"}
        query = (
            select(*columns)
            .where(*(delivery.c[name] == value for name, value in fields.items()))
            .order_by(delivery.c.id)
            .limit(DELIVERIES_PER_PAGE)
        )
        last = 0
        while True:
            rows = self._connection.execute(query.where(delivery.c.id > last)).all()
            # MySQL's comparison ignores trailing spaces, so it also finds other ids.
            page = [one for one in (_delivery(row, recently) for row in rows) if wanted.includes(one.key)]
            self._count(page)
            yield from page
            if len(rows) < DELIVERIES_PER_PAGE:
                return
            last = rows[-1].id

    def receipts(
        self, of: Delivery, *, states: Iterable[State] = tuple(State), having: str | None = None
    ) -> Iterator[Receipt]:
        """
        Read a delivery's receipts in the order of their batches, a few at a time.

        :param of: The delivery.
        :param states: Only batches in these states. Default: all.
        :param having: Only batches that Braze gave an id of this name. Default: all.
        """
        if self._version is None:
            return
        query = select(*(schema.column_of(column, self._version) for column in schema.receipt_columns)).where(
            receipt.c.delivery_id == of.id,
            receipt.c.generation == of.generation,
            receipt.c.state.in_([state.value for state in states]),
        )
        if having is not None:
            holder = receipt.c.dispatch_id if having == "dispatch_id" else receipt.c.other_ids
            query = query.where(schema.column_of(holder, self._version).is_not(None))
        query = query.order_by(receipt.c.batch_index).limit(RECEIPTS_PER_PAGE)
        last = -1
        while True:
            page = self._connection.execute(query.where(receipt.c.batch_index > last)).all()
            found = map(schema.to_receipt, page)
            yield from (one for one in found if having is None or having in one.ids)
            if len(page) < RECEIPTS_PER_PAGE:
                return
            last = page[-1].batch_index

    def _count(self, page: Collection[Delivery]) -> None:
        """Count the batches and recipients of each delivery, by state."""
        by_id = {one.id: one for one in page}
        if not by_id:
            return
        counts = self._connection.execute(
            select(
                receipt.c.delivery_id,
                receipt.c.state,
                func.count().label("batches"),
                func.sum(receipt.c.recipients).label("recipients"),
            )
            .select_from(receipt.join(delivery))
            .where(delivery.c.id.in_(list(by_id)), receipt.c.generation == delivery.c.generation)
            .group_by(receipt.c.delivery_id, receipt.c.state)
        )
        for row in counts:
            state = State(row.state)
            by_id[row.delivery_id].batches[state] = row.batches
            by_id[row.delivery_id].recipients[state] = int(row.recipients)


def _delivery(row: Any, recently: str) -> Delivery:
    status = "finished" if row.finished else "running" if row.updated_at > recently else "open"
    return Delivery(
        id=row.id,
        key=schema.to_key(row),
        generation=row.generation,
        head=schema.to_head(row),
        status=status,
        begun_at=row.created_at,
        written_at=row.updated_at,
    )
