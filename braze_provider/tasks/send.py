"""A task that sends: recipients through a delivery with a ledger, or one broadcast."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import pendulum

from braze_provider._compat import AirflowFailException, AirflowSkipException, RetryPolicy, conf
from braze_provider.api.errors import BrazeError
from braze_provider.links.braze import SEND_LINKS
from braze_provider.recipients.given import source_of
from braze_provider.recipients.inline import JoinedRecipients, PlacedRecipients
from braze_provider.tasks.options import BOOLEANS, option_problems
from braze_provider.tasks.task import BrazeTask, model_of
from braze_provider.templating import may_be_templated

if TYPE_CHECKING:
    from braze_provider._compat import Context
    from braze_provider.api.endpoints import Endpoint
    from braze_provider.api.errors import Problem
    from braze_provider.delivery.delivery import Delivery
    from braze_provider.recipients.base import RecipientSource
    from braze_provider.tasks.arguments import Templated

MAX_IDS = 10_000


class _Failure(NamedTuple):
    """What follows a failed try."""

    is_pointless: bool = False
    """Whether a retry would do no good."""
    is_last_try: bool = False
    """Whether no retry follows, for whatever reason."""
    undone: str = ""
    """What was undone."""


class BrazeSendOperator(BrazeTask):
    """
    Base of the operators that send. Its parameters are those that every one of them takes.

    **What a retry does.** With a durable ledger (``ledger_conn_id``, or Airflow 3.3 and newer) a retry
    continues where the last try stopped, and so does a cleared task. Without one, a retry would send nothing,
    because it can't know what the earlier try has sent. A task without a durable ledger is therefore not
    retried when it fails. On Airflow 3.3 and newer a wrong key or connection fails the task at once, and a
    retry waits for the rate limit (unless the task has a ``retry_policy`` of its own).

    **What a kill leaves behind.** On SIGTERM (a timeout, *mark failed*, a worker that shuts down) nothing
    more is sent. The task waits for the requests under way, and fails with its figures. After SIGKILL, the
    recipients of all batches that were claimed and have no outcome are in doubt. These are the batches under
    way, and those that were claimed in advance, for the time until the ledger's next write. A fast ledger
    writes every tenth of a second.

    XCom ``return_value`` is the :class:`~braze_provider.delivery.report.DeliveryReport` as a dict; XCom
    ``dispatch_ids`` lists the dispatch ids in batch order, the first 10,000 of them. Where Braze gives other
    ids, ``schedule_ids`` and ``send_ids`` list them likewise. ``send_id`` is the label under which Braze
    tracks the send, if there is one. All are there also when the task fails.

    :param braze_conn_id: Id of the Airflow connection of type ``braze``. Default ``braze_default``.
        (templated)
    :param concurrency: Requests under way at the same time. Default 8.
    :param on_uncertain: What to do about requests that Braze may have accepted, such as after a read
        timeout: ``hold`` (default) does not repeat them and fails at the end, ``resend`` repeats them as
        Braze advises, ``accept`` counts them as sent. (templated)
    :param on_invalid: What to do about invalid recipients: ``fail`` (default) before anything is sent, or
        ``skip``.
    :param max_recipients: A brake: with more recipients than this, the task fails before the first request.
        Default: none.
    :param max_rejected: A brake: with more rejected recipients than this number, or than this share (a number
        below 1), the delivery stops and does not send the rest. Default: none. The delivery always stops if
        its first batches are all refused for the same reason.
    :param on_empty: What to do if the source has no recipients: ``succeed`` (default) with a warning,
        ``skip`` the task, or ``fail``.
    :param max_lateness: The task is skipped if the run's data interval ended longer ago than this
        ``timedelta`` or pendulum duration. For a run without a data interval, the partition date counts, else
        ``run_after``. Default: the task is never skipped.
    :param ledger_conn_id: Id of a connection to a SQL database (SQLite, PostgreSQL, MySQL) that keeps the
        receipts. Default: Airflow's task state store, which exists since Airflow 3.3. (templated)
    :param receipts_path: Path or URL, as ``ObjectStoragePath`` takes it, of a file to which each settled
        batch adds a JSON line with its ids. On object storage, which can't append, files are made
        whose names begin like it. Default: none. (templated)
    :param unsent_path: Path or URL of a file whose name ends in ``.jsonl``, one for each task instance. A try
        writes a JSON line to it for each recipient who is in doubt, rejected, not sent to or invalid. A later
        try that settles all of them removes the file. A line holds the recipient **in clear**, with row,
        batch, state and reason in ``_unsent``. ``FileRecipients`` reads it, so that another task can send to
        all recipients in it, also to those in doubt. Only the task's user may read a local file. Default:
        none. (templated)
    :param allow_duplicates: Whether a recipient gets a message for each row that names them. Braze itself
        sends only once for each request. Default False: only the first row counts.
    :param resend: Whether to start over and send to all recipients again, also to those who were sent to.
        True does so once each time this task is cleared. A text does so only once, and a new text once more.
        Default False. (templated)
    :param on_source_change: What to do if an earlier try has sent something and the source now names other
        recipients: ``fail`` (default) before anything is sent, or ``send_rest``. ``send_rest`` keeps all
        receipts as they are, and sends to the recipients who are in none of them. It needs
        ``ledger_conn_id``. The ledger then keeps a digest of each recipient, made with a secret key of the
        ledger.
    :param deferrable: Whether the task gives its slot back if the rate limit is closed for longer than
        ``max_slot_wait``. It needs a durable ledger and a triggerer. Default: Airflow's
        ``default_deferrable``.
    :param max_slot_wait: Longest wait in the slot in seconds, if ``deferrable``. Default 60.
    :param dry_run: Validate, count and log an example request, but send nothing. Default False.
    :param allow_unknown_fields: Whether to send fields that this package does not know to Braze unchanged, in
        the request and in recipients. So a field that Braze adds later can be used at once. The log names
        each field once. Default False: they are refused, because most are typing mistakes.
    """

    operator_extra_links = SEND_LINKS
    templated_options: ClassVar[tuple[str, ...]] = (
        "braze_conn_id",
        "on_uncertain",
        "ledger_conn_id",
        "receipts_path",
        "resend",
        "unsent_path",
    )

    flags: ClassVar[tuple[str, ...]] = ()
    """A subclass's own options that are true or false."""

    # Text or a choice once they are rendered.
    ledger_conn_id: Any
    on_uncertain: Any
    receipts_path: Any
    resend: Any
    unsent_path: Any

    def __init__(
        self,
        *,
        braze_conn_id: Templated = "braze_default",
        concurrency: int = 8,
        on_uncertain: Literal["hold", "resend", "accept"] | Templated = "hold",
        on_invalid: Literal["fail", "skip"] = "fail",
        max_recipients: int | None = None,
        max_rejected: float | None = None,
        on_empty: Literal["succeed", "skip", "fail"] = "succeed",
        max_lateness: timedelta | None = None,
        ledger_conn_id: Templated | None = None,
        receipts_path: Templated | None = None,
        unsent_path: Templated | None = None,
        allow_duplicates: bool = False,
        resend: bool | Templated = False,
        on_source_change: Literal["fail", "send_rest"] = "fail",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        max_slot_wait: float = 60.0,
        dry_run: bool = False,
        allow_unknown_fields: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.braze_conn_id = braze_conn_id
        self.concurrency = concurrency
        self.on_uncertain = on_uncertain
        self.on_invalid = on_invalid
        self.max_recipients = max_recipients
        self.max_rejected = max_rejected
        self.on_empty = on_empty
        self.max_lateness = max_lateness
        self.ledger_conn_id = ledger_conn_id
        self.receipts_path = receipts_path
        self.unsent_path = unsent_path
        self.allow_duplicates = allow_duplicates
        self.resend = resend
        self.on_source_change = on_source_change
        self.deferrable = deferrable
        self.max_slot_wait = max_slot_wait
        # Airflow has a method of this name, but no longer calls it.
        self.dry_run = dry_run  # type: ignore[method-assign,assignment,unused-ignore]
        self.allow_unknown_fields = allow_unknown_fields
        self._delivery: Delivery | None = None
        self._failure: _Failure | None = None
        # A mapped task gets None explicitly, so a default argument would have no effect.
        if RetryPolicy is not None and self.retry_policy is None:
            from braze_provider.tasks.retries import BrazeRetryPolicy

            self.retry_policy = BrazeRetryPolicy()

    def not_after(self) -> pendulum.DateTime | None:
        """Return the moment after which nothing may be sent any more; None if there is no such moment."""
        return None

    def target(self) -> Endpoint:
        """Return the endpoint that is called."""
        return self.endpoint

    def argument_problems(self) -> list[Problem]:
        """List the mistakes in the arguments of this operator that its request's model does not know of."""
        return []

    def recipient_source(self) -> RecipientSource | None:
        """Return the source of the recipients. None: the request names no recipients."""
        keys = self.recipient_keys()
        sources: list[RecipientSource] = [
            PlacedRecipients(source, self.field_of(argument), keys[argument])
            if self.request_fields[argument].placed
            else source
            for argument, value in self._set(keys).items()
            for source in (source_of(value, argument=argument, keys=keys),)
        ]
        return JoinedRecipients(sources) if len(sources) > 1 else next(iter(sources), None)

    def before_delivery(self) -> None:
        """
        Look at Braze before the recipients are read. Does nothing by default.

        :raises BrazeError: If nothing may be sent.
        """

    def look_at(self, recipients: Iterable[bytes]) -> None:
        """
        Look at all recipients before the first request. Does nothing by default.

        :param recipients: The recipients as JSON, in order.
        """

    def after_delivery(self) -> None:
        """
        Look at the task after everything was sent. Does nothing by default.

        :raises BrazeError: If the task fails all the same.
        """

    def undo(self, delivery: Delivery, error: BaseException, *, is_last_try: bool) -> str:
        """
        Undo what was sent, after an error. Does nothing by default.

        :param delivery: The delivery.
        :param error: The error.
        :param is_last_try: Whether no retry follows.
        :return: What was undone and what was not, for the task's error; empty if there was nothing to undo.
        """
        return ""

    def execute(self, context: Context) -> dict[str, Any]:
        """Send, and return the report."""
        self._skip_if_late(context)
        return self._deliver(context, resumed=False)

    def resume(self, context: Context, event: Any = None) -> dict[str, Any]:
        """Continue after the rate limit has reset, and return the report."""
        return self._deliver(context, resumed=True)

    def _deliver(self, context: Context, *, resumed: bool) -> dict[str, Any]:
        from braze_provider.delivery.delivery import NoRecipientsError
        from braze_provider.ledger.base import LedgerLostError
        from braze_provider.tasks import metrics
        from braze_provider.tasks.outlets import ids_of, tell_outlets
        from braze_provider.tasks.records import trigger_in

        delivery = self._delivery = self._make_delivery(context, resumed=resumed)
        try:
            delivery.begin()
            self.refuse(option_problems(self))
            self.before_delivery()
            report = delivery.run(self.request_values(), self.recipient_source()).to_dict()
            self.after_delivery()
            self._push_ids(context, delivery)
        except LedgerLostError:
            raise  # Another copy has taken over. It reports, and this copy must not replace its figures.
        except AirflowSkipException:
            raise  # The function that gives the recipients has skipped the task, before anything was sent.
        except BaseException as error:
            if isinstance(error, NoRecipientsError) and self.on_empty == "skip":
                # Airflow does not log why a task was skipped.
                self.log.info(str(error))
                raise AirflowSkipException(str(error)) from None
            failure = self._fail(context, error)
            self._push_figures_of_a_failure(context, delivery)
            if not delivery.ledger.durable and not delivery.may_be_retried:
                self.log.warning("The task is not retried: ledger_conn_id makes retries possible")
            tells_more = failure.undone and failure.is_last_try and isinstance(error, Exception)
            if failure.is_pointless or tells_more:
                # An error of this package says everything in its text. A chained error would print it twice.
                cause = error.__cause__ if isinstance(error, BrazeError) else error
                told = str(error) or type(error).__name__
                raise AirflowFailException("\n".join(filter(None, (told, failure.undone)))) from cause
            raise
        finally:
            metrics.count(delivery, self.target())
            delivery.close()
        if delivery.resume_in is not None:
            self.log.info(
                "The rate limit is closed for %.0f s: the task gives its slot back", delivery.resume_in
            )
            self.defer(trigger=trigger_in(delivery.resume_in), method_name="resume")
        tell_outlets(context, self.outlets, delivery.report, ids_of(self))
        return report

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """
        Tell OpenLineage where the recipients came from and what was sent. Its provider calls this.

        :param task_instance: The task instance.
        """
        from braze_provider.tasks.lineage import lineage_of

        return lineage_of(self, 0 if self._delivery is None else self._delivery.report.sent)

    def _fail(self, context: Context, error: BaseException) -> _Failure:
        """Decide once what follows an error, before the figures change, and undo what was sent."""
        from braze_provider.delivery.opening import LedgerGoneError
        from braze_provider.delivery.resume import SourceChangedError
        from braze_provider.delivery.sender import TimePassedError
        from braze_provider.tasks.records import a_retry_follows

        if self._failure is None and self._delivery is not None:
            needs_a_person = isinstance(error, (LedgerGoneError, SourceChangedError, TimePassedError))
            is_pointless = needs_a_person or not self._delivery.may_be_retried
            policy = getattr(self, "retry_policy", None)
            is_last_try = is_pointless or not a_retry_follows(context, error, policy)
            try:
                undone = self.undo(self._delivery, error, is_last_try=is_last_try)
            except Exception as failure:  # noqa: BLE001 - whatever it is, it must not hide the first error
                undone = f"Not undone ({type(failure).__name__}: {failure})"
                self.log.warning("%s", undone)
            self._failure = _Failure(is_pointless, is_last_try, undone)
        return self._failure or _Failure()

    def _make_delivery(self, context: Context, *, resumed: bool) -> Delivery:
        from braze_provider.delivery.delivery import Delivery
        from braze_provider.delivery.options import DeliveryOptions
        from braze_provider.tasks.records import key_of, records_of, try_of

        records = records_of(
            context,
            self.ledger_conn_id,
            self.receipts_path,
            self.unsent_path,
            keeps_recipients=self.on_source_change == "send_rest",
        )
        ledger, key = records.ledger, key_of(context)
        if self.deferrable and not ledger.durable:
            self.log.info("Without a durable ledger the task can't be deferred: it waits in its slot")
        return Delivery(
            hook=self.hook,
            endpoint=self.target(),
            options=DeliveryOptions(
                concurrency=self.concurrency,
                on_uncertain=self.on_uncertain,
                on_invalid=self.on_invalid,
                on_empty=self.on_empty,
                max_recipients=self.max_recipients,
                max_rejected=self.max_rejected,
                allow_duplicates=self.allow_duplicates,
                resend=BOOLEANS.get(self.resend, self.resend),
                on_source_change=self.on_source_change,
                pool=self.pool,
                pool_slots=self.pool_slots,
                max_slot_wait=self.max_slot_wait if self.deferrable and ledger.durable else None,
                not_after=self.not_after(),
                dry_run=bool(self.dry_run),
                allow_unknown_fields=self.allow_unknown_fields,
            ),
            log=self.log,
            ledger=ledger,
            this_try=try_of(context, retries=self.retries or 0, resumed=resumed),
            name=repr((key.dag_id, key.run_id, key.task_id, key.map_index)),
            mark=records.mark,
            copy=records.copy,
            unsent=records.unsent,
            undo=lambda error: bool(self._fail(context, error).undone),
            look_at=self.look_at,
        )

    def on_kill(self) -> None:
        """Send nothing more, and wait for the requests under way."""
        if self._delivery is not None:
            self._delivery.stop()

    def check_constants(self) -> None:
        """
        Check the arguments that rendering will not change, at Dag parse.

        :raises BrazeValidationError: With all mistakes that can be found before rendering.
        """
        from braze_provider.tasks.parse_checks import problems_of_constants

        recipients = self._set(self.recipient_fields)
        if self.on_invalid == "skip":  # Bad rows are then allowed. Only the names of the arguments count.
            recipients = dict.fromkeys(recipients, None)
        self.refuse(
            [
                *(p for p in option_problems(self) if not may_be_templated(getattr(self, p.path))),
                *self.content_problems(),
                *self.argument_problems(),
                *problems_of_constants(
                    model_of(self.target()),
                    self.request_values(),
                    recipients,
                    {
                        name: self.field_of(name) if self.request_fields[name].placed else key
                        for name, key in self.recipient_keys().items()
                    },
                    allow_unknown_fields=self.allow_unknown_fields is True,
                ),
            ]
        )

    def _skip_if_late(self, context: Context) -> None:
        if self.max_lateness is None:
            return
        dag_run = context["dag_run"]
        moments = {
            "data interval ended": context.get("data_interval_end"),
            "partition date was": getattr(dag_run, "partition_date", None),  # Airflow 3.3
            "run_after was": dag_run.run_after,
        }
        what, moment = next((what, moment) for what, moment in moments.items() if moment is not None)
        lateness = pendulum.now("UTC") - pendulum.instance(moment)
        if lateness > self.max_lateness:
            run_type = getattr(dag_run, "run_type", "Dag")
            reason = (
                f"The {what} {lateness.in_words()} ago for this {getattr(run_type, 'value', run_type)} run, "
                f"which is more than max_lateness allows ({self.max_lateness}): nothing was sent"
            )
            # Airflow does not log why a task was skipped.
            self.log.info(reason)
            raise AirflowSkipException(reason)

    def _push_figures_of_a_failure(self, context: Context, delivery: Delivery) -> None:
        try:
            context["ti"].xcom_push(key="return_value", value=delivery.report.to_dict())
            self._push_ids(context, delivery)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not decide whether to retry
            self.log.warning(
                "The figures are not in XCom (%s: %s): %s", type(error).__name__, error, delivery.report
            )

    def _push_ids(self, context: Context, delivery: Delivery) -> None:
        # All requests of a task go under one label: its own, or the one that Braze makes for a broadcast.
        found = delivery.ids(MAX_IDS)
        labels = [getattr(self, "send_id", None), *found.get("send_id", ([], 0))[0][:1]]
        if label := next(filter(None, labels), None):
            context["ti"].xcom_push(key="send_id", value=label)
        for name, (ids, total) in found.items():
            key = f"{name}s"
            context["ti"].xcom_push(key=key, value=ids)
            if total > len(ids):
                self.log.warning("XCom %s holds the first %s of %s", key, f"{len(ids):,}", f"{total:,}")
