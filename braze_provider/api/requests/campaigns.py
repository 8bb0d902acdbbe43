"""Requests that trigger a campaign of the dashboard, now or later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from braze_provider.api.base import BrazeObject
from braze_provider.api.endpoints import (
    CAMPAIGNS_TRIGGER_SCHEDULE_CREATE,
    CAMPAIGNS_TRIGGER_SEND,
)
from braze_provider.api.objects.attachment import Attachment
from braze_provider.api.objects.recipients import CampaignRecipient
from braze_provider.api.objects.schedule import Schedule
from braze_provider.api.open_json import Properties
from braze_provider.api.requests.triggers import TriggerRequest
from braze_provider.api.values import Array, NonEmptyText, Omittable, SendId


class CampaignTriggerRequest(TriggerRequest):
    """
    What triggering a campaign now and later have in common.

    :param campaign_id: A campaign with API-triggered delivery.
    :param recipients: Recipients, at most 50.
    :param trigger_properties: Properties for all recipients, at most 50 KB; those of a recipient rule over
        them.
    :param send_id: The send that it counts for, ASCII of 64 characters at most; must have been registered.
    """

    hints: ClassVar[Mapping[str, str]] = {
        "segment_id": "this endpoint takes no segment: choose it in the campaign",
        "external_user_ids": "name recipients in `recipients`",
        "user_aliases": "name recipients in `recipients`",
        "messages": "the campaign has the content",
        "context": "it belongs to a Canvas; a campaign has `trigger_properties`",
        "canvas_entry_properties": "it belongs to a Canvas; a campaign has `trigger_properties`",
    }
    recipient_model = CampaignRecipient

    campaign_id: NonEmptyText
    recipients: Omittable[Array[CampaignRecipient]] = None
    trigger_properties: Omittable[Properties] = None
    send_id: Omittable[SendId] = None


class CampaignTriggerSend(CampaignTriggerRequest):
    """
    Trigger a campaign now. Its other fields are those of
    :class:`~braze_provider.api.requests.campaigns.CampaignTriggerRequest`.

    :param attachments: Files for e-mails; not with ``broadcast``.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_triggered_campaigns
    """

    endpoint = CAMPAIGNS_TRIGGER_SEND
    content_fields = frozenset({"trigger_properties", "attachments"})

    attachments: Omittable[Array[Attachment]] = None


class CampaignScheduleCreate(CampaignTriggerRequest):
    """
    Trigger a campaign later. Its other fields are those of
    :class:`~braze_provider.api.requests.campaigns.CampaignTriggerRequest`.

    :param schedule: When.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_schedule_triggered_campaigns
    """

    endpoint = CAMPAIGNS_TRIGGER_SCHEDULE_CREATE
    content_fields = frozenset({"trigger_properties"})

    schedule: Schedule


class CampaignScheduleUpdate(BrazeObject):
    """
    Move a scheduled campaign. The new schedule takes the place of the whole old one.

    :param campaign_id: Id of the campaign.
    :param schedule_id: Id of the schedule.
    :param schedule: When it is sent instead.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_update_scheduled_triggered_campaigns
    """

    campaign_id: NonEmptyText
    schedule_id: NonEmptyText
    schedule: Schedule


class CampaignScheduleDelete(BrazeObject):
    """
    Cancel a scheduled campaign.

    :param campaign_id: Id of the campaign.
    :param schedule_id: Id of the schedule.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_delete_scheduled_triggered_messages
    """

    campaign_id: NonEmptyText
    schedule_id: NonEmptyText
