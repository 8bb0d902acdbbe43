"""The HTTP server that a sandbox runs in: the only module, with those it imports, that needs the extra."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import uvicorn

from braze_provider.sandbox.app import create_app
from braze_provider.sandbox.state import SandboxState
from braze_provider.sandbox.wire import connection_protocol


class SandboxServer(uvicorn.Server):
    """
    A uvicorn server that says when it is ready, and stops without waiting for its clients.

    :param state: the sandbox's state.
    :param on_ready: called once connections are being accepted.
    """

    def __init__(self, state: SandboxState, on_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                create_app(state),
                http=connection_protocol(),
                ws="none",
                lifespan="off",
                # Logging belongs to the program that the sandbox runs in.
                log_config=None,
                log_level="warning",
                access_log=False,
                # The sandbox's clock, which may be wrong on purpose, tells the date.
                date_header=False,
                server_header=False,
                timeout_keep_alive=state.config.keep_alive,
                backlog=2048,
            )
        )
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, cutting the connections that are still open: a fault may be holding one for minutes."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)


def new_event_loop() -> asyncio.AbstractEventLoop:
    """The fastest event loop there is, without a change to the process-wide choice of one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop
