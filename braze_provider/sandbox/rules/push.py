"""Push messages: Apple, Android, Kindle and web."""

from __future__ import annotations

from typing import Any

from braze_provider.sandbox.refusals import (
    ANDROID_PUSH_TOO_LONG,
    APPLE_PUSH_TOO_LONG,
    INVALID_EXTRA_PUSH_PAYLOAD,
    refuse,
)
from braze_provider.sandbox.rules.checks import (
    array,
    boolean,
    choice,
    filled,
    integer,
    mapping,
    number,
    shape,
    size_in_bytes,
    text,
    timestamp,
    with_also,
)

MAX_APPLE_BYTES = 1_912
MAX_ANDROID_BYTES = 4_000


def _extra(value: object, path: str) -> None:
    if not isinstance(value, dict):
        refuse(INVALID_EXTRA_PUSH_PAYLOAD)


_ALERT_OBJECT = shape(
    {
        "body": text,
        "title": text,
        "title_loc_key": text,
        "title_loc_args": array(text),
        "action_loc_key": text,
        "loc_key": text,
        "loc_args": array(text),
        "sound": text,
    }
)


def _alert(value: object, path: str) -> None:
    if isinstance(value, dict):
        _ALERT_OBJECT(value, path)
    else:
        text(value, path)


def _apple_together(push: dict[str, Any], path: str) -> None:
    if push.get("content-available") is not True:
        if "alert" not in push:
            refuse(f"{path}.alert is required")
        if isinstance(push["alert"], dict) and push["alert"].get("body") is None:
            refuse(f"{path}.alert.body is required")
    for reserved in ("ab", "aps"):
        if reserved in push.get("extra", {}):
            refuse(f"{path}.extra may not hold the key {reserved}")
    if "asset_url" in push and "asset_file_type" not in push:
        refuse(f"{path}.asset_file_type is required with asset_url")
    sent = {name: value for name, value in push.items() if name != "message_variation_id"}
    if size_in_bytes(sent) > MAX_APPLE_BYTES:
        refuse(APPLE_PUSH_TOO_LONG)


apple_push = with_also(
    shape(
        {
            "alert": _alert,
            "badge": integer(),
            "sound": text,
            "extra": _extra,
            "content-available": boolean,
            "interruption_level": choice("passive", "active", "time-sensitive", "critical"),
            "relevance_score": number(0, 1),
            "expiry": timestamp,
            "custom_uri": text,
            "use_webview": boolean,
            "message_variation_id": filled,
            "notification_group_thread_id": text,
            "asset_url": text,
            "asset_file_type": choice("aif", "gif", "jpg", "m4a", "mp3", "mp4", "png", "wav"),
            "collapse_id": text,
            "mutable_content": boolean,
            "send_to_most_recent_device_only": boolean,
            "category": text,
            "buttons": array(
                shape(
                    {
                        "action_id": filled,
                        "action": choice("OPEN_APP", "URI", "DEEP_LINK", "CLOSE"),
                        "uri": text,
                        "use_webview": boolean,
                    },
                    required=("action_id",),
                )
            ),
            "apns_priority": integer(1, 10),
        }
    ),
    _apple_together,
)


def _android_together(push: dict[str, Any], path: str) -> None:
    silent = push.get("send_to_sync") is True
    for name in ("alert", "title"):
        if silent and name in push:
            refuse(f"{path}.{name} must be absent with send_to_sync")
        if not silent and name not in push:
            refuse(f"{path}.{name} is required")
    payload = {name: push[name] for name in ("alert", "extra") if name in push}
    if size_in_bytes(payload) > MAX_ANDROID_BYTES:
        refuse(ANDROID_PUSH_TOO_LONG)


_CONVERSATION = shape(
    {
        "shortcut_id": text,
        "reply_person_id": text,
        "messages": array(
            shape(
                {"text": text, "timestamp": integer(), "person_id": text},
                required=("text", "timestamp", "person_id"),
            )
        ),
        "persons": array(shape({"id": text, "name": text}, required=("id", "name"))),
    },
    required=("shortcut_id", "reply_person_id", "messages", "persons"),
)

android_push = with_also(
    shape(
        {
            "alert": text,
            "title": text,
            "extra": _extra,
            "message_variation_id": filled,
            "notification_channel_id": text,
            "priority": integer(),  # Braze takes one outside -2..2 for 0
            "android_priority": choice("normal", "high"),
            "send_to_sync": boolean,
            "collapse_key": text,
            "sound": text,
            "custom_uri": text,
            "summary_text": text,
            "push_icon_image_url": text,
            "use_webview": boolean,
            "time_to_live": integer(0, 2_419_200),
            "notification_id": integer(),
            "accent_color": integer(),
            "send_to_most_recent_device_only": boolean,
            "buttons": array(
                shape(
                    {
                        "text": filled,
                        "action": choice("OPEN_APP", "URI", "DEEP_LINK", "CLOSE"),
                        "uri": text,
                        "use_webview": boolean,
                    },
                    required=("text",),
                )
            ),
            "conversation_data": _CONVERSATION,
        }
    ),
    _android_together,
)

kindle_push = shape(
    {
        "alert": text,
        "title": text,
        "extra": mapping,
        "message_variation_id": filled,
        "priority": integer(),
        "collapse_key": text,
        "sound": text,
        "custom_uri": text,
    },
    required=("alert", "title"),
)

web_push = shape(
    {
        "alert": text,
        "title": text,
        "extra": mapping,
        "message_variation_id": filled,
        "custom_uri": text,
        "image_url": text,
        "large_image_url": text,
        "require_interaction": boolean,
        "time_to_live": integer(),
        "send_to_most_recent_device_only": boolean,
        "buttons": array(
            shape(
                {"text": filled, "action": choice("OPEN_APP", "URI", "CLOSE"), "uri": text},
                required=("text",),
            )
        ),
    },
    required=("alert", "title"),
)
