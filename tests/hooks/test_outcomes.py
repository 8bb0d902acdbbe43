"""Each way in which a request can end, over a real network: error class, outcome, and one request at most."""

from __future__ import annotations

import gzip
import json
import socket
import time
import tracemalloc
import zlib

import pytest

from braze_provider.api.endpoints import CAMPAIGNS_TRIGGER_SEND
from braze_provider.api.errors import (
    BrazeAuthenticationError,
    BrazeInertError,
    BrazeNoAnswerError,
    BrazeNotFoundError,
    BrazePermissionError,
    BrazeRateLimitError,
    BrazeRejectedError,
    BrazeRequestError,
    BrazeServerError,
    BrazeUncertainError,
    BrazeUnreachableError,
)
from braze_provider.api.limits import MAX_BODY_BYTES
from braze_provider.api.outcomes import Outcome
from braze_provider.hooks.braze import MAX_ANSWER_BYTES, MAX_SHORT_ANSWER_BYTES

pytestmark = pytest.mark.slow

ACCEPTED = b'{"message": "success", "dispatch_id": "acf471119f7449d579e8089032003ded"}'
REQUEST = {
    "campaign_id": "417220e4-5a2a-b634-7f7d-9ec891532368",
    "recipients": [
        {"external_user_id": "ada-lovelace", "trigger_properties": {"iban": "GB33BUKB20201555555555"}}
    ],
}
KEY = "a1b2c3d4-the-rest-api-key"

NOT_SENT, REJECTED, UNCERTAIN = Outcome.NOT_SENT, Outcome.REJECTED, Outcome.UNCERTAIN
STATUSES = [
    (400, BrazeRejectedError, REJECTED),
    (401, BrazeAuthenticationError, REJECTED),
    (403, BrazePermissionError, REJECTED),
    (404, BrazeNotFoundError, REJECTED),
    (408, BrazeUncertainError, UNCERTAIN),
    (413, BrazeRejectedError, REJECTED),
    (415, BrazeRejectedError, REJECTED),
    (418, BrazeRejectedError, REJECTED),
    (429, BrazeRateLimitError, NOT_SENT),
    (500, BrazeServerError, NOT_SENT),
    (501, BrazeUncertainError, UNCERTAIN),
    (502, BrazeServerError, NOT_SENT),
    (503, BrazeServerError, NOT_SENT),
    (504, BrazeUncertainError, UNCERTAIN),
    (520, BrazeUncertainError, UNCERTAIN),
]


def failure(hook, body=REQUEST, key=None) -> BrazeRequestError:
    """The error of one attempt to send. It never shows the recipient, the data or the key."""
    with pytest.raises(BrazeRequestError) as caught:
        hook.call(CAMPAIGNS_TRIGGER_SEND, body)
    error = caught.value
    shown = f"{error} {error!r} {error.args!r} {vars(error)!r}"
    for secret in (hook.connection.api_key, "ada-lovelace", "GB33BUKB20201555555555"):
        assert secret not in shown
    # The exceptions of requests and urllib3 hold the request, so our error must not hold one of them.
    assert (error.__cause__, error.__context__) == (None, None)
    return error


# Answers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "kind", "outcome"), STATUSES)
def test_each_status_from_braze_has_one_outcome(hook, sandbox, status, kind, outcome):
    sandbox.fault("status", status=status)
    error = failure(hook)
    assert (type(error), error.outcome, error.status) == (kind, outcome, status)
    assert len(sandbox.requests()) == 1


@pytest.mark.parametrize("fault", ["html", "empty"])
@pytest.mark.parametrize("status", [status for status, *_ in STATUSES if status != 429])
def test_an_answer_of_a_server_on_the_way_is_uncertain(hook, sandbox, status, fault):
    sandbox.fault(fault, status=status, processed=True)
    error = failure(hook)
    assert (type(error), error.outcome, error.status) == (BrazeUncertainError, UNCERTAIN, status)
    assert f"127.0.0.1 answered {status}" in str(error)
    assert sandbox.recipients()["ada-lovelace"]


@pytest.mark.parametrize("fault", ["html", "empty"])
def test_a_429_is_not_sent_also_if_braze_did_not_write_it(hook, sandbox, fault):
    sandbox.fault(fault, status=429)
    error = failure(hook)
    assert (type(error), error.outcome) == (BrazeRateLimitError, NOT_SENT)


@pytest.mark.parametrize(
    "interim",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n",
    ],
    ids=["100", "102", "103", "several"],
)
def test_interim_answers_are_skipped(connect, serve, interim):
    def announce(peer):
        while peer.read():
            peer.sock.sendall(interim)
            peer.answer()

    server = serve(announce)
    hook = connect(server.url)
    assert [hook.call(CAMPAIGNS_TRIGGER_SEND, REQUEST).status for _ in range(2)] == [201, 201]
    assert server.connections == 1


def test_a_connection_lost_after_an_interim_answer_is_uncertain(connect, serve):
    server = serve(lambda peer: (peer.read(), peer.sock.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")))
    assert failure(connect(server.url)).outcome is UNCERTAIN


@pytest.mark.parametrize(("status", "kind", "outcome"), STATUSES)
def test_braze_s_own_words_are_in_the_error(hook, sandbox, status, kind, outcome):
    sandbox.fault("status", status=status, message="Slideup Message Length Exceeded")
    error = failure(hook)
    assert error.braze_message == "Slideup Message Length Exceeded"
    assert "Slideup Message Length Exceeded" in str(error)


@pytest.mark.parametrize("fault", ["html", "empty"])
def test_an_answer_that_braze_did_not_write_has_no_braze_message(hook, sandbox, fault):
    sandbox.fault(fault, status=400)
    error = failure(hook)
    assert error.braze_message == ""
    assert "<" not in str(error)


def test_a_rate_limit_tells_when_it_resets(hook, sandbox):
    sandbox.fault("rate_limited", reset_after=120)
    error = failure(hook)
    assert type(error) is BrazeRateLimitError
    assert error.rate_limit.remaining == 0
    assert error.rate_limit.limit == 250_000
    assert error.rate_limit.reset > 1e9


def test_an_accepted_request_tells_the_rest_of_the_rate_limit(hook):
    state = hook.call(CAMPAIGNS_TRIGGER_SEND, REQUEST).rate_limit
    assert (state.limit, state.remaining) == (250_000, 249_999)
    assert state.date is not None


def test_a_request_that_braze_refuses_reaches_no_recipient(hook, sandbox):
    error = failure(hook, {**REQUEST, "campaign_id": None})
    assert type(error) is BrazeRejectedError
    assert "Braze refused the request with 400" in str(error)
    assert sandbox.recipients() == {}


# Acceptance -------------------------------------------------------------------------------------------------


def test_success_has_a_dispatch_id(hook, sandbox):
    answer = hook.call(CAMPAIGNS_TRIGGER_SEND, REQUEST)
    assert (answer.status, answer.message, answer.errors) == (201, "success", ())
    assert answer.dispatch_id == sandbox.requests()[0]["dispatch_id"]


def test_queued_during_maintenance_is_accepted_without_a_dispatch_id(hook, sandbox):
    sandbox.fault("queued")
    answer = hook.call(CAMPAIGNS_TRIGGER_SEND, REQUEST)
    assert (answer.status, answer.message, answer.dispatch_id) == (202, "queued", None)


def test_success_without_a_dispatch_id_is_accepted(hook, sandbox):
    sandbox.fault("no_dispatch_id")
    assert hook.call(CAMPAIGNS_TRIGGER_SEND, REQUEST).dispatch_id is None


@pytest.mark.parametrize(
    ("errors", "read"),
    [
        (["A value could not be applied"], ("A value could not be applied",)),
        (
            [{"type": "Invalid attribute", "input_array": "attributes", "index": 1}],
            ("Invalid attribute, input_array attributes, index 1",),
        ),
        (["one", {"message": "two"}], ("one", "two")),
    ],
)
def test_a_request_with_minor_errors_is_accepted_and_keeps_them(hook, sandbox, errors, read):
    sandbox.fault("minor_errors", errors=errors)
    answer = hook.call(CAMPAIGNS_TRIGGER_SEND, REQUEST)
    assert answer.dispatch_id
    assert answer.errors == read


def test_a_notice_is_an_error_that_keeps_the_dispatch_id(hook, sandbox):
    sandbox.fault("notice")
    error = failure(hook)
    assert (type(error), error.outcome, error.status) == (BrazeInertError, REJECTED, 201)
    assert error.dispatch_id == sandbox.requests()[0]["dispatch_id"]
    assert "but it reaches no recipient: The Canvas is paused" in str(error)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html></html>",
        b"[]",
        b"null",
        b'{"message": "succ\xff',
        b"{}",
        b'{"dispatch_id": null}',
        b"[" * 9_999,
    ],
    ids=["empty", "html", "array", "null", "cut", "no-message", "no-id", "deep"],
)
@pytest.mark.parametrize("status", [200, 201, 204])
def test_acceptance_that_can_not_be_read_is_uncertain(connect, serve, status, body):
    server = serve(lambda peer: (peer.read(), peer.answer(status, b"" if status == 204 else body)))
    error = failure(connect(server.url))
    assert (type(error), error.outcome, error.status) == (BrazeUncertainError, UNCERTAIN, status)


def test_an_unreadable_answer_is_uncertain(hook, sandbox):
    sandbox.fault("garbage")
    assert failure(hook).outcome is UNCERTAIN
    assert sandbox.recipients()["ada-lovelace"]


# Answers of any size ----------------------------------------------------------------------------------------


def test_the_hook_asks_for_uncompressed_answers(connect, serve):
    server = serve()
    connect(server.url).call(CAMPAIGNS_TRIGGER_SEND, REQUEST)
    assert server.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_answer_is_read_nevertheless(connect, serve, encoding):
    content = {"gzip": gzip, "deflate": zlib}[encoding].compress(ACCEPTED)
    server = serve(lambda peer: (peer.read(), peer.answer(201, content, Content_Encoding=encoding)))
    assert connect(server.url).call(CAMPAIGNS_TRIGGER_SEND, REQUEST).dispatch_id


def test_an_answer_that_unpacks_to_too_much_is_uncertain(connect, serve):
    bomb = gzip.compress(b'{"message": "success", "x": "' + bytes(64 * MAX_SHORT_ANSWER_BYTES))
    hook = connect(serve(lambda peer: (peer.read(), peer.answer(201, bomb, Content_Encoding="gzip"))).url)
    tracemalloc.start()
    error = failure(hook)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (type(error), error.outcome) == (BrazeUncertainError, UNCERTAIN)
    assert peak < 16 * MAX_SHORT_ANSWER_BYTES


@pytest.mark.parametrize("length", [True, False], ids=["of known length", "to the connection's end"])
def test_an_answer_is_read_only_up_to_the_longest_that_braze_writes(connect, serve, length):
    body = ACCEPTED[:-1] + b', "x": "' + b"x" * MAX_SHORT_ANSWER_BYTES + b'"}'

    def go_on(peer):
        peer.read()
        told = f"Content-Length: {len(body)}\r\n" if length else ""
        peer.sock.sendall(f"HTTP/1.1 201 Created\r\n{told}\r\n".encode() + body)

    server = serve(go_on)
    hook = connect(server.url)
    for requests in (1, 2):
        error = failure(hook)
        assert (type(error), error.outcome, error.status) == (BrazeUncertainError, UNCERTAIN, 201)
        # A new connection each time, so that the rest of this answer is not read as the next answer.
        assert server.connections == len(server.requests) == requests


def test_the_longest_answers_to_reads_are_read(connect, serve):
    campaigns = [{"name": "x" * 1_000}] * 5_000
    body = json.dumps({"campaigns": campaigns}).encode()
    assert MAX_SHORT_ANSWER_BYTES < len(body) < MAX_ANSWER_BYTES
    server = serve(lambda peer: (peer.read(), peer.answer(200, body)))
    assert connect(server.url).campaigns_list() == campaigns


def test_an_answer_to_a_read_that_is_too_long_is_an_error(connect, serve):
    body = b'{"campaigns": ["' + b"x" * MAX_ANSWER_BYTES + b'"]}'
    server = serve(lambda peer: (peer.read(), peer.answer(200, body)))
    with pytest.raises(BrazeNoAnswerError, match=r"Is 127\.0\.0\.1 a Braze REST endpoint\?"):
        connect(server.url).campaigns_list()


# No answer: the request was never written -------------------------------------------------------------------


def test_a_refused_connection_is_not_sent(connect, unused_port):
    error = failure(connect(f"http://127.0.0.1:{unused_port}", password=KEY))
    assert (type(error), error.outcome, error.status) == (BrazeUnreachableError, NOT_SENT, None)
    assert str(error) == (
        "127.0.0.1 could not be reached (Connection refused): the request was never written"
    )


def test_a_host_name_that_does_not_resolve_is_not_sent(connect, monkeypatch):
    def unknown(*_args, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = failure(connect("rest.iad-99.braze.com"))
    assert (type(error), error.outcome) == (BrazeUnreachableError, NOT_SENT)
    assert "rest.iad-99.braze.com could not be reached (Name or service not known)" in str(error)


def test_a_host_that_does_not_speak_tls_is_not_sent(connect, serve):
    server = serve(lambda peer: peer.sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    error = failure(connect(f"https://127.0.0.1:{server.port}"))
    assert (type(error), error.outcome) == (BrazeUnreachableError, NOT_SENT)
    assert "(it answers plain http: begin host with http:// if that is meant)" in str(error)


def test_an_untrusted_certificate_is_not_sent_and_is_named(connect, serve, tls):
    server = serve(tls=tls.context)
    error = failure(connect(server.url))
    assert (type(error), error.outcome) == (BrazeUnreachableError, NOT_SENT)
    assert "could not be reached (certificate not trusted: " in str(error)
    assert server.requests == []


def test_a_connection_lost_during_the_tls_handshake_is_not_sent(connect, serve):
    server = serve(lambda peer: (peer.sock.recv(100), peer.reset()))
    error = failure(connect(f"https://127.0.0.1:{server.port}"))
    assert (type(error), error.outcome) == (BrazeUnreachableError, NOT_SENT)


# No answer: the request may have been read ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("disconnect", {}),
        ("disconnect", {"reset": True}),
        ("disconnect_before_read", {}),
        ("disconnect_before_read", {"reset": True}),
        ("cut_answer", {}),
        ("cut_answer", {"reset": True}),
    ],
)
def test_a_connection_lost_after_the_request_was_written_is_uncertain(hook, sandbox, fault, options):
    sandbox.fault(fault, **options)
    error = failure(hook)
    assert (type(error), error.outcome, error.status) == (BrazeUncertainError, UNCERTAIN, None)
    assert "Braze may have accepted it" in str(error)
    assert len(sandbox.requests()) == 1


def test_a_read_timeout_is_uncertain(connect, sandbox):
    sandbox.fault("read_timeout")
    error = failure(connect(sandbox.url, password=sandbox.api_key, timeout=0.2))
    assert (type(error), error.outcome) == (BrazeUncertainError, UNCERTAIN)
    assert "No answer from 127.0.0.1 (ReadTimeout)" in str(error)
    assert sandbox.recipients()["ada-lovelace"]


def test_a_timeout_in_the_middle_of_an_answer_is_uncertain(connect, serve):
    def stall(peer):
        peer.read()
        peer.sock.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 99\r\n\r\n{")
        peer.read()

    assert failure(connect(serve(stall).url, timeout=0.2)).outcome is UNCERTAIN


def test_a_connection_lost_while_the_request_is_written_is_uncertain(connect, serve):
    server = serve(lambda peer: (peer.sock.recv(1_000), peer.reset()))
    assert failure(connect(server.url), b" " * MAX_BODY_BYTES).outcome is UNCERTAIN


def drip(peer, head=b"", what=b"x"):
    """Answer without an end: a few bytes at a time, as long as the client listens."""
    peer.read()
    peer.sock.sendall(head)
    while True:
        peer.sock.sendall(what)
        time.sleep(0.05)


@pytest.mark.parametrize(
    "answer",
    [
        {"head": b"HTTP/1.1 201 Created\r\nContent-Length: 99999\r\n\r\n"},
        {"head": b"HTTP/1.1 201 Created\r\n\r\n"},
        {"head": b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n", "what": b"1\r\nx\r\n"},
        {"head": b"HTTP/1.1 201 Created\r\nX-Long: "},
        {"head": b"HTTP/1.1 201 "},
        {"what": b"HTTP/1.1 100 Continue\r\n\r\n"},
        {"what": b"HTTP/1.1 103 Early Hints\r\n\r\n"},
    ],
    ids=["body", "endless body", "chunks", "headers", "status", "100", "103"],
)
@pytest.mark.parametrize("encrypted", [False, True], ids=["http", "https"])
def test_an_answer_that_comes_byte_by_byte_is_given_up_and_uncertain(connect, serve, tls, answer, encrypted):
    server = serve(lambda peer: drip(peer, **answer), tls=tls.context if encrypted else None)
    hook = connect(server.url, timeout=0.4, verify=str(tls.ca_bundle))
    begun = time.monotonic()
    error = failure(hook)
    assert (type(error), error.outcome) == (BrazeUncertainError, UNCERTAIN)
    assert time.monotonic() - begun < 20  # the answer itself never ends


@pytest.mark.parametrize("encrypted", [False, True], ids=["http", "https"])
def test_a_request_that_is_read_too_slowly_is_given_up_and_uncertain(connect, serve, tls, encrypted):
    def sip(peer):
        while peer.sock.recv(1_000):
            time.sleep(0.05)

    server = serve(sip, tls=tls.context if encrypted else None)
    begun = time.monotonic()
    error = failure(connect(server.url, timeout=0.4, verify=str(tls.ca_bundle)), b" " * MAX_BODY_BYTES)
    assert (type(error), error.outcome) == (BrazeUncertainError, UNCERTAIN)
    assert time.monotonic() - begun < 20  # the whole request would take 200 seconds


def test_a_proxy_that_answers_byte_by_byte_is_given_up_and_not_sent(connect, serve):
    proxy = serve(lambda peer: drip(peer, b"HTTP/1.1 200 Connection established\r\nX-Long: "))
    error = failure(connect("rest.iad-01.braze.com", proxies=proxy.url, timeout=0.4))
    assert (type(error), error.outcome) == (BrazeUnreachableError, NOT_SENT)


def test_a_slow_answer_within_the_time_is_accepted(connect, serve):
    def hesitate(peer):
        peer.read()
        peer.sock.sendall(f"HTTP/1.1 201 Created\r\nContent-Length: {len(ACCEPTED)}\r\n\r\n".encode())
        for byte in ACCEPTED:
            peer.sock.sendall(bytes([byte]))
            time.sleep(0.01)

    assert connect(serve(hesitate).url, timeout=20).call(CAMPAIGNS_TRIGGER_SEND, REQUEST).dispatch_id


def test_an_answer_that_is_not_http_is_uncertain(connect, serve):
    server = serve(lambda peer: (peer.read(), peer.sock.sendall(b"SSH-2.0-OpenSSH\r\n\r\n")))
    assert failure(connect(server.url)).outcome is UNCERTAIN


def test_an_answer_with_broken_compression_is_uncertain(connect, serve):
    server = serve(lambda peer: (peer.read(), peer.answer(201, b"not gzip", Content_Encoding="gzip")))
    assert failure(connect(server.url)).outcome is UNCERTAIN


def test_a_lost_answer_to_a_read_is_safe_to_repeat(hook, sandbox):
    sandbox.fault("disconnect")
    with pytest.raises(BrazeNoAnswerError, match="it is safe to repeat the request"):
        hook.campaigns_list()


def test_an_outcome_does_not_depend_on_the_request_before(connect, serve, unused_port):
    """All of these requests are made by the same thread."""
    lost = connect(serve(lambda peer: peer.read()).url)
    refused = connect(f"http://127.0.0.1:{unused_port}")
    assert [failure(hook).outcome for hook in (lost, refused, lost)] == [UNCERTAIN, NOT_SENT, UNCERTAIN]
