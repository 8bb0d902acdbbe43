"""Messages that are no push and no chat: e-mail, webhooks and content cards."""

from __future__ import annotations

from typing import Any

from braze_provider.sandbox.refusals import refuse
from braze_provider.sandbox.rules.checks import (
    array,
    boolean,
    choice,
    filled,
    integer,
    mapping,
    shape,
    text,
    timestamp,
    with_also,
)

THIRTY_DAYS = 30 * 24 * 3600

attachments = array(
    shape({"file_name": filled, "url": filled, "basic_auth_credential": text}, required=("file_name", "url"))
)


def _email_together(email: dict[str, Any], path: str) -> None:
    if "body" not in email and "email_template_id" not in email:
        refuse(f"{path}.body is required without email_template_id")


email = with_also(
    shape(
        {
            "app_id": filled,
            "from": filled,
            "subject": text,
            "body": text,
            "email_template_id": filled,
            "reply_to": text,
            "bcc": text,
            "plaintext_body": text,
            "preheader": text,
            "message_variation_id": filled,
            "extras": mapping,
            "headers": mapping,
            "should_inline_css": boolean,
            "attachments": attachments,
        },
        required=("app_id", "from"),
    ),
    _email_together,
)

webhook = shape(
    {
        "url": filled,
        "request_method": choice("POST", "PUT", "DELETE", "GET"),
        "request_headers": mapping,
        "body": text,
        "message_variation_id": filled,
    },
    required=("url", "request_method"),
)


def _card_together(card: dict[str, Any], path: str) -> None:
    required = [] if card["type"] == "BANNER" else ["title", "description"]
    if card["type"] != "CLASSIC":
        required.append("image_url")
    for name in required:
        if name not in card:
            refuse(f"{path}.{name} is required for {card['type']}")
    if "time_to_live" not in card and "expire_at" not in card:
        refuse(f"{path} must have time_to_live or expire_at")


content_card = with_also(
    shape(
        {
            "type": choice("CLASSIC", "CAPTIONED_IMAGE", "BANNER"),
            "title": text,
            "description": text,
            "image_url": text,
            "time_to_live": integer(1, THIRTY_DAYS),
            "expire_at": timestamp,
            "expire_in_local_time": boolean,
            "pinned": boolean,
            "ios_uri": text,
            "android_uri": text,
            "web_uri": text,
            "ios_use_webview": boolean,
            "android_use_webview": boolean,
            "uri_text": text,
            "extra": mapping,
            "message_variation_id": filled,
        },
        required=("type",),
    ),
    _card_together,
)
