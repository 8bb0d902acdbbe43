"""
The wire: a keep-alive session that knows whether a failed request was ever written.

``requests`` reports a refused connection and a connection lost after the request was read in the same
few exception types. Whether a send may be repeated hangs on the difference, so the connections used
here take a note when the first byte of a request is handed to the network.
"""

from __future__ import annotations

import functools
import ssl
import threading
from collections.abc import Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.exceptions import InvalidProxyURL, InvalidSchema
from urllib3 import PoolManager
from urllib3.connectionpool import HTTPConnectionPool


class WriteNote(threading.local):
    """Whether the current thread's request has begun to be written."""

    began = False


_note = WriteNote()


class _NotingMixin:
    """What is added to each kind of connection: plain, TLS, or through a SOCKS proxy."""

    def connect(self) -> None:
        try:
            super().connect()  # type: ignore[misc]
        finally:
            # What a proxy was told to open the tunnel is not the request.
            _note.began = False

    def send(self, data: Any) -> None:
        if self.sock is None and self.auto_open:  # type: ignore[attr-defined]
            self.connect()
        _note.began = True
        super().send(data)  # type: ignore[misc]


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
    A transport adapter for one thread's session with one server: one connection, no retries, and the note of
    writing.
    """

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)
        self._pool: Any = None

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of direct connections take the note."""
        super().init_poolmanager(*args, **kwargs)
        _take_note(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Make the pools of connections through a proxy take the note."""
        manager = super().proxy_manager_for(*args, **kwargs)
        _take_note(manager)
        return manager

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Find the pool of the one server once, which ``requests`` does for each request (from 2.32 on)."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*args, **kwargs)
        return self._pool

    def close(self) -> None:
        """Close the connection."""
        self._pool = None
        super().close()


class BearerAuth(AuthBase):
    """
    Sends the API key, and keeps ``requests`` from putting a ``.netrc`` entry in its place.

    :param api_key: The REST API key.
    """

    def __init__(self, api_key: str) -> None:
        self._header = f"Bearer {api_key}"

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Add the header."""
        request.headers["Authorization"] = self._header
        return request


class ThreadSession(requests.Session):
    """A session of one thread, which makes one request at a time. It keeps no cookies for sends."""

    def __init__(self) -> None:
        super().__init__()
        self.prepared: dict[tuple[str, str], requests.PreparedRequest] = {}
        """Requests by method and URL, complete but for the body: preparing one costs a fifth of a send."""


def open_session(
    base_url: str, api_key: str, *, proxies: Mapping[str, str], verify: bool | str, user_agent: str
) -> ThreadSession:
    """
    Open a keep-alive session for one thread.

    :param base_url: Where all its requests go; decides which of the environment's proxies apply.
    :param api_key: The REST API key.
    :param proxies: Proxy URL by scheme; empty: those of the environment, ``NO_PROXY`` respected. Plain
        http goes to loopback alone, and a proxy of the environment would take it off this machine.
    :param verify: As ``requests`` takes it.
    :param user_agent: Value of the ``User-Agent`` header.
    """
    session = ThreadSession()
    session.trust_env = base_url.startswith("https:")
    # The environment is read once here instead of at each request, which would take longer than the rest.
    settings = session.merge_environment_settings(base_url, dict(proxies), None, verify, None)
    session.trust_env = False
    session.proxies = dict(settings["proxies"])
    session.verify = settings["verify"]
    session.auth = BearerAuth(api_key)
    session.headers.update({"User-Agent": user_agent, "Accept": "application/json"})
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
) -> requests.Response:
    """
    Make exactly one request: no retry, no redirect.

    :param session: The current thread's session.
    :param method: HTTP method.
    :param url: Full URL.
    :param data: The body.
    :param params: Query parameters.
    :param headers: Headers besides those of the session; the same for all requests with a body to one URL.
    :param timeout: Seconds to wait for the connection, and for the answer.
    :raises requests.RequestException: If there was no answer; :func:`writing_began` tells what that means.
    """
    _note.began = False
    if data is None or params:
        return session.request(
            method, url, data=data, params=params, headers=headers, timeout=timeout, allow_redirects=False
        )
    request = session.prepared.get((method, url))
    if request is None:
        request = session.prepare_request(requests.Request(method, url, headers=headers))
        session.prepared[method, url] = request
    request.body = data
    request.headers["Content-Length"] = str(len(data))
    # Past what a session does around this: cookies, hooks, redirects.
    verify = True if session.verify is None else session.verify
    response = session.get_adapter(url).send(request, timeout=timeout, verify=verify, proxies=session.proxies)
    _ = response.content  # Read here and now: that may fail as well.
    return response


def writing_began() -> bool:
    """Tell whether the current thread's last request had begun to be written to the network."""
    return _note.began


def cause_of(error: BaseException) -> str:
    """
    Say why a request failed, in words that hold nothing of the request.

    :param error: What :func:`exchange` raised. Its own text may hold anything, so it is not used.
    """
    innermost: BaseException | None = error
    cause = error
    while innermost is not None:
        cause, innermost = innermost, _deeper(innermost)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {cause.verify_message}"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    if type(cause) is OSError or isinstance(cause, (InvalidProxyURL, InvalidSchema)):
        # A proxy that opens no tunnel, a CA bundle that isn't there, a proxy that can't be one.
        return str(cause)
    return type(error).__name__


def _deeper(error: BaseException) -> BaseException | None:
    """What an exception of ``requests`` or ``urllib3`` wraps; each kind keeps it in another place."""
    places = (error.__cause__, getattr(error, "reason", None), getattr(error, "original_error", None))
    for wrapped in (*places, *reversed(error.args)):
        if isinstance(wrapped, BaseException):
            return wrapped
    return None
