"""Decide how a delivery is opened: it begins, goes on or starts over, or nothing may be sent."""

from __future__ import annotations

from dataclasses import dataclass

from braze_provider.api.errors import BrazeError
from braze_provider.ledger.base import Counters, Head, Opening


class LedgerGoneError(BrazeError):
    """Nobody can tell what an earlier try has sent, so nothing may be sent. Nothing was sent."""


@dataclass(frozen=True)
class Attempt:
    """
    Which run of the task's code this is, by Airflow's own counters of the task instance.

    :param try_number: Number of the try, from 1.
    :param max_tries: Airflow's ``max_tries``: ``retries``, to which each clear adds the tries so far.
    :param retries: The task's ``retries``.
    :param run_started_at: When the Dag run started, ISO 8601; empty if Airflow does not say.
    :param clear_number: How often the Dag run has been cleared, whichever task that was for.
    :param resumed: Whether the task was deferred and comes back.
    :param mapped: Whether it is one of a mapped task's instances, which Airflow tells apart by position.
    """

    try_number: int = 1
    max_tries: int = 0
    retries: int = 0
    run_started_at: str = ""
    clear_number: int = 0
    resumed: bool = False
    mapped: bool = False

    def opening(self, *, starts_over: bool, resends: tuple[str, ...]) -> Opening:
        """
        Make what a ledger notes.

        :param starts_over: Whether the receipts so far are none of this delivery any more.
        :param resends: The texts given as ``resend`` that have been used.
        """
        counters = Counters(self.try_number, self.max_tries, self.run_started_at)
        return Opening(counters, starts_over, resends, self.clear_number)

    @property
    def is_first(self) -> bool:
        """Whether no try has run before, or none since the task instance was cleared."""
        # Airflow computes the first try since a clear in the same way (``get_first_reschedule_date``).
        first = self.max_tries - self.retries + 1
        return not self.resumed and self.try_number in (1, first)

    @property
    def was_cleared(self) -> bool:
        """Whether the task instance has ever been cleared, as far as its counters show."""
        return self.max_tries != self.retries

    def is_restart_of(self, earlier: Counters | None) -> bool:
        """
        Tell whether the task instance was cleared, or its Dag run created again, since an earlier try.

        :param earlier: The counters of that try; None if they are not known.
        """
        if self.resumed:
            return False
        if earlier is None:
            return self.is_first
        started = (earlier.run_started_at, self.run_started_at)
        return earlier.max_tries != self.max_tries or (all(started) and started[0] != started[1])


@dataclass(frozen=True)
class Trace:
    """
    What Airflow's task state store says about earlier deliveries of the task instance.

    :param ledger: Identity of the ledger in which one was last opened. Default: it names none.
    :param is_complete: Whether it would name one if there had been one. Default False.
    """

    ledger: str | None = None
    is_complete: bool = False


def decide(
    head: Head | None, *, attempt: Attempt, resend: bool | str, ledger: str, durable: bool, trace: Trace
) -> Opening:
    """
    Decide what this try does with the delivery that the ledger knows, or does not know.

    :param head: What the ledger knows; None if it has no record.
    :param attempt: Which run of the task's code this is.
    :param resend: True starts over at each clear, a text once for each new text.
    :param ledger: Identity of the ledger.
    :param durable: Whether the ledger outlasts the task's process.
    :param trace: What the task state store says about earlier deliveries.
    :raises LedgerGoneError: If an earlier try may have sent something and this ledger has no record of it.
    """
    used = () if head is None else head.resends
    text = resend if isinstance(resend, str) else ""
    is_new = bool(text) and text not in used
    resends = (*used, text) if is_new else used
    moved = trace.ledger not in (None, ledger)
    if head is None or moved:
        if not _may_begin(attempt, durable=durable, trace=trace) and not (resend and attempt.is_first):
            raise LedgerGoneError(_why_not(moved=moved, durable=durable))
        return attempt.opening(starts_over=True, resends=resends)
    is_wanted = not attempt.resumed and (is_new or (resend is True and attempt.is_restart_of(head.counters)))
    return attempt.opening(starts_over=is_wanted or _reached_nobody(head), resends=resends)


def _may_begin(attempt: Attempt, *, durable: bool, trace: Trace) -> bool:
    """Whether there can have been no delivery before: no ledger has a record of one."""
    if attempt.resumed or trace.ledger is not None:
        return False
    return attempt.try_number == 1 or trace.is_complete or (attempt.is_first and not durable)


def _reached_nobody(head: Head) -> bool:
    return head.finished and head.report is not None and head.report.get("recipients") == 0


def _why_not(*, moved: bool, durable: bool) -> str:
    if not durable:
        return (
            "This is a retry, and without a ledger nobody can tell what the earlier try has sent: nothing is "
            "sent. Set ledger_conn_id to make retries possible. To send now, clear the task: it then starts "
            "over with everybody"
        )
    what = (
        "An earlier try of this task kept its record in another ledger (was ledger_conn_id changed?)"
        if moved
        else "There is no record of what earlier tries of this task have sent"
    )
    return (
        f"{what}: nothing is sent. Bring the record back, or clear the task with resend=True to start over "
        "with everybody"
    )
