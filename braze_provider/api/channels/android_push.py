"""Push messages to Android devices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from braze_provider.api.base import Breach, MessagePart
from braze_provider.api.channels.base import Channel
from braze_provider.api.channels.push import payload_size
from braze_provider.api.limits import ANDROID_PUSH_BYTES, MAX_TIME_TO_LIVE_SECONDS
from braze_provider.api.open_json import JsonObject
from braze_provider.api.values import Array, NonEmptyText, Omittable, Text


class AndroidButton(MessagePart):
    """
    A button of a notification.

    :param text: The button's text.
    :param action: ``OPEN_APP`` (default), ``URI``, ``DEEP_LINK`` or ``CLOSE``.
    :param uri: Web address or deep link.
    :param use_webview: Whether a web address opens inside the app. Default: True.
    """

    text: NonEmptyText
    action: Omittable[Literal["OPEN_APP", "URI", "DEEP_LINK", "CLOSE"]] = None
    uri: Omittable[Text] = None
    use_webview: Omittable[bool] = None


class ConversationMessage(MessagePart):
    """
    A message of a conversation.

    :param text: The message's text.
    :param timestamp: When the message was sent, in seconds since 1970.
    :param person_id: Id of the person who sent it.
    """

    text: Text
    timestamp: int
    person_id: NonEmptyText


class ConversationPerson(MessagePart):
    """
    A person of a conversation.

    :param id: The person's id.
    :param name: The name that is shown.
    """

    id: NonEmptyText
    name: Text


class Conversation(MessagePart):
    """
    A notification that shows a conversation.

    :param shortcut_id: Id of the sharing shortcut.
    :param reply_person_id: Id of the person to whom the push replies.
    :param messages: The messages of the conversation.
    :param persons: The persons of the conversation.
    """

    shortcut_id: NonEmptyText
    reply_person_id: NonEmptyText
    messages: Array[ConversationMessage]
    persons: Array[ConversationPerson]


class AndroidPush(Channel):
    """
    A push message to Android devices. Text and extras are at most 4,000 bytes.

    :param message_variation_id: An Android push variation of the campaign.
    :param alert: The text. Required, but refused with ``send_to_sync``.
    :param title: The title. Required, but refused with ``send_to_sync``.
    :param extra: Keys and values for the app. ``appboy_image_url`` is a large picture.
    :param notification_channel_id: The notification channel. Default: the one of the dashboard.
    :param priority: From -2 to 2. Braze reads any other number as 0.
    :param android_priority: ``normal`` or ``high``, for Firebase.
    :param send_to_sync: True makes it a silent push. Default: False.
    :param collapse_key: A later push with the same key replaces this one. A device has at most three keys.
    :param sound: A sound in the app. ``default`` is the usual sound.
    :param custom_uri: Web address or deep link that the push opens.
    :param summary_text: A second line under a large picture.
    :param push_icon_image_url: Address of the large icon.
    :param use_webview: Whether a web address opens inside the app. Default: False.
    :param time_to_live: Seconds until a push that was not delivered is given up, at most 28 days.
    :param notification_id: A later push with the same id replaces this one.
    :param accent_color: Colour as an RGB integer.
    :param send_to_most_recent_device_only: Default: False.
    :param buttons: Buttons below the text.
    :param conversation_data: A conversation to show.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/messaging/android_object
    """

    alert: Omittable[Text] = None
    title: Omittable[Text] = None
    extra: Omittable[JsonObject] = None
    notification_channel_id: Omittable[Text] = None
    priority: Omittable[int] = None
    android_priority: Omittable[Literal["normal", "high"]] = None
    send_to_sync: Omittable[bool] = None
    collapse_key: Omittable[Text] = None
    sound: Omittable[Text] = None
    custom_uri: Omittable[Text] = None
    summary_text: Omittable[Text] = None
    push_icon_image_url: Omittable[Text] = None
    use_webview: Omittable[bool] = None
    time_to_live: Omittable[Annotated[int, Field(ge=0, le=MAX_TIME_TO_LIVE_SECONDS)]] = None
    notification_id: Omittable[int] = None
    accent_color: Omittable[int] = None
    send_to_most_recent_device_only: Omittable[bool] = None
    buttons: Omittable[Array[AndroidButton]] = None
    conversation_data: Omittable[Conversation] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check text and size."""
        silent = given.get("send_to_sync") is True
        for name in ("alert", "title"):
            value = given.get(name)
            if silent and value is not None:
                yield Breach("must be left out with `send_to_sync`", (name,))
            elif not silent and value is None:
                yield Breach("is required unless `send_to_sync` is true", (name,))
        size = payload_size([given[name] for name in ("alert", "extra") if given.get(name) is not None])
        if size is not None and size > ANDROID_PUSH_BYTES:
            yield Breach(
                f"holds {size:,} bytes in `alert` and `extra`; a device gets {ANDROID_PUSH_BYTES:,} at most"
            )
