"""
A ledger in a SQL database, reached through an Airflow connection: any Airflow version, any size.

A delivery is a row of ``braze_delivery``, and a batch is a row of ``braze_receipt``. Every change is one
transaction that locks the delivery's row first, so that copies of a task take turns. If a copy got past the
lock, the primary key of the receipts would stop it: it admits each batch once.

Import this module only where it is used: it needs SQLAlchemy, and parsing a Dag does not.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection, Engine

from braze_provider.api.errors import BrazeError
from braze_provider.ledger import sql_migrations as migrations
from braze_provider.ledger import sql_schema as schema
from braze_provider.ledger import sql_statements as statements
from braze_provider.ledger.base import (
    Claim,
    Decide,
    DeliveryKey,
    Head,
    LedgerLostError,
    Opening,
    Outline,
    Receipt,
    State,
)
from braze_provider.ledger.sql_connection import ledger_engine
from braze_provider.ledger.sql_rows import (
    now_iso,
    row_of_claim,
    row_of_opening,
    row_of_outcome,
    row_of_outline,
    to_iso,
)
from braze_provider.ledger.sql_transactions import (
    FIRST_PATIENCE,
    LedgerUnavailableError,
    Transactions,
)

__all__ = ["LedgerUnavailableError", "SqlLedger", "open_sql_ledger"]

ROWS_PER_PAGE = 1_000
ROWS_PER_LOOKUP = 500
"""SQLite releases from before 2020 take at most 999 parameters."""
DIGEST_SIZE = 16
NOT_OPENED = "the ledger must be opened first"


@dataclass
class _Written:
    """The result of one call of ``write``."""

    granted: list[int] = field(default_factory=list)
    lost: LedgerLostError | None = None


class SqlLedger:
    """
    A ledger in a SQL database.

    :param engine: An engine of SQLite, PostgreSQL or MySQL that has not been used; the ledger sets it up
        and disposes of it. :func:`open_sql_ledger` makes one from an Airflow connection.
    :param key: The task instance that the delivery belongs to.
    :param owner: A name for this copy of the task. No other process has it, and this process uses it once.
    :param conn_id: Id of the Airflow connection that the engine came from, for messages.
    :param keeps_recipients: Whether to keep the recipients of each batch, as digests. Default False.
    """

    def __init__(
        self,
        engine: Engine,
        key: DeliveryKey,
        owner: str,
        *,
        conn_id: str | None = None,
        keeps_recipients: bool = False,
    ) -> None:
        if not 0 < len(owner) <= schema.MAX_ID_LENGTH or owner != owner.strip():
            raise ValueError(f"an owner is a name of 1 to {schema.MAX_ID_LENGTH} characters, not {owner!r}")
        for name in (key.dag_id, key.run_id, key.task_id, key.deployment):
            if len(name) > schema.MAX_ID_LENGTH:
                raise BrazeError(f"an id of {len(name)} characters is too long for the ledger: {name[:60]}…")
        self._engine = engine
        self._conn_id = conn_id
        self._transactions = Transactions(engine, str(self))
        self._key = key
        self._owner = owner
        self._keeps_recipients = keeps_recipients
        self._write_receipts = statements.write_receipts(engine.dialect.name)
        self._known_marks: migrations.Marks | None = None
        self._id = self._generation = -1

    def __str__(self) -> str:
        where = f"connection {self._conn_id!r}" if self._conn_id else f"database {self._engine.url.database}"
        return f"table {schema.receipt.name} of {where} ({self._engine.dialect.name})"

    @property
    def durable(self) -> bool:
        """Whether a later try of the task finds the receipts again."""
        return True

    @property
    def identity(self) -> str:
        """A name that no other ledger has. It is known as soon as :meth:`open` calls ``decide``."""
        return self._marks.identity

    @property
    def keeps_recipients(self) -> bool:
        """Whether it keeps the recipients of each batch, as digests that only this ledger can make."""
        return self._keeps_recipients

    @property
    def generation(self) -> int:
        """How often the delivery has started over."""
        return self._generation

    def open(self, decide: Decide) -> Head | None:
        """
        Become the owner of this delivery. This is durable, and one step with what ``decide`` decides.

        :param decide: Decides how to go on from the record of an earlier try, or raises an error to refuse.
        :return: The head that this delivery goes on from; None if it begins or starts over.
        :raises LedgerLostError: If a later try of the same task instance has opened it already.
        :raises LedgerUnavailableError: If the database can't be reached or can't be written to.
        """
        self._prepare()
        # The result of each run of the transaction. It is returned if the database has committed a run but
        # its answer to the commit was lost.
        returned: list[Head | None] = []
        now = now_iso()

        def take_over(connection: Connection) -> Head | None:
            found = connection.execute(statements.find, {"digest": schema.digest(self._key)}).first()
            if found is None:
                opening = decide(None)
                returned.append(None)
                self._begin(connection, opening, now)
                return None
            self._id = found.id
            row = self._lock(connection)
            self._generation = row.generation
            if returned and (row.owner, row.updated_at) == (self._owner, now):
                return returned[-1]
            head = schema.to_head(row)
            opening = decide(head)
            self._give_way(head, opening)
            changes = row_of_opening(opening)
            if opening.starts_over:
                self._generation += 1
                changes.update(
                    generation=self._generation,
                    clear_number=opening.clear_number,
                    finished=False,
                    report=None,
                )
            returned.append(None if opening.starts_over else head)
            connection.execute(
                statements.change.values(**changes, owner=self._owner, updated_at=now),
                {"delivery": row.id},
            )
            return returned[-1]

        return self._transactions.run(take_over)

    def receipts(self, start: int = 0) -> Iterator[Receipt]:
        """
        Read the receipts in the order of their batches, a few at a time. Claims are included.

        :param start: Index of the first batch. Default 0.
        """
        return map(schema.to_receipt, self._pages(statements.read_page, start))

    def write(self, settled: Sequence[Receipt], claims: Sequence[Claim]) -> Collection[int]:
        """
        Note the outcomes of claimed batches and claim further batches, in one transaction.

        A claim is granted if the ledger has no receipt for the batch, or one in the state *failed*. With
        ``again`` it is granted over every receipt except that of a batch that was sent.

        :param settled: Receipts of batches that this owner claimed.
        :param claims: Batches to send next.
        :return: Indexes of the claims that were granted. A batch that another copy has claimed is not.
        :raises LedgerLostError: If another copy is the owner. The receipts were noted all the same.
        """
        if not settled and not claims:
            return []
        outcomes = {one.index: one for one in settled}
        wanted = {one.index: one for one in claims}
        # Tells this call's claims from all others, in case the answer to its commit is lost.
        token = secrets.token_hex(16)
        written = self._transactions.run(lambda connection: self._note(connection, outcomes, wanted, token))
        if written.lost is not None:
            raise written.lost
        return written.granted

    def confirm(self) -> None:
        """
        Check that this copy is still the owner.

        :raises LedgerLostError: If another copy is the owner.
        """
        self._transactions.run(self._lock_as_owner)

    def take_back(self, receipts: Sequence[Receipt]) -> None:
        """
        Replace receipts, because what was sent was undone or may have been. The delivery is open again.

        :param receipts: The new receipts of batches that have one.
        :raises LedgerLostError: If another copy is the owner. Nothing may be undone then.
        """
        rows = [statements.replacing(row_of_outcome(one, self._place)) for one in receipts]

        def replace(connection: Connection) -> None:
            self._lock_as_owner(connection)
            open_again = {"finished": False, "report": None, "updated_at": now_iso()}
            connection.execute(statements.change.values(**open_again), {"delivery": self._id})
            connection.execute(statements.replace_receipts, rows)

        self._transactions.run(replace)

    def finish(self, report: Mapping[str, Any]) -> None:
        """
        Note that all recipients were sent to, so that a later try sends nothing.

        :param report: The delivery's report.
        :raises LedgerLostError: If another copy is the owner.
        """

        def end(connection: Connection) -> None:
            self._lock_as_owner(connection)
            values = {"finished": True, "report": json.dumps(report), "updated_at": now_iso()}
            connection.execute(statements.change.values(**values), {"delivery": self._id})

        self._transactions.run(end)

    def note_outline(self, outline: Outline) -> None:
        """
        Note what the delivery is about, for people who look at the ledger.

        :param outline: The outline. It replaces that of an earlier try.
        :raises LedgerLostError: If another copy is the owner.
        """
        row = row_of_outline(outline)

        def note(connection: Connection) -> None:
            self._lock_as_owner(connection)
            connection.execute(statements.change.values(**row), {"delivery": self._id})

        self._transactions.run(note)

    def close(self) -> None:
        """Close its connections."""
        self._transactions.close()
        self._engine.dispose()

    # Recipients and other deliveries ------------------------------------------------------------------------

    def settled_recipients(self) -> Iterator[bytes]:
        """
        List the recipients of all batches that were sent or are in doubt, as :meth:`keyed` digests.

        :raises BrazeError: If the recipients of such a batch were not kept.
        """
        for index, who in self._pages(statements.read_recipients, 0):
            if who is None:
                raise BrazeError(f"The ledger, {self}, has not kept the recipients of batch {index + 1}")
            digests = bytes(who)
            for place in range(0, len(digests), DIGEST_SIZE):
                yield digests[place : place + DIGEST_SIZE]

    def keyed(self, who: bytes) -> bytes:
        """
        Make the digest of one recipient that :meth:`settled_recipients` lists.

        :param who: Digest of the recipient's identity.
        """
        return hashlib.blake2b(who, key=self._marks.secret, digest_size=DIGEST_SIZE).digest()

    def found_elsewhere(self, fingerprint: str, *, before: str, clear_number: int) -> int | None:
        """
        Look for a batch in the other map indexes of the same task, as they were before the last clear.

        :param fingerprint: Fingerprint of the batch.
        :param before: When the Dag run started, ISO 8601. Deliveries that began earlier are searched.
        :param clear_number: How often the Dag run has been cleared. Deliveries that began after fewer clears
            are searched too.
        :return: Map index of a delivery that has sent the batch, or may have; None if there is none.
        """
        key = dataclasses.asdict(self._key)
        instant = datetime.fromisoformat(before.replace("Z", "+00:00"))
        given = {**key, "fingerprint": fingerprint, "before": to_iso(instant), "clears": clear_number}
        rows = self._transactions.run(
            lambda connection: connection.execute(statements.find_elsewhere, given).all(), writes=False
        )
        for row in rows:
            there = schema.to_key(row)
            # MySQL's comparison ignores trailing spaces, so it also finds other ids.
            if dataclasses.replace(there, map_index=self._key.map_index) == self._key:
                return there.map_index
        return None

    # The tables ---------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Make sure that the tables are of this version, and read the ledger's marks."""
        try:
            found = self._transactions.run(migrations.read_marks, writes=False)
            if found is None:
                self._transactions.run(
                    migrations.prepare, limit=migrations.MIGRATION_SECONDS, patience_with_all=FIRST_PATIENCE
                )
                self._transactions.close()
                found = self._transactions.run(migrations.read_marks, writes=False)
        except migrations.LedgerVersionError as error:
            raise migrations.LedgerVersionError(f"The ledger, {self}, can't be used: {error}") from error
        self._known_marks = found

    @property
    def _marks(self) -> migrations.Marks:
        if self._known_marks is None:
            raise RuntimeError(NOT_OPENED)
        return self._known_marks

    # The delivery's row -------------------------------------------------------------------------------------

    def _begin(self, connection: Connection, opening: Opening, now: str) -> None:
        values = {
            **dataclasses.asdict(self._key),
            **row_of_opening(opening),
            "key_digest": schema.digest(self._key),
            "generation": 0,
            "clear_number": opening.clear_number,
            "begun_by": self._owner,
            "owner": self._owner,
            "finished": False,
            "created_at": now,
            "updated_at": now,
        }
        primary_key: Any = connection.execute(statements.begin.values(**values)).inserted_primary_key
        self._id, self._generation = primary_key[0], 0

    def _give_way(self, head: Head, opening: Opening) -> None:
        """Raise an error if a later try has opened the delivery."""
        there, here = head.counters, opening.counters
        if there is None or there.run_started_at != here.run_started_at:
            return  # A Dag run that was deleted and created again begins with try 1.
        if there.try_number > here.try_number:
            raise LedgerLostError(
                f"This try, {here.try_number}, sends nothing: try {there.try_number} of this task has taken "
                "over the delivery"
            )

    def _lock(self, connection: Connection) -> Any:
        """Lock the delivery's row until the transaction ends, then read it."""
        row = connection.execute(statements.lock, {"delivery": self._this["delivery"]}).first()
        if row is None:
            raise LedgerLostError(f"The delivery's record is gone from the ledger, {self}")
        return row

    def _lock_as_owner(self, connection: Connection) -> None:
        if lost := self._lost(self._lock(connection)):
            raise lost

    def _lost(self, row: Any) -> LedgerLostError | None:
        if row.owner == self._owner:
            return None
        return LedgerLostError(
            f"This copy of the task sends nothing more: another copy, {row.owner}, has taken over the "
            "delivery"
        )

    # Its receipts -------------------------------------------------------------------------------------------

    def _note(
        self,
        connection: Connection,
        outcomes: Mapping[int, Receipt],
        wanted: Mapping[int, Claim],
        token: str,
    ) -> _Written:
        me = {"delivery": self._this["delivery"], "me": self._owner, "now": now_iso()}
        lost = None
        if connection.execute(statements.lock_as_owner, me).rowcount != 1:
            # Another copy is the owner. Or the clock has not moved since the last write: then nothing changes
            # in the row, and MySQL does not count it.
            lost = self._lost(self._lock(connection))
        known = self._known(connection, {*outcomes, *wanted})
        ours = {index for index, row in known.items() if row.token == token}
        if ours and lost is None:
            # This same transaction was committed before, and only the answer was lost.
            return _Written([index for index in wanted if index in ours])
        rows = {
            one.index: row_of_outcome(one, self._place)
            for one in outcomes.values()
            if self._may_settle(known.get(one.index))
        }
        granted = []
        if lost is None:
            # The states after these outcomes: one write may settle a batch and claim it again.
            states = {index: State(row.state) for index, row in known.items()}
            states.update((index, State(row["state"])) for index, row in rows.items())
            for index, claim in wanted.items():
                state = states.get(index)
                if state in (None, State.FAILED) or (claim.again and state is not State.SENT):
                    rows[index] = row_of_claim(claim, self._place, token, self._digests_of(claim))
                    granted.append(index)
        if rows:
            connection.execute(self._write_receipts, list(rows.values()))
        return _Written(granted, lost)

    def _known(self, connection: Connection, indexes: Iterable[int]) -> dict[int, Any]:
        ordered = sorted(indexes)
        known: dict[int, Any] = {}
        for place in range(0, len(ordered), ROWS_PER_LOOKUP):
            given = {**self._this, "indexes": ordered[place : place + ROWS_PER_LOOKUP]}
            known.update((row.batch_index, row) for row in connection.execute(statements.look_up, given))
        return known

    def _pages(self, statement: Any, start: int) -> Iterator[Any]:
        """Read rows in the order of their batches, a page at a time."""
        page: Sequence[Any] = [None] * ROWS_PER_PAGE
        while len(page) == ROWS_PER_PAGE:
            page = self._transactions.run(self._page(statement, start), writes=False)
            yield from page
            start = page[-1].batch_index + 1 if page else start

    def _page(self, statement: Any, start: int) -> Callable[[Connection], Sequence[Any]]:
        given = {**self._this, "start": start, "rows": ROWS_PER_PAGE}
        return lambda connection: connection.execute(statement, given).all()

    def _may_settle(self, row: Any) -> bool:
        # A batch that is sent stays sent, whatever is said of it later.
        return row is not None and row.owner == self._owner and row.state != State.SENT.value

    def _digests_of(self, one: Claim) -> bytes | None:
        if not self._keeps_recipients or (one.recipients and not one.who):
            return None
        return b"".join(map(self.keyed, one.who))

    @property
    def _place(self) -> dict[str, Any]:
        return {"delivery_id": self._id, "generation": self._generation, "owner": self._owner}

    @property
    def _this(self) -> dict[str, int]:
        if self._id < 0:
            raise RuntimeError(NOT_OPENED)
        return {"delivery": self._id, "generation": self._generation}


# Connections ------------------------------------------------------------------------------------------------


def open_sql_ledger(
    conn_id: str, key: DeliveryKey, owner: str, *, keeps_recipients: bool = False
) -> SqlLedger:
    """
    Make a ledger in the database of an Airflow connection. It is not opened yet.

    :param conn_id: Id of a connection to SQLite, PostgreSQL or MySQL. The field ``braze_deployment`` of its
        extra names the Airflow deployment, if several deployments share the database.
    :param key: The task instance that the delivery belongs to.
    :param owner: A name for this copy of the task. No other process has it, and this process uses it once.
    :param keeps_recipients: Whether to keep the recipients of each batch, as digests. Default False.
    :raises BrazeConnectionError: If the connection is not defined, can't be used, or is not to such a
        database.
    """
    engine, deployment = ledger_engine(conn_id)
    key = dataclasses.replace(key, deployment=deployment)
    return SqlLedger(engine, key, owner, conn_id=conn_id, keeps_recipients=keeps_recipients)
