"""``POST /canvas/trigger/send``: a Canvas of the dashboard, to recipients with a context of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from braze_provider.api.endpoints import CANVAS_TRIGGER_SEND
from braze_provider.api.objects.recipients import CanvasRecipient
from braze_provider.api.open_json import Properties
from braze_provider.api.requests.triggers import TriggerSend
from braze_provider.api.values import Array, NonEmptyText, Omittable


class CanvasTriggerSend(TriggerSend):
    """
    Let recipients enter a Canvas now. Only those who are in the Canvas's audience as well do.

    :param canvas_id: A Canvas with API-triggered entry.
    :param recipients: Recipients, at most 50.
    :param context: Values for all recipients, at most 50 KB; those of a recipient rule over them.
    :param audience: A connected audience, which narrows down the Canvas's own.
    :param broadcast: Default: False. True sends to the Canvas's whole audience.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_triggered_canvases
    """

    hints: ClassVar[Mapping[str, str]] = {
        "segment_id": "this endpoint takes no segment: choose it in the Canvas",
        "external_user_ids": "name recipients in `recipients`",
        "user_aliases": "name recipients in `recipients`",
        "messages": "the Canvas has the content",
        "trigger_properties": "they belong to a campaign; a Canvas has `context`",
        "canvas_entry_properties": "Braze has renamed it: use `context`",
        "attachments": "they belong to a campaign; a Canvas takes none",
        "send_id": "Braze tracks no send of a Canvas",
    }
    endpoint = CANVAS_TRIGGER_SEND
    recipient_model = CanvasRecipient
    content_fields = frozenset({"context"})

    canvas_id: NonEmptyText
    recipients: Omittable[Array[CanvasRecipient]] = None
    context: Omittable[Properties] = None
