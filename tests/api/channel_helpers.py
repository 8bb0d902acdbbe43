"""Shared by the tests of the message channels: the smallest and the largest message of each channel."""

from __future__ import annotations

from typing import Any

from braze_provider.api.channels.messages import Messages
from braze_provider.api.validation import problems

SMALLEST: dict[str, dict[str, Any]] = {
    "android_push": {"alert": "a", "title": "t"},
    "apple_push": {"alert": "a"},
    "content_card": {"type": "CLASSIC", "title": "", "description": "d", "time_to_live": 60},
    "email": {"app_id": "a", "from": "Shop <shop@example.com>", "body": "<p/>"},
    "kindle_push": {"alert": "a", "title": "t"},
    "sms": {"subscription_group_id": "g", "body": "b", "app_id": "a"},
    "web_push": {"alert": "a", "title": "t"},
    "webhook": {"url": "https://example.com", "request_method": "POST"},
    "whats_app": {
        "app_id": "a",
        "subscription_group_id": "g",
        "message_type": "text_response_message",
        "message": {"body": "b"},
    },
}


LARGEST: dict[str, dict[str, Any]] = {
    "android_push": {
        "alert": "a",
        "title": "t",
        "extra": {"appboy_image_url": "https://example.com/a.png", "n": 1},
        "message_variation_id": "v",
        "notification_channel_id": "c",
        "priority": -2,
        "android_priority": "high",
        "send_to_sync": False,
        "collapse_key": "k",
        "sound": "default",
        "custom_uri": "app://x",
        "summary_text": "s",
        "push_icon_image_url": "https://example.com/i.png",
        "use_webview": True,
        "time_to_live": 2_419_200,
        "notification_id": 7,
        "accent_color": 16_711_680,
        "send_to_most_recent_device_only": True,
        "buttons": [{"text": "Go", "action": "DEEP_LINK", "uri": "app://y", "use_webview": False}],
        "conversation_data": {
            "shortcut_id": "s",
            "reply_person_id": "p",
            "messages": [{"text": "hi", "timestamp": 1_700_000_000, "person_id": "p"}],
            "persons": [{"id": "p", "name": "P"}],
        },
    },
    "apple_push": {
        "alert": {
            "body": "b",
            "title": "t",
            "title_loc_key": "k",
            "title_loc_args": ["a"],
            "action_loc_key": "k",
            "loc_key": "k",
            "loc_args": ["a"],
            "sound": "s",
        },
        "badge": 1,
        "sound": "default",
        "extra": {"a": {"b": 1}},
        "content-available": True,
        "interruption_level": "time-sensitive",
        "relevance_score": 0.5,
        "expiry": "2026-07-22T13:17:55Z",
        "custom_uri": "app://x",
        "use_webview": False,
        "message_variation_id": "v",
        "notification_group_thread_id": "g",
        "asset_url": "https://example.com/a.png",
        "asset_file_type": "png",
        "collapse_id": "c",
        "mutable_content": True,
        "send_to_most_recent_device_only": True,
        "category": "mine",
        "buttons": [{"action_id": "b", "action": "URI", "uri": "https://example.com", "use_webview": True}],
        "apns_priority": 5,
    },
    "content_card": {
        "type": "CAPTIONED_IMAGE",
        "title": "t",
        "description": "d",
        "image_url": "https://example.com/a.png",
        "time_to_live": 2_592_000,
        "expire_at": "2026-07-22T13:17:55Z",
        "expire_in_local_time": True,
        "pinned": True,
        "ios_uri": "app://x",
        "android_uri": "app://x",
        "web_uri": "https://example.com",
        "ios_use_webview": False,
        "android_use_webview": False,
        "uri_text": "more",
        "extra": {"a": 1},
        "message_variation_id": "v",
    },
    "email": {
        "app_id": "a",
        "from": "{{${sender}}}",
        "subject": "{{${first_name}}}",
        "body": "<p>{% if true %}x{% endif %}</p>",
        "email_template_id": "t",
        "reply_to": "NO_REPLY_TO",
        "bcc": "b@example.com",
        "plaintext_body": "x",
        "preheader": "p",
        "message_variation_id": "v",
        "extras": {"a": 1},
        "headers": {"List-Unsubscribe": "<https://example.com>"},
        "should_inline_css": False,
        "attachments": [{"file_name": "f", "url": "https://example.com/f.pdf"}],
    },
    "kindle_push": {
        "alert": "a",
        "title": "t",
        "extra": {"a": 1},
        "message_variation_id": "v",
        "priority": 2,
        "collapse_key": "k",
        "sound": "s",
        "custom_uri": "app://x",
    },
    "sms": {
        "subscription_group_id": "g",
        "body": "b",
        "app_id": "a",
        "message_variation_id": "v",
        "media_items": ["https://example.com/a.png", {"url": "https://example.com/b.png"}],
        "link_shortening_enabled": True,
        "user_click_tracking_enabled": True,
    },
    "web_push": {
        "alert": "a",
        "title": "t",
        "extra": {"a": 1},
        "message_variation_id": "v",
        "custom_uri": "https://example.com",
        "image_url": "https://example.com/a.png",
        "large_image_url": "https://example.com/b.png",
        "require_interaction": True,
        "time_to_live": 60,
        "send_to_most_recent_device_only": True,
        "buttons": [{"text": "Go", "action": "URI", "uri": "https://example.com"}],
    },
    "webhook": {
        "url": "https://example.com/{{${user_id}}}",
        "request_method": "PUT",
        "request_headers": {"Content-Type": "application/json"},
        "body": '{"a": 1}',
        "message_variation_id": "v",
    },
    "whats_app": {**SMALLEST["whats_app"], "message_variation_id": "v"},
}

TEMPLATE_CARD = {"header_media_uri": "u", "header_media_type": "image"}
FILM_CARD = {**TEMPLATE_CARD, "header_media_type": "video"}
IMAGE_CARD = {"media_uri": "u", "media_type": "image"}
REPLY_CARD = {**IMAGE_CARD, "buttons": ["Yes"]}
LINK_CARD = {**IMAGE_CARD, "cta_url_button": {"display_text": "Look", "url": "https://example.com"}}


def carousel(button_type: str, *cards: object) -> dict[str, Any]:
    return {"body": "b", "carousel_button_type": button_type, "cards": list(cards)}


WHATS_APP_MESSAGES: list[tuple[str, dict[str, Any]]] = [
    ("template_message", {"template_name": "t", "template_language_code": "en"}),
    (
        "template_message",
        {
            "template_name": "t",
            "template_language_code": "en",
            "header_variables": {"0": "h"},
            "body_variables": {"0": "a", "1": "{{${first_name}}}"},
            "button_variables": {"1": "/path"},
            "header_media_uri": "https://example.com/a.png",
        },
    ),
    ("text_response_message", {"body": "b", "preview_url": True}),
    ("text_image_response_message", {"image_uri": "https://example.com/a.png", "caption": "c"}),
    (
        "quick_reply_response_message",
        {"body": "b", "buttons": [{"text": "Yes"}], "header_text": "h", "footer": "f"},
    ),
    ("quick_reply_response_message", {"body": "b", "buttons": [{"text": "Yes"}], "header_image_uri": "u"}),
    (
        "list_response_message",
        {
            "body": "b",
            "header": "h",
            "footer": "f",
            "list": {
                "list_button_text": "Choose",
                "list_sections": [
                    {"section_title": "s", "list_rows": [{"row_title": "r", "row_description": "d"}] * 10}
                ],
            },
        },
    ),
    (
        "flow_response_message",
        {
            "body": "b",
            "flow_button": {"caption": "x" * 20, "flow_id": "1"},
            "header_text": "h",
            "footer": "f",
            "generate_custom_attribute": False,
        },
    ),
    (
        "template_message",
        {
            "template_name": "t",
            "template_language_code": "en",
            "carousel_cards": [
                {**TEMPLATE_CARD, "body_variables": {"0": "a", "1": "b"}, "button_variables": {"1": "/path"}},
                TEMPLATE_CARD,
            ],
        },
    ),
    ("carousel_response_message", carousel("url", *[LINK_CARD] * 10)),
    (
        "carousel_response_message",
        carousel(
            "quick_reply",
            {"media_uri": "u", "media_type": "video", "body_text": "x" * 160, "buttons": ["Yes", "No"]},
            {"media_uri": "u", "media_type": "video", "body_text": "{{${a}}}" * 50, "buttons": ["1", "2"]},
        ),
    ),
]


def mistakes(channel: str, message: Any) -> dict[str, str]:
    """Give the mistakes of a message by their paths below its channel."""
    found = problems(Messages, {channel: message})
    assert all(problem.path.startswith(channel) for problem in found)
    return {problem.path[len(channel) :].lstrip("."): problem.reason for problem in found}
