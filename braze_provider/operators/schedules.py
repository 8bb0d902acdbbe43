"""Operators that schedule messages, campaigns and Canvases, and that move and cancel what is scheduled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from braze_provider.api.endpoints import (
    CAMPAIGNS_TRIGGER_SCHEDULE_CREATE,
    CANVAS_TRIGGER_SCHEDULE_CREATE,
    MESSAGES_SCHEDULE_CREATE,
)
from braze_provider.tasks.fields import CONTENT, FIXED, JSON, RECIPIENTS, TEXT, Field, Kind
from braze_provider.tasks.schedule import BrazeScheduleOperator
from braze_provider.templating import ContentFile

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from braze_provider.tasks.arguments import People, SendArguments, Templated


class MessagesScheduleOperator(BrazeScheduleOperator):
    """
    Schedule messages whose content is given here, for named recipients, a segment or an audience.

    The recipients must exist in Braze when the task runs. See
    :class:`~braze_provider.tasks.schedule.BrazeScheduleOperator` for what all operators that schedule share.

    .. seealso::
        - :ref:`howto/operator:MessagesScheduleOperator`
        - https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_schedule_messages

    :param messages: As for :class:`~braze_provider.operators.messages.MessagesSendOperator`. (templated,
        beside Liquid)
    :param time: When: a datetime or ISO 8601 text, with a time zone; without one if ``in_local_time`` or
        ``at_optimal_time``. (templated)
    :param in_local_time: True sends at that time by each user's own clock. Default: not given.
    :param at_optimal_time: True lets Braze choose the time of that day. Default: not given.
    :param external_user_ids: Ids of recipients. (templated)
    :param user_aliases: User aliases of recipients, besides the ids or alone. (templated)
    :param recipients: A source of ids and aliases, in the place of the two. (templated)
    :param segment_id: Id of a segment; alone it needs ``broadcast=True``. (templated)
    :param audience: Connected audience; as ``segment_id``. (templated)
    :param broadcast: True sends to the whole segment or audience. Default: not given.
    :param campaign_id: Id of an API campaign, for statistics. (templated)
    :param send_id: Send identifier under which Braze tracks it. (templated)
    :param override_messaging_limits: Send also to users who have had enough messages. Default: not given.
    :param recipient_subscription_state: ``subscribed`` (Braze's default), ``opted_in`` or ``all``.
        (templated)
    :raises BrazeValidationError: For bad arguments or recipients, before anything is scheduled.
    """

    endpoint = MESSAGES_SCHEDULE_CREATE
    request_fields: ClassVar[Mapping[str, Field]] = {
        "messages": CONTENT,
        "time": TEXT,
        "in_local_time": FIXED,
        "at_optimal_time": FIXED,
        "external_user_ids": Field(Kind.RECIPIENTS, item="external_user_id"),
        "user_aliases": Field(Kind.RECIPIENTS, item="user_alias"),
        "recipients": RECIPIENTS,
        "segment_id": TEXT,
        "audience": JSON,
        "campaign_id": TEXT,
        "send_id": TEXT,
        "recipient_subscription_state": TEXT,
        "broadcast": FIXED,
        "override_messaging_limits": FIXED,
    }

    def __init__(
        self,
        *,
        messages: Mapping[str, Any] | ContentFile | Templated,
        time: datetime | Templated,
        in_local_time: bool | None = None,
        at_optimal_time: bool | None = None,
        external_user_ids: Sequence[str | int] | People | None = None,
        user_aliases: Sequence[Mapping[str, Any]] | People | None = None,
        recipients: Sequence[Mapping[str, Any]] | People | None = None,
        segment_id: Templated | None = None,
        audience: Mapping[str, Any] | Templated | None = None,
        broadcast: bool | None = None,
        campaign_id: Templated | None = None,
        send_id: Templated | None = None,
        override_messaging_limits: bool | None = None,
        recipient_subscription_state: Literal["opted_in", "subscribed", "all"] | Templated | None = None,
        **kwargs: Unpack[SendArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.messages = messages
        self.time = time
        self.in_local_time = in_local_time
        self.at_optimal_time = at_optimal_time
        self.external_user_ids = external_user_ids
        self.user_aliases = user_aliases
        self.recipients = recipients
        self.segment_id = segment_id
        self.audience = audience
        self.broadcast = broadcast
        self.campaign_id = campaign_id
        self.send_id = send_id
        self.override_messaging_limits = override_messaging_limits
        self.recipient_subscription_state = recipient_subscription_state
        self.check_constants()


class CampaignScheduleOperator(BrazeScheduleOperator):
    """
    Trigger an API-triggered campaign at a time, for named recipients, an audience, or its whole audience.

    See :class:`~braze_provider.tasks.schedule.BrazeScheduleOperator` for what all operators that schedule
    share.

    .. seealso::
        - :ref:`howto/operator:CampaignScheduleOperator`
        - https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_schedule_triggered_campaigns

    :param campaign_id: Id of an API-triggered campaign. (templated)
    :param time: When: a datetime or ISO 8601 text, with a time zone; without one if ``in_local_time`` or
        ``at_optimal_time``. (templated)
    :param in_local_time: True sends at that time by each user's own clock. Default: not given.
    :param at_optimal_time: True lets Braze choose the time of that day. Default: not given.
    :param recipients: The recipients, as for
        :class:`~braze_provider.operators.campaigns.CampaignTriggerOperator`. (templated)
    :param trigger_properties: Values for the campaign's Liquid, for all recipients. (templated)
    :param audience: Connected audience that narrows down who gets it. (templated)
    :param send_id: Send identifier under which Braze tracks it. (templated)
    :param broadcast: True sends to everybody whom the campaign is meant for. Default: not given.
    :raises BrazeValidationError: For bad arguments or recipients, before anything is scheduled.
    """

    endpoint = CAMPAIGNS_TRIGGER_SCHEDULE_CREATE
    request_fields: ClassVar[Mapping[str, Field]] = {
        "campaign_id": TEXT,
        "time": TEXT,
        "in_local_time": FIXED,
        "at_optimal_time": FIXED,
        "recipients": RECIPIENTS,
        "trigger_properties": JSON,
        "audience": JSON,
        "send_id": TEXT,
        "broadcast": FIXED,
    }

    def __init__(
        self,
        *,
        campaign_id: Templated,
        time: datetime | Templated,
        in_local_time: bool | None = None,
        at_optimal_time: bool | None = None,
        recipients: Sequence[Mapping[str, Any]] | People | None = None,
        trigger_properties: Mapping[str, Any] | Templated | None = None,
        audience: Mapping[str, Any] | Templated | None = None,
        send_id: Templated | None = None,
        broadcast: bool | None = None,
        **kwargs: Unpack[SendArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.campaign_id = campaign_id
        self.time = time
        self.in_local_time = in_local_time
        self.at_optimal_time = at_optimal_time
        self.recipients = recipients
        self.trigger_properties = trigger_properties
        self.audience = audience
        self.send_id = send_id
        self.broadcast = broadcast
        self.check_constants()


class CanvasScheduleOperator(BrazeScheduleOperator):
    """
    Let named recipients, an audience, or its whole audience enter an API-triggered Canvas at a time.

    See :class:`~braze_provider.tasks.schedule.BrazeScheduleOperator` for what all operators that schedule
    share.

    .. seealso::
        - :ref:`howto/operator:CanvasScheduleOperator`
        - https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_schedule_triggered_canvases

    :param canvas_id: Id of an API-triggered Canvas. (templated)
    :param time: When: a datetime or ISO 8601 text, with a time zone; without one if ``in_local_time`` or
        ``at_optimal_time``. (templated)
    :param in_local_time: True lets them enter at that time by each user's own clock. Default: not given.
    :param at_optimal_time: True lets Braze choose the time of that day. Default: not given.
    :param recipients: The recipients, as for :class:`~braze_provider.operators.canvas.CanvasTriggerOperator`.
        (templated)
    :param context: Values for the Canvas's Liquid, for all recipients. (templated)
    :param audience: Connected audience that narrows down who enters. (templated)
    :param broadcast: True lets everybody enter whom the Canvas is meant for. Default: not given.
    :raises BrazeValidationError: For bad arguments or recipients, before anything is scheduled.
    """

    endpoint = CANVAS_TRIGGER_SCHEDULE_CREATE
    request_fields: ClassVar[Mapping[str, Field]] = {
        "canvas_id": TEXT,
        "time": TEXT,
        "in_local_time": FIXED,
        "at_optimal_time": FIXED,
        "recipients": RECIPIENTS,
        "context": JSON,
        "audience": JSON,
        "broadcast": FIXED,
    }

    def __init__(
        self,
        *,
        canvas_id: Templated,
        time: datetime | Templated,
        in_local_time: bool | None = None,
        at_optimal_time: bool | None = None,
        recipients: Sequence[Mapping[str, Any]] | People | None = None,
        context: Mapping[str, Any] | Templated | None = None,
        audience: Mapping[str, Any] | Templated | None = None,
        broadcast: bool | None = None,
        **kwargs: Unpack[SendArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.canvas_id = canvas_id
        self.time = time
        self.in_local_time = in_local_time
        self.at_optimal_time = at_optimal_time
        self.recipients = recipients
        self.context = context
        self.audience = audience
        self.broadcast = broadcast
        self.check_constants()
