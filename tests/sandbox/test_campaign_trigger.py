"""POST /campaigns/trigger/send."""

from __future__ import annotations

import re

import pytest

from braze_provider.sandbox import Campaign

ALIAS = {"alias_name": "ada", "alias_label": "shop"}
BY_EMAIL = {"email": "ada@example.com", "prioritization": ["identified", "most_recently_updated"]}
ATTRIBUTE = {"custom_attribute": {"custom_attribute_name": "city", "comparison": "equals", "value": "Paris"}}
PDF = {"file_name": "terms", "url": "https://example.com/terms.pdf"}


def test_an_accepted_trigger_is_answered_with_201_and_a_dispatch_id(client):
    answer = client.trigger("ada", "bob")

    assert answer.status_code == 201
    assert answer.json()["message"] == "success"
    assert re.fullmatch("[0-9a-f]{32}", answer.json()["dispatch_id"])


def test_each_request_has_a_dispatch_id_of_its_own(client):
    assert client.trigger().json()["dispatch_id"] != client.trigger().json()["dispatch_id"]


@pytest.mark.parametrize(
    "recipient",
    [
        {"external_user_id": "ada"},
        {"user_alias": ALIAS},
        {"braze_id": "5f1e"},
        BY_EMAIL,
        {"external_user_id": "ada", "trigger_properties": {"any": [{"thing": None}]}},
        {"external_user_id": "ada", "send_to_existing_only": True},
        {"external_user_id": "ada", "send_to_existing_only": False, "attributes": {"city": "Paris"}},
        {"user_alias": ALIAS, "send_to_existing_only": True},
    ],
)
def test_a_recipient_that_keeps_the_rules_is_accepted(client, recipient):
    assert client.trigger(recipients=[recipient]).status_code == 201


@pytest.mark.parametrize(
    ("recipient", "message"),
    [
        ({}, "recipients[0] must have exactly one of"),
        ({"external_user_id": "ada", "user_alias": ALIAS}, "recipients[0] must have exactly one of"),
        ({"external_user_id": "ada", "email": "a@b.c"}, "recipients[0] must have exactly one of"),
        ({"external_user_id": ""}, "recipients[0].external_user_id must be a string"),
        ({"external_user_id": 17}, "recipients[0].external_user_id must be a string"),
        ({"external_user_id": "x" * 988}, "recipients[0].external_user_id exceeds 987 bytes"),
        ({"external_user_id": "é" * 494}, "recipients[0].external_user_id exceeds 987 bytes"),
        ({"user_alias": "ada"}, "recipients[0].user_alias must be an object, not a string"),
        ({"user_alias": {"alias_name": "ada"}}, "recipients[0].user_alias.alias_label must be"),
        ({"user_alias": {**ALIAS, "alias_name": "x" * 237}}, "alias_name exceeds 236 bytes"),
        ({"user_alias": {**ALIAS, "more": 1}}, "recipients[0].user_alias may only hold"),
        ({"email": "ada@example.com"}, "recipients[0].prioritization is required with email"),
        ({**BY_EMAIL, "prioritization": []}, "recipients[0].prioritization is required with email"),
        ({**BY_EMAIL, "prioritization": ["newest"]}, "recipients[0].prioritization may only hold"),
        ({**BY_EMAIL, "prioritization": ["identified", "unidentified"]}, "only one of identified"),
        ({"external_user_id": "a", "send_to_existing_only": "false"}, "must be a boolean, not a string"),
        ({"external_user_id": "a", "send_to_existing_only": False}, "cannot be false without attributes"),
        (
            {"external_user_id": "a", "send_to_existing_only": False, "attributes": {}},
            "cannot be false without attributes",
        ),
        (
            {"user_alias": ALIAS, "send_to_existing_only": False, "attributes": {"city": "Paris"}},
            "cannot be false with user_alias",
        ),
        ({"external_user_id": "a", "attributes": ["city"]}, "attributes must be an object, not an array"),
        ({"external_user_id": "a", "trigger_properties": ""}, "trigger_properties must be an object"),
        ({"external_user_id": "a", "context": {}}, "recipients[0].context is not a known field"),
        ("ada", "recipients[0] must be an object, not a string"),
    ],
)
def test_a_recipient_that_breaks_a_rule_is_refused_with_its_place(client, recipient, message):
    answer = client.trigger(recipients=[recipient])

    assert answer.status_code == 400
    assert message in answer.json()["message"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"campaign_id": None}, "campaign_id is required"),
        ({"campaign_id": 17}, "campaign_id must be a string, not a number"),
        ({"recipients": None}, "No Recipients"),
        ({"recipients": []}, "No Recipients"),
        ({"recipients": {"external_user_id": "ada"}}, "recipients must be an array, not an object"),
        (
            {"recipients": [{"external_user_id": str(n)} for n in range(51)]},
            "The max number of ids per request was exceeded",
        ),
        ({"broadcast": True}, "broadcast cannot be true when recipients are given"),
        ({"broadcast": "false"}, "broadcast must be a boolean, not a string"),
        (
            {"broadcast": True, "recipients": None, "attachments": [PDF]},
            "attachments cannot be given when broadcast is true",
        ),
        ({"attachments": [{"file_name": "terms"}]}, "attachments[0].url is required"),
        ({"attachments": PDF}, "attachments must be an array, not an object"),
        ({"trigger_properties": ""}, "trigger_properties must be an object, not a string"),
        ({"trigger_properties": {"x": "x" * 51_200}}, "trigger_properties exceeds 50 KB"),
        ({"send_id": "x" * 65}, "send_id must be ASCII of at most 64 characters"),
        ({"send_id": "größe"}, "send_id must be ASCII"),
        ({"segment_id": "s"}, "segment_id is not a known field"),
        ({"recipient": []}, "recipient is not a known field"),
    ],
)
def test_a_trigger_that_breaks_a_rule_is_refused_with_braze_s_text_where_it_has_one(client, changes, message):
    answer = client.trigger(**changes)

    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert client.sandbox.summary()["accepted"] == 0


def test_one_recipient_s_properties_over_50_kb_are_refused(client):
    answer = client.trigger(
        recipients=[{"external_user_id": "ada", "trigger_properties": {"x": "x" * 51_200}}]
    )

    assert answer.json() == {"message": "recipients[0].trigger_properties exceeds 50 KB"}


def test_a_large_request_of_small_recipients_is_accepted(client):
    properties = {"x": "x" * 40_000}
    recipients = [{"external_user_id": str(n), "trigger_properties": properties} for n in range(50)]

    assert client.trigger(recipients=recipients).status_code == 201


def test_a_broadcast_is_answered_with_a_send_id_as_well(client):
    answer = client.trigger(broadcast=True, recipients=None)

    assert answer.status_code == 201
    assert answer.json()["send_id"]


def test_a_broadcast_keeps_the_send_id_it_came_with(client):
    assert client.trigger(broadcast=True, recipients=None, send_id="spring").json()["send_id"] == "spring"


def test_an_audience_alone_is_accepted_without_broadcast(client):
    assert client.trigger(recipients=None, audience=ATTRIBUTE).status_code == 201


def test_the_documented_example_is_accepted_once_its_typos_are_corrected(client):
    answer = client.trigger(
        send_id="send_identifier",
        trigger_properties={},
        broadcast=False,
        audience={"AND": [ATTRIBUTE, {"OR": [ATTRIBUTE]}]},
        recipients=[
            {
                "external_user_id": "external_user_identifier",
                "trigger_properties": {},
                "send_to_existing_only": True,
                "attributes": {"first_name": "Alex"},
            }
        ],
        attachments=[PDF],
    )

    assert answer.status_code == 201


def test_only_the_workspace_s_campaigns_exist_as_soon_as_one_is_given(start):
    client = start(campaigns=[Campaign(id="spring", name="Spring")])

    assert client.trigger(campaign_id="spring").status_code == 201
    assert client.trigger(campaign_id="nowhere").json() == {"message": "Invalid Campaign ID"}
