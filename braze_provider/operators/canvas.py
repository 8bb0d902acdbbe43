"""Operators for API-triggered Canvases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from braze_provider.api.endpoints import CANVAS_TRIGGER_SEND
from braze_provider.tasks.fields import FIXED, JSON, RECIPIENTS, TEXT, Field
from braze_provider.tasks.trigger import BrazeTriggerOperator

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from braze_provider.tasks.arguments import Recipients, Templated, TriggerArguments


class CanvasTriggerOperator(BrazeTriggerOperator):
    """
    Let named recipients, an audience, or the Canvas's whole audience enter an API-triggered Canvas.

    The journey is in Braze's dashboard. The task names the recipients who enter it, and gives ``context``. If
    the Canvas is paused or archived, the task fails: Braze accepts the request, but no recipient enters.

    :class:`~braze_provider.tasks.send.BrazeSendOperator` explains what a retry and a kill do, the XComs, and
    the parameters that all sending operators share.
    :class:`~braze_provider.tasks.trigger.BrazeTriggerOperator` explains ``check``.

    .. seealso::
        - :ref:`howto/operator:CanvasTriggerOperator`
        - https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_triggered_canvases

    :param canvas_id: Id of an API-triggered Canvas. (templated)
    :param recipients: The recipients, as for
        :class:`~braze_provider.operators.campaigns.CampaignTriggerOperator`. A column ``context.<name>``
        gives each recipient its own value. (templated)
    :param context: Values for the Canvas's Liquid, for all recipients, at most 50 KB. A recipient's own
        values override those of the same name. (templated)
    :param canvas_entry_properties: The older name of ``context``. Give only one of them. (templated)
    :param audience: Connected audience that narrows the Canvas's own. (templated)
    :param broadcast: True lets the Canvas's whole audience enter. Default: not given.
    :raises BrazeValidationError: For bad arguments or recipients, before anything is sent.
    """

    composed_fields: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "context": ("context", "canvas_entry_properties"),
    }
    endpoint = CANVAS_TRIGGER_SEND
    request_fields: ClassVar[Mapping[str, Field]] = {
        "canvas_id": TEXT,
        "recipients": RECIPIENTS,
        "context": JSON,
        "canvas_entry_properties": JSON,
        "audience": JSON,
        "broadcast": FIXED,
    }

    def __init__(
        self,
        *,
        canvas_id: Templated,
        recipients: Sequence[Mapping[str, Any]] | Recipients | None = None,
        context: Mapping[str, Any] | Templated | None = None,
        canvas_entry_properties: Mapping[str, Any] | Templated | None = None,
        audience: Mapping[str, Any] | Templated | None = None,
        broadcast: bool | None = None,
        **kwargs: Unpack[TriggerArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.canvas_id = canvas_id
        self.recipients = recipients
        self.context = context
        self.canvas_entry_properties = canvas_entry_properties
        self.audience = audience
        self.broadcast = broadcast
        self.check_constants()
