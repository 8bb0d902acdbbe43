"""Messages to a telephone number: SMS and WhatsApp."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from braze_provider.sandbox.refusals import refuse
from braze_provider.sandbox.rules.checks import (
    Check,
    array,
    boolean,
    choice,
    filled,
    has_liquid,
    json_name,
    mapping,
    shape,
    text,
    with_also,
)

MAX_LIST_ROWS = 10
MAX_FLOW_CAPTION = 20
MIN_CARDS, MAX_CARDS = 2, 10
MAX_CARD_TEXT = 160
MAX_CARD_BUTTONS = 2


def _any_array(value: object, path: str) -> None:
    if not isinstance(value, list):
        refuse(f"{path} must be an array, not {json_name(value)}")


def _sms_together(sms: dict[str, Any], path: str) -> None:
    if sms.get("user_click_tracking_enabled") and not sms.get("link_shortening_enabled"):
        refuse(f"{path}.user_click_tracking_enabled needs link_shortening_enabled")


sms = with_also(
    shape(
        {
            "subscription_group_id": filled,
            "body": text,
            "app_id": filled,
            "message_variation_id": filled,
            "media_items": _any_array,
            "link_shortening_enabled": boolean,
            "user_click_tracking_enabled": boolean,
        },
        required=("subscription_group_id", "body", "app_id"),
    ),
    _sms_together,
)


def _at_most_one(value: object, path: str) -> None:
    mapping(value, path)
    if isinstance(value, dict) and len(value) > 1:
        refuse(f"{path} may hold one variable at most")


def _quick_reply_together(message: dict[str, Any], path: str) -> None:
    if "header_text" in message and "header_image_uri" in message:
        refuse(f"{path} may have only one of header_text and header_image_uri")


def _list_rows(value: dict[str, Any], path: str) -> None:
    if sum(len(section["list_rows"]) for section in value["list_sections"]) > MAX_LIST_ROWS:
        refuse(f"{path} may have {MAX_LIST_ROWS} rows in all")


_LIST = with_also(
    shape(
        {
            "list_button_text": filled,
            "list_sections": array(
                shape(
                    {
                        "section_title": text,
                        "list_rows": array(
                            shape({"row_title": filled, "row_description": text}, required=("row_title",)),
                            least=1,
                        ),
                    },
                    required=("section_title", "list_rows"),
                ),
                least=1,
            ),
        },
        required=("list_button_text", "list_sections"),
    ),
    _list_rows,
)


def _flow_caption(value: object, path: str) -> None:
    filled(value, path)
    if isinstance(value, str) and len(value) > MAX_FLOW_CAPTION and not has_liquid(value):
        refuse(f"{path} exceeds {MAX_FLOW_CAPTION} characters")


def _card_text(value: object, path: str) -> None:
    text(value, path)
    if isinstance(value, str) and len(value) > MAX_CARD_TEXT and not has_liquid(value):
        refuse(f"{path} exceeds {MAX_CARD_TEXT} characters")


def _cards(card: Check, media_type: str) -> Check:
    """Two to ten cards, each with the same type of media."""
    each = array(card)

    def check(value: object, path: str) -> None:
        each(value, path)
        if isinstance(value, list):
            if not MIN_CARDS <= len(value) <= MAX_CARDS:
                refuse(f"{path} must have {MIN_CARDS} to {MAX_CARDS} items")
            if len({card[media_type] for card in value}) > 1:
                refuse(f"{path} must have one {media_type} for all cards")

    return check


_CAROUSEL_CARDS = _cards(
    shape(
        {
            "header_media_uri": filled,
            "header_media_type": choice("image", "video"),
            "body_variables": mapping,
            "button_variables": _at_most_one,
        },
        required=("header_media_uri", "header_media_type"),
    ),
    "header_media_type",
)


def _carousel_together(message: dict[str, Any], path: str) -> None:
    needed = "cta_url_button" if message["carousel_button_type"] == "url" else "buttons"
    for index, card in enumerate(message["cards"]):
        if not card.get(needed):
            refuse(f"{path}.cards[{index}].{needed} is required")
        if needed == "buttons" and len(card["buttons"]) > MAX_CARD_BUTTONS:
            refuse(f"{path}.cards[{index}].buttons may have {MAX_CARD_BUTTONS} items at most")
    if needed == "buttons" and len({len(card["buttons"]) for card in message["cards"]}) > 1:
        refuse(f"{path}.cards must have the same number of buttons on every card")


_CAROUSEL = with_also(
    shape(
        {
            "body": text,
            "carousel_button_type": choice("quick_reply", "url"),
            "cards": _cards(
                shape(
                    {
                        "media_uri": filled,
                        "media_type": choice("image", "video"),
                        "body_text": _card_text,
                        "buttons": array(filled),
                        "cta_url_button": shape(
                            {"display_text": filled, "url": filled}, required=("display_text", "url")
                        ),
                    },
                    required=("media_uri", "media_type"),
                ),
                "media_type",
            ),
        },
        required=("body", "carousel_button_type", "cards"),
    ),
    _carousel_together,
)


_WHATS_APP_MESSAGES: Mapping[str, Check] = MappingProxyType(
    {
        "template_message": shape(
            {
                "template_name": filled,
                "template_language_code": filled,
                "header_variables": _at_most_one,
                "body_variables": mapping,
                "button_variables": _at_most_one,
                "header_media_uri": text,
                "header_image_uri": text,  # the older name
                "carousel_cards": _CAROUSEL_CARDS,
            },
            required=("template_name", "template_language_code"),
        ),
        "text_response_message": shape({"body": text, "preview_url": boolean}, required=("body",)),
        "text_image_response_message": shape({"image_uri": text, "caption": text}, required=("image_uri",)),
        "quick_reply_response_message": with_also(
            shape(
                {
                    "body": text,
                    "buttons": array(shape({"text": filled}, required=("text",)), least=1),
                    "header_text": text,
                    "header_image_uri": text,
                    "footer": text,
                },
                required=("body", "buttons"),
            ),
            _quick_reply_together,
        ),
        "list_response_message": shape(
            {"body": text, "list": _LIST, "header": text, "footer": text}, required=("body", "list")
        ),
        "flow_response_message": shape(
            {
                "body": text,
                "flow_button": shape(
                    {"caption": _flow_caption, "flow_id": filled}, required=("caption", "flow_id")
                ),
                "header_text": text,
                "footer": text,
                "generate_custom_attribute": boolean,
            },
            required=("body", "flow_button"),
        ),
        "carousel_response_message": _CAROUSEL,
    }
)


def _whats_app_message(whats_app: dict[str, Any], path: str) -> None:
    _WHATS_APP_MESSAGES[whats_app["message_type"]](whats_app["message"], f"{path}.message")


whats_app = with_also(
    shape(
        {
            "app_id": filled,
            "subscription_group_id": filled,
            "message_variation_id": filled,
            "message_type": choice(*_WHATS_APP_MESSAGES),
            "message": mapping,
        },
        required=("app_id", "subscription_group_id", "message_type", "message"),
    ),
    _whats_app_message,
)
