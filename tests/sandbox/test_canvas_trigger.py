"""POST /canvas/trigger/send."""

from __future__ import annotations

import pytest

from braze_provider.sandbox import Canvas

CANVAS = "33a51e60-2f0d-7b42-91c8-d0e4b7a6f518"


def enter(client, **changes):
    body = {"canvas_id": CANVAS, "recipients": [{"external_user_id": "ada"}], **changes}
    return client.post("/canvas/trigger/send", {name: value for name, value in body.items() if value})


def test_an_accepted_trigger_has_a_dispatch_id_and_reaches_its_recipients(client):
    answer = enter(
        client,
        context={"offer": "10 %", "name": "friend"},
        recipients=[{"external_user_id": "ada", "context": {"name": "Ada"}}],
    )

    assert answer.status_code == 201
    assert answer.json() == {"message": "success", "dispatch_id": answer.json()["dispatch_id"]}
    (received,) = client.sandbox.recipients("ada")["ada"]
    assert (received["canvas_id"], received["campaign_id"]) == (CANVAS, None)
    assert received["context"] == {"offer": "10 %", "name": "Ada"}


def test_the_older_name_of_the_context_is_still_read(client):
    enter(
        client,
        canvas_entry_properties={"offer": "10 %"},
        recipients=[{"external_user_id": "ada", "canvas_entry_properties": {"name": "Ada"}}],
    )

    assert client.sandbox.recipients("ada")["ada"][0]["context"] == {"offer": "10 %", "name": "Ada"}


@pytest.mark.parametrize(
    ("state", "notice"),
    [
        (
            {"paused": True},
            "The Canvas is paused. Resume the Canvas to ensure trigger requests will take effect.",
        ),
        (
            {"archived": True},
            "The Canvas is archived. Unarchive the Canvas to ensure trigger requests will take effect.",
        ),
    ],
)
def test_a_paused_or_archived_canvas_reaches_no_recipient(start, state, notice):
    client = start(canvases=[Canvas(id=CANVAS, **state)])

    answer = enter(client)

    assert (answer.status_code, answer.json()["notice"]) == (201, notice)
    assert answer.json()["dispatch_id"]
    assert client.sandbox.recipients() == {}
    assert client.sandbox.summary()["accepted"] == 1


def test_only_the_workspace_s_canvases_exist_as_soon_as_one_is_given(start):
    client = start(canvases=[CANVAS])

    assert enter(client).status_code == 201
    assert enter(client, canvas_id="nowhere").json() == {"message": "Invalid Canvas ID"}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"recipients": None}, "No Recipients"),
        (
            {"recipients": [{"external_user_id": str(n)} for n in range(51)]},
            "The max number of ids per request was exceeded",
        ),
    ],
)
def test_it_is_refused_in_braze_s_words(client, changes, text):
    assert enter(client, **changes).json() == {"message": text}


def test_a_broadcast_counts_as_one_and_has_no_send_id(client):
    answer = enter(client, recipients=None, broadcast=True)

    assert answer.headers["X-RateLimit-Limit"] == "10"
    assert "send_id" not in answer.json()
    assert client.sandbox.summary()["broadcasts"] == 1


def test_a_second_trigger_of_the_same_canvas_is_a_duplicate(client):
    enter(client)
    enter(client)

    assert client.sandbox.summary()["duplicates_by_content"] == {f"canvas:{CANVAS}": 1}
