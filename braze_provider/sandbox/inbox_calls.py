"""The control calls of the page that the sandbox shows in a browser."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from braze_provider.sandbox.inbox import Inbox
from braze_provider.sandbox.profile_file import BadProfilesError, read_profiles

LARGEST_PAGE = 10_000

Offset = Annotated[int, Query(ge=0)]
PageSize = Annotated[int, Query(ge=1, le=LARGEST_PAGE)]

_ROWS_SHOWN = 100
_LOOK_SECONDS = 0.5
_HEARTBEAT_LOOKS = 30


class Json(JSONResponse):
    """JSON in ASCII, because Braze takes half a surrogate pair in a text, which UTF-8 can't hold."""

    def render(self, content: Any) -> bytes:
        """Write the content."""
        return json.dumps(content).encode()


def add_inbox_calls(router: APIRouter, inbox: Inbox) -> None:
    """
    Add the page's calls to the control calls.

    :param router: The control calls.
    :param inbox: What the page shows.
    """

    def found(shown: Any) -> Json:
        return Json({"message": "No such request"}, 404) if shown is None else Json(inbox.hidden(shown))

    @router.get("/inbox")
    async def inbox_page(
        kind: Literal["sends", "scheduled", "failed", "all"] = "sends",
        q: str = "",
        before: Annotated[int | None, Query(ge=0)] = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> Json:
        """Sends, schedules, failed or all requests, the newest first; q looks for a recipient, id or name."""
        return found(inbox.entries(kind, q, before, limit))

    @router.get("/inbox/{number}")
    async def opened(number: int) -> Json:
        """One request in full, with its answer."""
        return found(inbox.opened(number))

    @router.get("/inbox/{number}/recipients")
    async def recipients_of(number: int, offset: Offset = 0, limit: PageSize = 50) -> Json:
        """The recipients that a request names, a page at a time, and whether it reached them."""
        return found(inbox.recipients(number, offset, limit))

    @router.get("/inbox/{number}/message")
    async def message(number: int, recipient: str = "", remote: bool = False) -> Json:
        """The messages of a request as one recipient sees them; with remote, e-mails load their pictures."""
        return found(inbox.message(number, recipient, remote=remote))

    @router.get("/inbox/{number}/curl")
    async def curl(request: Request, number: int) -> Json:
        """A request as a curl command, without the API key."""
        command = inbox.curl(number, str(request.base_url).rstrip("/"))
        return found(None if command is None else {"curl": command})

    @router.post("/profiles")
    async def know(request: Request, format: Literal["csv", "jsonl"]) -> Json:  # noqa: A002 - the parameter
        """Write profiles. The body is a file with a user in each row; if one is wrong, none is written."""
        content = await request.body()
        try:
            # In a thread, because requests of Dags must not wait for a large file.
            profiles = await asyncio.to_thread(read_profiles, content, format)
        except BadProfilesError as error:
            rows = [{"row": row, "reason": reason} for row, reason in error.bad[:_ROWS_SHOWN]]
            return Json({"message": str(error), "wrong": len(error.bad), "rows": rows}, 400)
        inbox.know(profiles)
        return Json({"message": "success", "profiles": len(profiles)}, 201)

    @router.get("/live")
    async def live() -> Json:
        """Figures, rate limits, faults and the clock, as the page shows them."""
        return Json(inbox.live())

    @router.get("/fault-kinds")
    async def fault_kinds() -> Json:
        """The ways to fail with their fields, and the endpoints that can."""
        return Json(inbox.ways_to_fail())

    @router.get("/events")
    async def events() -> Response:
        """What /_sandbox/live shows, again and again as it changes: server-sent events."""
        return StreamingResponse(_changes(inbox), media_type="text/event-stream")

    @router.get("/export")
    async def export() -> Response:
        """Everything that was received, as JSON lines."""
        return StreamingResponse(
            _yielding(inbox),
            media_type="application/x-ndjson",
            headers={"Content-Disposition": 'attachment; filename="braze-sandbox.jsonl"'},
        )


async def _changes(inbox: Inbox) -> AsyncIterator[bytes]:
    last: dict[str, Any] | None = None
    silent = 0
    while True:
        live = inbox.live()
        if live != last:
            last, silent = live, 0
            yield f"data: {json.dumps(live)}\n\n".encode()
        elif (silent := silent + 1) >= _HEARTBEAT_LOOKS:
            silent = 0
            yield b": still here\n\n"
        await asyncio.sleep(_LOOK_SECONDS)


async def _yielding(inbox: Inbox) -> AsyncIterator[bytes]:
    lines: list[bytes] = []
    for line in inbox.exported():
        lines.append(line)
        if len(lines) == 200:
            yield b"".join(lines)
            lines.clear()
            # Requests of Dags must not wait for a large export.
            await asyncio.sleep(0)
    yield b"".join(lines)
