"""Read the contents of a SQL ledger, to show them. Nothing is changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import pendulum
from sqlalchemy import and_, case, exists, func, inspect, not_, or_, select
from sqlalchemy.engine import Connection

from braze_provider.ledger import sql_migrations as migrations
from braze_provider.ledger import sql_schema as schema
from braze_provider.ledger.base import DeliveryKey, Head, Outline, Receipt, State
from braze_provider.ledger.sql_rows import to_iso
from braze_provider.ledger.sql_schema import decision, delivery, receipt

DELIVERIES_PER_PAGE = 200
RECEIPTS_PER_PAGE = 1_000

RUNNING = pendulum.duration(minutes=2)
"""A delivery counts as running for so long after the last write to it."""
RECENTLY = pendulum.duration(minutes=1)
"""The time over which a running delivery's rate is measured."""

Status = Literal["in_doubt", "running", "open", "finished"]


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
    :param outline: What it is about; None if its tries did not note it.
    :param batches: Number of batches in each state.
    :param recipients: Number of recipients in them.
    :param recent: Number of recipients who were sent to in the last minute.
    """

    id: int
    key: DeliveryKey
    generation: int
    head: Head
    status: str
    begun_at: str
    written_at: str
    outline: Outline | None = None
    batches: dict[State, int] = field(default_factory=dict)
    recipients: dict[State, int] = field(default_factory=dict)
    recent: int = 0

    def means(self, states: Collection[State]) -> set[State]:
        """
        Tell which states of batches belong to the states that a user asks for.

        A claim without an outcome counts as uncertain, unless the delivery is running.

        :param states: The states that the user asks for.
        """
        claims = {State.CLAIMED} if State.UNCERTAIN in states and self.status != "running" else set()
        return {*states, *claims}


@dataclass(frozen=True)
class Page:
    """
    Some of the deliveries that were asked for.

    :param deliveries: The deliveries of this page.
    :param total: Number of deliveries on all pages.
    """

    deliveries: list[Delivery]
    total: int


@dataclass(frozen=True)
class Reason:
    """
    Why batches are in a state.

    :param state: The state.
    :param reason: The reason; None for claims without an outcome.
    :param batches: Number of batches with it.
    :param recipients: Number of recipients in them.
    :param first: Index of the first of these batches.
    """

    state: State
    reason: str | None
    batches: int
    recipients: int
    first: int


@dataclass(frozen=True)
class DecisionMade:
    """
    What a person has decided about batches in doubt.

    :param decision: ``sent`` or ``resend``.
    :param decided_by: Who has decided.
    :param decided_at: When, ISO 8601 in UTC.
    :param batches: The numbers of the batches, from 1, as ranges: ``3-7, 12``.
    :param recipients: Number of recipients in them.
    """

    decision: str
    decided_by: str
    decided_at: str
    batches: str
    recipients: int


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
        # The deployment is compared below: version 1 of the tables has no such column.
        fields = {name: value for name, value in wanted.fields.items() if name != "deployment"}
        query = (
            self._select()
            .where(*(delivery.c[name] == value for name, value in fields.items()))
            .order_by(delivery.c.id)
            .limit(DELIVERIES_PER_PAGE)
        )
        last = 0
        while True:
            rows = self._connection.execute(query.where(delivery.c.id > last)).all()
            # MySQL's comparison ignores trailing spaces, so it also finds other ids.
            yield from self._counted([one for one in map(_delivery, rows) if wanted.includes(one.key)])
            if len(rows) < DELIVERIES_PER_PAGE:
                return
            last = rows[-1].id

    def page(
        self,
        *,
        dag_ids: Collection[str] | None = None,
        deployment: str | None = None,
        status: Status | None = None,
        search: str = "",
        offset: int = 0,
        limit: int = 50,
    ) -> Page:
        """
        Read a page of deliveries: those in doubt first, then the newest.

        The figures of a finished delivery are those of its report; it has no figures of batches.

        :param dag_ids: Only deliveries of these Dags. Default: of all.
        :param deployment: Only deliveries of this Airflow deployment, "" for those without one. Default: of
            all.
        :param status: ``in_doubt``, or a status of :class:`Delivery`. Default: all.
        :param search: Only deliveries whose Dag, run or task has this text in its id. Default: all.
        :param offset: Number of deliveries to pass over. Default 0.
        :param limit: Number of deliveries on the page. Default 50.
        """
        if self._version is None:
            return Page([], 0)
        where = list(self._conditions(dag_ids, deployment, search))
        in_doubt = _is_in_doubt()
        if status is not None:
            where.append(in_doubt if status == "in_doubt" else _has_status(status))
        count = select(func.count()).select_from(delivery).where(*where)
        total = self._connection.execute(count).scalar_one()
        first = case((in_doubt, 0), else_=1)
        query = self._select().where(*where).order_by(first, delivery.c.id.desc())
        rows = self._connection.execute(query.offset(offset).limit(limit)).all()
        found = [_delivery(row) for row in rows]
        # To count the batches of what is finished would take long, and its report knows the figures.
        counted = {one.id: one for one in self._counted([one for one in found if one.status != "finished"])}
        return Page([counted.get(one.id) or _as_finished(one) for one in found], total)

    def find(self, number: int) -> Delivery | None:
        """
        Read one delivery with all its figures; None if there is no such delivery.

        :param number: Id of its row in the ledger.
        """
        if self._version is None:
            return None
        row = self._connection.execute(self._select().where(delivery.c.id == number)).first()
        if row is None:
            return None
        (one,) = self._counted([_delivery(row)])
        return one

    def reasons(self, of: Delivery, limit: int = 10) -> list[Reason]:
        """
        Give the reasons of a delivery's batches that were not sent, in the order of their first batches.

        :param of: The delivery.
        :param limit: Number of reasons at most. Default 10.
        """
        first = func.min(receipt.c.batch_index)
        not_sent = receipt.c.state != State.SENT.value
        query = (
            select(receipt.c.state, receipt.c.reason, func.count(), func.sum(receipt.c.recipients), first)
            .where(receipt.c.delivery_id == of.id, receipt.c.generation == of.generation, not_sent)
            .group_by(receipt.c.state, receipt.c.reason)
            .order_by(first)
            .limit(limit)
        )
        return [
            Reason(State(state), reason, batches, int(recipients), index)
            for state, reason, batches, recipients, index in self._connection.execute(query)
        ]

    def decisions(self, of: Delivery) -> list[DecisionMade]:
        """
        Give what people have decided about a delivery, the newest decision first.

        :param of: The delivery.
        """
        # A ledger of an older version has the table once somebody has decided.
        if not inspect(self._connection).has_table(decision.name):
            return []
        query = (
            select(*(decision.c[name] for name in DecisionMade.__dataclass_fields__))
            .where(decision.c.delivery_id == of.id, decision.c.generation == of.generation)
            .order_by(decision.c.id.desc())
        )
        return [DecisionMade(*row) for row in self._connection.execute(query)]

    def receipts(
        self,
        of: Delivery,
        *,
        states: Iterable[State] = tuple(State),
        having: str | None = None,
        start: int = 0,
    ) -> Iterator[Receipt]:
        """
        Read a delivery's receipts in the order of their batches, a few at a time.

        :param of: The delivery.
        :param states: Only batches in these states. Default: all.
        :param having: Only batches that Braze gave an id of this name. Default: all.
        :param start: Index of the first batch. Default 0.
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
        last = start - 1
        while True:
            page = self._connection.execute(query.where(receipt.c.batch_index > last)).all()
            found = map(schema.to_receipt, page)
            yield from (one for one in found if having is None or having in one.ids)
            if len(page) < RECEIPTS_PER_PAGE:
                return
            last = page[-1].batch_index

    def _select(self) -> Any:
        version = self._version or 0
        return select(*(schema.column_of(column, version) for column in delivery.c))

    def _conditions(
        self, dag_ids: Collection[str] | None, deployment: str | None, search: str
    ) -> Iterator[Any]:
        if dag_ids is not None:
            yield delivery.c.dag_id.in_(dag_ids)
        if deployment is not None:
            named = schema.column_of(delivery.c.deployment, self._version or 0)
            yield func.coalesce(named, "") == deployment
        if search:
            ids = (delivery.c.dag_id, delivery.c.run_id, delivery.c.task_id)
            yield or_(*(func.lower(one).contains(search.lower(), autoescape=True) for one in ids))

    def _counted(self, page: Collection[Delivery]) -> list[Delivery]:
        """Count the batches and recipients of each delivery, by state."""
        by_id = {one.id: one for one in page}
        if not by_id:
            return []
        is_recent = and_(receipt.c.state == State.SENT.value, receipt.c.noted_at > _ago(RECENTLY))
        counts = self._connection.execute(
            select(
                receipt.c.delivery_id,
                receipt.c.state,
                func.count().label("batches"),
                func.sum(receipt.c.recipients).label("recipients"),
                func.sum(case((is_recent, receipt.c.recipients), else_=0)).label("recent"),
            )
            .select_from(receipt.join(delivery))
            .where(delivery.c.id.in_(list(by_id)), receipt.c.generation == delivery.c.generation)
            .group_by(receipt.c.delivery_id, receipt.c.state)
        )
        for row in counts:
            one = by_id[row.delivery_id]
            by_id[one.id] = dataclasses.replace(
                one,
                batches={**one.batches, State(row.state): row.batches},
                recipients={**one.recipients, State(row.state): int(row.recipients)},
                recent=one.recent + int(row.recent),
            )
        return list(by_id.values())


def _delivery(row: Any) -> Delivery:
    status = "finished" if row.finished else "running" if row.updated_at > _ago(RUNNING) else "open"
    return Delivery(
        id=row.id,
        key=schema.to_key(row),
        generation=row.generation,
        head=schema.to_head(row),
        status=status,
        begun_at=row.created_at,
        written_at=row.updated_at,
        outline=schema.to_outline(row),
    )


def _has_status(status: str) -> Any:
    if status == "finished":
        return delivery.c.finished
    is_recent = delivery.c.updated_at > _ago(RUNNING)
    return and_(not_(delivery.c.finished), is_recent if status == "running" else not_(is_recent))


def _is_in_doubt() -> Any:
    """Give the condition that a delivery has batches in doubt. A finished one has none."""
    is_over = delivery.c.updated_at <= _ago(RUNNING)
    is_in_doubt = or_(
        receipt.c.state == State.UNCERTAIN.value, and_(receipt.c.state == State.CLAIMED.value, is_over)
    )
    its_own = (receipt.c.delivery_id == delivery.c.id, receipt.c.generation == delivery.c.generation)
    return and_(not_(delivery.c.finished), exists().where(*its_own, is_in_doubt).correlate(delivery))


def _as_finished(one: Delivery) -> Delivery:
    """Give a finished delivery with the figures of its report, which are at hand."""
    report = one.head.report or {}
    sent = int(report.get("sent") or 0) + int(report.get("already_sent") or 0)
    return dataclasses.replace(one, recipients={State.SENT: sent} if sent else {})


def _ago(duration: pendulum.Duration) -> str:
    return to_iso(pendulum.now("UTC") - duration)
