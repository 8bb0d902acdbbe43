"""A network between a driver and its database. It can stall."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from sqlalchemy.engine import URL, make_url


class StallingProxy:
    """
    Forwards connections to a server, until it is told to stall: then it forwards no more bytes.

    Clients can still connect then, but get no answer. The server does not learn that a client has gone, as if
    the client's machine had vanished.

    :param url: The database.
    """

    def __init__(self, url: str) -> None:
        target = make_url(url)
        port = target.port or {"mysql": 3306, "postgresql": 5432}[target.get_backend_name()]
        self._target = (target.host or "127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url: URL = target.set(host="127.0.0.1", port=self._listener.getsockname()[1])
        self._flows = threading.Event()
        self._flows.set()
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def stall(self) -> None:
        self._flows.clear()

    def go_on(self) -> None:
        self._flows.set()

    def cut(self) -> None:
        """End all connections."""
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()
        self.cut()
        self.go_on()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._sockets += [client, server]
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                self._flows.wait()
                sink.sendall(data)
        self._flows.wait()
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
