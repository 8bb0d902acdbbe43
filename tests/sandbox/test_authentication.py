"""API keys and their permissions."""

from __future__ import annotations

import pytest
import requests


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({}, id="no header"),
        pytest.param({"Authorization": ""}, id="empty header"),
        pytest.param({"Authorization": "sandbox-rest-api-key"}, id="key without scheme"),
        pytest.param({"Authorization": "Basic sandbox-rest-api-key"}, id="another scheme"),
        pytest.param({"Authorization": 'Bearer "sandbox-rest-api-key"'}, id="quoted key"),
        pytest.param({"Authorization": "Bearer somebody-elses-key"}, id="unknown key"),
    ],
)
def test_a_request_without_a_valid_key_is_unauthorized(sandbox, header):
    answer = requests.get(f"{sandbox.url}/campaigns/list", headers=header, timeout=10)

    assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_may_have_any_casing(sandbox, scheme):
    header = {"Authorization": f"{scheme} {sandbox.api_key}"}

    assert requests.get(f"{sandbox.url}/campaigns/list", headers=header, timeout=10).status_code == 200


def test_a_key_without_the_permission_is_denied_access(start):
    client = start(api_keys={"list-only": ["campaigns.list"]})
    client.session.headers["Authorization"] = "Bearer list-only"

    denied = client.trigger()

    assert (denied.status_code, denied.json()) == (403, {"message": "Access Denied"})
    assert client.get("/campaigns/list").status_code == 200


def test_the_default_key_may_do_everything_beside_others(start):
    client = start(api_key="all", api_keys={"list-only": ["campaigns.list"]})

    assert client.trigger().status_code == 201
    assert client.send().status_code == 201


def test_an_unauthorized_request_reaches_no_recipient(client):
    client.session.headers["Authorization"] = "Bearer wrong"
    client.trigger("ada")

    assert client.sandbox.recipients() == {}


def test_with_a_token_no_other_key_is_known(start):
    client = start(token="t0ken")
    assert client.trigger().status_code == 201

    client.session.headers["Authorization"] = "Bearer sandbox-rest-api-key"
    assert client.trigger().status_code == 401


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer sandbox-rest-api-key"}])
def test_with_a_token_every_control_endpoint_needs_it(start, header):
    client = start(token="t0ken")
    calls = client.get("/_sandbox").json()["calls"]
    assert len(calls) > 5

    for call in calls:
        answer = requests.request(
            call["method"], client.sandbox.url + call["path"], headers=header, json={}, timeout=10
        )
        assert (answer.status_code, answer.json()) == (
            401,
            {"message": "/_sandbox needs the token: Authorization: Bearer <token>"},
        )


def test_without_a_token_the_control_endpoints_are_open_to_this_machine(sandbox):
    assert requests.get(f"{sandbox.url}/_sandbox/summary", timeout=10).status_code == 200
