"""Connected audiences."""

from __future__ import annotations

from typing import Any

import pytest


def attribute(comparison: str, *value: Any) -> dict[str, Any]:
    condition = {"custom_attribute_name": "eye_color", "comparison": comparison}
    return {"custom_attribute": {**condition, "value": value[0]} if value else condition}


EMAIL = {"email_subscription_status": {"comparison": "is_not", "value": "subscribed"}}
PUSH = {"push_subscription_status": {"comparison": "is", "value": "opted_in"}}
APP = {"last_used_app": {"comparison": "after", "value": "2019-07-22T13:17:55+0000"}}


@pytest.mark.parametrize(
    "audience",
    [
        EMAIL,
        PUSH,
        APP,
        attribute("equals", "blue"),
        attribute("not_equal", True),
        attribute("does_not_equal", True),
        attribute("exists"),
        attribute("does_not_exist"),
        attribute("matches_regex", "^b"),
        attribute("is_any_of", ["blue", "green"]),
        attribute("is_none_of", "blue"),
        attribute("includes_value", ["pizza", 1]),
        attribute("greater_than_or_equal_to", 1.5),
        attribute("less_than_x_days_ago", 2),
        attribute("before", "2026-01-01"),
        {"AND": [attribute("equals", "blue"), {"OR": [attribute("exists"), PUSH]}, EMAIL, APP]},
    ],
)
def test_an_audience_braze_documents_is_accepted(client, audience):
    assert client.trigger(broadcast=True, recipients=None, audience=audience).status_code == 201


@pytest.mark.parametrize(
    ("audience", "message"),
    [
        ({}, "audience must hold exactly one of AND, OR, custom_attribute"),
        ({**EMAIL, **PUSH}, "audience must hold exactly one of"),
        ("everybody", "audience must be an object, not a string"),
        ({"NOT": [EMAIL]}, "audience.NOT is not a known filter"),
        ({"and": [EMAIL]}, "audience.and is not a known filter"),
        ({"AND": []}, "audience.AND must have at least 1 item"),
        ({"AND": EMAIL}, "audience.AND must be an array, not an object"),
        ({"AND": [EMAIL, {"OR": [{}]}]}, "audience.AND[1].OR[0] must hold exactly one of"),
        ({"OR": ["everybody"]}, "audience.OR[0] must be an object, not a string"),
        (attribute("equals"), "audience.custom_attribute.value is required with equals"),
        (attribute("equals", None), "audience.custom_attribute.value must not be null"),
        (attribute("exists", True), "audience.custom_attribute.value must be absent with exists"),
        (attribute("like", "b"), "audience.custom_attribute.comparison must be one of equals"),
        (attribute("matches_regex", 1), "value must be a string, not a number"),
        (attribute("is_any_of", []), "value must have at least 1 item"),
        (attribute("greater_than", "1"), "value must be a number, not a string"),
        (attribute("after", "yesterday"), "value must be an ISO 8601 datetime"),
        ({"custom_attribute": {"comparison": "exists"}}, "custom_attribute_name is required"),
        ({"push_subscription_status": {"comparison": "is"}}, "push_subscription_status.value is required"),
        (
            {"email_subscription_status": {"comparison": "equals", "value": "subscribed"}},
            "comparison must be one of is, is_not",
        ),
        (
            {"push_subscription_status": {"comparison": "is", "value": "abonné"}},
            "value must be one of opted_in, subscribed, unsubscribed",
        ),
        (
            {"last_used_app": {"comparison": "after", "value": "2019-07-22T13:17:55-5:00"}},
            "audience.last_used_app.value must be an ISO 8601 datetime",
        ),
    ],
)
def test_any_other_audience_is_refused_with_the_path_of_the_mistake(client, audience, message):
    answer = client.trigger(broadcast=True, recipients=None, audience=audience)

    assert answer.status_code == 400
    assert message in answer.json()["message"]
