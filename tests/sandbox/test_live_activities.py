"""POST /messages/live_activity/start and /update."""

from __future__ import annotations

import pytest

from braze_provider.sandbox import Sandbox

STATE = {"score": "0:0"}
ACTIVITY = {"app_id": "app", "activity_id": "a", "content_state": STATE}
START = {
    **ACTIVITY,
    "activity_attributes_type": "Match",
    "activity_attributes": {},
    "notification": {"alert": {"title": "t", "body": "b"}},
    "external_user_ids": ["ada"],
}


def start(client, **changes):
    return client.post("/messages/live_activity/start", {**START, **changes})


def update(client, **changes):
    return client.post("/messages/live_activity/update", {**ACTIVITY, **changes})


def test_the_answers_have_no_ids(client):
    assert [(answer.status_code, answer.json()) for answer in (start(client), update(client))] == [
        (201, {"message": "success"})
    ] * 2


def test_a_second_start_reaches_its_recipients_again(client):
    start(client)
    start(client)

    assert client.sandbox.summary()["duplicates"] == 1
    assert client.sandbox.recipients("ada")["ada"][0]["content_state"] == STATE


def test_an_activity_that_has_ended_does_not_change_any_more(client):
    start(client)
    update(client, content_state={"score": "1:0"}, end_activity=True)
    update(client, content_state={"score": "2:0"})

    (activity,) = client.sandbox.activities()
    assert (activity["content_state"], activity["ended"]) == ({"score": "1:0"}, True)


def test_an_activity_that_the_app_has_registered_is_changed_too(client):
    update(client)
    assert client.sandbox.activities()[0]["users"] == []


def test_only_users_who_exist_have_it():
    with Sandbox(unknown_ids=["ghost"]) as sandbox:
        from sandbox.conftest import Client

        start(Client(sandbox), external_user_ids=["ada", "ghost"])
        assert sandbox.activities()[0]["users"] == ["ada"]


@pytest.mark.parametrize(
    "changes", [{"external_user_ids": None}, {"segment_id": "s"}, {"app_id": None}, {"notification": {}}]
)
def test_a_start_that_braze_refuses_changes_nothing(client, changes):
    assert start(client, **changes).status_code == 400
    assert client.sandbox.activities() == []


def test_a_reset_forgets_activities(client):
    start(client)
    client.sandbox.reset()
    assert client.sandbox.activities() == []
