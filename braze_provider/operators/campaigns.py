"""Operators for API-triggered campaigns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from braze_provider.api.endpoints import CAMPAIGNS_TRIGGER_SEND
from braze_provider.tasks.fields import FIXED, JSON, RECIPIENTS, TEXT, Field
from braze_provider.tasks.trigger import BrazeTriggerOperator

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from braze_provider.tasks.arguments import Recipients, Templated, TriggerArguments


class CampaignTriggerOperator(BrazeTriggerOperator):
    """
    Trigger an API-triggered campaign for named recipients, an audience, or the campaign's whole audience.

    The content and its Liquid are in Braze's dashboard. The task names the recipients and gives
    ``trigger_properties``. More than fifty recipients become several requests, each with a dispatch id.

    :class:`~braze_provider.tasks.send.BrazeSendOperator` explains what a retry and a kill do, the XComs, and
    the parameters that all sending operators share.
    :class:`~braze_provider.tasks.trigger.BrazeTriggerOperator` explains ``check``.

    .. seealso::
        - :ref:`howto/operator:CampaignTriggerOperator`
        - https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_triggered_campaigns

    :param campaign_id: Id of an API-triggered campaign. (templated)
    :param recipients: The recipients: a list of Braze's recipient objects, a source such as
        :class:`~braze_provider.recipients.SqlRecipients`, a table of pandas, polars or Arrow with columns
        that are named like a recipient's fields, or an XComArg. (templated)
    :param trigger_properties: Values for the campaign's Liquid, for all recipients, at most 50 KB. A
        recipient's own values override those of the same name. (templated)
    :param audience: Connected audience that narrows the campaign's own. (templated)
    :param broadcast: True sends to the campaign's whole audience. Default: not given.
    :param attachments: Files for an e-mail campaign. Not allowed with a broadcast. (templated)
    :param send_id: Send identifier under which Braze tracks this send. It must be registered before with
        ``/sends/id/create``. (templated)
    :raises BrazeValidationError: For bad arguments or recipients, before anything is sent.
    """

    endpoint = CAMPAIGNS_TRIGGER_SEND
    request_fields: ClassVar[Mapping[str, Field]] = {
        "campaign_id": TEXT,
        "recipients": RECIPIENTS,
        "trigger_properties": JSON,
        "audience": JSON,
        "attachments": JSON,
        "send_id": TEXT,
        "broadcast": FIXED,
    }

    def __init__(
        self,
        *,
        campaign_id: Templated,
        recipients: Sequence[Mapping[str, Any]] | Recipients | None = None,
        trigger_properties: Mapping[str, Any] | Templated | None = None,
        audience: Mapping[str, Any] | Templated | None = None,
        broadcast: bool | None = None,
        attachments: Sequence[Mapping[str, Any]] | Templated | None = None,
        send_id: Templated | None = None,
        **kwargs: Unpack[TriggerArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.campaign_id = campaign_id
        self.recipients = recipients
        self.trigger_properties = trigger_properties
        self.audience = audience
        self.broadcast = broadcast
        self.attachments = attachments
        self.send_id = send_id
        self.check_constants()
