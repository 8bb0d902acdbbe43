"""The push channels: what each requires, takes and refuses, and how large a push may be."""

from __future__ import annotations

from datetime import date, datetime, timezone

import pytest
from api.channel_helpers import SMALLEST, mistakes

from braze_provider.api.channels.android_push import AndroidPush
from braze_provider.api.channels.apple_push import AppleAlert, ApplePush
from braze_provider.api.channels.web_push import WebPush
from braze_provider.api.validation import validate


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

    @pytest.mark.parametrize(
        ("expiry", "text"),
        [
            (datetime(2026, 7, 22, tzinfo=timezone.utc), "2026-07-22T00:00:00+00:00"),
            (datetime.fromisoformat("2026-07-22T09:00:00"), "2026-07-22T09:00:00+00:00"),
            (date(2026, 7, 22), "2026-07-22"),
        ],
    )
    def test_an_expiry_may_be_a_python_date_and_is_utc_without_a_zone(self, expiry, text):
        assert validate(ApplePush, {"alert": "a", "expiry": expiry}).expiry == text

    @pytest.mark.parametrize("buttons", ["OK", [5], {}])
    def test_buttons_of_another_type_are_one_mistake(self, buttons):
        (path,) = mistakes("apple_push", {"alert": "a", "category": "mine", "buttons": buttons})
        assert path.startswith("buttons")

    @pytest.mark.parametrize("category", [["x"], {}, 5])
    def test_a_category_of_another_type_is_one_mistake(self, category):
        push = {"alert": "a", "category": category, "buttons": [{"action_id": "b"}]}
        assert list(mistakes("apple_push", push)) == ["category"]


@pytest.mark.parametrize("channel", ["android_push", "kindle_push"])
@pytest.mark.parametrize("priority", [-3, 3])
def test_a_priority_outside_of_minus_2_to_2_is_accepted(channel, priority):
    assert mistakes(channel, {**SMALLEST[channel], "priority": priority}) == {}


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
            ("priority", "high", "must be a whole number, not text"),
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
    def test_its_time_to_live_has_no_documented_maximum(self):
        assert mistakes("web_push", {**SMALLEST["web_push"], "time_to_live": 2_419_201}) == {}

    def test_a_button_can_not_be_a_deep_link(self):
        push = {**SMALLEST["web_push"], "buttons": [{"text": "a", "action": "DEEP_LINK"}]}
        assert mistakes("web_push", push) == {
            "buttons[0].action": "must be one of `OPEN_APP`, `URI` or `CLOSE`",
        }

    def test_it_is_a_model_too(self):
        assert WebPush(alert="a", title="t").to_body() == {"alert": "a", "title": "t"}


class TestPushSize:
    APPLE = 1_912 - len('{"alert":""}')
    ANDROID = 4_000 - len('["",{"a":1}]')

    def test_an_apple_push_takes_1912_bytes(self):
        assert mistakes("apple_push", {"alert": "x" * self.APPLE}) == {}
        assert mistakes("apple_push", {"alert": "x" * (self.APPLE + 1)}) == {
            "": "is 1,913 bytes of JSON; a device gets 1,912 at most"
        }

    def test_fields_that_are_not_sent_to_the_device_do_not_count(self):
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

    def test_a_push_that_is_not_json_is_not_measured(self):
        assert list(mistakes("apple_push", {"alert": "a", "extra": {"a": object()}})) == ["extra.a"]
