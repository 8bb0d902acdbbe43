"""Requests that let recipients enter a Canvas of the dashboard, now or later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from braze_provider.api.base import BrazeObject
from braze_provider.api.endpoints import CANVAS_TRIGGER_SCHEDULE_CREATE, CANVAS_TRIGGER_SEND
from braze_provider.api.objects.recipients import OLDER_NAMES, CanvasRecipient
from braze_provider.api.objects.schedule import Schedule
from braze_provider.api.open_json import Properties
from braze_provider.api.requests.triggers import TriggerRequest
from braze_provider.api.values import Array, NonEmptyText, Omittable


class CanvasTriggerRequest(TriggerRequest):
    """
    What entering a Canvas now and later have in common.

    :param canvas_id: A Canvas with API-triggered entry.
    :param recipients: Recipients, at most 50.
    :param context: Values for all recipients, at most 50 KB; those of a recipient rule over them. The older
        name ``canvas_entry_properties`` is taken too.
    """

    hints: ClassVar[Mapping[str, str]] = {
        "segment_id": "this endpoint takes no segment: choose it in the Canvas",
        "external_user_ids": "name recipients in `recipients`",
        "user_aliases": "name recipients in `recipients`",
        "messages": "the Canvas has the content",
        "trigger_properties": "they belong to a campaign; a Canvas has `context`",
        "attachments": "they belong to a campaign; a Canvas takes none",
        "send_id": "Braze tracks no send of a Canvas",
    }
    older_names = OLDER_NAMES
    recipient_model = CanvasRecipient

    canvas_id: NonEmptyText
    recipients: Omittable[Array[CanvasRecipient]] = None
    context: Omittable[Properties] = None


class CanvasTriggerSend(CanvasTriggerRequest):
    """
    Let recipients enter a Canvas now. Its fields are those of
    :class:`~braze_provider.api.requests.canvas.CanvasTriggerRequest`.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_triggered_canvases
    """

    endpoint = CANVAS_TRIGGER_SEND
    content_fields = frozenset({"context"})


class CanvasScheduleCreate(CanvasTriggerRequest):
    """
    Let recipients enter a Canvas later. Its other fields are those of
    :class:`~braze_provider.api.requests.canvas.CanvasTriggerRequest`.

    :param schedule: When.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_schedule_triggered_canvases
    """

    endpoint = CANVAS_TRIGGER_SCHEDULE_CREATE
    content_fields = frozenset({"context"})

    schedule: Schedule


class CanvasScheduleUpdate(BrazeObject):
    """
    Move a scheduled Canvas. The new schedule takes the place of the whole old one.

    :param canvas_id: Id of the Canvas.
    :param schedule_id: Id of the schedule.
    :param schedule: When recipients enter instead.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_update_scheduled_triggered_canvases
    """

    canvas_id: NonEmptyText
    schedule_id: NonEmptyText
    schedule: Schedule


class CanvasScheduleDelete(BrazeObject):
    """
    Cancel a scheduled Canvas.

    :param canvas_id: Id of the Canvas.
    :param schedule_id: Id of the schedule.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_delete_scheduled_triggered_canvases
    """

    canvas_id: NonEmptyText
    schedule_id: NonEmptyText
