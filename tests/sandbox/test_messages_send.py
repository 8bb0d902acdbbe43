"""POST /messages/send."""

from __future__ import annotations

import pytest

from braze_provider.sandbox import Campaign

ALIAS = {"alias_name": "ada", "alias_label": "shop"}
ATTRIBUTE = {"custom_attribute": {"custom_attribute_name": "city", "comparison": "equals", "value": "Paris"}}
SMS = {"subscription_group_id": "group", "app_id": "app", "body": "Hello"}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"broadcast": False},
        {"external_user_ids": None, "user_aliases": [ALIAS]},
        {"user_aliases": [ALIAS]},
        {"segment_id": "segment"},
        {"audience": ATTRIBUTE},
        {"external_user_ids": None, "segment_id": "segment", "broadcast": True},
        {"external_user_ids": None, "audience": ATTRIBUTE, "broadcast": True},
        {"send_id": "spring", "override_frequency_capping": True},
        {"recipient_subscription_state": "opted_in"},
        {"recipient_subscription_state": "subscribed"},
        {"recipient_subscription_state": "all"},
    ],
)
def test_a_send_that_keeps_the_rules_is_accepted(client, changes):
    answer = client.send(**changes)

    assert answer.status_code == 201
    assert answer.json()["message"] == "success"
    assert "send_id" not in answer.json()


@pytest.fixture
def campaign_client(start):
    return start(campaigns=[Campaign(id="api", name="API campaign", variations={"sms-1": "sms"})])


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ({"sms": {**SMS, "message_variation_id": "sms-1"}}, "success"),
        ({"sms": {**SMS, "message_variation_id": "sms-2"}}, "Invalid Message Variant"),
        (
            {"webhook": {"url": "u", "request_method": "GET", "message_variation_id": "sms-1"}},
            "Mismatched Message Type",
        ),
        ({"rcs": {"message_variation_id": "sms-1"}}, "Mismatched Message Type"),
        ({"rcs": "Hello"}, "Invalid Message Variant"),
    ],
)
def test_a_variation_must_be_one_of_the_campaign_s_for_that_channel(campaign_client, messages, message):
    assert campaign_client.send(campaign_id="api", messages=messages).json()["message"] == message


def test_a_broadcast_of_a_campaign_is_answered_with_a_send_id(client):
    answer = client.send(
        external_user_ids=None,
        segment_id="segment",
        broadcast=True,
        campaign_id="campaign",
        messages={"sms": {**SMS, "message_variation_id": "v"}},
    )

    assert answer.status_code == 201
    assert answer.json()["send_id"]
