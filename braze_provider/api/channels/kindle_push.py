"""Push messages to Kindle and Fire OS devices."""

from __future__ import annotations

from braze_provider.api.channels.base import Channel
from braze_provider.api.open_json import JsonObject
from braze_provider.api.values import NonEmptyText, Omittable, Text


class KindlePush(Channel):
    """
    A push message to Kindle and Fire OS devices.

    :param message_variation_id: A Kindle push variation of the campaign.
    :param alert: The text.
    :param title: The title.
    :param extra: Keys and values for the app.
    :param priority: From -2 to 2.
    :param collapse_key: A later push with the same key replaces this one.
    :param sound: A sound in the app. ``default`` is the usual sound.
    :param custom_uri: Web address or deep link that the push opens.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/messaging/kindle_and_fireos_object
    """

    alert: NonEmptyText
    title: NonEmptyText
    extra: Omittable[JsonObject] = None
    priority: Omittable[int] = None
    collapse_key: Omittable[Text] = None
    sound: Omittable[Text] = None
    custom_uri: Omittable[Text] = None
