"""A notifier that tells fixed recipients about a task or a Dag run, through Braze."""

from __future__ import annotations

import copy
from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseNotifier

from braze_provider.api.endpoints import CAMPAIGNS_TRIGGER_SEND, MESSAGES_SEND
from braze_provider.api.errors import BrazeError, BrazeValidationError, Problem
from braze_provider.recipients.columns import with_ids_as_text
from braze_provider.tasks.parse_checks import problems_of_constants
from braze_provider.tasks.rendering import LiquidAwareRendering
from braze_provider.tasks.task import model_of
from braze_provider.templating import ContentFile

if TYPE_CHECKING:
    from airflow.sdk import DAG
    from jinja2 import Environment

    from braze_provider._compat import Context

PATIENCE = 30.0
"""Seconds that a callback waits for Braze at most. Airflow stops callbacks that run for long."""


class BrazeNotifier(LiquidAwareRendering, BaseNotifier):
    """
    Notify fixed recipients from a callback of Airflow's, such as ``on_failure_callback``.

    It triggers a campaign, or sends messages whose content is given here. All recipients are in one request,
    so there are at most 50. Liquid in ``messages`` reaches Braze byte for byte, and Airflow renders its own
    expressions, also those that only callbacks have, such as ``{{ exception }}``.

    A request that Braze did not take is repeated for half a minute at most. One that Braze may have taken is
    never repeated: the log then says so. A failure goes to the log, and does not change the state of the task
    or of the run.

    For a deadline, use it in a ``SyncCallback``. An ``AsyncCallback`` runs in the triggerer, and a triggerer
    that is restarted would notify again, so this is refused.

    .. seealso::
        - :ref:`howto/notifier:BrazeNotifier`
        - https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_triggered_campaigns
        - https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_messages

    :param recipients: Braze's recipient objects, such as ``{"external_user_id": "on-call"}``. (templated)
    :param campaign_id: Id of an API-triggered campaign; with ``messages``, of the API campaign whose
        statistics count them. (templated)
    :param trigger_properties: Values for the campaign's Liquid. (templated)
    :param messages: Message objects by channel, instead of a campaign's content; or a
        :class:`~braze_provider.templating.ContentFile` that holds them. (templated, beside Liquid)
    :param braze_conn_id: Id of the Airflow connection of type ``braze``. Default ``braze_default``.
        (templated)
    :raises BrazeValidationError: For bad arguments, when the Dag is parsed.
    """

    template_fields = ("braze_conn_id", "recipients", "campaign_id", "trigger_properties", "messages")
    template_fields_renderers: ClassVar[dict[str, str]] = dict.fromkeys(
        ("recipients", "trigger_properties"), "json"
    )
    content_fields = ("messages",)
    text_fields = ("braze_conn_id", "campaign_id")

    def __init__(
        self,
        *,
        recipients: Sequence[Mapping[str, Any]],
        campaign_id: str | None = None,
        trigger_properties: Mapping[str, Any] | None = None,
        messages: Mapping[str, Any] | ContentFile | None = None,
        braze_conn_id: str = "braze_default",
        **kwargs: Any,
    ) -> None:
        self.recipients = recipients
        self.campaign_id = campaign_id
        self.trigger_properties = trigger_properties
        self.messages = messages
        self.braze_conn_id = braze_conn_id
        self._dag: DAG | None = None
        # Airflow 3.1 and newer may give the context here.
        super().__init__(**kwargs)
        self.endpoint = CAMPAIGNS_TRIGGER_SEND if messages is None else MESSAGES_SEND
        self._check()

    def __call__(self, *args: Any) -> None:
        """Notify. A notifier may serve several tasks, so a copy of it is rendered."""
        super(BrazeNotifier, copy.copy(self)).__call__(*args)

    def __await__(self) -> Generator[Any, None, None]:
        """Refuse to run in the triggerer."""
        return self.async_notify(self.context).__await__()

    def notify(self, context: Context) -> None:
        """
        Make the request.

        :param context: Airflow's context of the callback.
        """
        from braze_provider.hooks.braze import BrazeHook
        from braze_provider.tasks.calls import call_patiently

        request = self._request()
        hook = BrazeHook(self.braze_conn_id)
        try:
            answer = call_patiently(hook, self.endpoint, request, log=self.log, patience=PATIENCE)
        finally:
            hook.close()
        self.log.info("Braze accepted the notification, dispatch id %s", answer.dispatch_id)

    async def async_notify(self, context: Context) -> None:
        """
        Refuse to run in the triggerer.

        :param context: Airflow's context of the callback.
        :raises BrazeError: Always.
        """
        raise BrazeError(
            "BrazeNotifier does not run in the triggerer, because a restart of the triggerer would notify "
            "again. Use SyncCallback instead of AsyncCallback"
        )

    def render_template_fields(self, context: Context, jinja_env: Environment | None = None) -> None:
        """
        Render the fields.

        :param context: Airflow's context of the callback.
        :param jinja_env: The Jinja environment. Default: the Dag's.
        """
        self._dag = context.get("dag")
        super().render_template_fields(context, jinja_env)

    def get_dag(self) -> DAG | None:
        """Return the Dag of the callback, once it is called."""
        return self._dag

    def _update_context(self, context: Context) -> Context:
        # Airflow would make the fields' names known to templates. Here, Liquid may mean those names.
        return context

    def _fields(self) -> dict[str, Any]:
        names = ("campaign_id", "trigger_properties", "messages")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def _check(self) -> None:
        """Find all mistakes that rendering can't correct."""
        most = self.endpoint.rows
        if not isinstance(self.recipients, (list, tuple)) or not self.recipients:
            problems = [Problem("recipients", "must be a list of recipient objects, with one at least")]
        elif most is not None and len(self.recipients) > most:
            reason = f"{len(self.recipients):,} recipients, and one request takes {most} at most"
            problems = [Problem("recipients", reason)]
        else:
            problems = problems_of_constants(
                model_of(self.endpoint),
                self._fields(),
                {"recipients": self.recipients},
                {"recipients": None},
            )
        if problems:
            raise BrazeValidationError(type(self).__name__, problems)

    def _request(self) -> bytes:
        from braze_provider.api.validation import validate

        model, name = model_of(self.endpoint), type(self).__name__
        self._check()
        envelope = model.validate_envelope(self._fields(), name)
        rows = [
            validate(model.recipient_model, with_ids_as_text(recipient), f"{name} recipients[{index}]")
            for index, recipient in enumerate(self.recipients)
        ]
        body: bytes = model.fill(envelope.to_json(), [row.to_json() for row in rows])
        return body
