"""The message objects of each channel."""

from __future__ import annotations

import pytest

EMAIL = {"app_id": "app", "from": "Shop <shop@example.com>", "body": "<p>Hi {{${first_name}}}</p>"}
APPLE = {"alert": "Hi"}
PUSH = {"alert": "Hi", "title": "Shop"}
CARD = {"type": "CLASSIC", "title": "", "description": "News", "time_to_live": 3600}
SMS = {"subscription_group_id": "group", "app_id": "app", "body": "Hi"}
WHATS_APP = {
    "app_id": "app",
    "subscription_group_id": "group",
    "message_type": "text_response_message",
    "message": {"body": "Hi"},
}
FLOW = {"caption": "Go", "flow_id": "f"}

TEMPLATE = {"template_name": "t", "template_language_code": "en"}
TEMPLATE_CARD = {"header_media_uri": "u", "header_media_type": "image"}
IMAGE = {"media_uri": "u", "media_type": "image"}
REPLY = {**IMAGE, "buttons": ["Yes"]}
LINK = {**IMAGE, "cta_url_button": {"display_text": "Look", "url": "https://example.com"}}


def carousel(button_type: str, *cards: object) -> dict[str, object]:
    message = {"body": "?", "carousel_button_type": button_type, "cards": cards}
    return whats_app("carousel_response_message", **message)


def whats_app(message_type: str, **message: object) -> dict[str, object]:
    return {**WHATS_APP, "message_type": message_type, "message": message}


def rows(number: int) -> dict[str, object]:
    section = {"section_title": "Times", "list_rows": [{"row_title": str(n)} for n in range(number)]}
    return {"list_button_text": "Choose", "list_sections": [section]}


def without(message: dict[str, object], field: str) -> dict[str, object]:
    return {name: value for name, value in message.items() if name != field}


@pytest.mark.parametrize(
    ("channel", "message"),
    [
        ("email", EMAIL),
        ("email", {**without(EMAIL, "body"), "email_template_id": "template", "headers": {"X": "y"}}),
        ("email", {**EMAIL, "attachments": [{"file_name": "terms", "url": "https://example.com/t.pdf"}]}),
        ("apple_push", APPLE),
        ("apple_push", {"content-available": True, "extra": {"sync": "now"}}),
        ("apple_push", {"alert": {"title": "Shop", "body": "Hi", "loc_args": ["a"]}, "relevance_score": 0.5}),
        ("apple_push", {**APPLE, "expiry": "2026-10-01T12:00:00Z", "buttons": [{"action_id": "yes"}]}),
        ("android_push", PUSH),
        ("android_push", {"send_to_sync": True, "extra": {"sync": "now"}}),
        ("android_push", {**PUSH, "priority": 9, "buttons": [{"text": "Open"}]}),
        ("kindle_push", {**PUSH, "priority": 9}),
        ("web_push", {**PUSH, "require_interaction": True, "time_to_live": 2_419_201}),
        ("webhook", {"url": "https://example.com", "request_method": "POST", "body": "{}"}),
        ("content_card", CARD),
        ("content_card", {**CARD, "expire_at": "2026-10-01"}),
        ("content_card", {"type": "BANNER", "image_url": "i", "expire_at": "2026-10-01T12:00:00+0000"}),
        ("sms", {**SMS, "link_shortening_enabled": True, "user_click_tracking_enabled": True}),
        ("whats_app", WHATS_APP),
        ("whats_app", whats_app("template_message", template_name="t", template_language_code="en")),
        ("whats_app", whats_app("text_image_response_message", image_uri="i")),
        ("whats_app", whats_app("quick_reply_response_message", body="?", buttons=[{"text": "Yes"}])),
        ("whats_app", whats_app("list_response_message", body="?", list=rows(10))),
        ("whats_app", whats_app("flow_response_message", body="?", flow_button=FLOW)),
        ("whats_app", whats_app("template_message", **TEMPLATE, carousel_cards=[TEMPLATE_CARD] * 2)),
        ("whats_app", carousel("quick_reply", *[REPLY] * 2)),
        ("whats_app", carousel("url", *[LINK] * 10)),
        ("email", {**EMAIL, "reply_to": None, "message_variation_id": None}),
        ("apple_push", {"alert": {"title": None, "body": "Hi"}, "asset_url": None}),
    ],
)  # fmt: skip
def test_a_complete_message_is_accepted(client, channel, message):
    answer = client.send(messages={channel: message})

    assert answer.json()["message"] == "success"


@pytest.mark.parametrize(
    ("channel", "message", "field"),
    [
        ("email", EMAIL, "app_id"),
        ("email", EMAIL, "from"),
        ("email", EMAIL, "body"),
        ("apple_push", APPLE, "alert"),
        ("android_push", PUSH, "alert"),
        ("android_push", PUSH, "title"),
        ("kindle_push", PUSH, "alert"),
        ("kindle_push", PUSH, "title"),
        ("web_push", PUSH, "alert"),
        ("web_push", PUSH, "title"),
        ("webhook", {"url": "u", "request_method": "POST"}, "url"),
        ("webhook", {"url": "u", "request_method": "POST"}, "request_method"),
        ("content_card", CARD, "type"),
        ("content_card", CARD, "title"),
        ("content_card", CARD, "description"),
        ("content_card", {**CARD, "type": "CAPTIONED_IMAGE", "image_url": "i"}, "image_url"),
        ("sms", SMS, "subscription_group_id"),
        ("sms", SMS, "app_id"),
        ("sms", SMS, "body"),
        ("whats_app", WHATS_APP, "app_id"),
        ("whats_app", WHATS_APP, "subscription_group_id"),
        ("whats_app", WHATS_APP, "message_type"),
        ("whats_app", WHATS_APP, "message"),
    ],
)
def test_a_message_without_a_required_field_is_refused_by_the_field_s_name(client, channel, message, field):
    answer = client.send(messages={channel: without(message, field)})

    assert answer.status_code == 400
    assert f"messages.{channel}.{field} is required" in answer.json()["message"]


@pytest.mark.parametrize(
    ("channel", "message", "text"),
    [
        ("apple_push", {**APPLE, "extra": "none"}, "Invalid Extra Push Payload"),
        ("android_push", {**PUSH, "extra": []}, "Invalid Extra Push Payload"),
        ("apple_push", {"alert": "x" * 1_912}, "Apple Push Length Exceeded"),
        ("apple_push", {**APPLE, "extra": {"x": "é" * 950}}, "Apple Push Length Exceeded"),
        ("android_push", {**PUSH, "alert": "x" * 4_000}, "Android Push Length Exceeded"),
    ],
)
def test_a_push_braze_documents_an_error_for_is_refused_with_that_error(client, channel, message, text):
    answer = client.send(messages={channel: message})

    assert (answer.status_code, answer.json()) == (400, {"message": text})


@pytest.mark.parametrize(
    ("channel", "message", "text"),
    [
        ("email", "(optional, Email Object)", "messages.email must be an object, not a string"),
        ("email", {**EMAIL, "subjet": "Hi"}, "messages.email.subjet is not a known field"),
        ("email", {**EMAIL, "should_inline_css": "true"}, "should_inline_css must be a boolean"),
        ("email", {**EMAIL, "attachments": [{"url": "u"}]}, "email.attachments[0].file_name is required"),
        ("apple_push", {**APPLE, "extra": {"aps": {}}}, "extra may not hold the key aps"),
        ("apple_push", {"alert": {"title": "Shop"}}, "messages.apple_push.alert.body is required"),
        ("apple_push", {"alert": {"body": None}}, "messages.apple_push.alert.body is required"),
        ("email", {**EMAIL, "body": None}, "messages.email.body is required"),
        ("apple_push", {**APPLE, "badge": True}, "badge must be a whole number, not a boolean"),
        ("apple_push", {**APPLE, "relevance_score": 2}, "relevance_score must be between 0 and 1"),
        ("apple_push", {**APPLE, "relevance_score": "high"}, "relevance_score must be a number"),
        ("apple_push", {**APPLE, "expiry": "tomorrow"}, "expiry must be an ISO 8601 datetime"),
        ("apple_push", {**APPLE, "expiry": "2026-13-01"}, "expiry must be an ISO 8601 datetime"),
        ("apple_push", {**APPLE, "asset_url": "u"}, "asset_file_type is required with asset_url"),
        ("apple_push", {**APPLE, "buttons": [{}]}, "apple_push.buttons[0].action_id is required"),
        ("android_push", {**PUSH, "send_to_sync": True}, "alert must be absent with send_to_sync"),
        ("android_push", {**PUSH, "time_to_live": 2_419_201}, "time_to_live must be between"),
        ("kindle_push", {**PUSH, "priority": "3"}, "priority must be a whole number, not a string"),
        ("web_push", {**PUSH, "time_to_live": "60"}, "time_to_live must be a whole number, not a string"),
        ("webhook", {"url": "u", "request_method": "PATCH"}, "request_method must be one of POST"),
        ("webhook", {"url": "u", "request_method": "PUT", "body": {}}, "body must be a string"),
        ("content_card", without(CARD, "time_to_live"), "must have time_to_live or expire_at"),
        ("content_card", {**CARD, "type": "SQUARE"}, "type must be one of CLASSIC"),
        ("content_card", {**CARD, "time_to_live": 31 * 24 * 3600}, "time_to_live must be between"),
        ("sms", {**SMS, "user_click_tracking_enabled": True}, "needs link_shortening_enabled"),
        ("sms", {**SMS, "media_items": "u"}, "media_items must be an array"),
        ("whats_app", whats_app("shout"), "message_type must be one of template_message"),
        ("whats_app", whats_app("template_message", template_name="t"), "language_code is required"),
        (
            "whats_app",
            whats_app(
                "template_message",
                template_name="t",
                template_language_code="en",
                header_variables={"0": "a", "1": "b"},
            ),
            "header_variables may hold one variable at most",
        ),
        (
            "whats_app",
            whats_app(
                "quick_reply_response_message",
                body="?",
                buttons=[{"text": "Yes"}],
                header_text="a",
                header_image_uri="b",
            ),
            "only one of header_text and header_image_uri",
        ),
        ("whats_app", whats_app("list_response_message", body="?", list=rows(11)), "10 rows in all"),
        ("whats_app", whats_app("list_response_message", body="?", list=rows(0)), "at least 1 item"),
        (
            "whats_app",
            whats_app("flow_response_message", body="?", flow_button={"caption": "x" * 21, "flow_id": "f"}),
            "caption exceeds 20 characters",
        ),
        ("whats_app", carousel("url", LINK), "cards must have 2 to 10 items"),
        ("whats_app", carousel("url", LINK, {**LINK, "media_type": "video"}), "one media_type for all cards"),
        ("whats_app", carousel("url", LINK, {**LINK, "body_text": "x" * 161}), "exceeds 160 characters"),
        ("whats_app", carousel("url", LINK, REPLY), "cards[1].cta_url_button is required"),
        ("whats_app", carousel("quick_reply", REPLY, LINK), "cards[1].buttons is required"),
        ("whats_app", carousel("quick_reply", {**REPLY, "buttons": ["1", "2"]}, REPLY), "number of buttons"),
        ("whats_app", carousel("quick_reply", *[{**REPLY, "buttons": ["1"] * 3}] * 2), "2 items at most"),
    ],
)
def test_a_mistaken_message_is_refused_with_the_field_s_path(client, channel, message, text):
    answer = client.send(messages={channel: message})

    assert answer.status_code == 400
    assert text in answer.json()["message"]


def test_a_channel_that_is_null_is_no_message(client):
    assert client.send(messages={"email": EMAIL, "sms": None}).json()["message"] == "success"
    assert client.send(messages={"email": None}).json() == {"message": "No message to send"}


def test_a_message_for_several_channels_is_checked_in_each(client):
    answer = client.send(messages={"email": EMAIL, "sms": without(SMS, "body")})

    assert answer.json() == {"message": "messages.sms.body is required"}
