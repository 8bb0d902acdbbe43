"""The sandbox's memory of requests and recipients."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

CAMPAIGN = "417220e4-5a2a-b634-7f7d-9ec891532368"


def test_each_recipient_is_remembered_with_its_messages(client):
    answer = client.trigger(
        recipients=[
            {"external_user_id": "ada", "trigger_properties": {"name": "Ada"}},
            {"external_user_id": "bob", "attributes": {"city": "Paris"}},
        ],
        trigger_properties={"offer": "10 %", "name": "friend"},
        send_id="spring",
    )

    received = client.sandbox.recipients()

    assert list(received) == ["ada", "bob"]
    (ada,) = received["ada"]
    assert ada["dispatch_id"] == answer.json()["dispatch_id"]
    assert ada["endpoint"] == "/campaigns/trigger/send"
    assert (ada["campaign_id"], ada["send_id"]) == (CAMPAIGN, "spring")
    assert ada["trigger_properties"] == {"offer": "10 %", "name": "Ada"}
    (bob,) = received["bob"]
    assert bob["trigger_properties"] == {"offer": "10 %", "name": "friend"}
    assert bob["attributes"] == {"city": "Paris"}


def test_recipients_of_messages_are_remembered_with_the_channels(client):
    client.send("ada")

    assert client.sandbox.recipients()["ada"][0]["channels"] == ["email"]


@pytest.mark.parametrize(
    ("recipient", "key"),
    [
        ({"external_user_id": "ada"}, "ada"),
        ({"user_alias": {"alias_name": "ada", "alias_label": "shop"}}, "alias:shop:ada"),
        ({"email": "ada@example.com", "prioritization": ["identified"]}, "email:ada@example.com"),
        ({"braze_id": "5f1e"}, "braze_id:5f1e"),
    ],
)
def test_each_kind_of_identity_has_a_key(client, recipient, key):
    client.trigger(recipients=[recipient])

    assert list(client.sandbox.recipients()) == [key]


def test_duplicates_within_a_request_become_one_message_of_the_last_entry(client):
    client.trigger(
        recipients=[
            {"external_user_id": "ada", "trigger_properties": {"n": 1}},
            {"external_user_id": "ada", "trigger_properties": {"n": 2}},
        ]
    )

    (delivery,) = client.sandbox.recipients("ada")["ada"]
    assert delivery["trigger_properties"] == {"n": 2}
    assert client.sandbox.summary()["duplicates"] == 0


def test_a_recipient_reached_twice_by_one_campaign_is_a_duplicate(client):
    client.trigger("ada", "bob")
    client.trigger("bob", "cy")
    client.trigger("bob")

    summary = client.sandbox.summary()

    assert (summary["recipients"], summary["messages"]) == (3, 5)
    assert summary["duplicates"] == 1
    assert summary["duplicates_by_content"] == {f"campaign:{CAMPAIGN}": 1}
    assert len(client.sandbox.recipients("bob")["bob"]) == 3


def test_a_recipient_reached_by_two_campaigns_is_not_a_duplicate(client):
    client.trigger("ada", campaign_id="one")
    client.trigger("ada", campaign_id="two")

    assert client.sandbox.summary()["duplicates"] == 0


def test_messages_without_a_campaign_are_the_same_when_their_content_is(client):
    webhook = {"webhook": {"url": "https://example.com", "request_method": "GET"}}
    client.send("ada")
    client.send("ada", messages=webhook)
    assert client.sandbox.summary()["duplicates"] == 0

    client.send("ada")
    assert client.sandbox.summary()["duplicates"] == 1


def test_unknown_users_are_accepted_silently_and_receive_nothing(start):
    client = start(unknown_ids=["ghost"])

    assert client.trigger("ada", "ghost").json()["message"] == "success"
    assert list(client.sandbox.recipients()) == ["ada"]


def test_an_unknown_user_can_be_created_by_a_trigger_and_then_exists(start):
    client = start(unknown_ids=["ghost"])
    new = {"external_user_id": "ghost", "send_to_existing_only": False, "attributes": {"city": "Paris"}}
    client.trigger(recipients=[new])
    client.trigger("ghost", campaign_id="another")

    assert len(client.sandbox.recipients("ghost")["ghost"]) == 2


def test_a_broadcast_is_counted_and_names_no_recipient(client):
    client.trigger(broadcast=True, recipients=None)

    summary = client.sandbox.summary()
    assert (summary["broadcasts"], summary["accepted"], summary["recipients"]) == (1, 1, 0)


def test_requests_are_remembered_in_order_refused_ones_too(client):
    accepted = client.trigger("ada", "bob")
    client.trigger(recipients=[])
    client.get("/campaigns/list")

    requests = client.sandbox.requests()

    assert [request["index"] for request in requests] == [0, 1, 2]
    assert [request["status"] for request in requests] == [201, 400, 200]
    assert [request["accepted"] for request in requests] == [True, False, False]
    assert [request["recipients"] for request in requests] == [2, 0, 0]
    assert requests[0]["dispatch_id"] == accepted.json()["dispatch_id"]
    assert requests[0]["body"]["campaign_id"] == CAMPAIGN


def test_the_summary_counts_requests_by_endpoint_and_status(client):
    client.trigger()
    client.trigger()
    client.trigger(recipients=[])
    client.get("/nowhere")

    summary = client.sandbox.summary()

    assert summary["requests"] == 4
    assert summary["by_endpoint"] == {
        "/campaigns/trigger/send": {"201": 2, "400": 1},
        "/nowhere": {"404": 1},
    }
    assert summary["accepted"] == 2
    assert 1 <= summary["peak_requests_per_second"] <= 4
    assert summary["first_accepted_at"] <= summary["last_accepted_at"]


def test_bodies_can_be_left_unrecorded(start):
    client = start(record_bodies=False)
    client.trigger("ada", trigger_properties={"offer": "10 %"})

    assert client.sandbox.requests()[0]["body"] is None
    assert "trigger_properties" not in client.sandbox.recipients()["ada"][0]


def test_a_reset_forgets_everything(client):
    client.sandbox.fault("status")
    client.trigger()
    client.trigger()

    assert client.post("/_sandbox/reset").json() == {"message": "success"}

    summary = client.sandbox.summary()
    assert (summary["requests"], summary["recipients"], summary["faults"]) == (0, 0, {})
    assert client.sandbox.faults() == []


def test_a_request_that_was_taken_before_a_reset_is_forgotten_with_the_rest(client):
    client.sandbox.fault("slow", delay=1)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.trigger, "ada")
        while not client.sandbox.summary()["messages"]:
            time.sleep(0.02)
        client.sandbox.reset()
        assert answer.result().status_code == 201

    client.trigger("bob")
    assert [(one["index"], one["recipients"]) for one in client.sandbox.requests()] == [(0, 1)]
    assert list(client.sandbox.recipients()) == ["bob"]


def test_a_request_that_a_reset_overtakes_is_there_with_what_it_sends(client):
    head = (
        f"POST /messages/send HTTP/1.1\r\nHost: sandbox\r\nAuthorization: Bearer {client.sandbox.api_key}\r\n"
        "Content-Type: application/json\r\n"
    )
    webhook = {"url": "https://example.com", "request_method": "GET"}
    body = json.dumps({"external_user_ids": ["ada"], "messages": {"webhook": webhook}})
    address = urlsplit(client.sandbox.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body[:20]}".encode())
        while not client.sandbox.summary()["requests"]:
            time.sleep(0.02)
        client.sandbox.reset()
        client.trigger("bob")
        connection.sendall(body[20:].encode())
        assert b"201 Created" in connection.recv(1_000)

    summary = client.sandbox.summary()
    assert (summary["requests"], summary["accepted"], summary["messages"]) == (2, 2, 2)
    assert client.sandbox.received("ada")[0]["request"] == 1


def test_another_process_can_read_the_record_over_http_page_by_page(client):
    client.trigger("ada", "bob", "cy")
    client.trigger("dan")

    page = client.get("/_sandbox/recipients", offset=1, limit=2).json()
    one = client.get("/_sandbox/recipients", id="dan").json()
    nobody = client.get("/_sandbox/recipients", id="eve").json()
    requests = client.get("/_sandbox/requests", offset=1).json()

    assert (page["total"], list(page["recipients"])) == (4, ["bob", "cy"])
    assert len(one["recipients"]["dan"]) == 1
    assert nobody["recipients"] == {"eve": []}
    assert (requests["total"], [request["index"] for request in requests["requests"]]) == (2, [1])
    assert client.get("/_sandbox/summary").json()["messages"] == 4


def test_a_lone_surrogate_is_shown_as_it_came(client):
    """Braze takes half a surrogate pair and JSON can hold it, but UTF-8 can't."""
    assert client.trigger("\ud800", campaign_id="\ud801", send_id="s").status_code == 201
    client.trigger("\ud800", campaign_id="\ud801")

    recipients = client.get("/_sandbox/recipients").json()["recipients"]
    assert list(recipients) == ["\ud800"]
    assert recipients["\ud800"][0]["campaign_id"] == "\ud801"
    bodies = [request["body"] for request in client.get("/_sandbox/requests").json()["requests"]]
    assert [body["campaign_id"] for body in bodies] == ["\ud801", "\ud801"]
    assert client.get("/_sandbox/summary").json()["duplicates_by_content"] == {"campaign:\ud801": 1}


def test_a_body_that_is_almost_json_is_shown_as_text(client):
    client.post("/campaigns/trigger/send", data='{"n": NaN}', headers={"Content-Type": "application/json"})

    assert client.get("/_sandbox/requests").json()["requests"][0]["body"] == '{"n": NaN}'


def test_the_control_endpoints_are_listed(client):
    calls = client.get("/_sandbox").json()["calls"]

    assert {(call["method"], call["path"]) for call in calls} == {
        ("GET", "/_sandbox"),
        ("GET", "/_sandbox/summary"),
        ("GET", "/_sandbox/recipients"),
        ("GET", "/_sandbox/requests"),
        ("GET", "/_sandbox/workspace"),
        ("GET", "/_sandbox/faults"),
        ("POST", "/_sandbox/faults"),
        ("DELETE", "/_sandbox/faults"),
        ("POST", "/_sandbox/reset"),
        ("GET", "/_sandbox/profiles"),
        ("POST", "/_sandbox/profiles"),
        ("GET", "/_sandbox/catalogs"),
        ("GET", "/_sandbox/catalogs/{name}"),
        ("GET", "/_sandbox/catalog-sizes"),
        ("GET", "/_sandbox/jobs"),
        ("GET", "/_sandbox/schedules"),
        ("GET", "/_sandbox/activities"),
        ("POST", "/_sandbox/clock"),
        ("GET", "/_sandbox/inbox"),
        ("GET", "/_sandbox/inbox/{number}"),
        ("GET", "/_sandbox/inbox/{number}/recipients"),
        ("GET", "/_sandbox/inbox/{number}/message"),
        ("GET", "/_sandbox/inbox/{number}/curl"),
        ("GET", "/_sandbox/live"),
        ("GET", "/_sandbox/events"),
        ("GET", "/_sandbox/export"),
        ("GET", "/_sandbox/fault-kinds"),
    }
    assert all(call["does"] for call in calls)
    (recipients,) = (call for call in calls if call["path"] == "/_sandbox/recipients")
    assert recipients["query"] == ["id", "offset", "limit"]


def test_a_control_call_is_not_recorded_as_a_request(client):
    client.get("/_sandbox/summary")
    unknown = client.get("/_sandbox/nowhere")
    assert unknown.status_code == 404
    assert unknown.json() == {"message": "No such control call; GET /_sandbox lists them"}

    assert client.sandbox.summary()["requests"] == 0
