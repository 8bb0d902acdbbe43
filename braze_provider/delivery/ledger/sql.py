"""
A ledger in a SQL database, reached through an Airflow connection: any Airflow version, any size.

A delivery is a row of ``braze_delivery``, a batch one of ``braze_receipt``. Every change is one transaction
that locks the delivery's row first, so that copies of a task take turns; and whoever would get past the
lock meets the primary key of the receipts, which takes a batch once.

Only import this module to use it: it needs SQLAlchemy, which parsing a Dag does not.
"""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, TypeVar

from sqlalchemy import bindparam, func, insert, literal_column, select, update
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from braze_provider.api.errors import BrazeError
from braze_provider.delivery.ledger import sql_schema as schema
from braze_provider.delivery.ledger.base import Claim, DeliveryKey, Head, LedgerLostError, Receipt, State
from braze_provider.delivery.ledger.sql_engine import (
    begin_writing,
    first_line,
    is_transient,
    ledger_engine,
    set_up,
)
from braze_provider.delivery.ledger.sql_schema import delivery, receipt

__all__ = ["LedgerUnavailableError", "SqlLedger", "open_sql_ledger"]

ROWS_PER_PAGE = 1_000
ROWS_PER_LOOKUP = 500
"""SQLite of before 2020 takes 999 parameters."""
MAX_REASON_LENGTH = 4_000

FIRST_PATIENCE = 5.0
"""Seconds of trying again before the database has answered once: what is wrong by then is the connection."""
PATIENCE = 60.0
"""Seconds of trying again in the middle of a delivery, which may outlast a database's restart."""
MAX_PAUSE = 2.0

_Result = TypeVar("_Result")


class LedgerUnavailableError(BrazeError):
    """The ledger's database can't be reached, or refuses what the ledger does."""


@dataclass
class _Written:
    """What one call of ``write`` came to."""

    granted: list[int] = field(default_factory=list)
    lost: LedgerLostError | None = None


class SqlLedger:
    """
    A ledger in a SQL database.

    :param engine: An engine of SQLite, PostgreSQL or MySQL that has not been used; the ledger sets it up
        and disposes of it. See :func:`open_sql_ledger` for an Airflow connection's.
    :param key: The task instance whose delivery it is.
    :param owner: A name that no other process has, and this one not twice.
    :param conn_id: Id of the Airflow connection that the engine came from, for messages.
    """

    def __init__(self, engine: Engine, key: DeliveryKey, owner: str, *, conn_id: str | None = None) -> None:
        if not 0 < len(owner) <= schema.MAX_ID_LENGTH or owner != owner.strip():
            raise ValueError(f"an owner is a name of 1 to {schema.MAX_ID_LENGTH} characters, not {owner!r}")
        for name in (key.dag_id, key.run_id, key.task_id):
            if len(name) > schema.MAX_ID_LENGTH:
                raise BrazeError(f"an id of {len(name)} characters is too long for the ledger: {name[:60]}…")
        self._engine = set_up(engine)
        self._key = key
        self._owner = owner
        self._conn_id = conn_id
        self._statements = _Statements.of(engine.dialect.name)
        self._reached = False
        self._id = self._generation = -1

    def __str__(self) -> str:
        where = f"connection {self._conn_id!r}" if self._conn_id else f"database {self._engine.url.database}"
        return f"table {receipt.name} of {where} ({self._engine.dialect.name})"

    @property
    def durable(self) -> bool:
        """Whether a later try of the task finds the receipts again."""
        return True

    def open(self, *, clear_number: int) -> Head | None:
        """
        Become the owner of this delivery, durably.

        :param clear_number: How often the Dag run has been cleared; kept with a delivery that begins now.
        :return: What an earlier try left; None if this is the first that the ledger hears of the delivery.
        :raises LedgerUnavailableError: If the database can't be reached, or not be written to.
        """
        try:
            schema.create(self._engine)
        except SQLAlchemyError as error:
            raise self._unavailable(error) from error
        except schema.LedgerVersionError as error:
            raise schema.LedgerVersionError(f"The ledger, {self}, can't be used: {error}") from error
        began = False

        def take_over(connection: Connection) -> Head | None:
            nonlocal began
            found = connection.execute(_find, {"digest": schema.digest(self._key)}).first()
            if found is None:
                began = True  # Known even if the answer to the commit gets lost.
                self._begin(connection, clear_number)
                return None
            self._id = found.id
            row = self._lock(connection)
            self._generation = row.generation
            if began and row.begun_by == row.owner == self._owner:
                return None
            connection.execute(update(delivery).where(delivery.c.id == row.id), self._ownership())
            report = None if row.report is None else json.loads(row.report)
            return Head(row.clear_number, finished=bool(row.finished), report=report)

        return self._transact(take_over)

    def start_over(self, *, clear_number: int) -> None:
        """
        Begin the delivery anew: the receipts so far stay as a record, and are none of it any more.

        :param clear_number: How often the Dag run has been cleared.
        :raises LedgerLostError: If somebody else is the owner.
        """
        # Decided once, so that a lost answer does not begin two generations.
        changes = {
            "generation": self._generation + 1,
            "clear_number": clear_number,
            "finished": False,
            "report": None,
        }
        self._change_head(changes)
        self._generation += 1

    def receipts(self, start: int = 0) -> Iterator[Receipt]:
        """
        Read the receipts in the order of their batches, a few at a time; claims without outcome included.

        :param start: Index to begin with. Default 0.
        """
        while True:
            page = self._transact(self._page(start), writes=False)
            yield from map(schema.to_receipt, page)
            if len(page) < ROWS_PER_PAGE:
                return
            start = page[-1].batch_index + 1

    def write(self, settled: Sequence[Receipt], claims: Sequence[Claim]) -> Collection[int]:
        """
        Note, in one transaction, what became of claimed batches, and claim further ones.

        A claim is granted where the ledger has no receipt for the batch, or one that says that it was not
        sent; with ``again`` also over any other but that of a batch that was sent.

        :param settled: Receipts of batches that this owner claimed.
        :param claims: Batches that are to be sent next.
        :return: Indexes of the claims that were granted. One that somebody else has claimed is not.
        :raises LedgerLostError: If somebody else is the owner; the receipts were noted all the same.
        """
        if not settled and not claims:
            return []
        outcomes = {one.index: one for one in settled}
        wanted = {one.index: one for one in claims}
        # Tells this call's claims from all others, should the answer to its commit get lost.
        token = secrets.token_hex(16)
        written = self._transact(lambda connection: self._note(connection, outcomes, wanted, token))
        if written.lost is not None:
            raise written.lost
        return written.granted

    def confirm(self) -> None:
        """
        Ask whether this copy is the owner still.

        :raises LedgerLostError: If somebody else is.
        """
        self._transact(self._lock_as_owner)

    def finish(self, report: Mapping[str, Any]) -> None:
        """
        Note that everybody was sent to, so that a later try sends nothing.

        :param report: The delivery's report.
        :raises LedgerLostError: If somebody else is the owner.
        """
        self._change_head({"finished": True, "report": json.dumps(report)})

    def close(self) -> None:
        """Let go of connections."""
        self._engine.dispose()

    # The delivery's row -------------------------------------------------------------------------------------

    def _begin(self, connection: Connection, clear_number: int) -> None:
        key = self._key
        now = _now()
        result = connection.execute(
            insert(delivery).values(
                key_digest=schema.digest(key),
                dag_id=key.dag_id,
                run_id=key.run_id,
                task_id=key.task_id,
                map_index=key.map_index,
                generation=0,
                clear_number=clear_number,
                begun_by=self._owner,
                owner=self._owner,
                finished=False,
                created_at=now,
                updated_at=now,
            )
        )
        primary_key: Any = result.inserted_primary_key
        self._id, self._generation = primary_key[0], 0

    def _lock(self, connection: Connection) -> Any:
        """Lock the delivery's row until the transaction ends, and read it as it is then."""
        row = connection.execute(_lock, {"delivery": self._this["delivery"]}).first()
        if row is None:
            raise LedgerLostError(f"The delivery's record is gone from the ledger, {self}")
        return row

    def _lock_as_owner(self, connection: Connection) -> None:
        if lost := self._lost(self._lock(connection)):
            raise lost

    def _ownership(self) -> dict[str, Any]:
        return {"owner": self._owner, "updated_at": _now()}

    def _change_head(self, changes: Mapping[str, Any]) -> None:
        def change(connection: Connection) -> None:
            self._lock_as_owner(connection)
            values = {**changes, "updated_at": _now()}
            connection.execute(update(delivery).where(delivery.c.id == self._id), values)

        self._transact(change)

    def _lost(self, row: Any) -> LedgerLostError | None:
        if row.owner == self._owner:
            return None
        return LedgerLostError(
            f"Another copy of this task, {row.owner}, has taken the delivery over: this one sends no more"
        )

    # Its receipts -------------------------------------------------------------------------------------------

    def _note(
        self,
        connection: Connection,
        outcomes: Mapping[int, Receipt],
        wanted: Mapping[int, Claim],
        token: str,
    ) -> _Written:
        lost = self._lost(self._lock(connection))
        known = self._known(connection, {*outcomes, *wanted})
        ours = {index for index, row in known.items() if row.token == token}
        if ours and lost is None:
            # This very transaction was committed before, and only the answer got lost.
            return _Written([index for index in wanted if index in ours])
        mine = [self._settlement(one) for one in outcomes.values() if self._is_mine(known.get(one.index))]
        if mine:
            connection.execute(self._statements.settle, mine)
        if lost is not None:
            return _Written(lost=lost)
        # As the receipts are now: a batch may be settled and claimed again in one go.
        states = {index: State(row.state) for index, row in known.items()}
        states.update((row["batch_index"], State(row["state"])) for row in mine)
        new, again = [], []
        for claim in wanted.values():
            state = states.get(claim.index)
            if state is None:
                new.append(self._claim(claim, token))
            elif state is State.FAILED or (claim.again and state is not State.SENT):
                again.append(self._claim(claim, token))
        if again:
            connection.execute(self._statements.claim_again, again)
        if new:
            connection.execute(_claim, new)
        connection.execute(_touch, {"delivery": self._id, "now": _now()})
        granted = {row["batch_index"] for row in (*new, *again)}
        return _Written([index for index in wanted if index in granted])

    def _known(self, connection: Connection, indexes: Iterable[int]) -> dict[int, Any]:
        ordered = sorted(indexes)
        known: dict[int, Any] = {}
        for place in range(0, len(ordered), ROWS_PER_LOOKUP):
            given = {**self._this, "indexes": ordered[place : place + ROWS_PER_LOOKUP]}
            known.update((row.batch_index, row) for row in connection.execute(_look_up, given))
        return known

    def _page(self, start: int) -> Callable[[Connection], Sequence[Any]]:
        given = {**self._this, "start": start, "rows": ROWS_PER_PAGE}
        return lambda connection: connection.execute(_read_page, given).all()

    def _is_mine(self, row: Any) -> bool:
        return row is not None and row.owner == self._owner

    def _settlement(self, one: Receipt) -> dict[str, Any]:
        return {
            **self._row(one),
            "state": one.state.value,
            "dispatch_id": _storable(one.dispatch_id),
            "reason": _storable(one.reason, MAX_REASON_LENGTH),
            "token": "",
            "noted_at": one.at,
        }

    def _claim(self, one: Claim, token: str) -> dict[str, Any]:
        return {
            **self._row(one),
            "state": State.CLAIMED.value,
            "dispatch_id": None,
            "reason": None,
            "token": token,
            "noted_at": _now(),
        }

    def _row(self, one: Receipt | Claim) -> dict[str, Any]:
        return {
            "delivery_id": self._id,
            "generation": self._generation,
            "batch_index": one.index,
            "recipients": one.recipients,
            "fingerprint": one.fingerprint,
            "owner": self._owner,
        }

    @property
    def _this(self) -> dict[str, int]:
        if self._id < 0:
            raise RuntimeError("the ledger has to be opened first")
        return {"delivery": self._id, "generation": self._generation}

    # Transactions -------------------------------------------------------------------------------------------

    def _transact(self, work: Callable[[Connection], _Result], *, writes: bool = True) -> _Result:
        """
        Run a transaction, and again if it met another one or the connection went.

        The database may have committed it all the same; the work finds out by what it reads.
        """
        until = time.monotonic() + (PATIENCE if self._reached else FIRST_PATIENCE)
        pause = 0.02
        while True:
            try:
                with self._engine.connect() as connection, connection.begin():
                    if writes:
                        begin_writing(connection)
                    result = work(connection)
            except SQLAlchemyError as error:  # noqa: PERF203
                if not is_transient(error) or time.monotonic() > until:
                    raise self._unavailable(error) from error
                # Jitter: those that met do not meet again.
                time.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - no secret
                pause = min(2 * pause, MAX_PAUSE)
            else:
                self._reached = True
                return result

    def _unavailable(self, error: SQLAlchemyError) -> LedgerUnavailableError:
        return LedgerUnavailableError(f"The ledger, {self}, can't be used: {first_line(error)}")


# Statements -------------------------------------------------------------------------------------------------

_of_this = (receipt.c.delivery_id == bindparam("delivery"), receipt.c.generation == bindparam("generation"))

_find = select(delivery.c.id).where(delivery.c.key_digest == bindparam("digest"))
_lock = select(delivery).where(delivery.c.id == bindparam("delivery")).with_for_update()
_touch = update(delivery).where(delivery.c.id == bindparam("delivery")).values(updated_at=bindparam("now"))
_claim = insert(receipt)
_look_up = select(receipt.c.batch_index, receipt.c.state, receipt.c.owner, receipt.c.token).where(
    *_of_this, receipt.c.batch_index.in_(bindparam("indexes", expanding=True))
)
_read_page = (
    select(*schema.receipt_columns)
    .where(*_of_this, receipt.c.batch_index >= bindparam("start"))
    .order_by(receipt.c.batch_index)
    .limit(bindparam("rows"))
)

# No parameter: drivers of MySQL's send many rows at once only if those alone have parameters.
_SENT: Any = literal_column(f"'{State.SENT.value}'")
_OUTCOME = ("dispatch_id", "reason", "noted_at", "state")
# The state comes last: MySQL's guard sees what was assigned before it.
_CLAIM = (
    "recipients", "fingerprint", "dispatch_id", "reason", "owner", "token", "noted_at", "state",
)  # fmt: skip


@dataclass(frozen=True)
class _Statements:
    """
    Guarded changes of existing receipts.

    They are written as inserts that meet the primary key, because drivers send many rows of an insert in
    one go, and updates one by one.
    """

    settle: Any
    claim_again: Any

    @classmethod
    def of(cls, dialect: str) -> _Statements:
        if dialect == "mysql":
            return cls(
                _replace_in_mysql(_OUTCOME, lambda new: receipt.c.owner == new.owner),
                _replace_in_mysql(_CLAIM, lambda _: receipt.c.state != _SENT),
            )
        kind = postgresql.insert if dialect == "postgresql" else sqlite.insert
        return cls(
            _replace(kind(receipt), _OUTCOME, lambda new: receipt.c.owner == new.owner),
            _replace(kind(receipt), _CLAIM, lambda _: receipt.c.state != _SENT),
        )


def _replace(statement: Any, columns: Iterable[str], guard: Callable[[Any], Any]) -> Any:
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=list(receipt.primary_key.columns),
        set_={name: new[name] for name in columns},
        where=guard(new),
    )


def _replace_in_mysql(columns: Iterable[str], guard: Callable[[Any], Any]) -> Any:
    statement = mysql.insert(receipt)
    new = statement.inserted
    return statement.on_duplicate_key_update(
        [(name, func.if_(guard(new), new[name], receipt.c[name])) for name in columns]
    )


# Connections ------------------------------------------------------------------------------------------------


def open_sql_ledger(conn_id: str, key: DeliveryKey, owner: str) -> SqlLedger:
    """
    Make a ledger in the database of an Airflow connection; it is yet to be opened.

    :param conn_id: Id of a connection to SQLite, PostgreSQL or MySQL.
    :param key: The task instance whose delivery it is.
    :param owner: A name that no other process has, and this one not twice.
    :raises BrazeConnectionError: If the connection is not defined, leads nowhere, or to something else.
    """
    return SqlLedger(ledger_engine(conn_id), key, owner, conn_id=conn_id)


# Values -----------------------------------------------------------------------------------------------------


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")


def _storable(text: str | None, longest: int | None = None) -> str | None:
    """Make a text of Braze's one that every database takes: an outcome must not be lost for its wording."""
    if text is None:
        return None
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()[:longest]
