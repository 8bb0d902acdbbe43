"""Operators that schedule messages, campaigns and Canvases, and that move and cancel schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from braze_provider.api.endpoints import (
    CAMPAIGNS_TRIGGER_SCHEDULE_CREATE,
    CAMPAIGNS_TRIGGER_SCHEDULE_DELETE,
    CAMPAIGNS_TRIGGER_SCHEDULE_UPDATE,
    CANVAS_TRIGGER_SCHEDULE_CREATE,
    CANVAS_TRIGGER_SCHEDULE_DELETE,
    CANVAS_TRIGGER_SCHEDULE_UPDATE,
    MESSAGES_SCHEDULE_CREATE,
    MESSAGES_SCHEDULE_DELETE,
    MESSAGES_SCHEDULE_UPDATE,
)
from braze_provider.api.errors import Problem
from braze_provider.tasks.fields import CONTENT, FIXED, JSON, RECIPIENTS, TEXT, Field, Kind
from braze_provider.tasks.request import BrazeRequestOperator
from braze_provider.tasks.schedule import BrazeScheduleOperator
from braze_provider.tasks.times import refuse_past, with_schedule
from braze_provider.tasks.trigger import BrazeTriggerOperator
from braze_provider.templating import ContentFile

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from braze_provider._compat import Context
    from braze_provider.api.answers import Answer
    from braze_provider.api.endpoints import Endpoint
    from braze_provider.tasks.arguments import (
        Recipients,
        RequestArguments,
        ScheduleArguments,
        Templated,
        TriggerScheduleArguments,
    )


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
    :param user_aliases: User aliases of recipients, alone or together with the ids. (templated)
    :param recipients: A source of ids and aliases, instead of these two lists. (templated)
    :param segment_id: Id of a segment; without recipients it needs ``broadcast=True``. (templated)
    :param audience: Connected audience; without recipients it needs ``broadcast=True``. (templated)
    :param broadcast: True sends to the whole segment or audience. Default: not given.
    :param campaign_id: Id of an API campaign, for statistics. (templated)
    :param send_id: Send identifier under which Braze tracks it. (templated)
    :param override_messaging_limits: True also sends to users who have reached the frequency cap. Default:
        not given.
    :param recipient_subscription_state: ``subscribed`` (Braze's default), ``opted_in`` or ``all``.
        (templated)
    :raises BrazeValidationError: For bad arguments or recipients, before anything is scheduled.
    """

    endpoint = MESSAGES_SCHEDULE_CREATE
    deletion = MESSAGES_SCHEDULE_DELETE
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
        external_user_ids: Sequence[str | int] | Recipients | None = None,
        user_aliases: Sequence[Mapping[str, Any]] | Recipients | None = None,
        recipients: Sequence[Mapping[str, Any]] | Recipients | None = None,
        segment_id: Templated | None = None,
        audience: Mapping[str, Any] | Templated | None = None,
        broadcast: bool | None = None,
        campaign_id: Templated | None = None,
        send_id: Templated | None = None,
        override_messaging_limits: bool | None = None,
        recipient_subscription_state: Literal["opted_in", "subscribed", "all"] | Templated | None = None,
        **kwargs: Unpack[ScheduleArguments],
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


class CampaignScheduleOperator(BrazeTriggerOperator, BrazeScheduleOperator):
    """
    Trigger an API-triggered campaign at a time, for named recipients, an audience, or its whole audience.

    See :class:`~braze_provider.tasks.schedule.BrazeScheduleOperator` for what all operators that schedule
    share, and :class:`~braze_provider.tasks.trigger.BrazeTriggerOperator` for ``check``.

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
    :param audience: Connected audience that narrows the campaign's own. (templated)
    :param send_id: Send identifier under which Braze tracks it. (templated)
    :param broadcast: True sends to the campaign's whole audience. Default: not given.
    :raises BrazeValidationError: For bad arguments or recipients, before anything is scheduled.
    """

    endpoint = CAMPAIGNS_TRIGGER_SCHEDULE_CREATE
    deletion = CAMPAIGNS_TRIGGER_SCHEDULE_DELETE
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
        recipients: Sequence[Mapping[str, Any]] | Recipients | None = None,
        trigger_properties: Mapping[str, Any] | Templated | None = None,
        audience: Mapping[str, Any] | Templated | None = None,
        send_id: Templated | None = None,
        broadcast: bool | None = None,
        **kwargs: Unpack[TriggerScheduleArguments],
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


class CanvasScheduleOperator(BrazeTriggerOperator, BrazeScheduleOperator):
    """
    Let named recipients, an audience, or its whole audience enter an API-triggered Canvas at a time.

    See :class:`~braze_provider.tasks.schedule.BrazeScheduleOperator` for what all operators that schedule
    share, and :class:`~braze_provider.tasks.trigger.BrazeTriggerOperator` for ``check``.

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
    :param canvas_entry_properties: The older name of ``context``. Give only one of them. (templated)
    :param audience: Connected audience that narrows the Canvas's own. (templated)
    :param broadcast: True lets the Canvas's whole audience enter. Default: not given.
    :raises BrazeValidationError: For bad arguments or recipients, before anything is scheduled.
    """

    composed_fields: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **BrazeScheduleOperator.composed_fields,
        "context": ("context", "canvas_entry_properties"),
    }
    endpoint = CANVAS_TRIGGER_SCHEDULE_CREATE
    deletion = CANVAS_TRIGGER_SCHEDULE_DELETE
    request_fields: ClassVar[Mapping[str, Field]] = {
        "canvas_id": TEXT,
        "time": TEXT,
        "in_local_time": FIXED,
        "at_optimal_time": FIXED,
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
        time: datetime | Templated,
        in_local_time: bool | None = None,
        at_optimal_time: bool | None = None,
        recipients: Sequence[Mapping[str, Any]] | Recipients | None = None,
        context: Mapping[str, Any] | Templated | None = None,
        canvas_entry_properties: Mapping[str, Any] | Templated | None = None,
        audience: Mapping[str, Any] | Templated | None = None,
        broadcast: bool | None = None,
        **kwargs: Unpack[TriggerScheduleArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.canvas_id = canvas_id
        self.time = time
        self.in_local_time = in_local_time
        self.at_optimal_time = at_optimal_time
        self.recipients = recipients
        self.context = context
        self.canvas_entry_properties = canvas_entry_properties
        self.audience = audience
        self.broadcast = broadcast
        self.check_constants()


class _ScheduleChange(BrazeRequestOperator):
    """Base of the two operators that change schedules of all three kinds."""

    each = ("schedule_ids", "schedule_id")

    campaign_id: Any
    canvas_id: Any

    def target(self) -> Endpoint:
        """Return the endpoint for campaigns, for Canvases, or else for messages."""
        if self.campaign_id is not None and self.canvas_id is not None:
            self.refuse([Problem("canvas_id", "is not allowed with `campaign_id`")])
        if self.campaign_id is not None:
            return self.endpoints[1]
        return self.endpoints[0] if self.canvas_id is None else self.endpoints[2]

    def result_of(self, answer: Answer) -> Any:
        """Return Braze's message for each request."""
        return answer.message


class ScheduleUpdateOperator(_ScheduleChange):
    """
    Move schedules to another time, or change their messages if they are schedules of messages.

    The new time replaces the whole old schedule, so give ``in_local_time`` again. Shortly before the time,
    Braze does its best, but all, some or none of the recipients may be affected. A schedule that another API
    key has made can't be changed.

    .. seealso::
        - :ref:`howto/operator:ScheduleUpdateOperator`
        - https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_update_scheduled_messages

    :param schedule_ids: Ids of the schedules, such as ``schedule.output["schedule_ids"]``. (templated)
    :param campaign_id: Id of the campaign, for schedules of a campaign. (templated)
    :param canvas_id: Id of the Canvas, for schedules of a Canvas. (templated)
    :param time: The new time, as for :class:`MessagesScheduleOperator`. Default: as before, for messages.
        (templated)
    :param in_local_time: True sends at that time by each user's own clock. Default: not given.
    :param at_optimal_time: True lets Braze choose the time of that day. Default: not given.
    :param messages: The new messages, for schedules of messages. Default: as before. (templated, beside
        Liquid)
    :raises BrazeValidationError: For bad arguments, before the first request is made.
    """

    endpoint = MESSAGES_SCHEDULE_UPDATE
    endpoints = (MESSAGES_SCHEDULE_UPDATE, CAMPAIGNS_TRIGGER_SCHEDULE_UPDATE, CANVAS_TRIGGER_SCHEDULE_UPDATE)
    composed_fields: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "schedule": ("time", "in_local_time", "at_optimal_time"),
    }
    request_fields: ClassVar[Mapping[str, Field]] = {
        "schedule_ids": JSON,
        "campaign_id": TEXT,
        "canvas_id": TEXT,
        "time": TEXT,
        "in_local_time": FIXED,
        "at_optimal_time": FIXED,
        "messages": CONTENT,
    }

    def __init__(
        self,
        *,
        schedule_ids: Sequence[str] | Templated,
        campaign_id: Templated | None = None,
        canvas_id: Templated | None = None,
        time: datetime | Templated | None = None,
        in_local_time: bool | None = None,
        at_optimal_time: bool | None = None,
        messages: Mapping[str, Any] | ContentFile | Templated | None = None,
        **kwargs: Unpack[RequestArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.schedule_ids = schedule_ids
        self.campaign_id = campaign_id
        self.canvas_id = canvas_id
        self.time = time
        self.in_local_time = in_local_time
        self.at_optimal_time = at_optimal_time
        self.messages = messages
        self.check_constants()

    def request_values(self) -> dict[str, Any]:
        """Give the fields of the request that are set, with the schedule as one object."""
        return with_schedule(super().request_values())

    def execute(self, context: Context) -> Any:
        """Change each schedule, unless the new time has passed."""
        refuse_past(self.request_values().get("schedule"))
        return super().execute(context)


class ScheduleDeleteOperator(_ScheduleChange):
    """
    Cancel schedules of messages, a campaign or a Canvas.

    Shortly before the time, Braze does its best, but all, some or none of the recipients may be affected.

    .. seealso::
        - :ref:`howto/operator:ScheduleDeleteOperator`
        - https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_delete_scheduled_messages

    :param schedule_ids: Ids of the schedules, such as ``schedule.output["schedule_ids"]``. (templated)
    :param campaign_id: Id of the campaign, for schedules of a campaign. (templated)
    :param canvas_id: Id of the Canvas, for schedules of a Canvas. (templated)
    :raises BrazeValidationError: For bad arguments, before the first request is made.
    """

    endpoint = MESSAGES_SCHEDULE_DELETE
    endpoints = (MESSAGES_SCHEDULE_DELETE, CAMPAIGNS_TRIGGER_SCHEDULE_DELETE, CANVAS_TRIGGER_SCHEDULE_DELETE)
    request_fields: ClassVar[Mapping[str, Field]] = {
        "schedule_ids": JSON,
        "campaign_id": TEXT,
        "canvas_id": TEXT,
    }

    def __init__(
        self,
        *,
        schedule_ids: Sequence[str] | Templated,
        campaign_id: Templated | None = None,
        canvas_id: Templated | None = None,
        **kwargs: Unpack[RequestArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.schedule_ids = schedule_ids
        self.campaign_id = campaign_id
        self.canvas_id = canvas_id
        self.check_constants()
