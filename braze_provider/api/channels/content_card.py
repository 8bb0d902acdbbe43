"""Content Cards, which users see in an app or on a site."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from braze_provider.api.base import Breach
from braze_provider.api.channels.base import Channel
from braze_provider.api.instants import LocalInstant
from braze_provider.api.limits import CONTENT_CARD_MAX_DAYS, DAY
from braze_provider.api.open_json import JsonObject
from braze_provider.api.values import NonEmptyText, Omittable, Text


class ContentCard(Channel):
    """
    A Content Card. It is shown for at most 30 days.

    :param message_variation_id: A Content Card variation of the campaign.
    :param type: ``CLASSIC``, ``CAPTIONED_IMAGE`` or ``BANNER``.
    :param title: The title, which may be empty. Required except for a banner.
    :param description: The text. Required except for a banner.
    :param image_url: Address of the picture. Required for a captioned image and a banner.
    :param time_to_live: Seconds until the card expires. This or ``expire_at`` is required.
    :param expire_at: When the card expires. A ``datetime`` needs a time zone, unless ``expire_in_local_time``
        is true. Only Braze checks how far away it is, because only Braze knows when it sends.
    :param expire_in_local_time: True: the card expires at that time by each user's own clock. Default: False.
    :param pinned: Whether the card stays on top. Default: False.
    :param ios_uri: Web address or deep link that the card opens on iOS.
    :param android_uri: Web address or deep link that the card opens on Android.
    :param web_uri: Web address that the card opens in a browser.
    :param ios_use_webview: Whether a web address opens inside the app. Default: True.
    :param android_use_webview: Whether a web address opens inside the app. Default: True.
    :param uri_text: Text of the link.
    :param extra: Keys and values for the app.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/messaging/content_cards_object
    """

    type: Literal["CLASSIC", "CAPTIONED_IMAGE", "BANNER"]
    title: Omittable[Text] = None
    description: Omittable[NonEmptyText] = None
    image_url: Omittable[NonEmptyText] = None
    time_to_live: Omittable[Annotated[int, Field(ge=1, le=CONTENT_CARD_MAX_DAYS * DAY)]] = None
    expire_at: Omittable[LocalInstant] = None
    expire_in_local_time: Omittable[bool] = None
    pinned: Omittable[bool] = None
    ios_uri: Omittable[Text] = None
    android_uri: Omittable[Text] = None
    web_uri: Omittable[Text] = None
    ios_use_webview: Omittable[bool] = None
    android_use_webview: Omittable[bool] = None
    uri_text: Omittable[Text] = None
    extra: Omittable[JsonObject] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check the fields that each type needs, and that the card expires."""
        card = given.get("type")
        required: tuple[str, ...] = ()
        if card in ("CLASSIC", "CAPTIONED_IMAGE"):
            required = ("title", "description")
        if card in ("CAPTIONED_IMAGE", "BANNER"):
            required = (*required, "image_url")
        for name in required:
            if given.get(name) is None:
                yield Breach(f"is required for `{card}`", (name,))
        if given.get("time_to_live") is None and given.get("expire_at") is None:
            yield Breach("needs `time_to_live` or `expire_at`")
