"""
The plugin that adds *Browse → Braze deliveries* to Airflow's UI, on Airflow 3.1 and newer.

Every process of Airflow imports its plugins. Only the API server serves the page, so what the page needs is
loaded at the first request for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.plugins_manager import AirflowPlugin

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

PATH = "braze-deliveries"
"""Where the page is, below the address of the API server."""


class _LaterApp:
    """An app that is made at the first request."""

    def __init__(self) -> None:
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            from braze_provider.plugins.app import create_app

            self._app = create_app()
        await self._app(scope, receive, send)


_APP: dict[str, Any] = {"app": _LaterApp(), "url_prefix": f"/{PATH}", "name": "Braze deliveries"}
_VIEW = {
    "name": "Braze deliveries",
    # Relative, because Airflow may be served below a path.
    "href": f"{PATH}/",
    "destination": "nav",
    "category": "browse",
    "url_route": PATH,
}


class BrazeDeliveriesPlugin(AirflowPlugin):
    """The menu entry, and the app behind it."""

    name = "braze_deliveries"
    fastapi_apps = [_APP]  # noqa: RUF012 - as the class of Airflow's that declares it
    external_views = [_VIEW]  # noqa: RUF012


# Airflow 3.0 has no such views. It passes over an entry point that is no plugin, without a word.
plugin = BrazeDeliveriesPlugin if hasattr(AirflowPlugin, "external_views") else None
"""What the entry point names."""
