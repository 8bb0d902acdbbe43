"""The interface of all ledgers: a delivery has one head, and one receipt for each of its batches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol, runtime_checkable

from braze_provider.api.errors import BrazeError


class State(str, Enum):
    """What the ledger knows of a batch."""

    CLAIMED = "claimed"
    """The batch is about to be written to the network, or was written and has no outcome yet."""
    SENT = "sent"
    REJECTED = "rejected"
    UNCERTAIN = "uncertain"
    FAILED = "failed"
    """No attempt has sent the batch: it is still open."""


class LedgerLostError(BrazeError):
    """Another copy of the task instance has taken over the ledger: this copy must send nothing more."""


@dataclass(frozen=True)
class DeliveryKey:
    """
    The task instance that a delivery belongs to; its tries share one ledger.

    :param dag_id: Id of the Dag.
    :param run_id: Id of the Dag run.
    :param task_id: Id of the task.
    :param map_index: Index of a mapped task instance, else -1.
    :param deployment: Name of the Airflow deployment, if several deployments share a ledger. Default: none.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    deployment: str = ""


@dataclass(frozen=True)
class Claim:
    """
    A batch that is about to be written to the network.

    :param index: Index of the batch in the delivery, from 0.
    :param recipients: Number of its recipients; 0 for a broadcast.
    :param fingerprint: Digest of exactly these recipients, and of the campaign, segment or audience.
    :param again: Whether this claim may replace a receipt of the batch, because it may be sent again.
    :param at: Since when the batch has been in doubt, ISO 8601 in UTC. Default: from now on.
    :param who: Digests of the recipients, for a ledger that keeps them; see
        :attr:`AuditLedger.keeps_recipients`.
    """

    index: int
    recipients: int
    fingerprint: str
    again: bool = False
    at: str | None = None
    who: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Receipt:
    """
    What the ledger knows of one batch.

    :param index: Index of the batch in the delivery, from 0.
    :param recipients: Number of its recipients; 0 for a broadcast.
    :param fingerprint: Digest of exactly these recipients, and of the campaign, segment or audience.
    :param state: State of the batch.
    :param at: When the state was noted, ISO 8601 in UTC. For a batch in doubt: since when it has been.
    :param ids: The ids that Braze gave when it accepted the batch, by name: ``dispatch_id``,
        ``schedule_id``, ``send_id``.
    :param reason: Why the batch was not sent, or is in doubt; never holds a recipient's data.
    """

    index: int
    recipients: int
    fingerprint: str
    state: State
    at: str
    ids: Mapping[str, str] = field(default_factory=dict)
    reason: str | None = None

    @property
    def dispatch_id(self) -> str | None:
        """Braze's id of the send; None if Braze gave none."""
        return self.ids.get("dispatch_id")


@dataclass(frozen=True)
class Counters:
    """
    Airflow's counters of one task instance. They tell a retry from a clear.

    :param try_number: Number of the try, from 1. It grows with each retry and each clear.
    :param max_tries: Airflow allows one try more than this number. Only a clear changes it.
    :param run_started_at: When the Dag run started, ISO 8601. It changes when a finished run is cleared, and
        when a run is deleted and created again. Empty if Airflow does not say.
    """

    try_number: int
    max_tries: int
    run_started_at: str = ""


@dataclass(frozen=True)
class Head:
    """
    What the ledger knows of a delivery as a whole.

    :param counters: Counters of the last try that opened it; None in a record of an older release.
    :param resends: The values of ``resend`` that are texts and have been used.
    :param finished: Whether the delivery has ended with all recipients sent to.
    :param report: The report of a finished delivery.
    """

    counters: Counters | None = None
    resends: tuple[str, ...] = ()
    finished: bool = False
    report: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Outline:
    """
    What a delivery is about, for people who look at the ledger. It decides nothing.

    :param endpoint: Name of the endpoint.
    :param total: Number of recipients, those of earlier tries included; None for a broadcast.
    :param target: The campaign, the Canvas or the segment, as fields of the request. Default: none.
    """

    endpoint: str
    total: int | None
    target: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Opening:
    """
    What a ledger notes when it is opened.

    :param counters: Counters of this try.
    :param starts_over: Whether the delivery starts over, so that the receipts so far do not count any more.
        True for the first opening.
    :param resends: The values of ``resend`` that are texts and have been used, with the one of this try.
    :param clear_number: How often the Dag run has been cleared, for any of its tasks. A SQL ledger keeps it
        with a delivery that begins.
    """

    counters: Counters
    starts_over: bool
    resends: tuple[str, ...] = ()
    clear_number: int = 0


Decide = Callable[["Head | None"], Opening]
"""
Decides how a delivery is opened. It is given what the ledger knows of the delivery: None if it knows nothing.

It is a pure function; a ledger may call it several times. If it raises an error, :meth:`Ledger.open` raises
the same error, and has changed nothing that a later :meth:`Ledger.open` can see.
"""


class Ledger(Protocol):
    """
    Where receipts are kept. Only one thread may use it.

    :meth:`open` makes this copy of the task the owner. The earlier owner has then lost the ledger: each of
    its later calls raises :class:`LedgerLostError` before it changes anything. It can still note receipts of
    batches that it had claimed itself, as long as no other copy has claimed them again.
    """

    @property
    def durable(self) -> bool:
        """Whether a later try of the task finds the receipts again."""

    @property
    def identity(self) -> str:
        """A name that no other ledger has. It is known as soon as :meth:`open` calls ``decide``."""

    @property
    def generation(self) -> int:
        """How often the delivery has started over. It is known once the ledger is open."""

    def open(self, decide: Decide) -> Head | None:
        """
        Become the owner of this delivery. This is durable, and one step with what ``decide`` decides.

        :param decide: Decides how to go on from the record of an earlier try, or raises an error to refuse.
        :return: The head that this delivery goes on from; None if it begins or starts over.
        :raises LedgerLostError: If a later try of the same task instance has opened it already.
        """

    def receipts(self, start: int = 0) -> Iterator[Receipt]:
        """
        Read the receipts in the order of their batches, a few at a time. Claims are included.

        :param start: Index of the first batch. Default 0.
        """

    def write(self, settled: Sequence[Receipt], claims: Sequence[Claim]) -> Collection[int]:
        """
        Note the outcomes of claimed batches and claim further batches, in one durable step.

        The same receipts may be given again after an error: noting them twice changes nothing.

        :param settled: Receipts of batches that this owner claimed.
        :param claims: Batches to send next. A batch that failed may be claimed without ``again``.
        :return: Indexes of the claims that were granted. A batch that another copy has claimed is not
            granted, and a batch that was sent is never granted.
        :raises LedgerLostError: If another copy is the owner. The receipts were noted all the same, if the
            store still lets this copy write.
        """

    def confirm(self) -> None:
        """
        Check that this copy is still the owner.

        :raises LedgerLostError: If another copy is the owner.
        """

    def take_back(self, receipts: Sequence[Receipt]) -> None:
        """
        Replace receipts, because what was sent was undone or may have been. The delivery is open again.

        :param receipts: The new receipts of batches that have one.
        :raises LedgerLostError: If another copy is the owner. Nothing may be undone then.
        """

    def finish(self, report: Mapping[str, Any]) -> None:
        """
        Note that all recipients were sent to, so that a later try sends nothing.

        :param report: The delivery's report.
        """

    def close(self) -> None:
        """Close its connections."""


@runtime_checkable
class AuditLedger(Ledger, Protocol):
    """A ledger that people and other deliveries can ask: the one in a SQL database."""

    @property
    def keeps_recipients(self) -> bool:
        """Whether it keeps the recipients of each batch, as digests that only this ledger can make."""

    def note_outline(self, outline: Outline) -> None:
        """
        Note what the delivery is about.

        :param outline: The outline. It replaces that of an earlier try.
        :raises LedgerLostError: If another copy is the owner.
        """

    def settled_recipients(self) -> Iterator[bytes]:
        """
        List the recipients of all batches that were sent or are in doubt, as :meth:`keyed` digests.

        :raises BrazeError: If the recipients of such a batch were not kept.
        """

    def keyed(self, who: bytes) -> bytes:
        """
        Make the digest of one recipient that :meth:`settled_recipients` lists.

        :param who: Digest of the recipient's identity.
        """

    def found_elsewhere(self, fingerprint: str, *, before: str, clear_number: int) -> int | None:
        """
        Look for a batch in the other map indexes of the same task, as they were before the last clear.

        :param fingerprint: Fingerprint of the batch.
        :param before: When the Dag run started, ISO 8601. Deliveries that began earlier are searched.
        :param clear_number: How often the Dag run has been cleared. Deliveries that began after fewer clears
            are searched too.
        :return: Map index of a delivery that has sent the batch, or may have; None if there is none.
        """
