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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"external_user_ids": None}, "No Recipients"),
        ({"external_user_ids": []}, "No Recipients"),
        ({"external_user_ids": None, "broadcast": True}, "No Recipients"),
        ({"external_user_ids": "ada"}, "external_user_ids must be an array, not a string"),
        ({"external_user_ids": [17]}, "external_user_ids[0] must be a string"),
        ({"user_aliases": ALIAS}, "user_aliases must be an array, not an object"),
        ({"user_aliases": ["ada"]}, "user_aliases[0] must be an object, not a string"),
        (
            {"external_user_ids": [str(n) for n in range(50)], "user_aliases": [ALIAS]},
            "The max number of external_ids and aliases per request was exceeded",
        ),
        ({"broadcast": True}, "broadcast cannot be true when external_user_ids or user_aliases are given"),
        ({"broadcast": "false"}, "broadcast must be a boolean, not a string"),
        (
            {"external_user_ids": None, "segment_id": "segment"},
            "broadcast must be true when neither external_user_ids nor user_aliases are given",
        ),
        ({"override_frequency_capping": "false"}, "override_frequency_capping must be a boolean"),
        ({"recipient_subscription_state": "everybody"}, "must be one of opted_in, subscribed, all"),
        ({"messages": None}, "No message to send"),
        ({"messages": {}}, "No message to send"),
        ({"messages": "Hello"}, "messages must be an object, not a string"),
        ({"messages": {"pigeon": {}}}, "messages.pigeon is not a known channel"),
        ({"messages": {"windows_universal_push": {}}}, "is not a known channel"),
        ({"recipients": []}, "recipients is not a known field"),
        ({"trigger_properties": {}}, "trigger_properties is not a known field"),
    ],
)
def test_a_send_that_breaks_a_rule_is_refused_with_braze_s_text_where_it_has_one(client, changes, message):
    answer = client.send(**changes)

    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert client.sandbox.summary()["accepted"] == 0


def test_a_message_of_a_campaign_must_say_which_variation_it_is(client):
    answer = client.send(campaign_id="campaign")

    assert answer.json() == {"message": "Message Variant Unspecified"}


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
