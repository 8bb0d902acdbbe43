"""The hook's methods: requests are sent as given, and answers come back typed."""

from __future__ import annotations

import json
from types import MappingProxyType

import pytest

from braze_provider import __version__
from braze_provider._compat import AirflowNotFoundException
from braze_provider.api.answers import Answer
from braze_provider.api.endpoints import (
    CAMPAIGNS_LIST,
    CAMPAIGNS_TRIGGER_SEND,
    ENDPOINTS,
    MESSAGES_SEND,
    Endpoint,
)
from braze_provider.api.errors import (
    BrazeConnectionError,
    BrazeError,
    BrazeNoAnswerError,
    BrazeValidationError,
)
from braze_provider.api.limits import MAX_BODY_BYTES
from braze_provider.api.outcomes import Outcome
from braze_provider.api.requests import CampaignTriggerSend
from braze_provider.hooks.braze import BrazeHook
from braze_provider.sandbox import Sandbox

CAMPAIGN = "417220e4-5a2a-b634-7f7d-9ec891532368"
TRIGGER = {"campaign_id": CAMPAIGN, "recipients": [{"external_user_id": "ada"}]}
EMAIL = {"app_id": "app", "from": "Shop <shop@example.com>", "subject": "Grüße", "body": "{{${first_name}}}"}
MESSAGES = {"external_user_ids": ["ada", "bob"], "messages": {"email": EMAIL}}


@pytest.fixture(scope="module")
def guarded_sandbox():
    """A sandbox with keys that each have one permission."""
    keys = {"key-to-send": {"campaigns.trigger.send"}, "key-to-list": {"campaigns.list"}}
    with Sandbox(api_keys=keys) as sandbox:
        yield sandbox


# One method for each endpoint -------------------------------------------------------------------------------


def test_every_endpoint_with_a_request_model_has_a_method_of_its_name():
    modelled = [name for name, endpoint in ENDPOINTS.items() if endpoint.request]
    assert [name for name in modelled if not callable(getattr(BrazeHook, name, None))] == []


def test_messages_send_reaches_each_recipient_once(hook, sandbox):
    answer = hook.messages_send(MESSAGES)

    received = sandbox.recipients()
    assert {key: len(messages) for key, messages in received.items()} == {"ada": 1, "bob": 1}
    assert received["ada"][0]["dispatch_id"] == answer.dispatch_id


def test_campaigns_trigger_send_reaches_the_recipient(hook, sandbox):
    answer = hook.campaigns_trigger_send(TRIGGER)

    (received,) = sandbox.recipients()["ada"]
    assert (received["dispatch_id"], received["campaign_id"]) == (answer.dispatch_id, CAMPAIGN)


def test_the_answer_to_a_broadcast_has_the_send_id(hook, sandbox):
    answer = hook.campaigns_trigger_send({"campaign_id": CAMPAIGN, "broadcast": True})
    assert answer.send_id
    assert answer.send_id == sandbox.requests()[0]["send_id"]


def test_campaigns_list_gives_one_page(hook):
    assert CAMPAIGN in [campaign["id"] for campaign in hook.campaigns_list()]
    assert hook.campaigns_list(page=1) == []


def test_campaigns_details_describes_one_campaign(hook):
    details = hook.campaigns_details(CAMPAIGN)

    assert (details["name"], details["archived"], details["draft"], details["enabled"]) == (
        "Win back",
        False,
        False,
        True,
    )


def test_an_answer_without_a_list_of_campaigns_is_an_error(connect, serve):
    server = serve(lambda peer: (peer.read(), peer.answer(200, b'{"message": "success"}')))
    with pytest.raises(BrazeNoAnswerError, match=r"Is it a Braze REST endpoint\?"):
        connect(server.url).campaigns_list()


@pytest.mark.parametrize(
    ("method", "request_", "path", "field"),
    [
        ("messages_send", {**MESSAGES, "external_user_id": "ada"}, "/messages/send", "external_user_id"),
        ("campaigns_trigger_send", {**TRIGGER, "broadcast": True}, "/campaigns/trigger/send", "recipients"),
    ],
)
def test_a_request_that_breaks_the_contract_is_refused_before_it_is_sent(
    hook, sandbox, method, request_, path, field
):
    with pytest.raises(BrazeValidationError, match=f"{path}: 1 mistake, nothing was sent\n  - {field}: "):
        getattr(hook, method)(request_)
    assert sandbox.requests() == []


# Any call ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        TRIGGER,
        MappingProxyType(TRIGGER),
        CampaignTriggerSend.model_validate(TRIGGER),
        json.dumps(TRIGGER).encode(),
    ],
    ids=["dict", "mapping", "model", "bytes"],
)
def test_a_body_may_be_a_mapping_a_model_or_finished_json(hook, sandbox, body):
    assert isinstance(hook.call(CAMPAIGNS_TRIGGER_SEND, body), Answer)
    assert sandbox.requests()[0]["body"] == TRIGGER


def test_finished_json_is_sent_byte_for_byte(connect, serve):
    server = serve()
    body = b'{ "broadcast" :true,\n"campaign_id":"x"}'
    connect(server.url).call(CAMPAIGNS_TRIGGER_SEND, body)
    assert server.requests[0].body == body


def test_a_mapping_goes_out_unchecked(hook, sandbox):
    """What Braze adds tomorrow can be used today."""
    hook.call(CAMPAIGNS_TRIGGER_SEND, {**TRIGGER, "new_field": 1})
    assert sandbox.requests()[0]["body"]["new_field"] == 1


def test_an_endpoint_may_be_called_by_its_name(hook):
    assert hook.call("campaigns_trigger_send", TRIGGER).message == "success"


def test_an_unknown_endpoint_is_refused_with_a_similar_name(hook, sandbox):
    with pytest.raises(BrazeError, match="no endpoint 'user_track'; did you mean `users_track`"):
        hook.call("user_track", {})
    assert sandbox.requests() == []


def test_a_post_says_that_it_is_json_and_who_sends_it(connect, serve):
    server = serve()
    connect(server.url, password="the-key").call(MESSAGES_SEND, MESSAGES)

    (request,) = server.requests
    assert request.line == "POST /messages/send HTTP/1.1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["authorization"] == "Bearer the-key"
    assert request.headers["user-agent"] == f"airflow-provider-braze-messaging/{__version__}"


def test_path_parameters_are_put_into_the_path(connect, serve):
    server = serve()
    connect(server.url).call("catalogs_items_update", {"items": []}, path={"catalog_name": "sale 2026"})
    assert server.requests[0].line == "PATCH /catalogs/sale%202026/items HTTP/1.1"


def test_a_path_parameter_that_is_missing_is_refused_before_the_request(connect, serve):
    server = serve()
    with pytest.raises(BrazeValidationError, match="catalog_name: is required"):
        connect(server.url).call("catalogs_items_update", {"items": []})
    assert server.requests == []


def test_an_endpoint_of_the_user_s_own_can_be_called(connect, serve):
    server = serve()
    connect(server.url).call(Endpoint("new_thing", "POST", "/new/thing"), {"field": 1})
    assert (server.requests[0].line, server.requests[0].body) == ("POST /new/thing HTTP/1.1", b'{"field":1}')


def test_a_get_has_its_parameters_in_the_url_and_no_body(connect, serve):
    server = serve()
    connect(server.url).call(CAMPAIGNS_LIST, params={"page": 2, "last_edit.time[gt]": "2026-01-01T00:00:00"})

    (request,) = server.requests
    query = "page=2&last_edit.time%5Bgt%5D=2026-01-01T00%3A00%3A00"
    assert request.line == f"GET /campaigns/list?{query} HTTP/1.1"
    assert request.body == b""
    assert "content-type" not in request.headers


@pytest.mark.parametrize(
    "value", [{1, 2}, object(), float("nan"), float("inf"), b"bytes"], ids=lambda value: type(value).__name__
)
def test_a_body_that_is_not_json_is_refused_before_it_is_sent(hook, sandbox, value):
    with pytest.raises(BrazeValidationError, match=r"/campaigns/trigger/send: .*\n.*not JSON"):
        hook.call(CAMPAIGNS_TRIGGER_SEND, {**TRIGGER, "trigger_properties": {"x": value}})
    assert sandbox.requests() == []


def test_a_body_that_contains_itself_is_refused_before_it_is_sent(hook):
    endless: dict = {}
    endless["again"] = endless
    with pytest.raises(BrazeValidationError, match="not JSON"):
        hook.call(CAMPAIGNS_TRIGGER_SEND, endless)


def test_the_largest_body_is_sent_and_one_byte_more_is_refused(connect, serve):
    server = serve()
    hook = connect(server.url)
    hook.call(CAMPAIGNS_TRIGGER_SEND, b" " * MAX_BODY_BYTES)
    with pytest.raises(BrazeValidationError, match="4,194,305 bytes, and Braze takes at most 4,194,304"):
        hook.call(CAMPAIGNS_TRIGGER_SEND, b" " * (MAX_BODY_BYTES + 1))
    assert [len(request.body) for request in server.requests] == [MAX_BODY_BYTES]


def test_a_body_is_measured_in_bytes_and_not_in_characters(hook):
    with pytest.raises(BrazeValidationError, match="Braze takes at most"):
        hook.call(CAMPAIGNS_TRIGGER_SEND, {"trigger_properties": {"x": "ü" * (MAX_BODY_BYTES // 2)}})


# The connection ---------------------------------------------------------------------------------------------


def test_a_missing_airflow_connection_is_named():
    with pytest.raises(AirflowNotFoundException, match="no_such_connection"):
        BrazeHook("no_such_connection").campaigns_list()


def test_the_default_connection_is_braze_default(sandbox):
    assert BrazeHook().connection.base_url == sandbox.url


def test_a_malformed_connection_is_an_error_only_when_it_is_used(connect):
    hook = connect("http://rest.iad-01.braze.com")
    with pytest.raises(BrazeConnectionError, match="plain http"):
        hook.call(CAMPAIGNS_LIST)


def test_a_closed_hook_opens_a_new_session_when_it_is_used_again(connect, serve):
    server = serve()
    hook = connect(server.url)
    for _ in range(2):
        hook.call(CAMPAIGNS_TRIGGER_SEND, TRIGGER)
        hook.close()
    assert server.connections == 2


# Test connection --------------------------------------------------------------------------------------------


def test_the_connection_test_passes_for_a_right_key(guarded_sandbox, connect):
    hook = connect(guarded_sandbox.url, password="key-to-list")
    assert hook.test_connection() == (True, "127.0.0.1 knows the API key, and it may list campaigns")


def test_the_connection_test_passes_for_a_key_that_may_only_send(guarded_sandbox, connect):
    passed, message = connect(guarded_sandbox.url, password="key-to-send").test_connection()
    assert passed
    assert "lacks campaigns.list, which only this test needs" in message


def test_the_connection_test_fails_for_a_wrong_key(guarded_sandbox, connect):
    passed, message = connect(guarded_sandbox.url, password="wrong-key").test_connection()
    assert not passed
    assert "does not know this API key at 127.0.0.1 (Unauthorized)" in message
    assert "wrong-key" not in message


def test_the_connection_test_sends_nothing(guarded_sandbox, connect):
    guarded_sandbox.reset()
    connect(guarded_sandbox.url, password=guarded_sandbox.api_key).test_connection()
    assert [request["endpoint"] for request in guarded_sandbox.requests()] == ["/campaigns/list"]
    assert guarded_sandbox.recipients() == {}


def test_the_connection_test_fails_for_an_unreachable_host(connect, unused_port):
    passed, message = connect(f"http://127.0.0.1:{unused_port}").test_connection()
    assert not passed
    assert "127.0.0.1 could not be reached (Connection refused)" in message


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (403, b'{"message": "Forbidden"}', "the account is not active"),
        (403, b"<html>Blocked by your company</html>", "a proxy or firewall"),
        (403, b"", "a proxy or firewall"),
        (404, b'{"message": "Invalid URL"}', "no such Braze endpoint at 127.0.0.1"),
        (302, b"", "no such Braze endpoint at 127.0.0.1: it answered 302"),
        (200, b"<html>Dashboard</html>", "Is 127.0.0.1 a Braze REST endpoint?"),
        (200, b"{}", "Is it a Braze REST endpoint?"),
        (
            500,
            b'{"message": "Internal Server Error"}',
            "127.0.0.1 answered 500 (Internal Server Error). It is safe to repeat",
        ),
    ],
)
def test_the_connection_test_fails_for_a_server_that_is_not_braze(connect, serve, status, body, reason):
    server = serve(lambda peer: (peer.read(), peer.answer(status, body)))
    passed, message = connect(server.url).test_connection()
    assert not passed
    assert reason in message


def test_the_connection_test_names_the_field_of_a_malformed_connection(connect):
    passed, message = connect("").test_connection()
    assert not passed
    assert "host is empty" in message


# Right key or not, allowed or not ---------------------------------------------------------------------------


def test_a_wrong_key_and_a_missing_permission_are_told_apart(guarded_sandbox, connect):
    errors = []
    for key in ("wrong-key", "key-to-list"):
        with pytest.raises(BrazeError) as caught:
            connect(guarded_sandbox.url, password=key).campaigns_trigger_send(TRIGGER)
        errors.append(caught.value)

    wrong, forbidden = errors
    assert type(wrong).__name__ == "BrazeAuthenticationError"
    assert "belongs to another workspace or Braze instance" in str(wrong)
    assert type(forbidden).__name__ == "BrazePermissionError"
    assert "lacks the permission campaigns.trigger.send" in str(forbidden)
    assert {error.outcome for error in errors} == {Outcome.REJECTED}
