"""What all message channels have in common, and the object that holds their messages."""

from __future__ import annotations

import warnings

import pytest
from api.channel_helpers import LARGEST, SMALLEST, mistakes

from braze_provider.api.channels.messages import Messages
from braze_provider.api.channels.whats_app import MESSAGE_TYPES
from braze_provider.api.validation import problems, validate

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


class TestEveryChannel:
    @pytest.mark.parametrize("channel", SMALLEST)
    def test_it_takes_what_it_requires_and_nothing_more(self, channel):
        assert validate(Messages, {channel: SMALLEST[channel]}).to_body() == {channel: SMALLEST[channel]}

    @pytest.mark.parametrize("channel", LARGEST)
    def test_it_takes_every_field_and_sends_it_as_it_is(self, channel):
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # pydantic warns if a value has another type than expected
            messages = validate(Messages, {channel: LARGEST[channel]})
            assert messages.to_body() == {channel: LARGEST[channel]}
            assert validate(Messages, messages.to_body()).to_json() == messages.to_json()

    @pytest.mark.parametrize("channel", LARGEST)
    def test_a_field_that_is_null_is_left_out(self, channel):
        message = {**dict.fromkeys(LARGEST[channel]), **SMALLEST[channel]}
        sent = validate(Messages, {**dict.fromkeys(SMALLEST), channel: message})
        assert sent.to_body() == {channel: SMALLEST[channel]}
        assert sent.to_json() == validate(Messages, {channel: SMALLEST[channel]}).to_json()

    @pytest.mark.parametrize(
        ("channel", "part"),
        [
            ("email", {"attachments": [{"file_name": "f", "url": "u", "basic_auth_credential": None}]}),
            ("android_push", {"buttons": [{"text": "a", "uri": None}]}),
            ("apple_push", {"alert": {"body": "b", "title": None}}),
            ("whats_app", {"message": {"body": "b", "preview_url": None}}),
        ],
    )
    def test_a_null_deep_inside_a_message_is_left_out(self, channel, part):
        sent = validate(Messages, {channel: {**SMALLEST[channel], **part}}).to_json()
        assert b"null" not in sent

    @pytest.mark.parametrize(("channel", "field"), [("email", "extras"), ("web_push", "extra")])
    def test_a_null_in_open_json_stays(self, channel, field):
        message = {**SMALLEST[channel], field: {"a": None}}
        assert validate(Messages, {channel: message}).to_body() == {channel: message}

    @pytest.mark.parametrize(
        ("channel", "field"), [(name, field) for name in REQUIRED for field in REQUIRED[name]]
    )
    def test_a_required_field_that_is_null_is_missing(self, channel, field):
        assert mistakes(channel, {**SMALLEST[channel], field: None})[field].startswith("is required")

    @pytest.mark.parametrize("channel", LARGEST)
    def test_the_largest_message_has_every_field(self, channel):
        model = type(getattr(validate(Messages, {channel: LARGEST[channel]}), channel))
        fields = {field.alias or name for name, field in model.model_fields.items()}
        assert fields == set(LARGEST[channel])

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
    def test_a_choice_must_be_one_that_braze_documents(self, channel, field):
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

    def test_there_is_no_message_if_all_channels_are_null(self):
        (problem,) = problems(Messages, dict.fromkeys(SMALLEST))
        assert problem.reason.startswith("holds no message")

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
