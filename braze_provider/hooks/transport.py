"""
The wire: a keep-alive session that knows whether a failed request was ever written.

A send may be repeated only if its request was never written. ``requests`` does not tell: it has the same few
exceptions for a refused connection and for one that was lost after the request was read. So the connections
here note when the first byte of a request is handed to the network. They also ask for permission right before
it, are not used again once the server may have closed them, and end requests that take too long.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import io
import math
import os
import re
import ssl
import threading
import zlib
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import quote

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.exceptions import InvalidProxyURL, InvalidSchema
from urllib3 import PoolManager
from urllib3.connectionpool import HTTPConnectionPool

MAX_IDLE = 3.0
"""Seconds for which a connection is kept without a request. Servers close idle connections after 5 seconds or
more, and a request that is written at that moment would be in doubt needlessly."""

# The errors of older and newer OpenSSL for an answer in plain http.
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
_KEEP_ALIVE_TIMEOUT = re.compile(r"timeout\s*=\s*(\d{1,9})", re.IGNORECASE)
_TASK_VARIABLES: Mapping[str, str] = {
    "X-Airflow-Dag-Id": "AIRFLOW_CTX_DAG_ID",
    "X-Airflow-Run-Id": "AIRFLOW_CTX_DAG_RUN_ID",
    "X-Airflow-Task-Id": "AIRFLOW_CTX_TASK_ID",
    "X-Airflow-Try-Number": "AIRFLOW_CTX_TRY_NUMBER",
}
_INFLATED = {"gzip", "x-gzip", "deflate"}


class WithheldError(Exception):
    """``before_write`` said no. Not an ``OSError``: ``urllib3`` would take that for a network failure."""


class Received(NamedTuple):
    """
    An answer as it came.

    :param status: HTTP status.
    :param content: Its body, cut off at ``max_bytes``, which no answer of Braze's reaches.
    :param headers: Its headers. Upper and lower case are the same.
    """

    status: int
    content: bytes
    headers: Mapping[str, str]


class _Attempt(threading.local):
    """The current thread's request."""

    began = False
    """Whether it has begun to be written."""
    connecting = False
    """Whether a connection is being opened for it. Bytes for a proxy do not count as the request."""
    before_write: Callable[[], bool] | None = None
    patience: float | None = None
    """Seconds for which the network may stand still; None if :func:`exchange` did not make the request."""
    deadline = math.inf
    """When the connection must be open. Once it is open: when the request must be over."""

    def allow(self, seconds: float) -> None:
        self.deadline = monotonic() + seconds

    def hurry(self, sock: Any) -> None:
        """Limit the socket's timeout to the time that is left."""
        if self.patience is None:
            return
        left = self.deadline - monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        sock.settimeout(left if self.connecting else min(left, self.patience))


_attempt = _Attempt()


class _Hurried(io.RawIOBase):
    """The server's answer, read until the deadline. A byte now and then does not extend the deadline."""

    def __init__(self, sock: Any, raw: Any) -> None:
        self._sock = sock
        self._raw = raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        _attempt.hurry(self._sock)
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _FinalResponse(http.client.HTTPResponse):
    """The final answer to a request. Any number of interim answers may come before it."""

    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Hurried(sock, self.fp.detach()))

    def begin(self) -> None:
        super().begin()
        while self.status < 200:  # http.client itself reads past a 100, but takes a 103 for the answer
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()
        # urllib3 would log headers that it can't read, and a server may repeat the API key there.
        self.msg.set_payload("")
        self.msg.defects.clear()


class _NotingMixin:
    """Added to each kind of connection: plain, TLS, or through a SOCKS proxy."""

    response_class = _FinalResponse
    _stale_at = math.inf

    @property
    def is_connected(self) -> bool:
        """Whether it can take another request. urllib3 asks before it takes a kept connection."""
        return monotonic() < self._stale_at and super().is_connected  # type: ignore[misc]

    def connect(self) -> None:
        self._stale_at = math.inf
        _attempt.connecting = True
        if _attempt.patience is not None:
            _attempt.allow(self.timeout)  # type: ignore[attr-defined]
        try:
            super().connect()  # type: ignore[misc]
        finally:
            _attempt.connecting = False

    def send(self, data: Any) -> None:
        if self.sock is None and self.auto_open:  # type: ignore[attr-defined]
            self.connect()
        if not _attempt.connecting:
            if not _attempt.began:
                self._begin()
            _attempt.hurry(self.sock)  # type: ignore[attr-defined]
        super().send(data)  # type: ignore[misc]

    def _begin(self) -> None:
        if _attempt.before_write is not None and not _attempt.before_write():
            raise WithheldError
        _attempt.began = True
        if _attempt.patience is not None:
            _attempt.allow(2 * _attempt.patience)

    def getresponse(self) -> Any:
        response = super().getresponse()  # type: ignore[misc]
        promised = _KEEP_ALIVE_TIMEOUT.search(response.headers.get("Keep-Alive", ""))
        idle = min(MAX_IDLE, max(int(promised[1]) - 1, 0)) if promised else MAX_IDLE
        self._stale_at = monotonic() + idle
        return response


@functools.cache
def _noting(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    connection = pool.ConnectionCls
    if issubclass(connection, _NotingMixin):
        return pool
    noting = type(f"Noting{connection.__name__}", (_NotingMixin, connection), {})
    return type(f"Noting{pool.__name__}", (pool,), {"ConnectionCls": noting})


def _take_note(manager: PoolManager) -> None:
    pools = manager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {scheme: _noting(pool) for scheme, pool in pools.items()}


class NotingAdapter(HTTPAdapter):
    """
    A transport adapter for one thread's session with one server: one connection and no retries. It notes when
    writing begins.
    """

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)
        self._pool: Any = None

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Let direct connections note when writing begins."""
        super().init_poolmanager(*args, **kwargs)
        _take_note(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Let connections through a proxy note when writing begins."""
        manager = super().proxy_manager_for(*args, **kwargs)
        _take_note(manager)
        return manager

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Find the server's pool once. ``requests`` (from 2.32 on) would find it again for each request."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*args, **kwargs)
        return self._pool

    def close(self) -> None:
        """Close the connection."""
        self._pool = None
        super().close()


class BearerAuth(AuthBase):
    """
    Sends the API key. Without this, ``requests`` might send an entry of ``.netrc`` instead.

    :param api_key: The REST API key.
    """

    def __init__(self, api_key: str) -> None:
        self._header = f"Bearer {api_key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        request.headers["Authorization"] = self._header
        return request


class ThreadSession(requests.Session):
    """A session of one thread, which makes one request at a time. It keeps no cookies."""

    def __init__(self) -> None:
        super().__init__()
        self.prepared: dict[tuple[str, str], requests.PreparedRequest] = {}
        """Requests without a body, by method and URL. Preparing one takes a fifth of the time of a send."""


def task_headers() -> dict[str, str]:
    """
    Give headers that name the running task. A sandbox shows them; Braze has no use for them.

    Airflow tells each task who it is by environment variables. Outside of a task there are none.
    """
    found = {name: os.environ.get(variable) for name, variable in _TASK_VARIABLES.items()}
    # A name may hold any character, and a header may not.
    return {name: quote(value, safe=" +:@/") for name, value in found.items() if value}


def open_session(
    base_url: str,
    api_key: str,
    *,
    proxies: Mapping[str, str],
    verify: bool | str,
    user_agent: str,
    headers: Mapping[str, str] | None = None,
) -> ThreadSession:
    """
    Open a keep-alive session for one thread.

    :param base_url: Where all its requests go; decides which of the environment's proxies apply.
    :param api_key: The REST API key.
    :param proxies: Proxy URL by scheme. If empty, https uses the environment's proxies and ``NO_PROXY``.
        Plain http then uses no proxy: it is for loopback, or for a host that ``allow_http`` permits, and a
        proxy of the environment would take it elsewhere.
    :param verify: As for ``requests``.
    :param user_agent: Value of the ``User-Agent`` header.
    :param headers: More headers of each request. Default: none.
    """
    session = ThreadSession()
    session.trust_env = base_url.startswith("https:")
    # The environment is read once here. Reading it for each request would take longer than everything else.
    settings = session.merge_environment_settings(base_url, dict(proxies), None, verify, None)
    session.trust_env = False
    session.proxies = dict(settings["proxies"])
    session.verify = settings["verify"]
    session.auth = BearerAuth(api_key)
    session.headers.update(
        {"User-Agent": user_agent, "Accept": "application/json", "Accept-Encoding": "identity"}
    )
    session.headers.update(headers or {})
    adapter = NotingAdapter()
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def exchange(
    session: ThreadSession,
    method: str,
    url: str,
    *,
    data: bytes | None,
    params: Mapping[str, Any] | None,
    headers: Mapping[str, str] | None,
    timeout: tuple[float, float],
    max_bytes: int,
    before_write: Callable[[], bool] | None = None,
) -> Received:
    """
    Make exactly one request: no retry, no redirect.

    :param session: The current thread's session.
    :param method: HTTP method.
    :param url: Full URL.
    :param data: The body.
    :param params: Query parameters.
    :param headers: Headers besides those of the session; the same for all requests with a body to one URL.
    :param timeout: Seconds to wait for the connection, and seconds for which the network may stand still. The
        time from the first byte of the request to the last byte of the answer is at most twice the second.
    :param max_bytes: Length at which the answer is cut off.
    :param before_write: Called once the connection is open, right before the first byte of the request. False
        withholds the request.
    :raises WithheldError: If ``before_write`` says no. Nothing was written.
    :raises requests.RequestException: If there was no answer; :func:`writing_began` tells what that means.
    """
    if data is None or params:
        request = session.prepare_request(
            requests.Request(method, url, headers=headers, data=data, params=params)
        )
    else:
        request = _prepared(session, method, url, headers)
        request.body = data
        request.headers["Content-Length"] = str(len(data))
    verify = True if session.verify is None else session.verify
    _attempt.began = False
    _attempt.before_write = before_write
    _attempt.patience = timeout[1]
    try:
        # Not through the session, which would add cookies, hooks and redirects.
        response = session.get_adapter(url).send(
            request, stream=True, timeout=timeout, verify=verify, proxies=session.proxies
        )
        # The body is read here, because that may fail as well.
        return Received(response.status_code, _content(response, max_bytes), response.headers)
    finally:
        # A hook's user may use the same session for other requests.
        _attempt.before_write = _attempt.patience = None


def _prepared(
    session: ThreadSession, method: str, url: str, headers: Mapping[str, str] | None
) -> requests.PreparedRequest:
    request = session.prepared.get((method, url))
    if request is None:
        request = session.prepare_request(requests.Request(method, url, headers=headers))
        session.prepared[method, url] = request
    return request


def _content(response: requests.Response, max_bytes: int) -> bytes:
    content, more = b"", True
    try:
        while more and len(content) <= max_bytes:
            piece = response.raw.read(max_bytes + 1 - len(content), decode_content=False)
            content, more = content + piece, bool(piece)
    finally:
        if more:
            response.close()  # Otherwise the rest would be read as the next answer.
    if response.headers.get("Content-Encoding", "").lower() in _INFLATED:
        # The server was asked not to compress. A few bytes may unpack to gigabytes, so there is a limit.
        with contextlib.suppress(zlib.error):
            return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(content, max_bytes + 1)
    return content


def writing_began() -> bool:
    """Tell whether the current thread's last request had begun to be written to the network."""
    return _attempt.began


def cause_of(error: BaseException) -> str:
    """
    Say why a request failed. The text holds nothing of the request.

    :param error: The error that :func:`exchange` raised. Its own text may hold anything, so it is not used.
    """
    innermost: BaseException | None = error
    cause = error
    while innermost is not None:
        cause, innermost = innermost, _deeper(innermost)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError) and cause.reason in _NO_TLS:
        return "it answers plain http: begin host with http:// if that is meant"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    if type(cause) is OSError or isinstance(cause, (InvalidProxyURL, InvalidSchema)):
        # A proxy that opens no tunnel, a CA bundle that does not exist, or an invalid proxy URL.
        return str(cause)
    return type(error).__name__


def _deeper(error: BaseException) -> BaseException | None:
    """Give the exception inside one of ``requests`` or ``urllib3``. Each kind keeps it in another place."""
    places = (error.__cause__, getattr(error, "reason", None), getattr(error, "original_error", None))
    for wrapped in (*places, *reversed(error.args)):
        if isinstance(wrapped, BaseException):
            return wrapped
    return None
