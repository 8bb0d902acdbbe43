"""``POST /campaigns/trigger/send``: a campaign of the dashboard, to people with properties of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from braze_provider.api.endpoints import CAMPAIGNS_TRIGGER_SEND
from braze_provider.api.objects.attachment import Attachment
from braze_provider.api.objects.recipients import CampaignRecipient
from braze_provider.api.open_json import Properties
from braze_provider.api.requests.triggers import TriggerSend
from braze_provider.api.values import Array, NonEmptyText, Omittable, SendId


class CampaignTriggerSend(TriggerSend):
    """
    Trigger a campaign now. Only people who are in the campaign's audience as well get it.

    :param campaign_id: A campaign with API-triggered delivery.
    :param recipients: People, at most 50.
    :param trigger_properties: Properties for everybody, at most 50 KB; those of a recipient rule over them.
    :param audience: A connected audience, which narrows the campaign's own.
    :param broadcast: Default: False. True sends to the campaign's whole audience.
    :param attachments: Files for e-mails; not with ``broadcast``.
    :param send_id: The send that it counts for, ASCII of 64 characters at most; must have been registered.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_triggered_campaigns
    """

    hints: ClassVar[Mapping[str, str]] = {
        "segment_id": "this endpoint takes no segment: choose it in the campaign",
        "external_user_ids": "name recipients in `recipients`",
        "user_aliases": "name recipients in `recipients`",
        "messages": "the campaign has the content",
        "context": "it belongs to a Canvas; a campaign has `trigger_properties`",
        "canvas_entry_properties": "it belongs to a Canvas; a campaign has `trigger_properties`",
    }
    endpoint = CAMPAIGNS_TRIGGER_SEND
    recipient_model = CampaignRecipient
    content_fields = frozenset({"trigger_properties", "attachments"})

    campaign_id: NonEmptyText
    recipients: Omittable[Array[CampaignRecipient]] = None
    trigger_properties: Omittable[Properties] = None
    attachments: Omittable[Array[Attachment]] = None
    send_id: Omittable[SendId] = None
