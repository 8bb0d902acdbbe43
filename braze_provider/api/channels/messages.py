"""The messages of a request: one object for each channel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from braze_provider.api.base import Breach, MessagePart
from braze_provider.api.channels.android_push import AndroidPush
from braze_provider.api.channels.apple_push import ApplePush
from braze_provider.api.channels.content_card import ContentCard
from braze_provider.api.channels.email import Email
from braze_provider.api.channels.kindle_push import KindlePush
from braze_provider.api.channels.sms import Sms
from braze_provider.api.channels.web_push import WebPush
from braze_provider.api.channels.webhook import Webhook
from braze_provider.api.channels.whats_app import WhatsApp
from braze_provider.api.reasons import listed, near_miss
from braze_provider.api.values import Omittable


class Messages(MessagePart):
    """
    The messages of a request, for one or more channels.

    :param android_push: Push message to Android devices.
    :param apple_push: Push message to iOS devices.
    :param content_card: Content Card.
    :param email: E-mail.
    :param kindle_push: Push message to Kindle and Fire OS devices.
    :param sms: SMS or MMS.
    :param web_push: Push message to web browsers.
    :param webhook: Request to a web service.
    :param whats_app: WhatsApp message.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_messages
    """

    hints: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("windows_universal_push", "windows_phone8_push"), "Braze no longer sends to Windows"
    )

    android_push: Omittable[AndroidPush] = None
    apple_push: Omittable[ApplePush] = None
    content_card: Omittable[ContentCard] = None
    email: Omittable[Email] = None
    kindle_push: Omittable[KindlePush] = None
    sms: Omittable[Sms] = None
    web_push: Omittable[WebPush] = None
    webhook: Omittable[Webhook] = None
    whats_app: Omittable[WhatsApp] = None

    @classmethod
    def unknown_field(cls, name: str) -> str:
        """Give the reason why a channel that Braze does not have is refused."""
        if name in cls.hints:
            return f"unknown channel; {cls.hints[name]}"
        near, channels = near_miss(name, cls.model_fields), listed(cls.model_fields, "and")
        return f"unknown channel{near} (the channels are {channels})"

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check that there is a message."""
        # An unknown channel counts as a message. It is reported as a mistake already, and that says more.
        if not any(value is not None for value in given.values()):
            yield Breach(f"holds no message: give at least one of {listed(cls.model_fields)}")
