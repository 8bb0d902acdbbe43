"""The sandbox as an ASGI application."""

from __future__ import annotations

from fastapi import FastAPI

from braze_provider.sandbox.control import control_routes, refused
from braze_provider.sandbox.endpoints import ENDPOINTS
from braze_provider.sandbox.gateway import Gateway
from braze_provider.sandbox.refusals import RefusedError
from braze_provider.sandbox.state import SandboxState


def create_app(state: SandboxState) -> FastAPI:
    """
    Put a sandbox's endpoints together.

    :param state: the sandbox's state.
    """
    gateway = Gateway(state)
    # Generated documentation would answer under URLs that Braze does not have.
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    for endpoint in ENDPOINTS:
        app.add_route(endpoint.path, gateway.handler(endpoint), methods=[endpoint.method])
    app.include_router(control_routes(state))
    app.add_exception_handler(RefusedError, refused)
    app.add_exception_handler(404, gateway.unknown_url)
    app.add_exception_handler(405, gateway.unknown_url)
    return app
