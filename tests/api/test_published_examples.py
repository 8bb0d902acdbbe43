"""The example requests of Braze's own pages: refused as printed, accepted after correction."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from braze_provider.api.errors import BrazeValidationError
from braze_provider.api.requests import CampaignTriggerSend, MessagesSend
from braze_provider.api.validation import validate

MESSAGES = {
    "android_push": {"alert": "a", "title": "t", "message_variation_id": "v1"},
    "apple_push": {"alert": "a", "message_variation_id": "v2"},
    "content_card": {
        "type": "CLASSIC",
        "title": "t",
        "description": "d",
        "time_to_live": 60,
        "message_variation_id": "v3",
    },
    "email": {"app_id": "a", "from": "Shop <shop@example.com>", "body": "<p/>", "message_variation_id": "v4"},
    "kindle_push": {"alert": "a", "title": "t", "message_variation_id": "v5"},
    "web_push": {"alert": "a", "title": "t", "message_variation_id": "v6"},
}


def published(name: str) -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "published" / f"{name}.json").read_text())


def corrected_messages_send() -> dict[str, Any]:
    example = published("messages_send")
    return {
        **example,
        "broadcast": False,
        "external_user_ids": [example["external_user_ids"]],
        "user_aliases": [example["user_aliases"]],
        "override_frequency_capping": False,
        "messages": MESSAGES,
    }


def corrected_campaigns_trigger_send() -> dict[str, Any]:
    example = published("campaigns_trigger_send")
    (recipient,) = example["recipients"]
    alias = {name: value for name, value in recipient.items() if name != "external_user_id"}
    return {**example, "trigger_properties": {}, "recipients": [{**alias, "trigger_properties": {}}]}


@pytest.mark.parametrize(
    ("model", "example", "expected"),
    [
        (
            MessagesSend,
            "messages_send",
            {
                "broadcast": "must be a JSON Boolean, not text",
                "external_user_ids": "must be an array, not text",
                "user_aliases": "must be an array, not an object",
                "override_frequency_capping": "must be a JSON Boolean, not text",
                **{f"messages.{channel}": "must be an object, not text" for channel in MESSAGES},
            },
        ),
        (
            CampaignTriggerSend,
            "campaigns_trigger_send",
            {
                "trigger_properties": "must be an object, not text",
                "recipients[0].trigger_properties": "must be an object, not text",
                "recipients[0]": "has 2 identities, `external_user_id` and `user_alias`; give exactly one",
            },
        ),
    ],
)
def test_every_mistake_of_a_published_example_is_in_one_error(model, example, expected):
    with pytest.raises(BrazeValidationError) as caught:
        validate(model, published(example))
    assert {problem.path: problem.reason for problem in caught.value.problems} == expected


@pytest.mark.parametrize(
    ("model", "example"),
    [(MessagesSend, corrected_messages_send()), (CampaignTriggerSend, corrected_campaigns_trigger_send())],
)
def test_a_corrected_example_is_accepted_and_sent_unchanged(model, example):
    request = validate(model, example)
    assert request.to_body() == example
    assert json.loads(request.to_json()) == example
