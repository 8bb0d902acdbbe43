"""Hooks, and small servers that behave or misbehave as a test tells them to."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import itertools
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from braze_provider.hooks.braze import BrazeHook
from braze_provider.sandbox import Sandbox

ACCEPTED = b'{"message": "success", "dispatch_id": "acf471119f7449d579e8089032003ded"}'


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the developer's own proxies and certificates from the tests."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC"):
        monkeypatch.delenv(name, raising=False)


# Hooks ------------------------------------------------------------------------------------------------------


@pytest.fixture
def hook(sandbox: Sandbox) -> Iterator[BrazeHook]:
    """A hook that talks to the sandbox."""
    hook = BrazeHook()
    yield hook
    hook.close()


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., BrazeHook]]:
    """Make a hook with a connection of its own: ``connect(host, password=…, timeout=1)``."""
    hooks: list[BrazeHook] = []
    numbers = itertools.count()

    def connect(host: str, *, password: str = "a-rest-api-key", **extra: Any) -> BrazeHook:
        conn_id = f"braze_test_{next(numbers)}"
        connection = {"conn_type": "braze", "host": host, "password": password, "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(connection))
        hooks.append(BrazeHook(conn_id))
        return hooks[-1]

    yield connect
    for hook in hooks:
        hook.close()


# Servers ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    line: str
    headers: Mapping[str, str]
    body: bytes


class Peer:
    """One connection to a server."""

    def __init__(self, server: Server, sock: socket.socket) -> None:
        self.server = server
        self.sock = sock

    def read(self) -> Request | None:
        """Read one request. None: the client has closed the connection instead."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.sock.recv(1)
            if not byte:
                return None
            head += byte
        line, *lines = head.decode("latin-1").strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (one.partition(": ") for one in lines)}
        body = b""
        while len(body) < int(headers.get("content-length", 0)):
            body += self.sock.recv(65_536)
        request = Request(line, headers, body)
        self.server.requests.append(request)
        return request

    def answer(self, status: int = 201, body: bytes = ACCEPTED, **headers: str) -> None:
        """Answer the request just read."""
        lines = [f"HTTP/1.1 {status} As the test says", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.sock.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def close(self) -> None:
        """Close the connection properly, without a reset."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def reset(self) -> None:
        """Close the connection with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


def accept_everything(peer: Peer) -> None:
    """Accept every request of a connection."""
    while peer.read():
        peer.answer()


class Server:
    """
    A TCP server on loopback.

    :param behave: Run in a thread for each connection, which closes when it returns.
    :param tls: Speak TLS with this context; a client that breaks off the handshake gets no ``Peer``.
    """

    def __init__(self, behave: Callable[[Peer], Any], tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self._behave = behave
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        # The name and not the address, because certificates and NO_PROXY hold names.
        return f"https://localhost:{self.port}" if self._tls else f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        for sock in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for sock in (self._listener, *self._open):
            sock.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                self._open.append(sock)
                thread = threading.Thread(target=self._talk, args=(sock,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _talk(self, sock: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if self._tls:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._open.append(sock)
            peer = Peer(self, sock)
            try:
                self._behave(peer)
            finally:
                peer.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start a server: ``serve()`` accepts every request, ``serve(behave)`` calls ``behave(peer)``."""
    servers: list[Server] = []

    def serve(behave: Callable[[Peer], Any] = accept_everything, tls: ssl.SSLContext | None = None) -> Server:
        servers.append(Server(behave, tls))
        return servers[-1]

    yield serve
    for server in servers:
        server.stop()


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port on which no server listens, and which no other process gets while the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


# Proxies ----------------------------------------------------------------------------------------------------


class Proxy:
    """
    Opens every tunnel to the same server, and remembers which hosts it was asked for.

    :param target: The port (int) where every tunnel ends.
    :param refusal: The status (int) to refuse tunnels with, instead of opening them.
    """

    def __init__(self, serve: Callable[..., Server], target: int, refusal: int | None) -> None:
        self._target = target
        self._refusal = refusal
        self._server = serve(self._behave)
        self.url = self._server.url

    @property
    def asked_for(self) -> list[str]:
        return [request.line.rpartition(" ")[0] for request in self._server.requests]

    def _behave(self, peer: Peer) -> None:
        if peer.read() is None:
            return
        if self._refusal:
            peer.answer(self._refusal, b"")
            return
        with socket.create_connection(("127.0.0.1", self._target)) as onwards:
            peer.sock.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(onwards, peer.sock), daemon=True)
            back.start()
            _pump(peer.sock, onwards)
            back.join(10)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy_to(serve: Callable[..., Server]) -> Callable[..., Proxy]:
    """Start a proxy: ``proxy_to(server.port)``, or ``proxy_to(server.port, refusal=407)``."""
    return lambda target, refusal=None: Proxy(serve, target, refusal)


# Certificates -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tls:
    """
    A certificate authority made for the tests.

    :param ca_bundle: Path of its certificate.
    :param context: For a server named ``localhost`` or ``rest.iad-01.braze.com``.
    """

    ca_bundle: Path
    context: ssl.SSLContext


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    folder = tmp_path_factory.mktemp("tls")
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)
    keys = ca_key, server_key = (
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP256R1()),
    )
    ca_name, server_name = (
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in ("Test CA", "localhost")
    )
    ca_id, server_id = (x509.SubjectKeyIdentifier.from_public_key(key.public_key()) for key in keys)

    def certificate(subject: x509.Name, key: Any, extensions: list[tuple[Any, bool]]) -> bytes:
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - day)
            .not_valid_after(now + day)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        return builder.sign(ca_key, hashes.SHA256()).public_bytes(Encoding.PEM)

    usage = dict.fromkeys(
        (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
            "crl_sign",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    ca_usage = x509.KeyUsage(**{**usage, "key_cert_sign": True, "crl_sign": True})
    names = [x509.DNSName("localhost"), x509.DNSName("rest.iad-01.braze.com")]
    names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    ca_bundle = folder / "ca.pem"
    ca_bundle.write_bytes(
        certificate(
            ca_name,
            ca_key,
            [(x509.BasicConstraints(ca=True, path_length=None), True), (ca_usage, True), (ca_id, False)],
        )
    )
    chain = folder / "server.pem"
    chain.write_bytes(
        certificate(
            server_name,
            server_key,
            [
                (x509.BasicConstraints(ca=False, path_length=None), True),
                (x509.SubjectAlternativeName(names), False),
                (server_id, False),
                (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_id), False),
            ],
        )
        + server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return Tls(ca_bundle, context)
