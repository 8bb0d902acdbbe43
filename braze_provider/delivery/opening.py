"""Decide how a delivery is opened: it begins, goes on or starts over, or nothing may be sent."""

from __future__ import annotations

from dataclasses import dataclass

from braze_provider.api.errors import BrazeError
from braze_provider.delivery.report import RECIPIENT, plural
from braze_provider.ledger.base import Counters, Head, Opening


class LedgerGoneError(BrazeError):
    """Nothing was sent, because it is not known what an earlier try has sent."""


@dataclass(frozen=True)
class Try:
    """
    One run of the task's code, described by Airflow's own counters of the task instance.

    :param try_number: Number of the try, from 1.
    :param max_tries: Airflow's ``max_tries``: the ``retries``, and each clear adds the tries so far.
    :param retries: The task's ``retries``.
    :param run_started_at: When the Dag run started, ISO 8601; empty if Airflow does not say.
    :param clear_number: How often the Dag run has been cleared, for any of its tasks.
    :param resumed: Whether the task was deferred and now comes back.
    :param mapped: Whether the task is mapped: Airflow tells its instances apart by position only.
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
        Make the opening that a ledger notes.

        :param starts_over: Whether the delivery starts over, so that the receipts so far do not count.
        :param resends: The values of ``resend`` that are texts and have been used.
        """
        counters = Counters(self.try_number, self.max_tries, self.run_started_at)
        return Opening(counters, starts_over, resends, self.clear_number)

    @property
    def is_first(self) -> bool:
        """Whether this is the first try of the task instance, or the first one since it was cleared."""
        # Airflow computes the first try since a clear in the same way (``get_first_reschedule_date``).
        first = self.max_tries - self.retries + 1
        return not self.resumed and self.try_number in (1, first)

    @property
    def was_cleared(self) -> bool:
        """Whether the counters show that the task instance was ever cleared."""
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
    What Airflow's task state store knows about earlier deliveries of the task instance.

    :param ledger: Identity of the ledger in which a delivery was last opened. Default: it knows of none.
    :param is_complete: Whether the store certainly knows of every earlier delivery. Default False.
    """

    ledger: str | None = None
    is_complete: bool = False


def decide(
    head: Head | None,
    *,
    this_try: Try,
    resend: bool | str,
    ledger: str,
    durable: bool,
    trace: Trace,
    noun: str = RECIPIENT,
) -> Opening:
    """
    Decide how this try opens its delivery.

    :param head: What the ledger knows of the delivery; None if it has no record.
    :param this_try: This run of the task's code.
    :param resend: True starts over at each clear; a text starts over once for each new text.
    :param ledger: Identity of the ledger.
    :param durable: Whether the ledger outlasts the task's process.
    :param trace: What the task state store knows about earlier deliveries.
    :param noun: What errors call a recipient. Default ``recipient``.
    :raises LedgerGoneError: If an earlier try may have sent something, and this ledger has no record of it.
    """
    used = () if head is None else head.resends
    text = resend if isinstance(resend, str) else ""
    is_new = bool(text) and text not in used
    resends = (*used, text) if is_new else used
    moved = trace.ledger not in (None, ledger)
    if head is None or moved:
        if not _may_begin(this_try, durable=durable, trace=trace) and not (resend and this_try.is_first):
            raise LedgerGoneError(_why_not(plural(noun), moved=moved, durable=durable))
        return this_try.opening(starts_over=True, resends=resends)
    is_wanted = not this_try.resumed and (
        is_new or (resend is True and this_try.is_restart_of(head.counters))
    )
    return this_try.opening(starts_over=is_wanted or _reached_no_recipient(head), resends=resends)


def _may_begin(this_try: Try, *, durable: bool, trace: Trace) -> bool:
    """Tell whether the delivery may begin although no ledger has a record of it."""
    if this_try.resumed or trace.ledger is not None:
        return False
    return this_try.try_number == 1 or trace.is_complete or (this_try.is_first and not durable)


def _reached_no_recipient(head: Head) -> bool:
    return head.finished and head.report is not None and head.report.get("recipients") == 0


def _why_not(rows: str, *, moved: bool, durable: bool) -> str:
    if not durable:
        return (
            "Nothing is sent: this is a retry, and without a ledger it is not known what the earlier try has "
            "sent. Set ledger_conn_id to make retries possible. To send now, clear the task: it then starts "
            f"over with all {rows}"
        )
    reason = (
        "an earlier try of this task kept its record in another ledger (was ledger_conn_id changed?)"
        if moved
        else "there is no record of what earlier tries of this task have sent"
    )
    return (
        f"Nothing is sent: {reason}. Bring the record back, or clear the task with resend=True to start over "
        f"with all {rows}"
    )
