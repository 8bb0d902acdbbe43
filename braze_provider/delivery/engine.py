"""
The engine sends batches and notes their outcomes.

It keeps the promise's second half by one order of events for each batch: claim it in the ledger, write
it to the network, settle it in the ledger. If a claim is not settled, Braze may have the batch.

The task's own thread writes the ledger. It claims as late as it can without making the sending threads wait.
A pool of threads sends.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from queue import SimpleQueue
from typing import TYPE_CHECKING

import pendulum

from braze_provider.api.errors import BrazeRejectedError
from braze_provider.api.outcomes import Outcome
from braze_provider.delivery.batches import Batch
from braze_provider.delivery.lease import LEASE_SECONDS, LedgerTooSlowError
from braze_provider.delivery.refusals import Refusals
from braze_provider.delivery.report import RECIPIENT, DeliveryReport, plural
from braze_provider.delivery.resume import Past, Planned
from braze_provider.delivery.sender import Sender, Settled
from braze_provider.delivery.stop import StopSignal
from braze_provider.delivery.window import LOOK_SECONDS, Window
from braze_provider.ledger.base import Claim, Ledger, Receipt, State

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

    from braze_provider.api.errors import BrazeRequestError
    from braze_provider.ledger.receipts_file import ReceiptsFile

PROGRESS_SECONDS = 5.0

_STATES = {
    Outcome.SENT: State.SENT,
    Outcome.NOT_SENT: State.FAILED,
    Outcome.REJECTED: State.REJECTED,
    Outcome.UNCERTAIN: State.UNCERTAIN,
    Outcome.REPEATABLE: State.FAILED,
}


class Engine:
    """
    Delivers batches through a small pool of threads.

    :param sender: Sends a batch.
    :param ledger: Where claims and receipts are kept. It is open already.
    :param stop: Ends the delivery early.
    :param log: The task's log.
    :param recipients: Number of recipients in all batches together; None for a broadcast.
    :param past: The results of earlier tries. Default: nothing.
    :param concurrency: Requests under way at the same time. Default 8.
    :param accept_uncertain: Whether a batch that Braze may have accepted counts as sent. Default False.
    :param max_rejected: Number of rejected recipients after which nothing more is sent. Default: no limit.
    :param noun: What texts call a recipient. Default ``recipient``.
    :param copy: File that receives the receipts once the ledger has them, for humans to read. Default: none.
    """

    def __init__(
        self,
        *,
        sender: Sender,
        ledger: Ledger,
        stop: StopSignal,
        log: Logger,
        recipients: int | None,
        past: Past | None = None,
        concurrency: int = 8,
        accept_uncertain: bool = False,
        copy: ReceiptsFile | None = None,
        max_rejected: float | None = None,
        noun: str = RECIPIENT,
    ) -> None:
        self._sender = sender
        self._ledger = ledger
        self._stop = stop
        self._log = log
        self._past = past or Past()
        self._concurrency = concurrency
        self._accept_uncertain = accept_uncertain
        self._copy = copy
        self._window = Window(concurrency, sender.admits)
        self._total = 1 if recipients is None else recipients
        self._queue: SimpleQueue[Planned | None] = SimpleQueue()
        self._settled: deque[Settled] = deque()
        self._counts: Counter[State] = Counter()
        self._doubt_left = self._past.in_doubt
        self._in_doubt: set[int] = set()
        self._since: dict[int, str] = {}
        self._ended: list[int] = []
        self._outstanding = self._handed_over = 0
        self._pending: list[Receipt] = []
        self._began = self._reported = 0.0
        self._requests = 0
        self.fatal: BaseException | None = None
        """The error that stopped the delivery before its end, such as a wrong API key."""
        self.refusals = Refusals(concurrency, max_rejected)
        """Why batches were rejected, held or not sent."""
        self.given_up: str | None = None
        """Why the delivery was stopped although more batches could have been sent."""
        self.minor_errors = 0
        """Number of errors that Braze reported in requests which it accepted."""
        self.report = DeliveryReport(recipients=recipients).about(noun)
        """The figures. They are also right after an interruption."""

    @property
    def touched(self) -> bool:
        """Whether Braze has accepted, or may have accepted, anything in this try."""
        return bool(self._counts[State.SENT] or self._counts[State.UNCERTAIN])

    def run(self, planned: Iterator[Planned]) -> DeliveryReport:
        """
        Send all batches. Returns when no request is under way and every outcome is in the ledger.

        :param planned: The batches that this try settles. They are read as threads become free.
        :return: The figures. The caller decides whether the task fails.
        """
        self.report.started_at = _now()
        self._began = self._reported = time.monotonic()
        threads = [
            threading.Thread(target=self._work, name=f"braze-{number}", daemon=True)
            for number in range(self._concurrency)
        ]
        try:
            for thread in threads:
                thread.start()
            self._keep_the_ledger(planned)
        except BaseException:
            self._stop.request()  # For example, Airflow's timeout can interrupt this thread at any line.
            raise
        finally:
            try:
                self._wind_down(threads)
            finally:
                self._sum_up()
        return self.report

    # The pool's side

    def _work(self) -> None:
        try:
            while (item := self._queue.get()) is not None:
                try:
                    settled = self._sender.send(item.batch, item.in_doubt_since)
                except BaseException as error:  # noqa: BLE001 - the batch must settle after any error
                    settled = Settled(item.batch, Outcome.UNCERTAIN, fatal=error)
                if settled.fatal is not None:
                    self.fatal = self.fatal or settled.fatal
                    self._stop.request()
                self._settled.append(settled)
        finally:
            self._ended.append(threading.get_ident())

    # The task's side

    def _keep_the_ledger(self, planned: Iterator[Planned]) -> None:
        upcoming = next(planned, None)
        while True:
            self._collect()
            over = upcoming is None or self._stop.requested
            room = 0 if over else self._room(self._window.seconds)
            if self._is_time_to_confirm(room):
                self._confirm()
            elif self._is_time_to_write(room):
                further: list[Planned] = []
                while upcoming is not None and len(further) < room:
                    further.append(upcoming)
                    upcoming = next(planned, None)
                self._write(further)
            self._check_the_lease()
            if over and not self._outstanding and not self._pending:
                return
            if not over and not self._waiting:
                self._sender.pause_if_closed()  # While nothing is claimed, no thread asks this.
            self._log_progress()
            time.sleep(LOOK_SECONDS)

    @property
    def _waiting(self) -> int:
        """Number of batches that are claimed and wait for their turn."""
        return self._handed_over - self._sender.turns

    def _room(self, seconds: float) -> int:
        """
        Tell how many further batches can start.

        :param seconds: From now on.
        """
        waiting = self._waiting
        idle = self._concurrency - (self._outstanding - waiting)
        busy_seconds = self._sender.busy_seconds
        return self._window.starts(seconds, idle=idle, busy_seconds=busy_seconds) - waiting

    def _is_time_to_confirm(self, room: int) -> bool:
        lease = self._sender.lease
        if not lease.is_wanted and not (self._outstanding and lease.runs_out):
            return False
        # A write confirms the lease too, but a slow write may come too late for it.
        return lease.late > 0 or (not self._pending and room <= 0)

    def _is_time_to_write(self, room: int) -> bool:
        if not self._pending and room <= 0:
            return False
        if not self._outstanding or self._window.is_over:
            return True
        lease = self._sender.lease
        return lease.is_wanted or lease.runs_out or (room > 0 and self._room(self._window.notice) > 0)

    def _write(self, further: Sequence[Planned] = ()) -> None:
        claimed_at = _now()
        claims = [
            Claim(
                item.batch.index,
                item.batch.recipients,
                item.batch.fingerprint,
                again=item.again,
                at=item.in_doubt_since,
                who=item.batch.who,
            )
            for item in further
        ]
        pending = list(self._pending)
        asked_at, began = self._sender.lease.now(), time.monotonic()
        granted = self._ledger.write(pending, claims)
        self._window.wrote(time.monotonic() - began)
        if pending or claims:
            self._sender.lease.confirm(asked_at)
        # Removed only now. If an exception comes before, the receipts are written again, which does no harm.
        del self._pending[: len(pending)]
        for item in further:
            if item.batch.index not in granted:
                continue
            self._outstanding += 1
            self._since[item.batch.index] = item.in_doubt_since or claimed_at
            if item.in_doubt_since is not None:
                self._in_doubt.add(item.batch.index)
            if item.accept:
                self._settled.append(Settled(item.batch, Outcome.UNCERTAIN))
            else:
                self._handed_over += 1
                self._queue.put(item)
        if self._copy is not None:
            self._copy.add(pending)

    def _confirm(self) -> None:
        asked_at = self._sender.lease.now()
        self._ledger.confirm()
        self._sender.lease.confirm(asked_at)

    def _check_the_lease(self) -> None:
        lease = self._sender.lease
        if lease.is_too_slow and not self._stop.requested:
            raise LedgerTooSlowError(
                f"The ledger, {self._ledger}, takes {lease.took:.1f} s to confirm that this copy of the task "
                f"may send, and has taken too long {lease.late} times in a row. A confirmation is good for "
                f"{LEASE_SECONDS:.0f} s from when it was asked for, so nothing more is sent"
            )

    def _collect(self) -> None:
        while self._settled:
            settled = self._settled[0]
            state = self._state(settled)
            # A batch in doubt keeps the time of its first claim: Braze may have had it since then.
            at = self._since[settled.batch.index] if state is State.UNCERTAIN else _now()
            self._pending.append(_receipt(settled, state, at))
            # Removed only now. If an exception comes before, it is collected again, which does no harm.
            self._settled.popleft()
            self._since.pop(settled.batch.index, None)
            self._outstanding -= 1
            self._counts[state] += settled.batch.weight
            if settled.batch.index in self._in_doubt:
                self._in_doubt.discard(settled.batch.index)
                self._doubt_left -= settled.batch.weight
            if settled.outcome is Outcome.SENT or self._past.sent:
                self.refusals.accepted()
            self._tell(settled, state)

    def _state(self, settled: Settled) -> State:
        outcome, batch = settled.outcome, settled.batch
        if outcome is not Outcome.SENT and batch.index in self._in_doubt:
            # An earlier try may have sent this batch. A failure in this try does not change that.
            outcome = outcome if self._sender.is_harmless(batch) else Outcome.UNCERTAIN
        if outcome is Outcome.UNCERTAIN and self._accept_uncertain:
            return State.SENT
        return _STATES[outcome]

    def _tell(self, settled: Settled, state: State) -> None:
        error, answer = settled.error, settled.answer
        if error is not None and settled.outcome is not Outcome.SENT:
            # The log has one line for each reason. Otherwise a wrong campaign id would fill it.
            if self.refusals.note(error):
                self._log.warning("%s: %s", error, state.value)
            self._give_up_where_it_is_pointless(settled, error)
        elif answer is not None and (refused := self._sender.refused_rows(settled.batch, answer)):
            self._count_refused(settled.batch, refused)
        elif answer is not None and answer.errors:
            self.minor_errors += len(answer.errors)
            self._log.warning("%s: accepted with minor errors: %s", settled.batch, "; ".join(answer.errors))
        elif answer is not None and self._sender.endpoint.ids and not answer.ids:
            self._log.warning("%s: Braze said %s, without an id", settled.batch, answer.message)

    def _count_refused(self, batch: Batch, refused: Mapping[int, str]) -> None:
        """Count the rows that Braze refused of a request that it accepted."""
        self._counts[State.SENT] -= len(refused)
        self._counts[State.REJECTED] += len(refused)
        self.refusals.rejected(len(refused))
        for number, reason in sorted(refused.items()):
            error = BrazeRejectedError(f"Braze refused it: {reason}", outcome=Outcome.REJECTED)
            error.batch = f"row {number:,}"
            self.refusals.note(error)
        rows = ", ".join(f"row {number:,} ({reason})" for number, reason in sorted(refused.items()))
        self._log.warning("%s: Braze refused %s", batch, rows)
        self._give_up_if_refused()

    def _give_up_where_it_is_pointless(self, settled: Settled, error: BrazeRequestError) -> None:
        if settled.outcome is Outcome.REJECTED:
            self.refusals.rejected(settled.batch.weight)
        elif error.status is None or settled.outcome is not Outcome.UNCERTAIN:
            # Not a refusal: the error may pass, or Braze may have accepted the batch.
            self.refusals.accepted()
        self._give_up_if_refused()

    def _give_up_if_refused(self) -> None:
        if self.given_up is None and not self._stop.requested and (verdict := self.refusals.verdict):
            self.given_up = verdict
            self._log.warning("%s: nothing more is sent", verdict)
            self._stop.request()

    def _wind_down(self, threads: Sequence[threading.Thread]) -> None:
        """Wait for all requests under way and note their outcomes, even if the wait is interrupted."""
        for _ in threads:
            self._queue.put(None)
        interruption: BaseException | None = None
        started = [thread for thread in threads if thread.ident is not None]
        while len(self._ended) < len(started):
            try:
                # `join` can't be used: after an interruption it believes that the thread has ended
                # (Python 3.10 to 3.12).
                time.sleep(LOOK_SECONDS)
            except BaseException as error:  # noqa: BLE001, PERF203
                interruption = error
        self._collect()
        try:
            if self._pending:
                self._write()
        except BaseException:
            for receipt in self._pending:
                self._log.error("Perhaps not in the ledger: %s", receipt)
            if self._copy is not None:
                self._copy.add(self._pending)
            raise
        finally:
            if self._copy is not None:
                self._copy.complete(self._ledger.receipts)
        if interruption is not None:
            raise interruption

    def _sum_up(self) -> None:
        report, counts = self.report, self._counts
        report.finished_at = _now()
        report.requests = self._sender.requests
        report.already_sent = self._past.sent
        report.sent = counts[State.SENT]
        report.rejected = counts[State.REJECTED]
        report.uncertain = counts[State.UNCERTAIN] + self._doubt_left
        settled = report.already_sent + report.sent + report.rejected + report.uncertain
        report.failed = self._total - settled

    def _log_progress(self) -> None:
        now = time.monotonic()
        if now - self._reported < PROGRESS_SECONDS:
            return
        rate = (self._sender.requests - self._requests) / (now - self._reported)
        self._reported, self._requests = now, self._sender.requests
        elapsed, done = now - self._began, sum(self._counts.values())
        open_at_start = self._total - self._past.sent - self._past.in_doubt
        left = (open_at_start - done) * elapsed / done if done else None
        self._log.info(
            "%s of %s %s, %s requests, %.1f requests/s, budget %.1f requests/s, %s to go",
            f"{self._past.sent + done:,}",
            f"{self._total:,}",
            plural(self.report.noun),
            f"{self._sender.requests:,}",
            rate,
            self._sender.pace,
            "some time" if left is None else f"{left:.0f} s",
        )


def _receipt(settled: Settled, state: State, at: str) -> Receipt:
    error, answer = settled.error, settled.answer
    return Receipt(
        index=settled.batch.index,
        recipients=settled.batch.recipients,
        fingerprint=settled.batch.fingerprint,
        state=state,
        at=at,
        ids=error.ids if error else answer.ids if answer else {},
        reason=None if error is None else str(error),
    )


def _now() -> str:
    return pendulum.now("UTC").isoformat(timespec="milliseconds")
