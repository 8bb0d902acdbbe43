"""
The page of the sandbox, and what keeps other pages away from it and from the control calls.

The page is a few files without a build step, and loads nothing from elsewhere. Its data come from the control
calls.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from braze_provider.sandbox.previews import Frames
from braze_provider.sandbox.state import CONTROL, SandboxConfig

FILES = f"{CONTROL}/page/"
"""The path below which the files of the page are served."""

FRAMES = f"{CONTROL}/frames/"
"""The path below which e-mails are served to a frame."""

_FOLDER = Path(__file__).parent / "page_files"
_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_DATA_POLICY = "default-src 'none'; frame-ancestors 'none'; sandbox"
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Page:
    """
    The page, the frames of e-mails, and the control calls behind a guard.

    :param config: The sandbox's options.
    :param frames: The e-mails that were opened.
    :param control: The control calls.
    """

    def __init__(self, config: SandboxConfig, frames: Frames, control: ASGIApp) -> None:
        self._config = config
        self._frames = frames
        self._control = control
        self._files = {
            path.name: (path.read_bytes(), _TYPES[path.suffix])
            for path in _FOLDER.iterdir()
            if path.suffix in _TYPES
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        path = scope["path"]
        answer: ASGIApp
        if refusal := self._refusal(scope["method"], Headers(scope=scope)):
            answer = JSONResponse({"message": refusal}, 403)
        elif path == "/":
            answer = self._file("index.html")
        elif path.startswith(FILES):
            answer = self._file(path.removeprefix(FILES))
        elif path.startswith(FRAMES):
            answer = self._frame(path.removeprefix(FRAMES))
        else:
            answer = self._control
        await answer(scope, receive, _guarded(send))

    def _refusal(self, method: str, headers: Headers) -> str | None:
        """
        Say why a request may come from another site in the user's browser; None if it can't.

        A page from elsewhere can make requests to loopback. It can't read the answers or send a token, unless
        its own name suddenly points to loopback (DNS rebinding): then the ``Host`` header has that name.
        """
        host = headers.get("host", "")
        if self._config.token is None and host and not _is_fixed(host):
            return f"Without a token, the sandbox answers only at an IP address or localhost, not at {host!r}"
        if method in _SAFE_METHODS:
            return None
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return f"A page of {origin!r} must not control the sandbox"
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return "A page of another site must not control the sandbox"
        return None

    def _file(self, name: str) -> Response:
        if name not in self._files:
            return JSONResponse({"message": "No such file"}, 404)
        content, media_type = self._files[name]
        headers = {"Content-Type": media_type, "Cache-Control": "no-cache"}
        return Response(content, headers={**headers, "Content-Security-Policy": _PAGE_POLICY})

    def _frame(self, name: str) -> Response:
        found = self._frames.get(name)
        if found is None:
            return JSONResponse({"message": "No such frame: open the message again"}, 404)
        content, policy = found
        headers = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": policy}
        return Response(content, headers=headers)


def _is_fixed(host: str) -> bool:
    """Tell whether no name service decides where a host is."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
        ipaddress.ip_address(name)
    except ValueError:
        return host.partition(":")[0].lower() == "localhost"
    return True


def _guarded(send: Send) -> Send:
    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("Content-Security-Policy", _DATA_POLICY)
            headers.setdefault("Cache-Control", "no-store")
            headers["X-Content-Type-Options"] = "nosniff"
            headers["Referrer-Policy"] = "no-referrer"
            headers["Cross-Origin-Resource-Policy"] = "same-origin"
        await send(message)

    return guarded
