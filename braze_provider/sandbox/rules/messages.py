"""The ``messages`` object: which channels there are, and which variation each message belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from braze_provider.sandbox.refusals import (
    INVALID_MESSAGE_VARIANT,
    MESSAGE_VARIANT_UNSPECIFIED,
    MISMATCHED_MESSAGE_TYPE,
    NO_MESSAGE,
    refuse,
)
from braze_provider.sandbox.rules.chat import sms, whats_app
from braze_provider.sandbox.rules.checks import Check, mapping, without_nulls
from braze_provider.sandbox.rules.content import content_card, email, webhook
from braze_provider.sandbox.rules.push import android_push, apple_push, kindle_push, web_push
from braze_provider.sandbox.workspace import Campaign

CHANNELS: Mapping[str, Check] = MappingProxyType(
    {
        "android_push": android_push,
        "apple_push": apple_push,
        "content_card": content_card,
        "email": email,
        "kindle_push": kindle_push,
        "sms": sms,
        "web_push": web_push,
        "webhook": webhook,
        "whats_app": whats_app,
    }
)


def check_messages(messages: object, *, of_campaign: bool, campaign: Campaign | None) -> dict[str, Any]:
    """
    Check a message for each channel.

    :param messages: the ``messages`` object.
    :param of_campaign: whether the request names a campaign (bool), to whose variations messages belong.
    :param campaign: the campaign (:class:`Campaign`), if the workspace knows it.
    :returns: the messages by channel.
    :raises RefusedError: when there is no message, or one of them is wrong.
    """
    if messages:
        mapping(messages, "messages")
    by_channel: dict[str, Any] = without_nulls(messages) if isinstance(messages, dict) else {}
    if not by_channel:
        refuse(NO_MESSAGE)
    for channel, message in by_channel.items():
        if channel not in CHANNELS:
            refuse(f"messages.{channel} is not a known channel")
        CHANNELS[channel](message, f"messages.{channel}")
        if of_campaign:
            _check_variation(channel, message, campaign)
    return by_channel


def _check_variation(channel: str, message: Mapping[str, Any], campaign: Campaign | None) -> None:
    variation = message.get("message_variation_id")
    if variation is None:
        refuse(MESSAGE_VARIANT_UNSPECIFIED)
    if campaign is None or campaign.variations is None:
        return
    if variation not in campaign.variations:
        refuse(INVALID_MESSAGE_VARIANT)
    if campaign.variations[variation] != channel:
        refuse(MISMATCHED_MESSAGE_TYPE)
