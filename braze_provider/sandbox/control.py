"""The endpoints under ``/_sandbox``. They show what was received and what exists, and set faults."""

from __future__ import annotations

import json
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.routing import APIRoute

from braze_provider.sandbox.answers import RefusedError
from braze_provider.sandbox.inbox import Inbox
from braze_provider.sandbox.inbox_calls import Json, Offset, PageSize, add_inbox_calls
from braze_provider.sandbox.state import CONTROL, SandboxState

PAGE = 100


def control_app(state: SandboxState, inbox: Inbox) -> FastAPI:
    """
    Make the application of a sandbox's control calls.

    :param state: The sandbox's state.
    :param inbox: What the page shows of it.
    """
    # No generated documentation, because it would answer under other paths.
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.include_router(_routes(state, inbox))
    app.add_exception_handler(RefusedError, _without_token)
    app.add_exception_handler(404, _unknown)
    app.add_exception_handler(405, _unknown)
    return app


def _routes(state: SandboxState, inbox: Inbox) -> APIRouter:
    async def authorise(request: Request) -> None:
        if state.config.token is not None:
            state.authorise(request.headers.get("authorization"), CONTROL)

    router = APIRouter(prefix=CONTROL, dependencies=[Depends(authorise)])

    @router.get("")
    async def calls() -> Json:
        """List the control calls."""
        return Json({"calls": [_described(route) for route in router.routes if isinstance(route, APIRoute)]})

    @router.get("/summary")
    async def summary() -> Json:
        """Figures of all that was received."""
        return Json(state.recorder.summary())

    @router.get("/recipients")
    async def recipients(
        id: str | None = None,  # noqa: A002 - the query parameter's name
        offset: Offset = 0,
        limit: PageSize = PAGE,
    ) -> Json:
        """What each recipient received, a page at a time; with id, what one of them received."""
        shown = state.recorder.recipients(only=id, offset=offset, limit=limit)
        return Json({"total": state.recorder.recipient_count, "recipients": shown})

    @router.get("/requests")
    async def requests(offset: Offset = 0, limit: PageSize = PAGE) -> Json:
        """The requests in the order of their arrival, a page at a time."""
        shown = state.recorder.requests(offset=offset, limit=limit)
        return Json({"total": state.recorder.request_count, "requests": shown})

    @router.get("/workspace")
    async def workspace() -> Json:
        """The ids that exist. Of a kind that has none, any id is taken."""
        return Json({f"{kind}_ids": list(ids) for kind, ids in state.workspace.ids.items()})

    @router.get("/profiles")
    async def profiles(
        id: str | None = None,  # noqa: A002 - the query parameter's name
        offset: Offset = 0,
        limit: PageSize = PAGE,
    ) -> Json:
        """What requests have written to profiles, a page at a time; with id, to the profile of one user."""
        if id is None:
            return Json(inbox.hidden(inbox.profiles(offset, limit)))
        found = state.workspace.profiles.find(id)
        return Json({"profile": None if found is None else found.shown()})

    @router.get("/catalogs")
    async def catalogs() -> Json:
        """The items of all catalogs, by name of the catalog and id."""
        return Json({"catalogs": state.workspace.catalogs.shown()})

    @router.get("/catalogs/{name}")
    async def catalog(name: str, offset: Offset = 0, limit: PageSize = PAGE) -> Json:
        """The items of a catalog, a page at a time."""
        items = state.workspace.catalogs.peek(name)
        shown = list(islice(items.values(), offset, offset + limit))
        return Json(inbox.hidden({"total": len(items), "items": shown}))

    @router.get("/catalog-sizes")
    async def catalog_sizes() -> Json:
        """How many items each catalog has."""
        return Json({"catalogs": state.workspace.catalogs.sizes()})

    @router.get("/schedules")
    async def schedules() -> Json:
        """What is scheduled, in the order of its creation, and what became of it."""
        return Json({"schedules": state.schedules.shown()})

    @router.get("/activities")
    async def activities() -> Json:
        """The Live Activities, each with its state and users."""
        return Json({"activities": [one.shown() for one in state.workspace.activities.values()]})

    @router.get("/jobs")
    async def jobs() -> Json:
        """The syncs and exports in the order of their beginning, and how many copies are to come."""
        return Json(state.jobs.shown())

    @router.post("/clock")
    async def advance(seconds: Annotated[float, Query(gt=0)]) -> Json:
        """Move the clock forward by some seconds; what is due by then is sent."""
        state.advance(seconds)
        return Json({"date": state.clock.http_date()})

    @router.post("/reset")
    async def reset() -> Json:
        """Become as new: nothing received, no faults, full budgets."""
        state.reset()
        inbox.frames.clear()
        return Json({"message": "success"})

    @router.get("/faults")
    async def faults() -> Json:
        """The faults in force, with how often each has fired."""
        return Json({"faults": state.faults.shown()})

    @router.post("/faults")
    async def add_faults(request: Request) -> Json:
        """Make requests fail. The body is a fault, or an array of them, such as {"kind": "disconnect"}."""
        try:
            return Json({"faults": state.faults.add(*_objects(await request.body()))}, 201)
        except ValueError as error:
            return Json({"message": str(error)}, 400)

    @router.delete("/faults")
    async def clear_faults(number: int | None = None) -> Json:
        """Let everything work again; with number, switch off the fault at that place of the list."""
        if number is not None:
            if not state.faults.remove(number):
                return Json({"message": "No such fault"}, 404)
            return Json({"message": "success"})
        state.faults.clear()
        return Json({"message": "success"})

    add_inbox_calls(router, inbox)
    return router


async def _without_token(request: Request, error: Exception) -> Json:
    return Json({"message": f"{CONTROL} needs the token: Authorization: Bearer <token>"}, 401)


async def _unknown(request: Request, error: Exception) -> Json:
    return Json({"message": f"No such control call; GET {CONTROL} lists them"}, 404)


def _described(route: APIRoute) -> dict[str, Any]:
    return {
        "method": min(route.methods),
        "path": route.path,
        "query": [parameter.alias for parameter in route.dependant.query_params],
        "does": route.description,
    }


def _objects(raw: bytes) -> list[dict[str, Any]]:
    given = json.loads(raw)
    faults = given if isinstance(given, list) else [given]
    if not all(isinstance(fault, dict) for fault in faults):
        raise ValueError("Faults are given as an object or an array of objects")
    return faults
