"""
The engine: batches out, outcomes in.

It keeps the promise's second half by one order of events for each batch: claim it in the ledger, write
it to the network, settle it in the ledger. A claim without a settlement is a batch that Braze may have.

The task's own thread keeps the ledger, in windows of about a second's work; a pool of threads sends.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from itertools import islice
from queue import SimpleQueue
from typing import TYPE_CHECKING

from braze_provider.api.outcomes import Outcome
from braze_provider.delivery.batches import Batch
from braze_provider.delivery.ledger.base import Claim, Ledger, Receipt, State
from braze_provider.delivery.report import DeliveryReport
from braze_provider.delivery.resume import Past, Planned
from braze_provider.delivery.sender import Sender, Settled
from braze_provider.delivery.stop import StopSignal

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

PROGRESS_SECONDS = 5.0
WINDOW_SECONDS = 1.0
MAX_WINDOW = 1_000
LOOK_SECONDS = 0.02
MAX_REASONS = 5

_STATES = {
    Outcome.SENT: State.SENT,
    Outcome.NOT_SENT: State.FAILED,
    Outcome.REJECTED: State.REJECTED,
    Outcome.UNCERTAIN: State.UNCERTAIN,
}


class Engine:
    """
    Delivers batches through a small pool of threads.

    :param sender: Sends a batch.
    :param ledger: Where claims and receipts are kept; opened already.
    :param stop: Ends the delivery early.
    :param log: The task's log.
    :param recipients: Number of people in all batches together; None for a broadcast.
    :param past: What earlier tries have settled. Default: nothing.
    :param concurrency: Requests under way at the same time. Default 8.
    :param accept_uncertain: Whether what Braze may have accepted counts as sent. Default False.
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
    ) -> None:
        self._sender = sender
        self._ledger = ledger
        self._stop = stop
        self._log = log
        self._past = past or Past()
        self._concurrency = concurrency
        self._accept_uncertain = accept_uncertain
        self._total = 1 if recipients is None else recipients
        self._queue: SimpleQueue[Batch | None] = SimpleQueue()
        self._settled: deque[Settled] = deque()
        self._counts: Counter[State] = Counter()
        self._doubt_left = self._past.in_doubt
        self._in_doubt: set[int] = set()
        self._ended: list[int] = []
        self._outstanding = 0
        self._pending: list[Receipt] = []
        self._began = self._reported = self._written = self._measured = 0.0
        self._requests = 0
        self._rate = 0.0
        self.fatal: BaseException | None = None
        """What stopped the delivery before its end, such as a wrong API key."""
        self.reasons: list[str] = []
        """The first reasons for which batches were rejected, held or not sent."""
        self.minor_errors = 0
        """Errors that Braze noted beside requests which it accepted."""
        self.report = DeliveryReport(recipients=recipients)
        """The figures, also of a run that was interrupted."""

    @property
    def touched(self) -> bool:
        """Whether Braze has, or may have, accepted anything in this try."""
        return bool(self._counts[State.SENT] or self._counts[State.UNCERTAIN])

    def run(self, planned: Iterator[Planned]) -> DeliveryReport:
        """
        Deliver, and come back when nothing is under way any more and every outcome is in the ledger.

        :param planned: The batches that this try settles, read as threads become free.
        :return: The figures. Its caller decides what a task with such figures does.
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
            self._stop.request()  # Such as for Airflow's timeout, which interrupts this thread anywhere.
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
            while (batch := self._queue.get()) is not None:
                try:
                    settled = self._sender.send(batch)
                except BaseException as error:  # noqa: BLE001 - the batch must settle, whatever it was
                    settled = Settled(batch, Outcome.UNCERTAIN, fatal=error)
                if settled.fatal is not None:
                    self.fatal = self.fatal or settled.fatal
                    self._stop.request()
                self._settled.append(settled)
        finally:
            self._ended.append(threading.get_ident())

    # The task's side

    def _keep_the_ledger(self, planned: Iterator[Planned]) -> None:
        exhausted = False
        while True:
            self._collect()
            over = exhausted or self._stop.requested
            room = 0 if over else self._window() - self._outstanding
            if self._sender.lease.is_wanted:
                self._confirm()
            if self._is_time_to_write(room):
                further = list(islice(planned, max(room, 0)))
                exhausted = exhausted or len(further) < room
                self._write(further)
            if over and not self._outstanding and not self._pending:
                return
            self._log_progress()
            time.sleep(LOOK_SECONDS)

    def _window(self) -> int:
        """Tell how many batches may be claimed and unsettled: what a kill leaves in doubt at most."""
        work = int(min(self._rate, self._sender.pace, MAX_WINDOW) * WINDOW_SECONDS)
        return max(work, 2 * self._concurrency)

    def _is_time_to_write(self, room: int) -> bool:
        if not self._pending and room <= 0:
            return False
        if not self._outstanding:
            return True
        # Twice in a window, and more often only where threads would be idle.
        due = time.monotonic() - self._written >= WINDOW_SECONDS / 2
        return due or (room > 0 and self._queue.empty())

    def _write(self, further: Sequence[Planned] = ()) -> None:
        claims = [
            Claim(item.batch.index, item.batch.people, item.batch.fingerprint, again=item.again)
            for item in further
        ]
        pending = list(self._pending)
        asked_at = self._sender.lease.now()
        granted = self._ledger.write(pending, claims)
        if pending or claims:
            self._sender.lease.confirm(asked_at)
        # Taken off only now: what an exception interrupts is written again, which changes nothing.
        del self._pending[: len(pending)]
        self._measure()
        for item in further:
            if item.batch.index not in granted:
                continue
            self._outstanding += 1
            if item.in_doubt:
                self._in_doubt.add(item.batch.index)
            if item.accept:
                self._settled.append(Settled(item.batch, Outcome.UNCERTAIN))
            else:
                self._queue.put(item.batch)

    def _confirm(self) -> None:
        asked_at = self._sender.lease.now()
        self._ledger.confirm()
        self._sender.lease.confirm(asked_at)

    def _measure(self) -> None:
        now = self._written = time.monotonic()
        if now - self._measured < WINDOW_SECONDS / 2:
            return  # Over a shorter time, a burst would pass for the rate.
        requests = self._sender.requests
        if self._measured:
            # The average of the last windows, so that one slow answer does not shrink the next window.
            self._rate = (self._rate + (requests - self._requests) / (now - self._measured)) / 2
        self._measured, self._requests = now, requests

    def _collect(self) -> None:
        while self._settled:
            settled = self._settled[0]
            state = self._state(settled)
            self._pending.append(_receipt(settled, state))
            # Only now: what an exception interrupts is collected again, which changes nothing.
            self._settled.popleft()
            self._outstanding -= 1
            self._counts[state] += settled.batch.weight
            if settled.batch.index in self._in_doubt:
                self._in_doubt.discard(settled.batch.index)
                self._doubt_left -= settled.batch.weight
            self._tell(settled, state)

    def _state(self, settled: Settled) -> State:
        outcome = settled.outcome
        if outcome is not Outcome.SENT and settled.batch.index in self._in_doubt:
            # What an earlier try may have sent, a failure of this one does not take back.
            outcome = Outcome.UNCERTAIN
        if outcome is Outcome.UNCERTAIN and self._accept_uncertain:
            return State.SENT
        return _STATES[outcome]

    def _tell(self, settled: Settled, state: State) -> None:
        error, answer, index = settled.error, settled.answer, settled.batch.index
        if error is not None and settled.outcome is not Outcome.SENT:
            if len(self.reasons) < MAX_REASONS:
                self.reasons.append(str(error))
            self._log.warning("%s: %s", error, state.value)
        elif answer is not None and answer.errors:
            self.minor_errors += len(answer.errors)
            self._log.warning("request %d: accepted with minor errors: %s", index, "; ".join(answer.errors))
        elif answer is not None and answer.dispatch_id is None:
            self._log.warning("request %d: Braze said %s, without a dispatch id", index, answer.message)

    def _wind_down(self, threads: Sequence[threading.Thread]) -> None:
        """Wait for what is under way, and note it, however often the wait is interrupted."""
        for _ in threads:
            self._queue.put(None)
        interruption: BaseException | None = None
        started = [thread for thread in threads if thread.ident is not None]
        while len(self._ended) < len(started):
            try:
                # Not `join`: one that is interrupted takes its thread for ended (Python 3.10 to 3.12).
                time.sleep(LOOK_SECONDS)
            except BaseException as error:  # noqa: BLE001, PERF203
                interruption = error
        self._collect()
        if self._pending:
            try:
                self._write()
            except BaseException:
                for receipt in self._pending:
                    self._log.error("Not in the ledger: %s", receipt)
                raise
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
        self._reported = now
        elapsed, done = now - self._began, sum(self._counts.values())
        open_at_start = self._total - self._past.sent - self._past.in_doubt
        left = (open_at_start - done) * elapsed / done if done else None
        self._log.info(
            "%s of %s recipients, %s requests, %.1f requests/s, budget %.1f requests/s, %s to go",
            f"{self._past.sent + done:,}",
            f"{self._total:,}",
            f"{self._sender.requests:,}",
            self._rate,
            self._sender.pace,
            "some time" if left is None else f"{left:.0f} s",
        )


def _receipt(settled: Settled, state: State) -> Receipt:
    error, answer = settled.error, settled.answer
    return Receipt(
        index=settled.batch.index,
        recipients=settled.batch.people,
        fingerprint=settled.batch.fingerprint,
        state=state,
        at=_now(),
        dispatch_id=error.dispatch_id if error else answer.dispatch_id if answer else None,
        reason=None if error is None else str(error),
    )


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
