"""The endpoints under ``/_sandbox``: what was received, and what is to fail."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from braze_provider.sandbox import history
from braze_provider.sandbox.gateway import CONTROL
from braze_provider.sandbox.state import SandboxState

PAGE = 100
LARGEST_PAGE = 10_000

Offset = Annotated[int, Query(ge=0)]
PageSize = Annotated[int, Query(ge=1, le=LARGEST_PAGE)]


def control_routes(state: SandboxState) -> APIRouter:
    """
    The control endpoints of a sandbox.

    :param state: the sandbox's state.
    """
    router = APIRouter(prefix=CONTROL)

    @router.get("/summary")
    async def summary() -> JSONResponse:
        return JSONResponse(state.recorder.summary())

    @router.get("/recipients")
    async def recipients(
        id: str | None = None,  # noqa: A002 - the query parameter's name
        offset: Offset = 0,
        limit: PageSize = PAGE,
    ) -> JSONResponse:
        shown = history.recipients(state.recorder, only=id, offset=offset, limit=limit)
        return JSONResponse({"total": len(state.recorder.deliveries), "recipients": shown})

    @router.get("/requests")
    async def requests(offset: Offset = 0, limit: PageSize = PAGE) -> JSONResponse:
        shown = history.requests(state.recorder, offset=offset, limit=limit)
        return JSONResponse({"total": len(state.recorder.receipts), "requests": shown})

    @router.post("/reset")
    async def reset() -> JSONResponse:
        state.reset()
        return JSONResponse({"message": "success"})

    @router.get("/faults")
    async def faults() -> JSONResponse:
        return JSONResponse({"faults": state.faults.shown()})

    @router.post("/faults")
    async def add_faults(request: Request) -> JSONResponse:
        try:
            return JSONResponse({"faults": state.faults.add(*_objects(await request.body()))}, 201)
        except ValueError as error:
            return JSONResponse({"message": str(error)}, 400)

    @router.delete("/faults")
    async def clear_faults() -> JSONResponse:
        state.faults.clear()
        return JSONResponse({"message": "success"})

    return router


def _objects(raw: bytes) -> list[dict[str, Any]]:
    given = json.loads(raw)
    faults = given if isinstance(given, list) else [given]
    if not all(isinstance(fault, dict) for fault in faults):
        raise ValueError("Faults are given as an object or an array of objects")
    return faults
