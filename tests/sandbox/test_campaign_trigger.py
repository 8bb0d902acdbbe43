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
