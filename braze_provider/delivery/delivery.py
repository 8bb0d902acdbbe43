"""The delivery of one task, from beginning to end: prepare, then deliver."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from braze_provider.api import requests as models
from braze_provider.api.endpoints import Endpoint
from braze_provider.api.errors import BrazeError, BrazeValidationError, Problem
from braze_provider.api.outcomes import Repeat
from braze_provider.api.requests.base import SendRequest
from braze_provider.api.validation import unknown_fields, validate
from braze_provider.delivery.batches import Batch, Envelope
from braze_provider.delivery.budget import Budget
from braze_provider.delivery.engine import Engine
from braze_provider.delivery.failure import DeliveryError, describe
from braze_provider.delivery.opening import LedgerGoneError, Trace, Try, decide
from braze_provider.delivery.options import DeliveryOptions
from braze_provider.delivery.prepare import Prepared, prepare
from braze_provider.delivery.rehearsal import rehearse
from braze_provider.delivery.report import DeliveryReport, is_sent, plural
from braze_provider.delivery.resume import (
    Past,
    Planned,
    SourceChangedError,
    check_other_map_indexes,
    plan,
    plan_rest,
    tally,
    verify,
)
from braze_provider.delivery.sender import OnUncertain, Sender, key_holds
from braze_provider.delivery.spool import Spool
from braze_provider.delivery.stop import StopSignal
from braze_provider.delivery.unsent import Unsent
from braze_provider.ledger.base import AuditLedger, Decide, Head, Ledger, Opening, Outline, Receipt
from braze_provider.ledger.memory import MemoryLedger

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

    from braze_provider.delivery.unsent import UnsentFile
    from braze_provider.hooks.braze import BrazeHook
    from braze_provider.ledger.mark import OpenedMark
    from braze_provider.ledger.receipts_file import ReceiptsFile
    from braze_provider.recipients.base import RecipientSource


class NoRecipientsError(BrazeError):
    """Nothing was sent: the source names no recipients, and the user does not count that as a success."""


class Delivery:
    """
    Sends one content to a stream of recipients, writes a stream of other rows, or makes one broadcast.

    :param hook: The hook to send with.
    :param endpoint: Where to send. Its request model says what is valid.
    :param options: The user's decisions.
    :param log: The task's log.
    :param ledger: Where receipts are kept. Default: in memory, for this try only.
    :param this_try: This run of the task's code. Default: the first try.
    :param name: A text that no other task instance has. Default: empty.
    :param mark: The mark that says in which ledger the delivery was opened. Default: none.
    :param copy: A file with a copy of the receipts. Default: none.
    :param unsent: A file with the recipients that were not sent to. Default: none.
    :param undo: Is called after an error and may undo what was sent. Says whether it did. Default: nothing.
    :param look_at: Looks at all prepared recipients, as JSON, before the first request. Default: nothing.
    """

    def __init__(
        self,
        hook: BrazeHook,
        endpoint: Endpoint,
        options: DeliveryOptions,
        log: Logger,
        ledger: Ledger | None = None,
        this_try: Try | None = None,
        name: str = "",
        mark: OpenedMark | None = None,
        copy: ReceiptsFile | None = None,
        unsent: UnsentFile | None = None,
        undo: Callable[[BaseException], bool] | None = None,
        look_at: Callable[[Iterator[bytes]], None] | None = None,
    ) -> None:
        self._hook = hook
        self._endpoint = endpoint
        self._options = options
        self._budget = Budget(hook, endpoint, options.pool, options.pool_slots)
        self._log = log
        self._this_try = this_try or Try()
        self._name = name
        self._mark = mark
        self._copy = copy
        self._undo = undo
        self._look_at = look_at
        self._list_unsent: Callable[[], Any] | None = None
        self._model: type[SendRequest] = getattr(models, endpoint.request or "")
        # The rows may show later that a repeat does harm.
        self._repeat = self._model.repeat_of(())
        self._refusal: LedgerGoneError | None = None
        self._stop = StopSignal()
        self._opened = False
        self._is_ledger_usable = True
        self._head: Head | None = None
        self._engine: Engine | None = None
        self._sender: Sender | None = None
        self.ledger: Ledger = MemoryLedger() if ledger is None else ledger
        self._unsent = Unsent(self.ledger, None if options.dry_run else unsent)
        self.report = DeliveryReport().about(self._model.row_noun)
        """The figures so far, also of a delivery that failed."""

    @property
    def may_have_sent(self) -> bool:
        """Whether Braze has, or may have, accepted anything in this try."""
        return self._engine is not None and self._engine.touched

    @property
    def may_be_retried(self) -> bool:
        """Whether a further try can send more, and nothing twice."""
        if not self.ledger.durable and self._repeat is not Repeat.SAFE:
            return False  # The next try could not know whether this one has sent anything.
        if self._engine is not None and self._engine.given_up is not None:
            return False  # A retry would meet the same refusals.
        held = self.report.uncertain if self._repeat is Repeat.DUPLICATES else 0
        return bool(self.report.failed) or not (self.report.rejected or held)

    @property
    def minor_errors(self) -> int:
        """Number of errors that Braze reported for requests that it accepted."""
        return 0 if self._engine is None else self._engine.minor_errors

    @property
    def rate_limited(self) -> int:
        """Number of requests that were over the rate limit."""
        return 0 if self._sender is None else self._sender.refused

    @property
    def resume_in(self) -> float | None:
        """Seconds after which to go on; None if the delivery has not paused for the rate limit."""
        return None if self._sender is None else self._sender.resume_in

    def close(self) -> None:
        """Close the ledger and the mark."""
        self.ledger.close()
        if self._mark is not None:
            self._mark.close()

    def stop(self) -> None:
        """Start no more requests, and wait for those under way. May be called from a signal handler."""
        self._stop.request()

    def begin(self) -> None:
        """
        Open the ledger. This comes before any step that may fail, so that a later try knows of this one.

        :raises LedgerGoneError: If it is not known what an earlier try has sent; nothing was sent.
        :raises LedgerLostError: If a later try of the task instance has opened it already.
        """
        if self._opened or self._options.dry_run:
            return
        this_try, ledger = self._this_try, self.ledger
        trace = Trace()
        if self._mark is not None:
            is_complete = self._mark.outlasts_clears or not this_try.was_cleared
            trace = Trace(self._mark.read(), is_complete)

        def opening(head: Head | None) -> Opening:
            return decide(
                head,
                this_try=this_try,
                resend=self._options.resend,
                ledger=ledger.identity,
                durable=ledger.durable,
                trace=trace,
                noun=self._model.row_noun,
            )

        try:
            self._open(opening, trace)
        except LedgerGoneError as error:
            if self._repeat is not Repeat.SAFE:
                raise
            self._refusal = error  # It counts only if the rows show that a repeat does harm.
            return
        if ledger.durable:
            self._log.info("Ledger: %s", ledger)
        elif self._repeat is not Repeat.SAFE:
            self._log.warning("Ledger: %s. ledger_conn_id makes retries possible", ledger)
        if self._head is None and self._options.resend:
            self._log.warning("resend=%r: starting over with all %s", self._options.resend, self._rows)

    def _open(self, opening: Decide, trace: Trace) -> None:
        self._head = self.ledger.open(opening)
        self._opened = True
        # The mark comes after the record: a mark without a record means that the record was lost.
        if self._mark is not None and trace.ledger != self.ledger.identity:
            self._mark.write(self.ledger.identity)
        if self._copy is not None and self._head is not None:
            # A kill may have lost lines that the ledger has receipts for.
            self._copy.catch_up(self.ledger.receipts())

    def _start_over(self) -> None:
        """Forget what earlier tries have done. Only for a delivery whose repeat does no harm."""

        def opening(head: Head | None) -> Opening:
            return self._this_try.opening(starts_over=True, resends=() if head is None else head.resends)

        self._open(opening, Trace())
        self._refusal = None

    def run(self, fields: Mapping[str, Any], source: RecipientSource | None) -> DeliveryReport:
        """
        Prepare, then deliver.

        :param fields: The request's fields without the recipients.
        :param source: The recipients; None for a broadcast.
        :return: The report, if all recipients were sent to, now or by an earlier try, or if the delivery has
            paused.
        :raises BrazeValidationError: For bad input; nothing was sent.
        :raises LedgerGoneError: If it is not known what an earlier try has sent; nothing was sent.
        :raises SourceChangedError: If the recipients, the campaign or the audience are not those of an
            earlier try; nothing was sent.
        :raises BrazeConfigurationError: If Braze refused the API key, its permission or the endpoint.
        :raises LedgerLostError: If another copy of the task instance has taken over.
        :raises DeliveryError: If some recipients were not sent to, or may not have been; the others were.
        """
        try:
            return self._run(fields, source)
        except SourceChangedError as error:
            error.noun = self._model.row_noun
            raise

    def _run(self, fields: Mapping[str, Any], source: RecipientSource | None) -> DeliveryReport:
        self.begin()
        self._log_where(fields, source)
        unknown = self._options.allow_unknown_fields
        if source is None:
            request = validate(self._model, fields, self._endpoint.path, allow_unknown_fields=unknown)
            envelope = Envelope(request, self._origin)
            self._log_unknown(unknown_fields(request))
            return self._deliver_or_undo(envelope, None, Prepared())
        request = self._model.validate_envelope(fields, self._endpoint.path, allow_unknown_fields=unknown)
        envelope = Envelope(request, self._origin)
        if envelope.size > self._endpoint.max_bytes:
            most = self._endpoint.max_bytes
            noun = self._model.row_noun
            size = f"{envelope.size:,} bytes without any {noun}, and Braze takes at most {most:,}"
            raise BrazeValidationError(self._endpoint.path, [Problem("", size)])
        with Spool() as spool:
            try:
                prepared = prepare(
                    source,
                    spool,
                    self._model.recipient_model,
                    noun=self._model.row_noun,
                    on_invalid=self._options.on_invalid,
                    max_recipients=self._options.max_recipients,
                    allow_duplicates=self._options.allow_duplicates,
                    max_size=envelope.room,
                    allow_unknown_fields=unknown,
                    stop=self._stop,
                )
            except BrazeValidationError:
                self._unsent.write_invalid(spool)
                raise
            self._log_unknown([*unknown_fields(request), *prepared.unknown_fields])
            self._log_prepared(source, prepared)
            if not prepared.recipients and not self._options.dry_run:
                self._check_empty(source)
            if self._look_at is not None:
                self._look_at(row for _, _, row in spool)
            return self._deliver_or_undo(envelope, spool, prepared)

    def ids(self, limit: int) -> dict[str, tuple[list[str], int]]:
        """
        List the ids that Braze gave for accepted batches, in the order of the batches.

        :param limit: Number of ids of each kind to list at most.
        :return: For each kind of id, the first ids and the number of all ids. ``dispatch_id`` is always
            there, ``schedule_id`` and ``send_id`` only if there are such ids.
        :raises BrazeError: If the ledger can't be used any more.
        """
        first: dict[str, list[str]] = {"dispatch_id": []}
        total: Counter[str] = Counter()
        for receipt in self.receipts():
            for name, value in receipt.ids.items():
                total[name] += 1
                listed = first.setdefault(name, [])
                if len(listed) < limit:
                    listed.append(value)
        return {name: (listed, total[name]) for name, listed in first.items()}

    @property
    def is_on_record(self) -> bool:
        """Whether this try has found that the record is of this very delivery, and has gone on from it."""
        return self._engine is not None

    def receipts(self) -> Iterator[Receipt]:
        """
        Read the receipts of the delivery; none if the ledger was not opened.

        :raises BrazeError: If the ledger can't be used any more.
        """
        if not self._is_ledger_usable:
            raise BrazeError("Braze's ids are not known, because the ledger can't be used")
        return self.ledger.receipts() if self._opened else iter(())

    def take_back(self, receipts: Sequence[Receipt]) -> None:
        """
        Note that what was sent was undone, or may have been.

        :param receipts: The new receipts of its batches.
        """
        if receipts:
            self.ledger.take_back(receipts)
        if receipts and self._copy is not None:
            self._copy.add(receipts)
            self._copy.complete(self.ledger.receipts)

    def _deliver_or_undo(self, envelope: Envelope, spool: Spool | None, prepared: Prepared) -> DeliveryReport:
        try:
            return self._deliver(envelope, spool, prepared)
        except BaseException as error:
            # The recipients are still in the spool: those of what was undone belong into the file too.
            if self._undo is not None and self._undo(error) and self._list_unsent is not None:
                self._list_unsent()
            raise

    def _deliver(self, envelope: Envelope, spool: Spool | None, prepared: Prepared) -> DeliveryReport:
        total = envelope.count(prepared.recipients, prepared.largest)
        first = 0

        def batches() -> Iterator[Batch]:
            if spool is None:
                return iter([envelope.whole()])
            return envelope.cut(spool, first=first, total=None if first else total)

        recipients = None if spool is None else prepared.recipients
        if self._options.dry_run:
            self.report = DeliveryReport(recipients=recipients).about(self._model.row_noun)
            self._complete(prepared)
            rate = self._budget.of(is_broadcast=recipients is None).rate
            rehearse(self._hook, self._endpoint, envelope, batches(), self.report, rate, self._log)
            return self.report
        self._settle_repeat(envelope, batches)
        try:
            past = self._past(batches, recipients)
            planned = plan(batches(), self.ledger.receipts(), self._choice)
        except SourceChangedError:
            if spool is None or self._options.on_source_change != "send_rest":
                raise
            past, planned, first = self._rest(envelope, spool)
            recipients = past.sent + past.in_doubt + len(spool)
        else:
            if self._is_finished:
                self._unsent.write(self.report, spool, batches, first=first)
                return self._end_as_finished()
        if any(past):
            self._log.info("Earlier tries: %s sent, %s in doubt", f"{past.sent:,}", f"{past.in_doubt:,}")
        self._list_unsent = lambda: self._unsent.write(self.report, spool, batches, first=first)
        engine = self._engine = self._make_engine(recipients, envelope, past)
        self.report = engine.report
        self._complete(prepared)
        try:
            if isinstance(self.ledger, AuditLedger):
                self.ledger.note_outline(Outline(self._endpoint.name, recipients, _target(envelope.given)))
            engine.run(planned)
        except Exception:
            # The ledger can't be used, or another copy owns it: do not use it any more.
            self._is_ledger_usable = False
            raise
        except BaseException:  # An interruption. Every outcome is in the ledger.
            if self._unsent.is_wanted:
                self._list_unsent()
            raise
        finally:
            self._hook.close()
        self._log.info("%s", self.report)
        if engine.minor_errors:
            self._log.warning(
                "Braze accepted requests with %s minor errors: it dropped the parts that they name",
                engine.minor_errors,
            )
        if self.resume_in is None or engine.fatal is not None:
            where = self._list_unsent()
            self._raise_for(engine, self.report, where)
            self.ledger.finish(self.report.to_dict())
        return self.report

    def _settle_repeat(self, envelope: Envelope, batches: Callable[[], Iterator[Batch]]) -> None:
        """Look whether the rows may be repeated, and begin anew if they may and something has changed."""
        if self._repeat is not self._endpoint.repeat and not all(map(envelope.is_harmless, batches())):
            self._repeat = self._endpoint.repeat
        if self._repeat is not Repeat.SAFE:
            if self._refusal is not None:
                raise self._refusal
            return
        if why := self._why_again(batches):
            self._log.info("Everything is written again, which does no harm: %s", why)
            self._start_over()

    def _why_again(self, batches: Callable[[], Iterator[Batch]]) -> str | None:
        if self._refusal is not None:
            return "there is no record of what earlier tries have written"
        if self._head is None:
            return None
        if self._this_try.is_restart_of(self._head.counters):
            return "the task was cleared"
        try:
            verify(batches(), self.ledger.receipts(), finished=self._is_finished)
        except SourceChangedError:
            return "the source has changed"
        return None

    def _choice(self, batch: Batch, receipt: Receipt) -> OnUncertain:
        """Say what to do about a batch in doubt."""
        is_harmless = self._model.repeat_of(batch.rows) is Repeat.SAFE
        has_key = self._endpoint.key is not None
        if is_harmless or (has_key and key_holds(self._endpoint, datetime.fromisoformat(receipt.at))):
            return "resend"
        return self._options.on_uncertain

    @property
    def _origin(self) -> str:
        """A text that no other delivery has, and that is new each time that this one starts over."""
        if not self._opened or not self.ledger.durable:
            return f"{self._name}, try {self._this_try.try_number}"
        return f"{self._name}, {self.ledger.identity}, {self.ledger.generation}"

    @property
    def _rows(self) -> str:
        """What texts call the rows: recipients, items."""
        return plural(self._model.row_noun)

    @property
    def _is_finished(self) -> bool:
        return self._head is not None and self._head.finished

    def _check_empty(self, source: RecipientSource) -> None:
        """Raise an error if the user does not expect a source without recipients."""
        if self._repeat is not Repeat.SAFE and next(self.ledger.receipts(), None) is not None:
            if self._options.on_source_change == "fail" or not self._is_finished:
                raise SourceChangedError(f"{source} names no {self._rows} now, but did at an earlier try")
        elif self._options.on_empty != "succeed":
            raise NoRecipientsError(
                f"{source} names no {self._rows}, and on_empty is {self._options.on_empty!r}"
            )
        else:
            self._log.warning("%s names no %s: nothing is sent, and the task succeeds", source, self._rows)

    def _past(self, batches: Callable[[], Iterator[Batch]], recipients: int | None) -> Past:
        """Check that this is the delivery on record. If it is not, the error says the figures."""
        try:
            past = verify(batches(), self.ledger.receipts(), finished=self._is_finished)
        except SourceChangedError as error:
            if recipients is not None:
                error.add_figures(recipients, *tally(self.ledger.receipts())[0])
            raise
        if not any(past) and not self._options.resend:
            check_other_map_indexes(self.ledger, self._this_try, next(batches(), None))
        return past

    def _rest(self, envelope: Envelope, spool: Spool) -> tuple[Past, Iterator[Planned], int]:
        """Leave the batches on record as they are, and plan for all other recipients."""
        before = len(spool)
        past, planned, first = plan_rest(self.ledger, envelope, spool, self._options.on_uncertain)
        self._log.warning(
            "The source has changed: %s of its %s are on record as sent or in doubt, %s others are %s now",
            f"{before - len(spool):,}",
            self._rows,
            f"{len(spool):,}",
            is_sent(self._model.row_noun),
        )
        return past, planned, first

    def _end_as_finished(self) -> DeliveryReport:
        self._log.info("Nothing is sent: an earlier try has sent everything. resend=True would start over")
        earlier = self._head.report or {} if self._head else {}
        self.report = DeliveryReport.of_finished(earlier, self._model.row_noun)
        return self.report

    def _complete(self, prepared: Prepared) -> None:
        self.report.invalid = prepared.invalid
        self.report.duplicates_dropped = prepared.duplicates

    def _make_engine(self, recipients: int | None, envelope: Envelope, past: Past) -> Engine:
        options = self._options
        sender = self._sender = Sender(
            hook=self._hook,
            endpoint=self._endpoint,
            envelope=envelope,
            pacer=self._budget.pacer(envelope.given, is_broadcast=recipients is None),
            stop=self._stop,
            on_uncertain=options.on_uncertain,
            max_slot_wait=options.max_slot_wait,
            not_after=options.not_after,
        )
        return Engine(
            sender=sender,
            ledger=self.ledger,
            stop=self._stop,
            log=self._log,
            recipients=recipients,
            copy=self._copy,
            max_rejected=self._max_rejected(recipients),
            past=past,
            concurrency=1 if recipients is None else options.concurrency,
            accept_uncertain=options.on_uncertain == "accept",
            noun=self._model.row_noun,
        )

    def _max_rejected(self, recipients: int | None) -> float | None:
        limit = self._options.max_rejected
        is_share = isinstance(limit, float) and limit < 1
        return limit * (recipients or 1) if limit is not None and is_share else limit

    def _raise_for(self, engine: Engine, report: DeliveryReport, where: str | None) -> None:
        fatal = engine.fatal
        if fatal is None and not report.rejected and not report.uncertain and not report.failed:
            return
        if fatal is not None and not engine.touched:
            raise fatal
        durable = self.ledger.durable or self._repeat is Repeat.SAFE
        message = describe(engine, durable=durable, stopped=self._stop.requested, where=where)
        retry_in = None if self._sender is None else self._sender.closed_for or None
        # Braze's own message is in the text already. Any other error keeps its traceback.
        cause = None if isinstance(fatal, BrazeError) else fatal
        raise DeliveryError(message, report, retry_in) from cause

    def _log_unknown(self, names: Sequence[str]) -> None:
        if names:
            self._log.warning("Fields unknown to this package are sent as they are: %s", ", ".join(names))

    def _log_prepared(self, source: RecipientSource, prepared: Prepared) -> None:
        self._log.info(
            "%s %s from %s: %s invalid rows skipped, %s duplicates dropped",
            f"{prepared.recipients:,}",
            self._rows,
            source,
            f"{prepared.invalid:,}",
            f"{prepared.duplicates:,}",
        )
        for problem in prepared.bad_rows:
            self._log.warning("Skipped %s", problem)

    def _log_where(self, fields: Mapping[str, Any], source: RecipientSource | None) -> None:
        ids = [f"{name} {value}" for name, value in _target(fields).items()]
        share = self._budget.of(is_broadcast=source is None)
        self._log.info(
            "%s at %s (connection %r): %s",
            self._endpoint,
            self._hook.connection.host,
            self._hook.braze_conn_id,
            ", ".join(ids) or "content of this task",
        )
        self._log.info(
            "Pace: at most %.1f requests/s (bucket %s, %.0f %% of it by pool %r)",
            share.rate,
            share.bucket.name,
            100 * share.part,
            self._options.pool,
        )


def _target(fields: Mapping[str, Any]) -> dict[str, str]:
    """Give the campaign, the Canvas or the segment of a request."""
    return {name: str(fields[name]) for name in ("campaign_id", "canvas_id", "segment_id") if name in fields}
