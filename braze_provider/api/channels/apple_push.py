"""Push messages to iOS devices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from braze_provider.api.base import Breach, MessagePart, part
from braze_provider.api.channels.base import Channel
from braze_provider.api.channels.push import payload_size
from braze_provider.api.instants import Instant
from braze_provider.api.limits import APPLE_PUSH_BYTES
from braze_provider.api.open_json import JsonObject
from braze_provider.api.values import Array, NonEmptyText, Omittable, Text

BUILT_IN_CATEGORIES = frozenset(
    {"ab_cat_accept_decline", "ab_cat_yes_no", "ab_cat_confirm_cancel", "ab_cat_more"}
)
"""Categories whose buttons come with Braze's SDK. The app defines all others."""


class AppleAlert(MessagePart):
    """
    The text of a notification, with a title and for several languages.

    :param body: The text. Required unless the push is silent (``content-available``).
    :param title: A short title.
    :param title_loc_key: Key of the title in the app's ``Localizable.strings``.
    :param title_loc_args: Values for the title's placeholders.
    :param action_loc_key: Key of the text of the right button.
    :param loc_key: Key of the text in the app's ``Localizable.strings``.
    :param loc_args: Values for the text's placeholders.
    :param sound: The sound, for Live Activities only.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/messaging/apple_object
    """

    body: Omittable[Text] = None
    title: Omittable[Text] = None
    title_loc_key: Omittable[Text] = None
    title_loc_args: Omittable[Array[Text]] = None
    action_loc_key: Omittable[Text] = None
    loc_key: Omittable[Text] = None
    loc_args: Omittable[Array[Text]] = None
    sound: Omittable[Text] = None


class AppleButton(MessagePart):
    """
    The action of a button of a notification.

    :param action_id: The button's action identifier.
    :param action: ``OPEN_APP``, ``URI``, ``DEEP_LINK`` or ``CLOSE``. Default: the button's usual action. In a
        category that the app defines, it is required and must be ``URI`` or ``DEEP_LINK``.
    :param uri: Web address or deep link. Required in a category that the app defines.
    :param use_webview: Whether a web address opens inside the app. Default: True.
    """

    action_id: NonEmptyText
    action: Omittable[Literal["OPEN_APP", "URI", "DEEP_LINK", "CLOSE"]] = None
    uri: Omittable[Text] = None
    use_webview: Omittable[bool] = None


def _text_or_object(alert: object) -> str:
    return "<text>" if isinstance(alert, str) else "<object>"


Alert = Annotated[
    Annotated[NonEmptyText, Tag("<text>")] | Annotated[AppleAlert, Tag("<object>")],
    Discriminator(_text_or_object),
]


class ApplePush(Channel):
    """
    A push message to iOS devices. The part that is sent to the device has at most 1,912 bytes.

    :param message_variation_id: An iOS push variation of the campaign.
    :param alert: The text, or an :class:`AppleAlert`. Required unless ``content-available`` is true.
    :param badge: The number that the app's icon then shows.
    :param sound: A sound in the app. ``default`` is the usual sound.
    :param extra: Keys and values for the app. Braze and Apple reserve ``ab`` and ``aps`` for themselves.
    :param content_available: ``content-available``: whether the push wakes the app.
    :param interruption_level: ``passive``, ``active``, ``time-sensitive`` or ``critical``.
    :param relevance_score: From 0 to 1, for the order of summaries.
    :param expiry: When a push that was not delivered is given up.
    :param custom_uri: Web address or deep link that the push opens.
    :param use_webview: Whether a web address opens inside the app. Default: True.
    :param notification_group_thread_id: Notifications with the same id are grouped.
    :param asset_url: Address of a picture, a sound or a film.
    :param asset_file_type: Type of the asset. Required with ``asset_url``.
    :param collapse_id: A later push with the same id replaces this one.
    :param mutable_content: Whether the app may change the push before it is shown.
    :param send_to_most_recent_device_only: Default: False.
    :param category: The category of the buttons.
    :param buttons: The actions of the category's buttons.
    :param apns_priority: From 1 to 10. With 10 the push arrives at once, with 5 it saves the battery, and
        with 1 it does not wake the device.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/messaging/apple_object
    """

    alert: Omittable[Alert] = None
    badge: Omittable[int] = None
    sound: Omittable[Text] = None
    extra: Omittable[JsonObject] = None
    content_available: Omittable[bool] = Field(default=None, alias="content-available")
    interruption_level: Omittable[Literal["passive", "active", "time-sensitive", "critical"]] = None
    relevance_score: Omittable[Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]] = None
    expiry: Omittable[Instant] = None
    custom_uri: Omittable[Text] = None
    use_webview: Omittable[bool] = None
    notification_group_thread_id: Omittable[Text] = None
    asset_url: Omittable[NonEmptyText] = None
    asset_file_type: Omittable[Literal["aif", "gif", "jpg", "m4a", "mp3", "mp4", "png", "wav"]] = None
    collapse_id: Omittable[Text] = None
    mutable_content: Omittable[bool] = None
    send_to_most_recent_device_only: Omittable[bool] = None
    category: Omittable[NonEmptyText] = None
    buttons: Omittable[Array[AppleButton]] = None
    apns_priority: Omittable[Annotated[int, Field(ge=1, le=10)]] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check the text, the fields that need another field, and the size."""
        alert = given.get("alert")
        if given.get("content-available") is not True:
            if alert is None:
                yield Breach("is required unless `content-available` is true", ("alert",))
            elif isinstance(alert, (Mapping, AppleAlert)) and not part(alert, "body"):
                yield Breach("is required unless `content-available` is true", ("alert", "body"))
        if given.get("asset_url") is not None and given.get("asset_file_type") is None:
            yield Breach("is required with `asset_url`", ("asset_file_type",))
        extra = given.get("extra")
        for name in ("ab", "aps"):
            if isinstance(extra, Mapping) and name in extra:
                yield Breach("is reserved and would be rejected", ("extra", name))
        yield from cls._button_rules(given.get("category"), given.get("buttons"))
        payload = ((name, value) for name, value in given.items() if name not in _NOT_PAYLOAD)
        size = payload_size({name: value for name, value in payload if value is not None})
        if size is not None and size > APPLE_PUSH_BYTES:
            yield Breach(f"is {size:,} bytes of JSON; a device gets {APPLE_PUSH_BYTES:,} at most")

    @classmethod
    def _button_rules(cls, category: object, buttons: object) -> Iterator[Breach]:
        if buttons is None:
            return
        if category is None:
            yield Breach("is required with `buttons`", ("category",))
            return
        if not isinstance(category, str) or category in BUILT_IN_CATEGORIES:
            return
        if not isinstance(buttons, (list, tuple)):
            return
        for index, button in enumerate(buttons):
            if not isinstance(button, (Mapping, AppleButton)):
                continue
            if part(button, "action") not in ("URI", "DEEP_LINK"):
                yield Breach(
                    "must be `URI` or `DEEP_LINK` in a category that the app defines",
                    ("buttons", index, "action"),
                )
            if not part(button, "uri"):
                yield Breach("is required in a category that the app defines", ("buttons", index, "uri"))


# Instructions to Braze and headers for Apple. They are not part of the payload.
_NOT_PAYLOAD = frozenset(
    {
        "message_variation_id",
        "send_to_most_recent_device_only",
        "expiry",
        "collapse_id",
        "apns_priority",
    }
)
