"""The app behind the page: its files, and its JSON routes. Each route asks Airflow who the user is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fastapi import Depends, FastAPI, HTTPException, Response, status
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from braze_provider.plugins import routes
from braze_provider.plugins.access import get_user

_FOLDER = Path(__file__).parent / "page_files"
_TYPES: Mapping[str, str] = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
}
# Airflow's UI shows the page in a frame.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def create_app() -> FastAPI:
    """Make the app."""
    # Without the pages about the API: they load scripts from elsewhere, and nobody guards them.
    app = FastAPI(
        title="Braze deliveries",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(get_user)],
    )
    app.include_router(routes.router)
    app.add_api_route("/", _index)
    app.add_api_route("/{name}", _file)
    app.add_middleware(_SafeHeaders)
    return app


def _index() -> Response:
    return _file("index.html")


def _file(name: str) -> Response:
    path = _FOLDER / name
    if path.suffix not in _TYPES or path.parent != _FOLDER or not path.is_file():
        raise HTTPException(status.HTTP_404_NOT_FOUND)
    headers = {"Content-Type": _TYPES[path.suffix], "Cache-Control": "no-cache"}
    return Response(path.read_bytes(), headers=headers)


class _SafeHeaders:
    """Tells browsers, in each answer, what they must not do with it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Cache-Control", "no-store")
                headers["Content-Security-Policy"] = _POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "same-origin"
                headers["Cross-Origin-Resource-Policy"] = "same-origin"
            await send(message)

        await self._app(scope, receive, guarded)
