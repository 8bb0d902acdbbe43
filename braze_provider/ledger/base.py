"""What every ledger is: a delivery's head, and a receipt for each of its batches."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol, runtime_checkable

from braze_provider.api.errors import BrazeError


class State(str, Enum):
    """What the ledger knows of a batch."""

    CLAIMED = "claimed"
    """About to be written to the network, or written with no outcome yet."""
    SENT = "sent"
    REJECTED = "rejected"
    UNCERTAIN = "uncertain"
    FAILED = "failed"
    """Not sent after all attempts: still open."""


class LedgerLostError(BrazeError):
    """Another copy of the same task instance has taken the ledger over: this one must send nothing more."""


@dataclass(frozen=True)
class DeliveryKey:
    """
    The task instance whose delivery it is; its tries share one ledger.

    :param dag_id: Id of the Dag.
    :param run_id: Id of the Dag run.
    :param task_id: Id of the task.
    :param map_index: Index of a mapped task instance, else -1.
    :param deployment: Name of the Airflow deployment, where several share a ledger. Default: none.
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

    :param index: The batch's place in the delivery.
    :param recipients: Number of people in it; 0 for a broadcast.
    :param fingerprint: Digest of exactly these people, and of the campaign, segment or audience.
    :param again: Whether the ledger holds a receipt for it from before, which the user wants replaced.
    :param who: Digests of the people, for a ledger that keeps them; see :attr:`AuditLedger.keeps_people`.
    """

    index: int
    recipients: int
    fingerprint: str
    again: bool = False
    who: tuple[bytes, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class Receipt:
    """
    What became of one batch.

    :param index: The batch's place in the delivery.
    :param recipients: Number of people in it; 0 for a broadcast.
    :param fingerprint: Digest of exactly these people, and of the campaign, segment or audience.
    :param state: What the ledger knows.
    :param at: When that was noted, ISO 8601 in UTC.
    :param ids: Braze's ids for what it accepted, by name: ``dispatch_id``, ``schedule_id``, ``send_id``.
    :param reason: Why it was not sent, or may not have been; never holds a recipient's data.
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
        """Braze's id of the send, if it gave one."""
        return self.ids.get("dispatch_id")


@dataclass(frozen=True)
class Counters:
    """
    What Airflow counts of one task instance, by which a retry is told from a clear.

    :param try_number: Number of the try, from 1. It grows with each retry and each clear.
    :param max_tries: Number of the last try but one that Airflow allows. Only a clear changes it.
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

    :param counters: Those of the last try that opened it; None in a record of an older release.
    :param resends: The texts given as ``resend`` that have been used.
    :param finished: Whether it came to its end with everybody sent to.
    :param report: The report that it ended with, if it did.
    """

    counters: Counters | None = None
    resends: tuple[str, ...] = ()
    finished: bool = False
    report: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Opening:
    """
    What a ledger notes as it is opened.

    :param counters: Those of this try.
    :param starts_over: Whether the receipts so far are none of this delivery any more. True for the first
        opening.
    :param resends: The texts given as ``resend`` that have been used, with this try's.
    :param clear_number: How often the Dag run has been cleared, whichever task that was for. A ledger in SQL
        keeps it with a delivery that begins.
    """

    counters: Counters
    starts_over: bool
    resends: tuple[str, ...] = ()
    clear_number: int = 0


Decide = Callable[["Head | None"], Opening]
"""
Decides how a delivery is opened, from what the ledger knows of it: None if it knows nothing.

It is a pure function, which a ledger may call several times. What it raises, :meth:`Ledger.open` raises, and
then the ledger has changed nothing that a later :meth:`Ledger.open` can see.
"""


class Ledger(Protocol):
    """
    Where receipts are kept. Used by one thread.

    A copy of the task becomes the owner by :meth:`open`, and the copy that was the owner before has lost the
    ledger: each of its later calls raises :class:`LedgerLostError` before it changes anything. Only the
    receipts of batches that it had claimed itself are still noted, as long as nobody has claimed them again.
    """

    @property
    def durable(self) -> bool:
        """Whether a later try of the task finds the receipts again."""

    @property
    def identity(self) -> str:
        """A name that no other ledger has, known from when :meth:`open` calls ``decide``."""

    def open(self, decide: Decide) -> Head | None:
        """
        Become the owner of this delivery, durably, in one step with what ``decide`` decides.

        :param decide: Decides, from what an earlier try left, or raises to refuse.
        :return: What this delivery goes on from; None if it begins or starts over.
        :raises LedgerLostError: If a later try of the same task instance has opened it before.
        """

    def receipts(self, start: int = 0) -> Iterator[Receipt]:
        """
        Read the receipts in the order of their batches, a few at a time; claims without outcome included.

        :param start: Index to begin with. Default 0.
        """

    def write(self, settled: Sequence[Receipt], claims: Sequence[Claim]) -> Collection[int]:
        """
        Note, in one durable step, what became of claimed batches, and claim further ones.

        The same receipts may be given again after an error: noting them twice changes nothing.

        :param settled: Receipts of batches that this owner claimed.
        :param claims: Batches that are to be sent next. One that failed may be claimed without ``again``.
        :return: Indexes of the claims that were granted. One that somebody else has claimed is not, and one
            that is sent never is.
        :raises LedgerLostError: If somebody else is the owner; the receipts were noted all the same, where
            the store still lets this copy write.
        """

    def confirm(self) -> None:
        """
        Ask whether this copy is the owner still.

        :raises LedgerLostError: If somebody else is.
        """

    def finish(self, report: Mapping[str, Any]) -> None:
        """
        Note that everybody was sent to, so that a later try sends nothing.

        :param report: The delivery's report.
        """

    def close(self) -> None:
        """Let go of connections."""


@runtime_checkable
class AuditLedger(Ledger, Protocol):
    """A ledger that can be asked about people and about other deliveries: the one in a SQL database."""

    @property
    def keeps_people(self) -> bool:
        """Whether it notes who is in each batch, as digests that only it can make."""

    def settled_people(self) -> Iterator[bytes]:
        """
        List the people who are in a batch that was sent or is in doubt, as :meth:`keyed` digests.

        :raises BrazeError: If such a batch does not say who was in it.
        """

    def keyed(self, who: bytes) -> bytes:
        """
        Make the digest under which :meth:`settled_people` lists a person.

        :param who: Digest of the person's identity.
        """

    def found_elsewhere(self, fingerprint: str, *, before: str, clear_number: int) -> int | None:
        """
        Look for a batch in the other places of the same mapped task, as they were before the last clear.

        :param fingerprint: The batch's fingerprint.
        :param before: When the Dag run started, ISO 8601: deliveries that began before count.
        :param clear_number: How often the Dag run has been cleared: those that began at fewer clears count.
        :return: The map index of a delivery that has sent the batch, or may have; None if there is none.
        """
