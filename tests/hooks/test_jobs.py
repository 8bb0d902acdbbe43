"""What the hook makes of conflicts, of pages by cursor, and of links to archives."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from braze_provider.api.answers import read_answer
from braze_provider.api.endpoints import CDI_INTEGRATIONS_SYNC, ENDPOINTS, USERS_EXPORT_SEGMENT
from braze_provider.api.errors import (
    BrazeConflictError,
    BrazeError,
    BrazeNoAnswerError,
    BrazeRateLimitError,
    BrazeRequestError,
    BrazeValidationError,
)
from braze_provider.hooks.braze import BrazeHook

SENDS = ENDPOINTS["campaigns_trigger_send"]


def refused(endpoint: Any, message: str, **headers: str) -> BrazeRequestError:
    body = json.dumps({"message": message}).encode()
    with pytest.raises(BrazeRequestError) as caught:
        read_answer(429, body, headers, endpoint=endpoint, host="h")
    return caught.value


@pytest.mark.parametrize(
    ("endpoint", "message", "headers", "kind"),
    [
        (CDI_INTEGRATIONS_SYNC, "Another job is in progress", {}, BrazeConflictError),
        (USERS_EXPORT_SEGMENT, "Segment is being exported", {}, BrazeConflictError),
        (USERS_EXPORT_SEGMENT, "Rate Limited", {"X-RateLimit-Remaining": "7"}, BrazeConflictError),
        (CDI_INTEGRATIONS_SYNC, "Rate Limited", {}, BrazeRateLimitError),
        (CDI_INTEGRATIONS_SYNC, "Rate limit exceeded", {"X-RateLimit-Remaining": "0"}, BrazeRateLimitError),
        (SENDS, "Another job is in progress", {}, BrazeRateLimitError),
    ],
)
def test_a_429_is_a_conflict_only_where_one_runs_at_a_time(endpoint, message, headers, kind):
    assert type(refused(endpoint, message, **headers)) is kind


def test_a_429_that_braze_did_not_write_is_no_conflict():
    with pytest.raises(BrazeRateLimitError):
        read_answer(429, b"<html>", {}, endpoint=CDI_INTEGRATIONS_SYNC, host="h")


def test_syncs_and_integrations_are_read_page_by_page(sandbox):
    hook = BrazeHook()
    for number in range(12):
        hook.cdi_integrations_sync(f"i{number}")

    first = hook.cdi_integrations_list()
    second = hook.cdi_integrations_list(first.links["next"]["cursor"])

    assert (len(first.body["results"]), len(second.body["results"])) == (10, 2)
    assert "next" not in second.links
    assert hook.cdi_integrations_job_sync_status("i3").body["results"][0]["job_status"] == "running"


def test_an_id_with_a_slash_is_refused(sandbox):
    with pytest.raises(BrazeValidationError, match="integration_id: is part of a path"):
        BrazeHook().cdi_integrations_sync("a/b")
    assert sandbox.requests() == []


def test_exports_are_started_and_cancelled(sandbox):
    hook = BrazeHook()
    request = {"segment_id": "s", "fields_to_export": ["email"]}
    hook.users_export_segment(request)
    with pytest.raises(BrazeConflictError):
        hook.users_export_segment(request)

    hook.export_segment_cancel({"segment_id": "s"})

    assert hook.users_export_segment(request).body["object_prefix"]
    group = hook.users_export_global_control_group({"fields_to_export": ["email"]})
    assert group.body["object_prefix"]


# Links ------------------------------------------------------------------------------------------------------


def test_a_sealed_link_can_be_read_with_the_same_key_only(sandbox, monkeypatch):
    link = "https://storage.example.com/archive.zip?signature=secret"
    sealed = BrazeHook().sealed(link)

    assert "secret" not in sealed
    assert BrazeHook().unsealed(sealed) == link
    connection = {**json.loads(sandbox.airflow_connection), "password": "another-key"}
    monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", json.dumps(connection))
    assert BrazeHook().unsealed(sealed) is None


@pytest.fixture
def storage() -> Iterator[Any]:
    """A storage that answers with a status, headers and a body; it notes the headers that it gets."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.seen.append(dict(self.headers))  # type: ignore[attr-defined]
            status, headers, body = server.answer  # type: ignore[attr-defined]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.seen = []  # type: ignore[attr-defined]
    server.answer = (200, {"Content-Length": "4"}, b"data")  # type: ignore[attr-defined]
    server.link = f"http://127.0.0.1:{server.server_port}/a.zip"  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def test_an_archive_is_opened_without_the_api_key_and_without_a_password_of_netrc(
    sandbox, storage, tmp_path, monkeypatch
):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    file = io.BytesIO()

    assert BrazeHook().archive_is_ready(storage.link)
    assert BrazeHook().download_archive(storage.link, file) == 4

    assert file.getvalue() == b"data"
    assert [headers.keys() & {"Authorization"} for headers in storage.seen] == [set(), set()]


@pytest.mark.parametrize("status", [403, 404])
def test_an_archive_that_is_not_there_is_not_ready(sandbox, storage, status):
    storage.answer = (status, {}, b"")

    assert not BrazeHook().archive_is_ready(storage.link)
    with pytest.raises(BrazeNoAnswerError, match="it is not there"):
        BrazeHook().download_archive(storage.link, io.BytesIO())


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((500, {}, b""), "it answered 500"),
        ((200, {"Content-Length": "9"}, b"half"), "(ChunkedEncodingError|ConnectionError|4 bytes came)"),
    ],
)
def test_a_storage_that_fails_is_told_without_its_link(sandbox, storage, answer, reason):
    storage.answer = answer

    with pytest.raises(BrazeNoAnswerError, match=reason) as caught:
        BrazeHook().download_archive(storage.link, io.BytesIO())

    assert "a.zip" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_link_that_is_not_encrypted_is_not_opened_on_a_real_connection(monkeypatch):
    connection = {"conn_type": "braze", "host": "https://rest.iad-01.braze.com", "password": "key"}
    monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", json.dumps(connection))

    with pytest.raises(BrazeError, match="no https address"):
        BrazeHook().archive_is_ready("http://127.0.0.1:1/a.zip")
