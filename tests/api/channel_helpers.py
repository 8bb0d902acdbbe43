"""What the tests of the message channels share: the smallest message of each, and its mistakes."""

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


def mistakes(channel: str, message: Any) -> dict[str, str]:
    """Give the mistakes of a message by their paths below its channel."""
    found = problems(Messages, {channel: message})
    assert all(problem.path.startswith(channel) for problem in found)
    return {problem.path[len(channel) :].lstrip("."): problem.reason for problem in found}
