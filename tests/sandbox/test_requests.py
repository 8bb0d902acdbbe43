"""Rules for requests to all endpoints."""

from __future__ import annotations

import json

import pytest

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "path", ["/campaign/trigger/send", "/", "/messages", "/v2/messages/send", "/catalogs/restaurants"]
)
def test_an_unknown_url_is_not_found(client, path):
    answer = client.post(path, {})

    assert (answer.status_code, answer.json()) == (404, {"message": "Invalid URL"})


def test_a_known_url_with_another_method_is_not_found(client):
    assert client.get("/messages/send").status_code == 404


@pytest.mark.parametrize("path", ["/messages/send/", "/campaigns/trigger/send/"])
def test_a_trailing_slash_is_forbidden(client, path):
    assert client.post(path, {}).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="missing"),
        pytest.param({"Content-Type": "text/plain"}, id="wrong"),
        pytest.param({"Content-Type": "application/x-www-form-urlencoded"}, id="form"),
    ],
)
def test_a_body_that_is_not_declared_as_json_is_refused(client, headers):
    answer = client.post("/campaigns/trigger/send", data=b"{}", headers=headers)

    assert (answer.status_code, answer.json()) == (415, {"message": "Unsupported Media Type"})


def test_a_content_type_may_name_its_charset(client):
    body = json.dumps({"campaign_id": "c", "recipients": [{"external_user_id": "ada"}]})
    headers = {"Content-Type": "application/json; charset=utf-8"}

    assert client.post("/campaigns/trigger/send", data=body, headers=headers).status_code == 201


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="unfinished"),
        pytest.param(b'{"campaign_id": NaN}', id="NaN"),
        pytest.param(b'{"campaign_id": "\xff"}', id="not UTF-8"),
        pytest.param(b"[" * 100_000, id="bottomless"),
        pytest.param(b"[]", id="an array"),
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(client, raw):
    answer = client.post("/campaigns/trigger/send", data=raw, headers=JSON)

    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]


def test_a_body_over_4_mb_is_too_large(client):
    raw = json.dumps({"campaign_id": "c", "filler": "x" * (4 * 1024 * 1024)})

    answer = client.post("/campaigns/trigger/send", data=raw, headers=JSON)

    assert (answer.status_code, answer.json()) == (413, {"message": "Payload Too Large"})


@pytest.mark.parametrize("depth", [495, 50_000])
def test_a_condition_nested_beyond_reason_is_refused_and_not_a_crash(client, depth):
    audience = '{"AND": [' * depth + '{"custom_attribute": {}}' + "]}" * depth
    raw = f'{{"campaign_id": "c", "broadcast": true, "audience": {audience}}}'

    assert client.post("/campaigns/trigger/send", data=raw, headers=JSON).status_code == 400


def test_the_connection_is_kept_for_the_next_request(client):
    client.trigger()
    (pool,) = client.session.get_adapter("http://").poolmanager.pools._container.values()
    client.trigger()

    assert (pool.num_connections, pool.num_requests) == (1, 2)
