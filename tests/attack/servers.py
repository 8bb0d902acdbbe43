"""Servers that misbehave: one in place of Braze, and one between a task and its ledger's database."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

ACCEPTED = b'{"message": "success", "dispatch_id": "acf471119f7449d579e8089032003ded"}'


class Listener:
    """A TCP server on loopback with a thread for each connection. A context manager."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._socket.getsockname()[1])
        self._open: list[socket.socket] = []

    def __enter__(self) -> Any:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        for sock in (self._socket, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._socket.accept()
                self._open.append(sock)
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError), sock:
            self.talk(sock)

    def talk(self, sock: socket.socket) -> None:
        """Serve one connection, and close it at the end."""
        raise NotImplementedError


class RawBraze(Listener):
    """
    A Braze that accepts every request, and answers as a test wants.

    :param answer: Called with the connection and the number of the request, from 0; writes the answer.
    :param forgets_after: Seconds after which an idle connection is forgotten. Later bytes on it are answered
        with a reset and never reach Braze, as behind a load balancer.
    :param keep_alive: Seconds that the answers of :meth:`accept` promise.
    """

    def __init__(
        self,
        answer: Callable[[socket.socket, int], Any] | None = None,
        *,
        forgets_after: float | None = None,
        keep_alive: int | None = None,
    ) -> None:
        super().__init__()
        self.messages: Counter[str] = Counter()
        """How many messages each recipient got."""
        self.answer: Callable[[socket.socket, int], Any] = answer or (lambda sock, _: self.accept(sock))
        self._forgets_after = forgets_after
        self._keep_alive = "" if keep_alive is None else f"Keep-Alive: timeout={keep_alive}\r\n"
        self._requests = 0

    @property
    def airflow_connection(self) -> dict[str, Any]:
        """The fields of an Airflow connection to it."""
        return {"conn_type": "braze", "host": f"http://127.0.0.1:{self.port}", "password": "a-key"}

    @property
    def duplicates(self) -> int:
        """How many recipients got more than one message."""
        return sum(count > 1 for count in self.messages.values())

    def talk(self, sock: socket.socket) -> None:
        stream = sock.makefile("rb")
        while True:
            idle_since = time.monotonic()
            sock.recv(1, socket.MSG_PEEK)
            if self._forgets_after is not None and time.monotonic() - idle_since > self._forgets_after:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if (body := _read(stream)) is None:
                return
            self.messages.update(one["external_user_id"] for one in json.loads(body)["recipients"])
            number, self._requests = self._requests, self._requests + 1
            self.answer(sock, number)

    def accept(self, sock: socket.socket) -> None:
        """Answer as Braze does if it accepts a request."""
        head = f"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n{self._keep_alive}"
        sock.sendall(f"{head}Content-Length: {len(ACCEPTED)}\r\n\r\n".encode() + ACCEPTED)


def _read(stream: Any) -> bytes | None:
    """Read a request's body; None if there is no further request."""
    length = 0
    while (line := stream.readline()) not in (b"\r\n", b""):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return bytes(stream.read(length)) if line else None


class FreezingProxy(Listener):
    """
    Passes bytes on to a server. For a while it passes on nothing, if a test says so.

    :param host: The server's.
    :param port: The server's.
    """

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self._target = (host, port)
        self._flows = threading.Event()
        self._flows.set()

    def freeze(self, seconds: float) -> None:
        """Pass on nothing for so long, and keep all connections open."""
        self._flows.clear()
        thaw = threading.Timer(seconds, self._flows.set)
        thaw.daemon = True
        thaw.start()

    def talk(self, sock: socket.socket) -> None:
        self._flows.wait()
        with socket.create_connection(self._target) as onwards:
            back = threading.Thread(target=self._pump, args=(onwards, sock), daemon=True)
            back.start()
            self._pump(sock, onwards)
            back.join()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                self._flows.wait()
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
