"""What the package's own models make of a message, the sandbox takes."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal

import pytest
from api.channel_helpers import LARGEST, SMALLEST, WHATS_APP_MESSAGES

from braze_provider.api.channels.messages import Messages
from braze_provider.api.validation import validate

NOW = datetime(2026, 10, 1, 12, 30, 15, 123456, tzinfo=timezone.utc)


def sent_to(client, channel, message):
    body = validate(Messages, {channel: message}).to_body()
    return client.send(messages=body)


@pytest.mark.parametrize("channel", SMALLEST)
def test_it_takes_the_smallest_message_of_each_channel(client, channel):
    assert sent_to(client, channel, SMALLEST[channel]).json()["message"] == "success"


@pytest.mark.parametrize("channel", LARGEST)
def test_it_takes_every_field_of_each_channel(client, channel):
    assert sent_to(client, channel, LARGEST[channel]).json()["message"] == "success"


@pytest.mark.parametrize(("message_type", "message"), WHATS_APP_MESSAGES)
def test_it_takes_every_kind_of_whats_app_message(client, message_type, message):
    whats_app = {**SMALLEST["whats_app"], "message_type": message_type, "message": message}
    assert sent_to(client, "whats_app", whats_app).json()["message"] == "success"


@pytest.mark.parametrize(
    ("channel", "field", "values"),
    [
        ("android_push", "priority", [-3, 3]),
        ("kindle_push", "priority", [-3, 3]),
        ("web_push", "time_to_live", [-1, 2_419_201]),
        ("content_card", "expire_at", [date(2026, 10, 1), NOW, NOW.replace(tzinfo=None)]),
        ("apple_push", "expiry", [date(2026, 10, 1), NOW, NOW.replace(tzinfo=None), "{{${expiry}}}"]),
        ("webhook", "body", [{"at": NOW, "price": Decimal("9.5")}, [None], ""]),
        (
            "email",
            "attachments",
            [[{"file_name": "f", "url": url}] for url in ("http://example.com/v1.2/f", "{{${url}}}")],
        ),
    ],
)
def test_it_takes_every_value_that_the_models_take(client, channel, field, values):
    for value in values:
        answer = sent_to(client, channel, {**SMALLEST[channel], field: value})
        assert answer.json()["message"] == "success", value
