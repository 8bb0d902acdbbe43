"""Requests that schedule messages, move them and cancel them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from braze_provider.api.base import BrazeObject, Breach
from braze_provider.api.channels.messages import Messages
from braze_provider.api.endpoints import MESSAGES_SCHEDULE_CREATE
from braze_provider.api.objects.schedule import Schedule
from braze_provider.api.requests.messages import MessageRequest
from braze_provider.api.values import NonEmptyText, Omittable


class MessagesScheduleCreate(MessageRequest):
    """
    Send messages later. Its other fields are those of
    :class:`~braze_provider.api.requests.messages.MessageRequest`.

    :param schedule: When.
    :param override_messaging_limits: Default: False. Whether frequency capping is ignored.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_schedule_messages
    """

    endpoint = MESSAGES_SCHEDULE_CREATE
    content_fields = frozenset({"messages"})

    hints: ClassVar[Mapping[str, str]] = {
        **MessageRequest.hints,
        "override_frequency_capping": "in a schedule it is called `override_messaging_limits`",
    }

    schedule: Schedule
    override_messaging_limits: Omittable[bool] = None


class MessagesScheduleUpdate(BrazeObject):
    """
    Change scheduled messages: when they are sent, or what.

    :param schedule_id: Id of the schedule.
    :param schedule: When they are sent instead. Default: as before.
    :param messages: What is sent instead. Default: as before.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_update_scheduled_messages
    """

    schedule_id: NonEmptyText
    schedule: Omittable[Schedule] = None
    messages: Omittable[Messages] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check that something is changed."""
        if given.get("schedule") is None and given.get("messages") is None:
            yield Breach("changes nothing: give `schedule` or `messages`", fields=("schedule", "messages"))


class MessagesScheduleDelete(BrazeObject):
    """
    Cancel scheduled messages.

    :param schedule_id: Id of the schedule.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_delete_scheduled_messages
    """

    schedule_id: NonEmptyText
