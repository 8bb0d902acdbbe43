"""Email, webhook, Content Card, SMS and WhatsApp: what each requires, takes and refuses."""

from __future__ import annotations

import warnings
from datetime import date, datetime, timezone
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from api.channel_helpers import (
    FILM_CARD,
    LINK_CARD,
    REPLY_CARD,
    SMALLEST,
    TEMPLATE_CARD,
    WHATS_APP_MESSAGES,
    carousel,
    mistakes,
)

from braze_provider.api.channels.content_card import ContentCard
from braze_provider.api.channels.email import Email
from braze_provider.api.channels.sms import Sms
from braze_provider.api.channels.webhook import Webhook
from braze_provider.api.channels.whats_app import MESSAGE_TYPES, TextResponse, WhatsApp
from braze_provider.api.validation import problems, validate


class TestEmail:
    def test_a_template_replaces_the_body(self):
        email = {"app_id": "a", "from": "Shop <shop@example.com>", "email_template_id": "t"}
        assert validate(Email, email).to_body() == email

    @pytest.mark.parametrize("sender", ["shop@example.com", "Shop", "Shop <shop>", "Shop shop@example.com>"])
    def test_the_sender_has_a_name_and_an_address(self, sender):
        assert mistakes("email", {**SMALLEST["email"], "from": sender}) == {
            "from": "must be of the form Display Name <address@example.com>"
        }

    def test_a_mistake_in_an_attachment_is_named(self):
        email = {**SMALLEST["email"], "attachments": [{"file_name": "f"}]}
        assert list(mistakes("email", email)) == ["attachments[0].url"]


class TestWebhook:
    def test_its_body_is_text_or_json(self):
        webhook = {**SMALLEST["webhook"], "body": 5}
        assert mistakes("webhook", webhook) == {"body": "must be text, not a number"}

    @pytest.mark.parametrize(
        ("body", "text"),
        [
            ({"who": "{{${user_id}}}", "n": 1}, '{"who":"{{${user_id}}}","n":1}'),
            (["é", None, {"a": True}], '["é",null,{"a":true}]'),
            (
                {
                    "at": datetime(2026, 7, 22, 9, tzinfo=timezone.utc),
                    "day": date(2026, 7, 22),
                    "n": Decimal("9.5"),
                },
                '{"at":"2026-07-22T09:00:00+00:00","day":"2026-07-22","n":9.5}',
            ),
            (({"id": UUID(int=1)},), '[{"id":"00000000-0000-0000-0000-000000000001"}]'),
            (MappingProxyType({"a": (1, 2)}), '{"a":[1,2]}'),
            ('{"a": 1}', '{"a": 1}'),
            ("", ""),
        ],
    )
    def test_a_json_body_of_any_kind_is_sent_as_text(self, body, text):
        assert validate(Webhook, {**SMALLEST["webhook"], "body": body}).to_body()["body"] == text

    def test_a_value_that_is_not_json_in_its_body_is_named_by_its_place(self):
        webhook = {**SMALLEST["webhook"], "body": {"a": {1, 2}, "b": [float("nan")]}}
        assert mistakes("webhook", webhook) == {
            "body.a": "must be JSON, not a Python set",
            "body.b[0]": "must be a finite number: JSON has no NaN or Infinity",
        }


class TestContentCard:
    @pytest.mark.parametrize(
        ("card", "missing"),
        [
            ({"type": "CLASSIC"}, {"title", "description"}),
            ({"type": "CAPTIONED_IMAGE"}, {"title", "description", "image_url"}),
            ({"type": "BANNER"}, {"image_url"}),
        ],
    )
    def test_each_type_requires_its_fields(self, card, missing):
        found = mistakes("content_card", {**card, "time_to_live": 60})
        assert found == dict.fromkeys(missing, f"is required for `{card['type']}`")

    def test_it_expires_by_a_duration_a_moment_or_both(self):
        card = {"type": "BANNER", "image_url": "u"}
        assert mistakes("content_card", card) == {"": "needs `time_to_live` or `expire_at`"}
        both = {**card, "time_to_live": 60, "expire_at": "2026-07-22"}
        assert validate(ContentCard, both).to_body() == both

    @pytest.mark.parametrize(
        ("seconds", "fits"), [(0, False), (1, True), (2_592_000, True), (2_592_001, False)]
    )
    def test_it_is_shown_for_30_days_at_most(self, seconds, fits):
        card = {"type": "BANNER", "image_url": "u", "time_to_live": seconds}
        assert (problems(ContentCard, card) == []) is fits

    @pytest.mark.parametrize(
        ("expiry", "text"),
        [
            (date(2026, 7, 22), "2026-07-22"),
            (datetime.fromisoformat("2026-07-22T09:00:00"), "2026-07-22T09:00:00"),
            (datetime(2026, 7, 22, 9, tzinfo=timezone.utc), "2026-07-22T09:00:00+00:00"),
        ],
    )
    def test_its_expiry_may_be_a_python_date(self, expiry, text):
        card = {"type": "BANNER", "image_url": "u", "expire_at": expiry, "expire_in_local_time": True}
        assert validate(ContentCard, card).expire_at == text


class TestSms:
    def test_clicks_are_tracked_only_on_short_links(self):
        sms = {**SMALLEST["sms"], "user_click_tracking_enabled": True}
        assert mistakes("sms", sms) == {"user_click_tracking_enabled": "needs `link_shortening_enabled`"}
        assert validate(Sms, {**sms, "link_shortening_enabled": True})


def whats_app(message_type: Any, message: Any) -> dict[str, Any]:
    return {**SMALLEST["whats_app"], "message_type": message_type, "message": message}


def list_of(*rows: int) -> dict[str, Any]:
    sections = [{"section_title": "s", "list_rows": [{"row_title": "r"}] * count} for count in rows]
    return {"body": "b", "list": {"list_button_text": "c", "list_sections": sections}}


TEMPLATE = {"template_name": "t", "template_language_code": "en"}


class TestWhatsApp:
    @pytest.mark.parametrize(("message_type", "message"), WHATS_APP_MESSAGES)
    def test_each_type_takes_its_fields_and_sends_them_as_they_are(self, message_type, message):
        given = whats_app(message_type, message)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            sent = validate(WhatsApp, given)
            assert sent.to_body() == given
            assert WhatsApp.model_validate_json(sent.to_json()).to_body() == given
        assert type(sent.message) is MESSAGE_TYPES[message_type]

    @pytest.mark.parametrize(
        ("message_type", "required"),
        [
            ("template_message", {"template_name", "template_language_code"}),
            ("text_response_message", {"body"}),
            ("text_image_response_message", {"image_uri"}),
            ("quick_reply_response_message", {"body", "buttons"}),
            ("list_response_message", {"body", "list"}),
            ("flow_response_message", {"body", "flow_button"}),
            ("carousel_response_message", {"body", "carousel_button_type", "cards"}),
        ],
    )
    def test_each_type_names_what_is_missing(self, message_type, required):
        found = mistakes("whats_app", whats_app(message_type, {}))
        assert found == {f"message.{field}": "is required" for field in required}

    @pytest.mark.parametrize(
        ("message_type", "message", "path", "reason"),
        [
            ("text_response_message", "b", "message", "must be an object, not text"),
            ("text_response_message", None, "message", "is required"),
            (
                "text_response_message",
                {"boddy": "b", "body": "b"},
                "message.boddy",
                "unknown field; did you mean `body`?",
            ),
            (
                "template_message",
                {**TEMPLATE, "header_image_uri": "u"},
                "message.header_image_uri",
                "unknown field; Braze has renamed it to `header_media_uri`",
            ),
            (
                "template_message",
                {**TEMPLATE, "header_variables": {"0": "a", "1": "b"}},
                "message.header_variables",
                "must hold one variable at most",
            ),
            (
                "template_message",
                {**TEMPLATE, "body_variables": {"name": "a"}},
                "message.body_variables",
                'must have the placeholders\' indexes as keys: "0", "1", …',
            ),
            (
                "template_message",
                {**TEMPLATE, "body_variables": {"0": 5}},
                "message.body_variables.0",
                "must be text, not a number",
            ),
            (
                "quick_reply_response_message",
                {"body": "b", "buttons": []},
                "message.buttons",
                "must not be empty",
            ),
            (
                "quick_reply_response_message",
                {"body": "b", "buttons": [{"text": "a"}], "header_text": "h", "header_image_uri": "u"},
                "message.header_image_uri",
                "is not allowed with `header_text`",
            ),
            ("list_response_message", list_of(), "message.list.list_sections", "must not be empty"),
            (
                "list_response_message",
                {"body": "b", "list": {"list_button_text": "c", "list_sections": "s"}},
                "message.list.list_sections",
                "must be an array, not text",
            ),
            (
                "list_response_message",
                list_of(6, 5),
                "message.list.list_sections",
                "has 11 rows in all; at most 10 are allowed",
            ),
            (
                "flow_response_message",
                {"body": "b", "flow_button": {"caption": "x" * 21, "flow_id": "1"}},
                "message.flow_button.caption",
                "must be at most 20 characters long",
            ),
            (
                "template_message",
                {**TEMPLATE, "carousel_cards": [TEMPLATE_CARD]},
                "message.carousel_cards",
                "must hold 2 to 10 cards, not 1",
            ),
            (
                "template_message",
                {
                    **TEMPLATE,
                    "carousel_cards": [TEMPLATE_CARD, FILM_CARD],
                },
                "message.carousel_cards",
                "must have the same `header_media_type` on every card",
            ),
            (
                "template_message",
                {**TEMPLATE, "carousel_cards": [TEMPLATE_CARD, {"header_media_type": "image"}]},
                "message.carousel_cards[1].header_media_uri",
                "is required",
            ),
            ("carousel_response_message", carousel("url"), "message.cards", "must hold 2 to 10 cards, not 0"),
            (
                "carousel_response_message",
                carousel("url", *[LINK_CARD] * 11),
                "message.cards",
                "must hold 2 to 10 cards, not 11",
            ),
            (
                "carousel_response_message",
                carousel("url", LINK_CARD, {**LINK_CARD, "media_type": "video"}),
                "message.cards",
                "must have the same `media_type` on every card",
            ),
            (
                "carousel_response_message",
                carousel("url", LINK_CARD, REPLY_CARD),
                "message.cards[1].cta_url_button",
                "is required for `url`",
            ),
            (
                "carousel_response_message",
                carousel("quick_reply", {**REPLY_CARD, "buttons": []}, REPLY_CARD),
                "message.cards[0].buttons",
                "is required for `quick_reply`",
            ),
            (
                "carousel_response_message",
                carousel("quick_reply", {**REPLY_CARD, "buttons": ["1", "2"]}, REPLY_CARD),
                "message.cards",
                "must have the same number of `buttons` on every card",
            ),
            (
                "carousel_response_message",
                carousel("url", LINK_CARD, {**LINK_CARD, "body_text": "x" * 161}),
                "message.cards[1].body_text",
                "must be at most 160 characters long",
            ),
            (
                "carousel_response_message",
                {**carousel("url"), "cards": "c"},
                "message.cards",
                "must be an array, not text",
            ),
            (
                "carousel_response_message",
                carousel("quick_reply", 5, REPLY_CARD),
                "message.cards[0]",
                "must be an object, not a number",
            ),
        ],
    )
    def test_what_braze_refuses_is_refused_by_name(self, message_type, message, path, reason):
        assert mistakes("whats_app", whats_app(message_type, message)) == {path: reason}

    def test_a_card_of_a_carousel_has_two_buttons_at_most(self):
        cards = [{**REPLY_CARD, "buttons": ["1", "2", "3"]}] * 2
        assert mistakes(
            "whats_app", whats_app("carousel_response_message", carousel("quick_reply", *cards))
        ) == {
            "message.cards[0].buttons": "must hold 2 buttons at most",
            "message.cards[1].buttons": "must hold 2 buttons at most",
        }

    @pytest.mark.parametrize("message_type", ["text_message", None, 5, []])
    def test_with_an_unknown_type_only_the_type_is_a_mistake(self, message_type):
        assert list(mistakes("whats_app", whats_app(message_type, {"anything": 1}))) == ["message_type"]

    def test_the_message_may_be_a_model(self):
        given = whats_app("text_response_message", TextResponse(body="b"))
        assert validate(WhatsApp, given).to_body()["message"] == {"body": "b"}

    def test_a_model_of_another_type_is_refused(self):
        assert list(mistakes("whats_app", whats_app("template_message", TextResponse(body="b")))) == [
            "message"
        ]
