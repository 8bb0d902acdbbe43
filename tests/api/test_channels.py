"""The message channels: what each requires, takes and refuses."""

from __future__ import annotations

import warnings
from datetime import datetime, timezone
from typing import Any

import pytest

from braze_provider.api.channels.android_push import AndroidPush
from braze_provider.api.channels.apple_push import AppleAlert, ApplePush
from braze_provider.api.channels.content_card import ContentCard
from braze_provider.api.channels.email import Email
from braze_provider.api.channels.messages import Messages
from braze_provider.api.channels.sms import Sms
from braze_provider.api.channels.web_push import WebPush
from braze_provider.api.channels.webhook import Webhook
from braze_provider.api.channels.whats_app import MESSAGE_TYPES, TextResponse, WhatsApp
from braze_provider.api.validation import problems, validate

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

REQUIRED = {
    "android_push": ("alert", "title"),
    "apple_push": ("alert",),
    "content_card": ("type", "title", "description"),
    "email": ("app_id", "from", "body"),
    "kindle_push": ("alert", "title"),
    "sms": ("subscription_group_id", "body", "app_id"),
    "web_push": ("alert", "title"),
    "webhook": ("url", "request_method"),
    "whats_app": ("app_id", "subscription_group_id", "message_type", "message"),
}

CHOICES = {
    ("android_push", "android_priority"): ("normal", "high"),
    ("apple_push", "interruption_level"): ("passive", "active", "time-sensitive", "critical"),
    ("content_card", "type"): ("CLASSIC", "CAPTIONED_IMAGE", "BANNER"),
    ("webhook", "request_method"): ("POST", "PUT", "DELETE", "GET"),
    ("whats_app", "message_type"): tuple(MESSAGE_TYPES),
}


def mistakes(channel: str, message: Any) -> dict[str, str]:
    """Give the mistakes of a message by their paths below its channel."""
    found = problems(Messages, {channel: message})
    assert all(problem.path.startswith(channel) for problem in found)
    return {problem.path[len(channel) :].lstrip("."): problem.reason for problem in found}


class TestEveryChannel:
    @pytest.mark.parametrize("channel", SMALLEST)
    def test_it_takes_what_it_requires_and_nothing_more(self, channel):
        assert validate(Messages, {channel: SMALLEST[channel]}).to_body() == {channel: SMALLEST[channel]}

    @pytest.mark.parametrize("channel", LARGEST)
    def test_it_takes_every_field_and_sends_it_as_it_is(self, channel):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # pydantic warns of what it serialises in doubt
            messages = validate(Messages, {channel: LARGEST[channel]})
            assert messages.to_body() == {channel: LARGEST[channel]}
            assert validate(Messages, messages.to_body()).to_json() == messages.to_json()

    @pytest.mark.parametrize("channel", LARGEST)
    def test_the_example_of_every_field_forgets_none(self, channel):
        model = type(getattr(validate(Messages, {channel: LARGEST[channel]}), channel))
        fields = {field.alias or name for name, field in model.model_fields.items()}
        assert fields - set(LARGEST[channel]) <= {"time_to_live"}  # a card has this or `expire_at`

    @pytest.mark.parametrize(
        ("channel", "field"), [(name, field) for name in REQUIRED for field in REQUIRED[name]]
    )
    def test_a_missing_field_is_named(self, channel, field):
        rest = {name: value for name, value in SMALLEST[channel].items() if name != field}
        assert mistakes(channel, rest)[field].startswith("is required")

    @pytest.mark.parametrize("channel", SMALLEST)
    def test_a_misspelt_field_is_named_with_the_right_one(self, channel):
        found = mistakes(channel, {**SMALLEST[channel], "mesage_variation_id": "v"})
        assert found == {"mesage_variation_id": "unknown field; did you mean `message_variation_id`?"}

    @pytest.mark.parametrize("channel", SMALLEST)
    def test_it_is_an_object(self, channel):
        assert mistakes(channel, "(optional, an object)") == {"": "must be an object, not text"}

    @pytest.mark.parametrize("channel", SMALLEST)
    def test_a_variation_is_not_empty(self, channel):
        found = mistakes(channel, {**SMALLEST[channel], "message_variation_id": ""})
        assert found == {"message_variation_id": "must not be empty"}

    @pytest.mark.parametrize(("channel", "field"), CHOICES)
    def test_a_choice_is_one_of_brazes(self, channel, field):
        for choice in CHOICES[channel, field]:
            assert field not in mistakes(channel, {**SMALLEST[channel], field: choice})
        reason = mistakes(channel, {**SMALLEST[channel], field: "OTHER"})[field]
        assert reason.startswith("must be one of ")
        assert all(f"`{choice}`" in reason for choice in CHOICES[channel, field])

    @pytest.mark.parametrize(
        ("channel", "field"),
        [
            (channel, field)
            for channel, message in LARGEST.items()
            for field, value in message.items()
            if isinstance(value, bool)
        ],
    )
    def test_a_boolean_in_text_is_refused(self, channel, field):
        found = mistakes(channel, {**LARGEST[channel], field: "false"})
        assert found[field] == "must be a JSON Boolean, not text"

    @pytest.mark.parametrize(
        ("channel", "field"),
        [
            (channel, field)
            for channel, message in LARGEST.items()
            for field in ("extra", "extras")
            if field in message
        ],
    )
    def test_extras_take_any_json_object_and_nothing_else(self, channel, field):
        assert mistakes(channel, {**LARGEST[channel], field: {"a": [{"b": None}]}}) == {}
        assert mistakes(channel, {**LARGEST[channel], field: "text"}) == {
            field: "must be an object, not text"
        }


class TestMessages:
    def test_there_is_at_least_one(self):
        (problem,) = problems(Messages, {})
        assert problem.reason.startswith("holds no message: give at least one of `android_push`, ")

    def test_there_may_be_several(self):
        assert validate(Messages, SMALLEST).to_body() == SMALLEST

    def test_an_unknown_channel_is_refused_with_the_list_of_channels(self):
        (problem,) = problems(Messages, {"whatsapp": {}})
        assert problem.path == "whatsapp"
        assert problem.reason.startswith("unknown channel; did you mean `whats_app`? (the channels are ")
        assert all(f"`{channel}`" in problem.reason for channel in SMALLEST)

    @pytest.mark.parametrize("channel", ["windows_universal_push", "windows_phone8_push"])
    def test_windows_is_no_channel_any_more(self, channel):
        (problem,) = problems(Messages, {channel: {"push_type": "toast"}})
        assert (problem.path, problem.reason) == (
            channel,
            "unknown channel; Braze no longer sends to Windows",
        )


class TestApplePush:
    def test_the_alert_may_be_an_object_or_a_model(self):
        for alert in ({"body": "b"}, AppleAlert(body="b")):
            assert validate(ApplePush, {"alert": alert}).to_body() == {"alert": {"body": "b"}}

    @pytest.mark.parametrize(
        ("push", "path", "reason"),
        [
            ({"alert": 5}, "alert", "must be an object, not a number"),
            ({"alert": ""}, "alert", "must not be empty"),
            ({"alert": {"boddy": "b", "body": "b"}}, "alert.boddy", "unknown field; did you mean `body`?"),
            ({"alert": {"title": "t"}}, "alert.body", "is required unless `content-available` is true"),
            ({"content-available": False}, "alert", "is required unless `content-available` is true"),
            (
                {"alert": "a", "content_available": True},
                "content_available",
                "unknown field; did you mean `content-available`?",
            ),
            ({"alert": "a", "asset_url": "u"}, "asset_file_type", "is required with `asset_url`"),
            ({"alert": "a", "extra": {"aps": {}}}, "extra.aps", "is reserved and would be rejected"),
            ({"alert": "a", "extra": {"ab": 1}}, "extra.ab", "is reserved and would be rejected"),
            ({"alert": "a", "relevance_score": 1.5}, "relevance_score", "must be at most 1.0"),
            ({"alert": "a", "buttons": [{"action_id": "b"}]}, "category", "is required with `buttons`"),
            (
                {"alert": "a", "category": "ab_cat_more", "buttons": [{}]},
                "buttons[0].action_id",
                "is required",
            ),
            (
                {
                    "alert": "a",
                    "category": "mine",
                    "buttons": [{"action_id": "b", "action": "CLOSE", "uri": "u"}],
                },
                "buttons[0].action",
                "must be `URI` or `DEEP_LINK` in a category that the app defines",
            ),
            (
                {"alert": "a", "category": "mine", "buttons": [{"action_id": "b", "action": "URI"}]},
                "buttons[0].uri",
                "is required in a category that the app defines",
            ),
        ],
    )
    def test_what_braze_refuses_is_refused_by_name(self, push, path, reason):
        assert mistakes("apple_push", push) == {path: reason}

    @pytest.mark.parametrize(
        "push", [{"content-available": True}, {"content-available": True, "alert": {"title": "t"}}]
    )
    def test_a_silent_push_needs_no_text(self, push):
        assert mistakes("apple_push", push) == {}

    def test_buttons_of_brazes_own_categories_need_no_action(self):
        push = {"alert": "a", "category": "ab_cat_yes_no", "buttons": [{"action_id": "ab_pb_yes"}]}
        assert mistakes("apple_push", push) == {}

    def test_an_expiry_may_be_a_datetime(self):
        push = validate(ApplePush, {"alert": "a", "expiry": datetime(2026, 7, 22, tzinfo=timezone.utc)})
        assert push.expiry == "2026-07-22T00:00:00+00:00"

    @pytest.mark.parametrize("buttons", ["OK", [5], {}])
    def test_buttons_of_another_type_are_one_mistake(self, buttons):
        (path,) = mistakes("apple_push", {"alert": "a", "category": "mine", "buttons": buttons})
        assert path.startswith("buttons")

    @pytest.mark.parametrize("category", [["x"], {}, 5])
    def test_a_category_of_another_type_is_one_mistake(self, category):
        push = {"alert": "a", "category": category, "buttons": [{"action_id": "b"}]}
        assert list(mistakes("apple_push", push)) == ["category"]


class TestPushSize:
    APPLE = 1_912 - len('{"alert":""}')
    ANDROID = 4_000 - len('["",{"a":1}]')

    def test_an_apple_push_takes_1912_bytes(self):
        assert mistakes("apple_push", {"alert": "x" * self.APPLE}) == {}
        assert mistakes("apple_push", {"alert": "x" * (self.APPLE + 1)}) == {
            "": "is 1,913 bytes of JSON; a device gets 1,912 at most"
        }

    def test_what_does_not_travel_to_the_device_takes_no_room(self):
        push = {
            "alert": "x" * self.APPLE,
            "message_variation_id": "v" * 100,
            "collapse_id": "c",
            "apns_priority": 5,
        }
        assert mistakes("apple_push", push) == {}

    def test_an_android_push_takes_4000_bytes_of_text_and_extras(self):
        push = {"alert": "x" * self.ANDROID, "title": "t", "extra": {"a": 1}, "summary_text": "s" * 1000}
        assert mistakes("android_push", push) == {}
        assert mistakes("android_push", {**push, "alert": "x" * (self.ANDROID + 1)}) == {
            "": "holds 4,001 bytes in `alert` and `extra`; a device gets 4,000 at most"
        }

    @pytest.mark.parametrize("liquid", ["{{${first_name}}}", "{% if true %}{% endif %}"])
    def test_text_with_liquid_is_not_measured(self, liquid):
        assert mistakes("apple_push", {"alert": liquid + "x" * 5_000}) == {}
        assert (
            mistakes("android_push", {"alert": "a", "title": "t", "extra": {"a": liquid + "x" * 5_000}}) == {}
        )

    def test_a_push_that_is_no_json_is_not_measured(self):
        assert list(mistakes("apple_push", {"alert": "a", "extra": {"a": object()}})) == ["extra.a"]


class TestAndroidPush:
    def test_a_silent_push_has_no_text(self):
        assert validate(AndroidPush, {"send_to_sync": True, "extra": {"a": 1}})
        assert mistakes("android_push", {"send_to_sync": True, "alert": "a", "title": "t"}) == {
            "alert": "must be left out with `send_to_sync`",
            "title": "must be left out with `send_to_sync`",
        }

    @pytest.mark.parametrize(
        ("field", "value", "reason"),
        [
            ("priority", 3, "must be at most 2"),
            ("priority", -3, "must be at least -2"),
            ("time_to_live", 2_419_201, "must be at most 2,419,200"),
            ("accent_color", "#ff0000", "must be a whole number, not text"),
            ("buttons", [{"text": "a", "action": "CLICK"}], None),
            ("conversation_data", {"shortcut_id": "s"}, None),
        ],
    )
    def test_what_braze_refuses_is_refused_by_name(self, field, value, reason):
        found = mistakes("android_push", {**SMALLEST["android_push"], field: value})
        assert all(path.startswith(field) for path in found)
        assert found if reason is None else found == {field: reason}


class TestWebPush:
    def test_a_button_can_not_be_a_deep_link(self):
        push = {**SMALLEST["web_push"], "buttons": [{"text": "a", "action": "DEEP_LINK"}]}
        assert mistakes("web_push", push) == {
            "buttons[0].action": "must be one of `OPEN_APP`, `URI` or `CLOSE`",
        }

    def test_it_is_a_model_too(self):
        assert WebPush(alert="a", title="t").to_body() == {"alert": "a", "title": "t"}


class TestEmail:
    def test_a_template_takes_the_place_of_the_body(self):
        email = {"app_id": "a", "from": "Shop <shop@example.com>", "email_template_id": "t"}
        assert validate(Email, email).to_body() == email

    @pytest.mark.parametrize("sender", ["shop@example.com", "Shop", "Shop <shop>", "Shop shop@example.com>"])
    def test_the_sender_has_a_name_and_an_address(self, sender):
        assert mistakes("email", {**SMALLEST["email"], "from": sender}) == {
            "from": "must be of the form Display Name <address@example.com>"
        }

    def test_a_mistake_in_an_attachment_is_named(self):
        email = {**SMALLEST["email"], "attachments": [{"file_name": "f", "url": "https://example.com/f.exe"}]}
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
            ('{"a": 1}', '{"a": 1}'),
            ("", ""),
        ],
    )
    def test_its_body_goes_out_as_text_whatever_json_it_is(self, body, text):
        assert validate(Webhook, {**SMALLEST["webhook"], "body": body}).to_body()["body"] == text

    def test_a_body_that_is_no_json_is_refused(self):
        webhook = {**SMALLEST["webhook"], "body": {"a": {1, 2}}}
        assert mistakes("webhook", webhook) == {"body": "must be text, or hold nothing but JSON"}


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

    @pytest.mark.parametrize("ends", [{}, {"time_to_live": 60, "expire_at": "2026-07-22"}])
    def test_it_ends_in_exactly_one_way(self, ends):
        card = {"type": "BANNER", "image_url": "u", **ends}
        assert mistakes("content_card", card) == {"": "needs exactly one of `time_to_live` and `expire_at`"}

    @pytest.mark.parametrize(
        ("seconds", "fits"), [(0, False), (1, True), (2_592_000, True), (2_592_001, False)]
    )
    def test_it_lives_for_30_days_at_most(self, seconds, fits):
        card = {"type": "BANNER", "image_url": "u", "time_to_live": seconds}
        assert (problems(ContentCard, card) == []) is fits


class TestSms:
    def test_clicks_are_tracked_on_short_links_only(self):
        sms = {**SMALLEST["sms"], "user_click_tracking_enabled": True}
        assert mistakes("sms", sms) == {"user_click_tracking_enabled": "needs `link_shortening_enabled`"}
        assert validate(Sms, {**sms, "link_shortening_enabled": True})


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
]


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
        ],
    )
    def test_what_braze_refuses_is_refused_by_name(self, message_type, message, path, reason):
        assert mistakes("whats_app", whats_app(message_type, message)) == {path: reason}

    @pytest.mark.parametrize("message_type", ["text_message", None, 5, []])
    def test_with_an_unknown_type_only_the_type_is_blamed(self, message_type):
        assert list(mistakes("whats_app", whats_app(message_type, {"anything": 1}))) == ["message_type"]

    def test_the_message_may_be_a_model(self):
        given = whats_app("text_response_message", TextResponse(body="b"))
        assert validate(WhatsApp, given).to_body()["message"] == {"body": "b"}

    def test_a_model_of_another_type_is_refused(self):
        assert list(mistakes("whats_app", whats_app("template_message", TextResponse(body="b")))) == [
            "message"
        ]
