"""Where the API key and the recipients' data must not show: logs, reprs, errors."""

from __future__ import annotations

import logging
import secrets

import pytest

from braze_provider.api.endpoints import CAMPAIGNS_TRIGGER_SEND
from braze_provider.api.errors import BrazeConnectionError, BrazeError

try:
    from airflow.sdk._shared.secrets_masker import redact
except ImportError:  # Airflow 3.0
    from airflow.sdk.execution_time.secrets_masker import redact

RECIPIENT = {"external_user_id": "ada-lovelace", "trigger_properties": {"iban": "GB33BUKB20201555555555"}}
REQUEST = {"campaign_id": "417220e4-5a2a-b634-7f7d-9ec891532368", "recipients": [RECIPIENT]}


@pytest.fixture
def key() -> str:
    """A key that no other test has had masked."""
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
