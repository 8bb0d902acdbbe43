"""
The sandbox's HTTP server, its whole and broken answers, and connections that can be cut.

Only this module and the applications above it need the extra.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, MutableMapping
from typing import Any

import uvicorn
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from braze_provider.sandbox.answers import Answer

# Linger for zero seconds. Closing the socket then sends a reset and discards unsent data.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_FLUSH_SECONDS = 0.05


class Wire:
    """
    A connection of the server's.

    :param protocol: The connection's protocol, whose ``transport`` is set once it is made.
    """

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol

    @classmethod
    def of(cls, scope: MutableMapping[str, Any]) -> Wire:
        """
        Give the connection of a request.

        :param scope: The request's ASGI scope.
        """
        wire: Wire = scope["state"]["wire"]
        return wire

    async def cut(self, *, after_flush: bool = False, reset: bool = False) -> None:
        """
        Close the connection now, without an answer or in the middle of one.

        :param after_flush: Send the written data first.
        :param reset: Close with a TCP reset instead of an orderly end.
        """
        transport: asyncio.Transport = self._protocol.transport
        if after_flush and reset:
            # A reset discards data that the client has not read yet, so the client gets a moment to read.
            await asyncio.sleep(_FLUSH_SECONDS)
        if reset:
            with contextlib.suppress(OSError):  # already gone
                transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE
                )
        if after_flush and not reset:
            transport.close()
        else:
            transport.abort()


class WholeResponse(Response):
    """
    A whole answer.

    :param answer: The answer.
    :param headers: Its headers.
    """

    def __init__(self, answer: Answer, headers: dict[str, str]) -> None:
        # Starlette adds a content type of its own only when there is none among the headers.
        super().__init__(answer.content(), answer.status, {**headers, "Content-Type": answer.content_type})


class HalfResponse(WholeResponse):
    """
    Half an answer: its head promises more bytes than arrive before the connection closes.

    :param answer: The answer.
    :param headers: Its headers.
    :param reset: Close with a TCP reset.
    """

    def __init__(self, answer: Answer, headers: dict[str, str], *, reset: bool) -> None:
        super().__init__(answer, headers)
        self._reset = reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send half of the answer."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await Wire.of(scope).cut(after_flush=True, reset=self._reset)
        await _client_gone(receive)


class NoResponse(Response):
    """
    No answer: the connection closes.

    :param reset: Close with a TCP reset.
    """

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self._reset = reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection."""
        await Wire.of(scope).cut(reset=self._reset)
        # The server reports a handler that returns without an answer as a bug, unless the client has gone.
        await _client_gone(receive)


async def hold(receive: Receive, seconds: float) -> bool:
    """
    Wait as long as the client waits.

    :param receive: The request's ``receive``. The body has been read.
    :param seconds: How long at most.
    :returns: Whether the client has waited too.
    """
    try:
        await asyncio.wait_for(_client_gone(receive), seconds)
    except asyncio.TimeoutError:
        return True
    return False


async def _client_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


class SandboxServer(uvicorn.Server):
    """
    A uvicorn server that says when it is ready, and stops without waiting for its clients.

    :param app: What it serves.
    :param keep_alive: Seconds for which an idle connection stays open.
    :param on_ready: Called once connections are being accepted.
    :param on_tick: Called ten times a second.
    :param on_stop: Called at the end, once nothing is served any more.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        keep_alive: int,
        on_ready: Callable[[], None],
        on_tick: Callable[[], None],
        on_stop: Callable[[], None],
    ) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_connection_protocol(),
                ws="none",
                lifespan="off",
                # Logging belongs to the program that the sandbox runs in.
                log_config=None,
                log_level="warning",
                access_log=False,
                # The date comes from the sandbox's clock, which may be wrong on purpose.
                date_header=False,
                server_header=False,
                timeout_keep_alive=keep_alive,
                backlog=2048,
            )
        )
        self._on_ready = on_ready
        self._on_tick = on_tick
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        """Do what is done again and again."""
        self._on_tick()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, and cut the open connections, because a fault may hold one for minutes."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)
        # A signal that ends the process ends it right after this.
        self._on_stop()


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Make the fastest event loop available. The process's default loop stays as it is."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _connection_protocol() -> type[asyncio.Protocol]:
    """Make a protocol for uvicorn that puts a :class:`Wire` into each request's ``state["wire"]``."""
    base = _uvicorn_protocol()

    class SandboxProtocol(base):  # type: ignore[misc, valid-type]
        def __init__(
            self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None
        ) -> None:
            # uvicorn copies app_state into each request's scope, so each connection has its own.
            own_state = {**app_state, "wire": Wire(self)}
            super().__init__(config=config, server_state=server_state, app_state=own_state, _loop=_loop)

    return SandboxProtocol


def _uvicorn_protocol() -> type[asyncio.Protocol]:
    try:
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
    except ImportError:  # httptools is an option of uvicorn's
        from uvicorn.protocols.http.h11_impl import H11Protocol

        return H11Protocol
    return HttpToolsProtocol
