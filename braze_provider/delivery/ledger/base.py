"""What every ledger is: a delivery's head, and a receipt for each of its batches."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

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
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1


@dataclass(frozen=True)
class Claim:
    """
    A batch that is about to be written to the network.

    :param index: The batch's place in the delivery.
    :param recipients: Number of people in it; 0 for a broadcast.
    :param fingerprint: Digest of exactly these people, and of the campaign, segment or audience.
    :param again: Whether the ledger holds a receipt for it from before, which the user wants replaced.
    """

    index: int
    recipients: int
    fingerprint: str
    again: bool = False


@dataclass(frozen=True)
class Receipt:
    """
    What became of one batch.

    :param index: The batch's place in the delivery.
    :param recipients: Number of people in it; 0 for a broadcast.
    :param fingerprint: Digest of exactly these people, and of the campaign, segment or audience.
    :param state: What the ledger knows.
    :param at: When that was noted, ISO 8601 in UTC.
    :param dispatch_id: Braze's id, for what it accepted.
    :param reason: Why it was not sent, or may not have been; never holds a recipient's data.
    """

    index: int
    recipients: int
    fingerprint: str
    state: State
    at: str
    dispatch_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Head:
    """
    What the ledger knows of a delivery as a whole.

    :param clear_number: How often the Dag run had been cleared when this delivery began.
    :param finished: Whether it came to its end with everybody sent to.
    :param report: The report that it ended with, if it did.
    """

    clear_number: int
    finished: bool = False
    report: Mapping[str, Any] | None = None


class Ledger(Protocol):
    """
    Where receipts are kept. Used by one thread.

    A copy of the task becomes the owner by :meth:`open`, and whoever was it before has lost it: every later
    call of that one raises :class:`LedgerLostError` before it changes anything, but for the receipts of
    batches that it had claimed itself, which stay welcome as long as nobody has claimed them again.
    """

    @property
    def durable(self) -> bool:
        """Whether a later try of the task finds the receipts again."""

    def open(self, *, clear_number: int) -> Head | None:
        """
        Become the owner of this delivery, durably.

        :param clear_number: How often the Dag run has been cleared; kept with a delivery that begins now.
        :return: What an earlier try left; None if this is the first that the ledger hears of the delivery.
        """

    def start_over(self, *, clear_number: int) -> None:
        """
        Begin the delivery anew: the receipts so far are none of it any more.

        :param clear_number: How often the Dag run has been cleared.
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
