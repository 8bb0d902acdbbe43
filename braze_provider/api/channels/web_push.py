"""Push messages to web browsers."""

from __future__ import annotations

from typing import Literal

from braze_provider.api.base import MessagePart
from braze_provider.api.channels.base import Channel
from braze_provider.api.open_json import JsonObject
from braze_provider.api.values import Array, NonEmptyText, Omittable, Text


class WebPushButton(MessagePart):
    """
    A button of a notification.

    :param text: The button's text.
    :param action: ``OPEN_APP``, ``URI`` or ``CLOSE``.
    :param uri: Web address.
    """

    text: NonEmptyText
    action: Omittable[Literal["OPEN_APP", "URI", "CLOSE"]] = None
    uri: Omittable[Text] = None


class WebPush(Channel):
    """
    A push message to web browsers.

    :param message_variation_id: A web push variation of the campaign.
    :param alert: The text.
    :param title: The title.
    :param extra: Keys and values for the site.
    :param custom_uri: Web address that the push opens.
    :param image_url: Address of the icon, which is square.
    :param large_image_url: Address of a large picture.
    :param require_interaction: Whether the push stays on the screen until the user reacts.
    :param time_to_live: Seconds until a push that was not delivered is given up.
    :param send_to_most_recent_device_only: Default: False.
    :param buttons: Buttons below the text.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/messaging/web_objects
    """

    alert: NonEmptyText
    title: NonEmptyText
    extra: Omittable[JsonObject] = None
    custom_uri: Omittable[Text] = None
    image_url: Omittable[Text] = None
    large_image_url: Omittable[Text] = None
    require_interaction: Omittable[bool] = None
    time_to_live: Omittable[int] = None
    send_to_most_recent_device_only: Omittable[bool] = None
    buttons: Omittable[Array[WebPushButton]] = None
