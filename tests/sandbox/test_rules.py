"""The requests that are refused, and the texts. They are Braze's where it documents them."""

from __future__ import annotations

from typing import Any

import pytest

CAMPAIGN = "417220e4-5a2a-b634-7f7d-9ec891532368"
ALIAS = {"alias_name": "ada", "alias_label": "shop"}
EXISTS = {"custom_attribute_name": "city", "comparison": "exists"}
WEBHOOK = {"url": "https://example.com", "request_method": "POST"}
APPLE = {"alert": "Hi"}
TEMPLATE: dict[str, Any] = {
    "app_id": "app",
    "subscription_group_id": "group",
    "message_type": "template_message",
    "message": {"template_name": "t", "template_language_code": "en"},
}
ANDROID = {"alert": "Hi", "title": "Shop"}


def people(number: int) -> list[dict[str, str]]:
    return [{"external_user_id": str(n)} for n in range(number)]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"recipients": None}, "No Recipients"),
        ({"recipients": []}, "No Recipients"),
        ({"recipients": people(51)}, "The max number of ids per request was exceeded"),
    ],
)
def test_a_trigger_is_refused_in_braze_s_words(client, changes, text):
    answer = client.trigger(**changes)

    assert (answer.status_code, answer.json()) == (400, {"message": text})
    assert client.sandbox.summary()["accepted"] == 0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"external_user_ids": None}, "No Recipients"),
        ({"external_user_ids": []}, "No Recipients"),
        ({"external_user_ids": None, "broadcast": True}, "No Recipients"),
        (
            {"external_user_ids": [str(n) for n in range(50)], "user_aliases": [ALIAS]},
            "The max number of external_ids and aliases per request was exceeded",
        ),
        ({"messages": None}, "No message to send"),
        ({"messages": {}}, "No message to send"),
        ({"messages": {"email": None}}, "No message to send"),
        ({"campaign_id": "c"}, "Message Variant Unspecified"),
        ({"messages": {"apple_push": {**APPLE, "extra": "none"}}}, "Invalid Extra Push Payload"),
        ({"messages": {"android_push": {**ANDROID, "extra": []}}}, "Invalid Extra Push Payload"),
        ({"messages": {"apple_push": {"alert": "x" * 1_912}}}, "Apple Push Length Exceeded"),
        ({"messages": {"android_push": {**ANDROID, "alert": "x" * 4_000}}}, "Android Push Length Exceeded"),
    ],
)
def test_a_send_is_refused_in_braze_s_words(client, changes, text):
    answer = client.send(**changes)

    assert (answer.status_code, answer.json()) == (400, {"message": text})
    assert client.sandbox.summary()["accepted"] == 0


def test_braze_s_words_come_before_all_others(client):
    answer = client.trigger(recipients=[], send_id="größe", broadcast="false")

    assert answer.json() == {"message": "No Recipients"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"campaign_id": None}, "campaign_id: is required"),
        ({"broadcast": "false"}, "broadcast: must be a JSON Boolean, not text"),
        ({"broadcast": True}, "recipients: is not allowed with `broadcast: true`"),
        ({"recipients": "ada"}, "recipients: must be an array, not text"),
        ({"recipients": [{"email": "ada@example.com"}]}, "recipients[0].prioritization: is required"),
        ({"recipients": [{"external_user_id": None}]}, "recipients[0]: names no recipient"),
        ({"recipients": [{"external_user_id": "a", "attributes": ["city"]}]}, "must be an object"),
        ({"audience": {"AND": []}}, "audience.AND: must not be empty"),
        ({"recipients": [{"external_user_id": ""}]}, "recipients[0].external_user_id: must not be empty"),
        ({"trigger_properties": {"x": "x" * 51_200}}, "trigger_properties: must be at most 51,200 bytes"),
    ],
)
def test_a_mistake_without_a_text_of_brazes_is_named_by_its_place(client, changes, message):
    answer = client.trigger(**changes)

    assert answer.status_code == 400
    assert answer.json()["message"].startswith(message) or message in answer.json()["message"]


def test_a_webhook_s_body_is_text_and_nothing_that_could_be_made_text(client):
    answer = client.send(messages={"webhook": {**WEBHOOK, "body": {"a": 1}}})

    assert answer.json() == {"message": "messages.webhook.body: must be text, not an object"}


@pytest.mark.parametrize(
    "changes",
    [
        {"send_id": None, "audience": None, "broadcast": False},
        {"recipients": [{"external_user_id": 17}]},
        {"recipients": [{"external_user_id": None, "user_alias": ALIAS, "attributes": None}]},
        {"recipients": [{"external_user_id": "a", "attributes": {"dob": "May", "gender": "X"}}]},
        {"audience": {"custom_attribute": {**EXISTS, "comparison": "does_not_equal", "value": True}}},
        {"trigger_properties": {"emoji": "\ud83d"}},
    ],
)
def test_a_trigger_that_braze_is_not_known_to_refuse_is_accepted(client, changes):
    body = {"campaign_id": CAMPAIGN, "recipients": people(1), **changes}
    assert client.post("/campaigns/trigger/send", body).json()["message"] == "success"


@pytest.mark.parametrize(
    "changes",
    [
        {"campaign_id": None, "segment_id": None},
        {"external_user_ids": [17]},
        {"external_user_ids": [], "user_aliases": [], "segment_id": "s", "broadcast": True},
        {"messages": {"email": None, "webhook": {**WEBHOOK, "message_variation_id": None, "body": None}}},
        {"messages": {"web_push": {"alert": "", "title": ""}}},
        {
            "messages": {
                "whats_app": {**TEMPLATE, "message": {**TEMPLATE["message"], "body_variables": {"0": 1}}}
            }
        },
    ],
)
def test_a_send_that_braze_is_not_known_to_refuse_is_accepted(client, changes):
    body = {"external_user_ids": ["ada"], "messages": {"webhook": WEBHOOK}, **changes}
    assert client.post("/messages/send", body).json()["message"] == "success"


GOOD = {"external_user_id": "good", "trigger_properties": {"a": 1}}


@pytest.mark.parametrize(
    ("recipient", "message"),
    [
        ({**GOOD, "external_user_id": ""}, "external_user_id: must not be empty"),
        ({**GOOD, "external_user_id": "é" * 494}, "external_user_id: must be at most 987 bytes"),
        ({**GOOD, "trigger_properties": "a"}, "trigger_properties: must be an object"),
        ({**GOOD, "trigger_properties": {"x": "x" * 51_200}}, "trigger_properties: must be at most"),
        ({**GOOD, "send_to_existing_only": False}, "attributes: must hold something"),
        ({**GOOD, "send_to_existing_only": False, "attributes": {}}, "attributes: must hold something"),
        ({**GOOD, "user_alias": ALIAS}, ": has 2 identities"),
        ({"trigger_properties": {"a": 1}}, ": names no recipient"),
        ("good", ": must be an object"),
    ],
)
def test_each_recipient_is_checked_even_if_the_others_are_alike(client, recipient, message):
    answer = client.trigger(recipients=[GOOD, GOOD, recipient, GOOD])

    assert answer.status_code == 400
    assert answer.json()["message"].startswith("recipients[2]")
    assert message in answer.json()["message"]


def test_all_recipients_of_the_same_shape_are_reached(client):
    recipients = [{**GOOD, "external_user_id": str(n), "new": n} for n in range(50)]

    assert client.trigger(recipients=recipients[:50]).status_code == 201
    assert client.sandbox.summary()["messages"] == 50


def test_an_id_that_is_a_number_comes_back_as_text(client):
    client.trigger(recipients=[{"external_user_id": 17}])
    client.send(external_user_ids=[17])

    received = client.sandbox.recipients()
    assert list(received) == ["17"]
    assert len(received["17"]) == 2


UNKNOWN: list[tuple[dict[str, Any], list[str]]] = [
    ({"new": 1}, ["new"]),
    ({"segment_id": "s"}, ["segment_id"]),
    ({"audience": {"custom_attribute": {**EXISTS, "new": 1}}}, ["audience.custom_attribute.new"]),
    ({"recipients": [{**one, "new": 1} for one in people(3)]}, ["recipients[].new"]),
    ({"recipients": [{"external_user_id": "a", "attributes": {"custom": 1}}]}, []),
]


@pytest.mark.parametrize(("changes", "names"), UNKNOWN)
def test_unknown_fields_are_accepted_and_shown(client, changes, names):
    assert client.trigger(**changes).json()["message"] == "success"

    (request,) = client.sandbox.requests()
    assert request["unknown_fields"] == names
    assert request["body"].items() >= changes.items()
    assert client.sandbox.summary()["unknown_fields"] == dict.fromkeys(names, 1)


def test_a_channel_that_is_new_at_braze_is_a_message(client):
    assert client.send(messages={"rcs": {"body": "Hello"}}).json()["message"] == "success"
    assert client.sandbox.recipients("ada")["ada"][0]["channels"] == ["rcs"]
