"""Logs, reprs and errors must not show the API key or the recipients' data."""

from __future__ import annotations

import logging
import secrets

import pytest

from braze_provider.api.endpoints import CAMPAIGNS_TRIGGER_SEND
from braze_provider.api.errors import BrazeAuthenticationError, BrazeConnectionError, BrazeError

try:
    from airflow.sdk._shared.secrets_masker import redact
except ImportError:  # Airflow 3.0
    from airflow.sdk.execution_time.secrets_masker import redact

RECIPIENT = {"external_user_id": "ada-lovelace", "trigger_properties": {"iban": "GB33BUKB20201555555555"}}
REQUEST = {"campaign_id": "417220e4-5a2a-b634-7f7d-9ec891532368", "recipients": [RECIPIENT]}


@pytest.fixture
def key() -> str:
    """A key that Airflow does not mask yet, because no other test has used it."""
    return f"key-{secrets.token_hex(16)}"


def test_airflow_masks_the_key_in_logs(connect, serve, key):
    line = f"Authorization: Bearer {key}"
    assert redact(line) == line
    assert connect(serve().url, password=key).connection.api_key == key
    assert redact(line) == "Authorization: Bearer ***"


def test_airflow_masks_a_key_that_was_pasted_with_white_space(connect, serve, key):
    assert connect(serve().url, password=f" {key}\n").connection.api_key == key
    assert redact(f"Bearer {key}") == "Bearer ***"


def test_airflow_masks_the_key_of_a_malformed_connection(connect, key):
    with pytest.raises(BrazeConnectionError):
        connect("ftp://rest.iad-01.braze.com", password=key).call(CAMPAIGNS_TRIGGER_SEND, REQUEST)
    assert redact(key) == "***"


def test_no_repr_shows_the_key(connect, serve, key):
    hook = connect(serve().url, password=key)
    session = hook.get_conn()
    for thing in (hook, hook.connection, session, session.auth, vars(hook)):
        assert key not in repr(thing)


def test_an_answer_s_repr_shows_no_data(hook):
    assert repr(hook.call(CAMPAIGNS_TRIGGER_SEND, REQUEST)) == "Answer(status=201)"


@pytest.mark.parametrize("fault", [None, "status", "disconnect", "notice"])
def test_no_log_shows_key_or_data_at_any_level(hook, sandbox, caplog, fault):
    caplog.set_level(logging.DEBUG)
    if fault:
        sandbox.fault(fault)
    try:
        hook.call(CAMPAIGNS_TRIGGER_SEND, REQUEST)
    except BrazeError as error:
        logging.getLogger("airflow.task").exception(error)
    assert "127.0.0.1" in caplog.text  # urllib3 has logged the connection
    for secret in (sandbox.api_key, "ada-lovelace", "GB33BUKB20201555555555"):
        assert secret not in caplog.text


def echo(text):
    """Repeat a text in every place of an answer that can hold it."""

    def behave(peer):
        peer.read()
        body = f'{{"message": "Invalid API key: {text}", "errors": ["{text}"], "dispatch_id": "{text}"}}'
        head = f"X-Echo: {text}\r\nDate: {text}\r\nX-RateLimit-Reset: {text}\r\nSet-Cookie: k={text}\r\n"
        head += f"Content-Length: {len(body)}\r\nno header {text}\r\n"
        peer.sock.sendall(f"HTTP/1.1 401 Not {text}\r\n{head}\r\n{body}".encode())

    return behave


@pytest.mark.parametrize("cut", [slice(None), slice(8), slice(-8, None), slice(5, 17), slice(1, None)])
def test_an_answer_that_repeats_the_key_does_not_show_it(connect, serve, caplog, key, cut):
    caplog.set_level(logging.DEBUG)
    hook = connect(serve(echo(key[cut])).url, password=key)
    with pytest.raises(BrazeAuthenticationError, match=r"\(Invalid API key: \*\*\*\)") as caught:
        hook.call(CAMPAIGNS_TRIGGER_SEND, REQUEST)
    passed, message = hook.test_connection()
    assert not passed
    shown = f"{caught.value} {caught.value!r} {vars(caught.value)} {message} {caplog.text}"
    assert key[cut] not in shown


def test_an_accepted_answer_that_repeats_the_key_does_not_show_it(connect, serve, key):
    body = f'{{"message": "success", "dispatch_id": "{key}"}}'.encode()
    hook = connect(serve(lambda peer: (peer.read(), peer.answer(201, body))).url, password=key)
    answer = hook.call(CAMPAIGNS_TRIGGER_SEND, REQUEST)
    assert answer.dispatch_id == "***"
    assert key not in str(vars(answer))


def test_a_proxy_s_reason_that_repeats_the_key_does_not_show_it(connect, serve, key):
    proxy = serve(lambda peer: (peer.read(), peer.sock.sendall(f"HTTP/1.1 403 Not {key}\r\n\r\n".encode())))
    with pytest.raises(BrazeError, match=r"Tunnel connection failed: 403 Not \*\*\*"):
        connect("rest.iad-01.braze.com", proxies=proxy.url, password=key).call(
            CAMPAIGNS_TRIGGER_SEND, REQUEST
        )
