"""The wire: connections that are kept, proxies, certificates, and nothing that nobody asked for."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import pytest

from braze_provider.api.endpoints import CAMPAIGNS_TRIGGER_SEND
from braze_provider.api.errors import BrazeUncertainError, BrazeUnreachableError, BrazeWithheldError
from braze_provider.api.outcomes import Outcome
from braze_provider.hooks import transport
from braze_provider.hooks.transport import cause_of

BODY = {"campaign_id": "417220e4-5a2a-b634-7f7d-9ec891532368", "broadcast": True}


def send(hook):
    return hook.call(CAMPAIGNS_TRIGGER_SEND, BODY)


# Connections ------------------------------------------------------------------------------------------------


def test_a_thread_s_calls_share_one_connection(connect, serve):
    server = serve()
    hook = connect(server.url)
    for _ in range(3):
        send(hook)
    assert (server.connections, len(server.requests)) == (1, 3)


def test_a_thread_s_connection_outlives_a_refused_request(connect, serve):
    def refuse_first(peer):
        peer.read()
        peer.answer(400, b'{"message": "No Recipients"}')
        while peer.read():
            peer.answer()

    server = serve(refuse_first)
    hook = connect(server.url)
    with pytest.raises(Exception, match="No Recipients"):
        send(hook)
    send(hook)
    assert server.connections == 1


def test_each_thread_has_a_connection_of_its_own(connect, serve):
    server = serve()
    hook = connect(server.url)
    barrier = threading.Barrier(4)

    def send_twice(_):
        barrier.wait(10)
        send(hook)
        barrier.wait(10)
        send(hook)
        return hook.get_conn()

    with ThreadPoolExecutor(4) as pool:
        sessions = list(pool.map(send_twice, range(4)))

    assert len({id(session) for session in sessions}) == 4
    assert (server.connections, len(server.requests)) == (4, 8)


def test_closing_the_hook_closes_the_connections_of_all_threads(connect, serve):
    closed = threading.Semaphore(0)

    def until_closed(peer):
        while peer.read():
            peer.answer()
        closed.release()

    hook = connect(serve(until_closed).url)

    def session_in_use(_):
        send(hook)
        return hook.get_conn()

    with ThreadPoolExecutor(1) as pool:
        sessions = [*pool.map(session_in_use, [1]), session_in_use(2)]  # else Python would close them itself
    hook.close()
    assert len(sessions) == 2
    assert [closed.acquire(timeout=10) for _ in range(2)] == [True, True]


def test_a_connection_that_the_server_closed_while_idle_is_replaced_unnoticed(connect, serve):
    closed = threading.Event()

    def once(peer):
        peer.read()
        peer.answer()
        peer.close()
        closed.set()

    server = serve(once)
    hook = connect(server.url)
    for _ in range(2):
        closed.clear()
        assert send(hook).dispatch_id
        assert closed.wait(10)
    assert (server.connections, len(server.requests)) == (2, 2)


def test_a_kept_connection_cut_under_the_next_request_is_uncertain_and_not_retried(hook, sandbox):
    sandbox.fault("disconnect_before_read", after=1, reset=True)
    send(hook)
    with pytest.raises(BrazeUncertainError):
        send(hook)
    assert len(sandbox.requests()) == 2


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test lets pass on the wire's clock."""
    passed = [0.0]
    monkeypatch.setattr(transport, "monotonic", lambda: time.monotonic() + passed[0])
    return passed


@pytest.mark.parametrize(
    ("told", "kept", "closed"),
    [
        ({}, 2.5, 3.5),
        ({"Keep_Alive": "timeout=60, max=100"}, 2.5, 3.5),
        ({"Keep_Alive": "max=100, Timeout=2"}, 0.5, 1.5),
        ({"Keep_Alive": "timeout=soon"}, 2.5, 3.5),
        ({"Keep_Alive": f"timeout={'9' * 5_000}"}, 2.5, 3.5),
    ],
    ids=["not told", "for longer", "for less", "no number", "huge"],
)
def test_a_connection_is_not_used_again_once_the_server_may_close_it(
    connect, serve, clock, told, kept, closed
):
    def keep(peer):
        while peer.read():
            peer.answer(**told)

    server = serve(keep)
    hook = connect(server.url)
    send(hook)
    clock[0] += kept
    send(hook)
    assert server.connections == 1
    clock[0] += closed
    send(hook)
    assert server.connections == 2


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_connection_that_the_server_keeps_for_no_time_is_not_used_again(connect, serve, seconds):
    def keep(peer):
        while peer.read():
            peer.answer(Keep_Alive=f"timeout={seconds}")

    server = serve(keep)
    hook = connect(server.url)
    send(hook)
    send(hook)
    assert (server.connections, len(server.requests)) == (2, 2)


# Leave to write ---------------------------------------------------------------------------------------------


def test_leave_to_write_is_asked_for_once_a_request_on_the_open_connection(connect, serve):
    server = serve()
    hook = connect(server.url)
    seen = []

    def may_write():
        seen.append((server.connections, len(server.requests)))
        return True

    for _ in range(2):
        hook.call(CAMPAIGNS_TRIGGER_SEND, b" " * 1_000_000, before_write=may_write)
    send(hook)
    assert len(server.requests) == 3
    assert [requests for _, requests in seen] == [0, 1]


def test_leave_to_write_is_asked_for_after_the_tunnel_and_the_handshake(connect, braze, proxy_to, tls):
    proxy = proxy_to(braze.port)
    hook = connect("rest.iad-01.braze.com", proxies=proxy.url, verify=str(tls.ca_bundle))
    seen = []
    hook.call(
        CAMPAIGNS_TRIGGER_SEND,
        BODY,
        before_write=lambda: not seen.append((proxy.asked_for, braze.connections)),
    )
    assert seen == [([TUNNEL], 1)]
    assert len(braze.requests) == 1


@pytest.mark.parametrize("encrypted", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("used", [False, True], ids=["new connection", "kept connection"])
def test_nothing_is_written_without_leave(connect, serve, tls, encrypted, used):
    server = serve(tls=tls.context if encrypted else None)
    hook = connect(server.url, verify=str(tls.ca_bundle))
    if used:
        send(hook)
    with pytest.raises(BrazeWithheldError) as caught:
        hook.call(CAMPAIGNS_TRIGGER_SEND, BODY, before_write=lambda: False)
    error = caught.value
    host = hook.connection.host
    assert str(error) == (f"The request to {host} was not written: this copy of the task may no longer send")
    assert (error.outcome, error.status) == (Outcome.NOT_SENT, None)
    assert (error.__cause__, error.__context__) == (None, None)
    assert len(server.requests) == used
    send(hook)
    assert len(server.requests) == used + 1


def test_a_connection_that_can_not_be_opened_asks_for_no_leave(connect, unused_port):
    asked = []
    hook = connect(f"http://127.0.0.1:{unused_port}")
    with pytest.raises(BrazeUnreachableError):
        hook.call(CAMPAIGNS_TRIGGER_SEND, BODY, before_write=lambda: not asked.append(1))
    assert asked == []


@pytest.mark.parametrize("options", [{}, {"timeout": 60}], ids=["no timeout", "timeout"])
def test_a_hook_s_session_can_be_used_for_other_requests(connect, serve, clock, options):
    server = serve()
    hook = connect(server.url)
    session = hook.get_conn()
    assert session.get(f"{server.url}/before", **options).ok
    with pytest.raises(BrazeWithheldError):
        hook.call(CAMPAIGNS_TRIGGER_SEND, BODY, before_write=lambda: False)
    clock[0] += 3_600
    assert session.get(f"{server.url}/after", **options).ok
    send(hook)
    clock[0] += 3_600
    assert session.get(f"{server.url}/later", **options).ok


# Exactly one request ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(connect, serve, status):
    elsewhere = serve()
    server = serve(lambda peer: (peer.read(), peer.answer(status, b"", Location=f"{elsewhere.url}/there")))
    with pytest.raises(BrazeUncertainError, match=f"127.0.0.1 answered {status}"):
        send(connect(server.url))
    assert (len(server.requests), elsewhere.connections) == (1, 0)


@pytest.mark.parametrize("status", [413, 429, 503])
def test_no_answer_is_retried_even_if_it_asks_for_it(connect, serve, status):
    server = serve(lambda peer: (peer.read(), peer.answer(status, b"", Retry_After="0")))
    with pytest.raises(Exception, match=f"{status}|rate limit"):
        send(connect(server.url))
    assert len(server.requests) == 1


# What is sent along -----------------------------------------------------------------------------------------


def test_the_key_is_not_replaced_by_a_netrc_entry(connect, serve, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server = serve()
    send(connect(server.url, password="the-key"))
    assert server.requests[0].headers["authorization"] == "Bearer the-key"


# Certificates -----------------------------------------------------------------------------------------------


def test_a_ca_bundle_of_the_connection_s_is_used(connect, serve, tls):
    server = serve(tls=tls.context)
    hook = connect(server.url, verify=str(tls.ca_bundle))
    send(hook)
    send(hook)
    assert (server.connections, len(server.requests)) == (1, 2)


def test_a_ca_bundle_of_the_environment_s_is_used(connect, serve, tls, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tls.ca_bundle))
    server = serve(tls=tls.context)
    send(connect(server.url))
    assert len(server.requests) == 1


@pytest.mark.parametrize("verify", [False, "false"])
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_no_certificate_is_checked_if_the_connection_says_so(connect, serve, tls, verify, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem")
    server = serve(tls=tls.context)
    send(connect(server.url, verify=verify))
    assert len(server.requests) == 1


def test_a_ca_bundle_of_the_environment_s_that_is_not_there_is_told(connect, serve, tls, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/bundle.pem")
    with pytest.raises(BrazeUnreachableError, match=r"/no/such/bundle\.pem"):
        send(connect(serve(tls=tls.context).url))


# Proxies ----------------------------------------------------------------------------------------------------


@pytest.fixture
def braze(serve, tls):
    """A server that can be reached through a proxy as ``rest.iad-01.braze.com``."""
    return serve(tls=tls.context)


TUNNEL = "CONNECT rest.iad-01.braze.com:443"


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
def test_the_environment_s_proxy_is_used(connect, braze, proxy_to, tls, monkeypatch, name):
    proxy = proxy_to(braze.port)
    monkeypatch.setenv(name, proxy.url)
    hook = connect("rest.iad-01.braze.com", verify=str(tls.ca_bundle))
    send(hook)
    send(hook)
    assert proxy.asked_for == [TUNNEL]
    assert (braze.connections, len(braze.requests)) == (1, 2)


@pytest.mark.parametrize(
    "proxies",
    [lambda url: url, lambda url: {"https": url}, lambda url: f'{{"https": "{url}"}}'],
    ids=["url", "object", "json"],
)
def test_the_connection_s_proxy_is_used_before_the_environment_s(
    connect, braze, proxy_to, tls, monkeypatch, proxies, unused_port
):
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{unused_port}")
    proxy = proxy_to(braze.port)
    send(connect("rest.iad-01.braze.com", verify=str(tls.ca_bundle), proxies=proxies(proxy.url)))
    assert proxy.asked_for == [TUNNEL]


def test_no_proxy_exempts_the_host(connect, braze, proxy_to, tls, monkeypatch):
    proxy = proxy_to(braze.port)
    monkeypatch.setenv("HTTPS_PROXY", proxy.url)
    send(connect(braze.url, verify=str(tls.ca_bundle)))
    assert len(proxy.asked_for) == 1

    monkeypatch.setenv("NO_PROXY", "localhost")
    send(connect(braze.url, verify=str(tls.ca_bundle)))
    assert len(proxy.asked_for) == 1
    assert len(braze.requests) == 2


def test_the_key_is_not_shown_to_the_proxy(connect, serve, braze, tls):
    seen = []

    def spy(peer):
        seen.append(peer.read())
        peer.answer(403, b"")

    with pytest.raises(BrazeUnreachableError):
        send(connect("rest.iad-01.braze.com", proxies=serve(spy).url, verify=str(tls.ca_bundle)))
    (request,) = seen
    assert request.line.startswith(TUNNEL)
    assert "authorization" not in request.headers


def test_plain_http_does_not_leave_this_machine_through_a_proxy_of_the_environment(
    connect, serve, monkeypatch
):
    proxy, server = serve(), serve()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    send(connect(server.url))
    assert (len(server.requests), proxy.connections) == (1, 0)


@pytest.mark.parametrize("status", [403, 407, 502, 503, 504])
def test_a_proxy_that_opens_no_tunnel_is_not_sent(connect, braze, proxy_to, tls, status):
    proxy = proxy_to(braze.port, refusal=status)
    with pytest.raises(BrazeUnreachableError, match=f"Tunnel connection failed: {status}"):
        send(connect("rest.iad-01.braze.com", proxies=proxy.url, verify=str(tls.ca_bundle)))
    assert proxy.asked_for == [TUNNEL]
    assert braze.connections == 0


def test_a_proxy_that_cuts_the_connection_instead_of_opening_a_tunnel_is_not_sent(connect, serve):
    proxy = serve(lambda peer: (peer.read(), peer.reset()))
    with pytest.raises(BrazeUnreachableError):
        send(connect("rest.iad-01.braze.com", proxies=proxy.url))


def test_a_proxy_that_can_not_be_reached_is_not_sent(connect, unused_port):
    with pytest.raises(BrazeUnreachableError, match="Connection refused"):
        send(connect("rest.iad-01.braze.com", proxies=f"http://127.0.0.1:{unused_port}"))


def test_a_proxy_that_is_no_url_is_not_sent_and_told(connect):
    with pytest.raises(BrazeUnreachableError, match="Please check proxy URL"):
        send(connect("rest.iad-01.braze.com", proxies="http:///proxy"))


@pytest.mark.skipif(find_spec("socks") is not None, reason="PySocks is installed, so it is no error")
def test_a_socks_proxy_without_pysocks_is_not_sent_and_told(connect):
    with pytest.raises(BrazeUnreachableError, match="Missing dependencies for SOCKS support"):
        send(connect("rest.iad-01.braze.com", proxies="socks5://127.0.0.1:1080"))


def test_a_certificate_that_is_not_trusted_behind_a_proxy_is_not_sent(connect, braze, proxy_to):
    with pytest.raises(BrazeUnreachableError, match="certificate not trusted"):
        send(connect("rest.iad-01.braze.com", proxies=proxy_to(braze.port).url))
    assert braze.requests == []


def test_a_connection_lost_behind_a_proxy_once_the_request_was_written_is_uncertain(
    connect, serve, proxy_to, tls
):
    braze = serve(lambda peer: peer.read(), tls=tls.context)
    with pytest.raises(BrazeUncertainError):
        send(connect("rest.iad-01.braze.com", proxies=proxy_to(braze.port).url, verify=str(tls.ca_bundle)))
    assert len(braze.requests) == 1


# Causes -----------------------------------------------------------------------------------------------------


def test_a_cause_never_takes_an_exception_s_own_words_which_may_hold_the_request():
    assert cause_of(ValueError("Invalid header value: 'Bearer the-key'")) == "ValueError"


def test_a_cause_ignores_what_was_being_handled_when_the_request_was_made():
    error = TimeoutError()
    error.__context__ = ConnectionResetError(104, "something quite different")
    assert cause_of(error) == "TimeoutError"


# Which task it was ------------------------------------------------------------------------------------------


@pytest.fixture
def _in_a_task(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CTX_DAG_ID", "café")
    monkeypatch.setenv("AIRFLOW_CTX_DAG_RUN_ID", "scheduled__2026-11-21T00:00:00+00:00")
    monkeypatch.setenv("AIRFLOW_CTX_TASK_ID", "send\r\nX-Other: 1")
    monkeypatch.setenv("AIRFLOW_CTX_TRY_NUMBER", "2")


@pytest.mark.usefixtures("_in_a_task")
def test_a_sandbox_is_told_which_task_sends(connect):
    headers = connect("http://127.0.0.1:8010").get_conn().headers

    assert {name: value for name, value in headers.items() if name.startswith("X-")} == {
        "X-Airflow-Dag-Id": "caf%C3%A9",
        "X-Airflow-Run-Id": "scheduled__2026-11-21T00:00:00+00:00",
        "X-Airflow-Task-Id": "send%0D%0AX-Other: 1",
        "X-Airflow-Try-Number": "2",
    }


@pytest.mark.usefixtures("_in_a_task")
@pytest.mark.parametrize(
    "url", ["https://rest.iad-01.braze.com", "https://10.1.2.3", "https://localhost.example.com"]
)
def test_braze_is_not_told_which_task_sends(connect, url):
    assert not [name for name in connect(url).get_conn().headers if name.startswith("X-")]


def test_outside_of_a_task_nothing_is_told(connect, monkeypatch):
    for name in ("DAG_ID", "DAG_RUN_ID", "TASK_ID", "TRY_NUMBER"):
        monkeypatch.delenv(f"AIRFLOW_CTX_{name}", raising=False)

    assert not [name for name in connect("http://127.0.0.1:1").get_conn().headers if name.startswith("X-")]
