"""``/users/track`` changes profiles as Braze documents it."""

from __future__ import annotations

from typing import Any

import pendulum
import pytest

ALIAS = {"alias_name": "a", "alias_label": "crm"}
AT = "2026-10-01T12:00:00Z"


def track(client, *attributes: dict[str, Any]) -> Any:
    return client.post("/users/track", {"attributes": [{"external_id": "ada", **one} for one in attributes]})


@pytest.mark.parametrize(
    ("writes", "value"),
    [
        ([5, None], None),
        ([5, {"inc": 2}, {"inc": -1}], 6),
        ([{"inc": 2}], 2),
        ([["a"], {"add": ["b", "a"]}], ["b", "a"]),
        ([["a", "b"], {"remove": ["a"]}], ["b"]),
        ([{"a": 1}, {"b": 2}], {"b": 2}),
        ([[{"id": 1}], {"$add": [{"id": 2}]}], [{"id": 1}, {"id": 2}]),
        ([[{"id": 1}], {"$remove": [{"$identifier_key": "id", "$identifier_value": 1}]}], []),
        (
            [
                [{"id": 1}],
                {"$update": [{"$identifier_key": "id", "$identifier_value": 1, "$new_object": {"x": 2}}]},
            ],
            [{"x": 2}],
        ),
    ],
)
def test_a_value_sets_or_changes_an_attribute(client, writes, value):
    for one in writes:
        assert track(client, {"value": one}).status_code == 201

    assert client.sandbox.profile("ada")["attributes"].get("value") == value


def test_objects_are_merged_if_the_request_says_so(client):
    track(client, {"home": {"city": "Rome", "flat": {"door": 1}}})
    track(client, {"home": {"flat": {"floor": 2}}, "_merge_objects": True})

    home = client.sandbox.profile("ada")["attributes"]["home"]
    assert home == {"city": "Rome", "flat": {"door": 1, "floor": 2}}


@pytest.mark.parametrize(
    ("identifier", "is_created"),
    [
        ({"external_id": "new"}, True),
        ({"external_id": "new", "_update_existing_only": True}, False),
        ({"user_alias": ALIAS}, False),
        ({"user_alias": ALIAS, "_update_existing_only": False}, True),
    ],
)
def test_an_identifier_creates_a_user_or_not(client, identifier, is_created):
    client.post("/users/track", {"attributes": [{**identifier, "x": 1}]})

    key = "alias:crm:a" if "user_alias" in identifier else "new"
    assert (client.sandbox.profile(key) is not None) is is_created


def test_an_object_with_a_mistake_is_named_and_the_others_are_written(client):
    answer = track(client, {"visits": {"inc": 1.5}}, {"city": "Rome"})

    assert answer.status_code == 201
    (error,) = answer.json()["errors"]
    assert (error["input_array"], error["index"]) == ("attributes", 0)
    assert client.sandbox.profile("ada")["attributes"] == {"city": "Rome"}


def test_the_same_event_twice_is_two_events(client):
    event = {"external_id": "ada", "name": "visit", "time": AT}
    for _ in range(2):
        client.post("/users/track", {"events": [event]})

    assert client.sandbox.profile("ada")["events"] == [event, event]


def test_events_and_purchases_are_counted(client):
    now = pendulum.now("UTC").to_iso8601_string()
    event = {"external_id": "ada", "name": "visit", "time": now}
    purchase = {"external_id": "ada", "product_id": "p", "currency": "EUR", "price": 2.5, "quantity": 2}
    other = {**event, "name": "other"}
    client.post("/users/track", {"events": [event, other], "purchases": [{**purchase, "time": now}]})

    def today(path: str, **params: Any) -> Any:
        return client.get(path, length=2, **params).json()["data"][-1]

    assert today("/events/data_series", event="visit")["count"] == 1
    assert today("/purchases/quantity_series")["purchase_quantity"] == 2
    assert today("/purchases/revenue_series", product="p")["revenue"] == 5
    assert client.get("/events/list").json()["events"] == ["other", "visit"]


def test_a_send_reaches_a_user_that_attributes_have_created(start):
    client = start(unknown_ids=["ada"])
    client.trigger("ada")
    track(client, {"city": "Rome"})
    client.trigger("ada")

    assert len(client.sandbox.recipients("ada")["ada"]) == 1


def test_more_than_75_objects_are_refused(client):
    answer = track(client, *({"x": number} for number in range(76)))

    assert (answer.status_code, answer.json()["message"]) == (400, "Max Input Length Exceeded")
