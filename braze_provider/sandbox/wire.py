"""The TCP connection below a request, within reach of the application so that it can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import MutableMapping
from typing import Any

# Linger on, for zero seconds: closing the socket then sends a reset and discards what was not sent.
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)
_FLUSH_SECONDS = 0.05


class Wire:
    """
    A connection of the server's.

    :param protocol: the connection's protocol, whose ``transport`` is set once it is made.
    """

    def __init__(self, protocol: Any) -> None:
        self._protocol = protocol

    @classmethod
    def of(cls, scope: MutableMapping[str, Any]) -> Wire:
        """
        The connection that a request came by.

        :param scope: the request's ASGI scope.
        """
        wire: Wire = scope["state"]["wire"]
        return wire

    async def cut(self, *, after_flush: bool = False, reset: bool = False) -> None:
        """
        Close the connection now, without an answer or in the middle of one.

        :param after_flush: let what has been written go out first (bool).
        :param reset: close with a TCP reset (bool) instead of an orderly end.
        """
        transport: asyncio.Transport = self._protocol.transport
        if after_flush and reset:
            # A reset overtakes what the client has not read yet: give it a moment to read.
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


def connection_protocol() -> type[asyncio.Protocol]:
    """
    A protocol for uvicorn that hands its connection to the application.

    Every request's scope then holds a :class:`Wire` under ``state["wire"]``.
    """
    base = _uvicorn_protocol()

    class SandboxProtocol(base):  # type: ignore[misc, valid-type]
        def __init__(
            self, config: Any, server_state: Any, app_state: dict[str, Any], _loop: Any = None
        ) -> None:
            # uvicorn copies app_state into each request's scope, so one of its own is all a connection needs.
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
