"""Faults: one kind for each way in which a real send goes wrong."""

from __future__ import annotations

import time

import pytest
import requests

SEND = "/messages/send"
TRIGGER = "/campaigns/trigger/send"


def reached(client):
    return list(client.sandbox.recipients())


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        ({"kind": "status"}, 500, {"message": "Internal Server Error"}),
        ({"kind": "status", "status": 503}, 503, {"message": "Service Unavailable"}),
        ({"kind": "status", "status": 401}, 401, {"message": "Unauthorized"}),
        ({"kind": "status", "status": 403, "message": "Forbidden"}, 403, {"message": "Forbidden"}),
        ({"kind": "status", "status": 400, "body": {"error": "Oh\nno"}}, 400, {"error": "Oh\nno"}),
        ({"kind": "rate_limited"}, 429, {"message": "Rate Limited"}),
    ],
)
def test_a_refusal_has_its_status_and_text_and_reaches_no_recipient(client, fault, status, body):
    client.sandbox.fault(**fault)

    answer = client.trigger()

    assert (answer.status_code, answer.json()) == (status, body)
    assert reached(client) == []


@pytest.mark.parametrize("status", [502, 504])
def test_the_edge_answers_in_html(client, status):
    client.sandbox.fault("html", status=status)

    answer = client.trigger()

    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith("<!DOCTYPE html>")
    assert "X-RateLimit-Limit" not in answer.headers
    assert reached(client) == []


@pytest.mark.parametrize("status", [500, 201])
def test_an_empty_answer_has_a_status_and_no_body(client, status):
    client.sandbox.fault("empty", status=status)

    answer = client.trigger()

    assert (answer.status_code, answer.content) == (status, b"")


def test_garbage_looks_like_an_answer_and_cannot_be_read(client):
    client.sandbox.fault("garbage")

    answer = client.trigger("ada")

    assert answer.status_code == 200
    with pytest.raises(ValueError, match=r".*"):
        answer.json()
    assert reached(client) == ["ada"]


def test_a_notice_is_a_success_that_reaches_no_recipient(client):
    client.sandbox.fault("notice")

    answer = client.trigger()

    assert answer.status_code == 201
    assert answer.json()["message"] == "success"
    assert answer.json()["dispatch_id"]
    assert answer.json()["notice"].startswith("The Canvas is paused.")
    assert reached(client) == []
    assert client.sandbox.summary()["accepted"] == 1


def test_minor_errors_come_with_a_success(client):
    client.sandbox.fault("minor_errors", errors=["country is invalid"])

    answer = client.trigger("ada")

    assert answer.status_code == 201
    assert answer.json()["errors"] == ["country is invalid"]
    assert reached(client) == ["ada"]


def test_a_recipient_named_by_a_minor_error_receives_nothing(client):
    error = {"type": "invalid", "input_array": "recipients", "index": 1}
    client.sandbox.fault("minor_errors", errors=[error])

    assert client.trigger("ada", "bob", "cy").json()["errors"] == [error]
    assert reached(client) == ["ada", "cy"]


def test_a_queued_request_is_taken_without_a_dispatch_id(client):
    client.sandbox.fault("queued")

    answer = client.trigger("ada")

    assert (answer.status_code, answer.json()) == (202, {"message": "queued"})
    assert reached(client) == ["ada"]


def test_a_success_may_lack_its_dispatch_id(client):
    client.sandbox.fault("no_dispatch_id")

    assert client.trigger("ada").json() == {"message": "success"}
    assert reached(client) == ["ada"]


def test_a_slow_answer_is_a_good_one(client):
    client.sandbox.fault("slow", delay=0.2)
    began = time.monotonic()

    assert client.trigger().status_code == 201
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize("reset_after", [0, 7])
def test_a_429_tells_when_to_come_back(client, reset_after):
    client.sandbox.fault("rate_limited", reset_after=reset_after)

    answer = client.trigger()

    assert answer.headers["X-RateLimit-Remaining"] == "0"
    assert int(answer.headers["X-RateLimit-Reset"]) == pytest.approx(time.time() + reset_after, abs=2)


def test_a_429_may_tell_the_seconds_to_wait_instead(client):
    client.sandbox.fault("rate_limited", retry_after=4)

    answer = client.trigger()

    assert answer.headers["X-RateLimit-Retry-After"] == "4"
    assert "X-RateLimit-Reset" not in answer.headers


PROCESSED_OR_NOT = pytest.mark.parametrize("processed", [True, False])


@PROCESSED_OR_NOT
@pytest.mark.parametrize("reset", [True, False], ids=["reset", "orderly"])
def test_a_disconnect_leaves_no_answer_whether_or_not_braze_took_the_request(client, processed, reset):
    client.sandbox.fault("disconnect", processed=processed, reset=reset)

    with pytest.raises(requests.ConnectionError):
        client.trigger("ada")

    assert reached(client) == (["ada"] if processed else [])
    (request,) = client.sandbox.requests()
    assert (request["status"], request["accepted"], request["fault"]) == (None, processed, "disconnect")


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "orderly"])
def test_a_connection_cut_before_the_body_was_read_reaches_no_recipient(client, reset):
    client.sandbox.fault("disconnect_before_read", reset=reset)
    large = {"filler": "x" * 3_000_000}

    with pytest.raises(requests.ConnectionError):
        client.trigger("ada", trigger_properties=large)

    assert reached(client) == []


@PROCESSED_OR_NOT
@pytest.mark.parametrize("reset", [True, False], ids=["reset", "orderly"])
def test_an_answer_may_be_cut_in_the_middle(client, processed, reset):
    client.sandbox.fault("cut_answer", processed=processed, reset=reset)

    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        client.trigger("ada")

    assert reached(client) == (["ada"] if processed else [])


@PROCESSED_OR_NOT
def test_a_read_timeout_outlasts_the_client_whether_or_not_braze_took_the_request(client, processed):
    client.sandbox.fault("read_timeout", processed=processed)

    with pytest.raises(requests.ReadTimeout):
        client.post(TRIGGER, {"campaign_id": "c", "recipients": [{"external_user_id": "ada"}]}, timeout=0.2)

    assert reached(client) == (["ada"] if processed else [])


@pytest.mark.parametrize("kind", ["status", "html", "empty"])
def test_a_failing_request_may_have_been_processed_all_the_same(client, kind):
    client.sandbox.fault(kind, status=504, processed=True)

    assert client.trigger("ada").status_code == 504
    assert reached(client) == ["ada"]


def test_a_request_that_breaks_a_rule_is_refused_and_not_queued(client):
    client.sandbox.fault("queued")

    assert client.trigger(recipients=[]).json() == {"message": "No Recipients"}


def test_a_client_that_hangs_up_while_writing_reaches_no_recipient(client):
    def half_a_body():
        yield b'{"campaign_id": "c", '
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        client.post(TRIGGER, data=half_a_body(), headers={"Content-Type": "application/json"})
    client.session.close()

    deadline = time.monotonic() + 5
    while "no answer" not in client.sandbox.summary()["by_endpoint"].get(TRIGGER, {}):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert reached(client) == []


def test_a_fault_strikes_once_unless_told_otherwise(client):
    client.sandbox.fault("status")

    assert [client.trigger().status_code for _ in range(3)] == [500, 201, 201]


def test_a_fault_can_let_some_pass_and_then_strike_some(client):
    client.sandbox.fault("status", after=2, times=2)

    assert [client.trigger().status_code for _ in range(5)] == [201, 201, 500, 500, 201]


def test_a_fault_can_last_until_it_is_cleared(client):
    client.sandbox.fault("status", times=None)

    assert {client.trigger().status_code for _ in range(5)} == {500}
    client.sandbox.clear_faults()
    assert client.trigger().status_code == 201


def test_a_fault_can_be_kept_to_an_endpoint(client):
    client.sandbox.fault("status", endpoint=SEND)

    assert client.trigger().status_code == 201
    assert client.send().status_code == 500


@pytest.mark.parametrize(
    ("recipient", "key"),
    [
        ({"external_user_id": "bob"}, "bob"),
        ({"user_alias": {"alias_name": "bob", "alias_label": "shop"}}, "alias:shop:bob"),
        ({"email": "bob@example.com", "prioritization": ["identified"]}, "email:bob@example.com"),
    ],
)
def test_a_fault_can_strike_only_requests_that_name_a_recipient(client, recipient, key):
    client.sandbox.fault("status", recipient_id=key)

    assert client.trigger("ada").status_code == 201
    assert client.trigger(recipients=[{"external_user_id": "ada"}, recipient]).status_code == 500


def test_a_fault_for_a_recipient_strikes_messages_too(client):
    alias = {"alias_name": "bob", "alias_label": "shop"}
    client.sandbox.fault("status", recipient_id="bob")
    client.sandbox.fault("status", recipient_id="alias:shop:bob")

    assert client.send("ada").status_code == 201
    assert client.send("ada", "bob").status_code == 500
    assert client.send(user_aliases=[alias]).status_code == 500


def test_faults_strike_in_their_order(client):
    client.sandbox.fault("status", status=500)
    client.sandbox.fault("status", status=503)

    assert [client.trigger().status_code for _ in range(3)] == [500, 503, 201]


def test_the_summary_counts_the_faults_that_fired(client):
    client.sandbox.fault("status", times=2)
    for _ in range(3):
        client.trigger()

    assert client.sandbox.summary()["faults"] == {"status": 2}
    assert client.sandbox.faults()[0]["fired"] == 2


def test_faults_can_be_set_listed_and_cleared_over_http(client):
    faults = [{"kind": "status", "status": 503}, {"kind": "disconnect", "endpoint": SEND}]

    added = client.post("/_sandbox/faults", faults)
    listed = client.get("/_sandbox/faults").json()["faults"]
    client.session.delete(f"{client.sandbox.url}/_sandbox/faults", timeout=10)

    assert added.status_code == 201
    assert [fault["kind"] for fault in listed] == ["status", "disconnect"]
    assert client.get("/_sandbox/faults").json() == {"faults": []}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"kind": "flood"}, "kind: must be one of `status`, `html`"),
        ({}, "kind: must be one of"),
        ({"kind": "status", "status": 201}, "A status fault: status: must be at least 400"),
        ({"kind": "html", "status": 600}, "A html fault: status: must be at most 599"),
        ({"kind": "status", "status": "500"}, "status: must be a whole number, not text"),
        ({"kind": "status", "endpoint": "/message/send"}, "endpoint: must be one of `/messages/send`"),
        ({"kind": "status", "after": -1}, "after: must be at least 0"),
        ({"kind": "status", "times": 0}, "times: must be at least 1"),
        ({"kind": "status", "processed": "yes"}, "processed: must be a JSON Boolean, not text"),
        ({"kind": "status", "delay": "long"}, "delay: must be a number, not text"),
        ({"kind": "status", "staus": 500}, "staus: unknown field; did you mean `status`?"),
        ({"kind": "queued", "processed": False}, "A queued fault: processed: unknown field"),
        ({"kind": "disconnect_before_read", "recipient_id": "ada"}, "recipient_id: unknown field"),
        ({"kind": "minor_errors", "errors": []}, "errors: must not be empty"),
        ("status", "Faults are given as an object or an array of objects"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_and_none_is_set(client, fault, message):
    answer = client.post("/_sandbox/faults", [{"kind": "status"}, fault])

    assert answer.status_code == 400
    assert message in answer.json()["message"]
    assert client.sandbox.faults() == []
