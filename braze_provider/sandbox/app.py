"""
The steps of a request in the sandbox: endpoint, key, readable body, room in the budget, rules, record.

A request takes effect as soon as it has arrived in full. Latency and faults then decide which answer the
client gets and when. As with a real service, a client that hangs up early has still sent its request.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from braze_provider.api.endpoints import Endpoint
from braze_provider.sandbox.answers import UNPARSEABLE, WRONG_FORMAT, Answer, RefusedError, judge
from braze_provider.sandbox.endpoints import HANDLERS, Accepted, Call, Routes, named_by
from braze_provider.sandbox.faults import Fault, FaultOfRead
from braze_provider.sandbox.jobs import ARCHIVES
from braze_provider.sandbox.limits import Standing, charges
from braze_provider.sandbox.records import LIVE_ACTIVITY, SENDING, Receipt
from braze_provider.sandbox.records import Send as BrazeSend
from braze_provider.sandbox.schedules import Scheduled
from braze_provider.sandbox.state import CONTROL, SandboxState
from braze_provider.sandbox.wire import HalfResponse, NoResponse, WholeResponse, hold


class App:
    """
    The sandbox as an ASGI application: Braze's API and the sandbox's own calls.

    :param state: The sandbox's state.
    :param inbox: The page that shows what was received, with the sandbox's own calls.
    """

    def __init__(self, state: SandboxState, inbox: ASGIApp) -> None:
        self._state = state
        self._routes = Routes()
        self._inbox = inbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        self._state.fire_due()
        is_page = scope["path"] == "/" and scope["method"] in ("GET", "HEAD")
        if is_page or scope["path"].startswith(CONTROL):
            await self._inbox(scope, receive, send)
            return
        response = await self._respond_to(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond_to(self, request: Request) -> Response:
        scope = request.scope
        if scope["path"].startswith(ARCHIVES):
            has_key = "authorization" in request.headers
            archive = self._state.jobs.archive(scope["path"], has_key=has_key)
            return WholeResponse(archive, {"Date": self._state.clock.http_date()})
        found = self._routes.find(scope["method"], scope["raw_path"].decode("latin-1"))
        if found is None:
            return self._unknown_url(request)
        endpoint, in_path = found
        state = self._state
        receipt = self._arrived(request, endpoint.path, endpoint.name)
        if struck := state.faults.before_reading(endpoint.path):
            return self._respond(receipt, None, struck)
        try:
            raw = await _read(request, min(state.config.max_body_bytes, endpoint.max_bytes))
        except ClientDisconnect:
            return self._respond(receipt, None)
        fault: FaultOfRead | None = None
        standing: Standing | None = None
        answer: Answer | None = None
        try:
            state.authorise(request.headers.get("authorization"), endpoint.permission)
            state.recorder.keep_body(receipt, raw or b"")
            body = _parsed(request, raw) if endpoint.request else {}
            if endpoint.name in SENDING:
                _note_channels(receipt, body)
            query = request.query_params if scope["query_string"] else {}
            call = Call(
                state.workspace,
                body,
                query,
                in_path,
                state.schedules,
                state.clock.now(),
                state.jobs,
                f"{scope['scheme']}://{request.headers.get('host', '')}",
            )
            fault = state.faults.after_reading(endpoint.path, lambda key: key in named_by(body))
            if fault is None or fault.takes_request:
                answer, standing = self._process(endpoint, call, len(raw or b""), receipt, fault)
            if endpoint.name in SENDING and not receipt.accepted:
                _note_wanted(receipt, body)
        except RefusedError as refusal:
            answer = refusal.answer
        except RecursionError:
            answer = Answer(400, {"message": "The request is nested too deeply"})
        if fault is not None:
            answer = fault.spoil(answer, state.limiter)
        if state.config.latency:
            await asyncio.sleep(state.config.latency)
        if fault is not None and fault.delay and not await hold(request.receive, fault.delay):
            answer = None
        return self._respond(receipt, answer, fault, standing)

    def _arrived(self, request: Request, endpoint: str, name: str = "") -> Receipt:
        recorder = self._state.recorder
        receipt = recorder.arrive(endpoint, name)
        url, query = request.scope["raw_path"], request.scope["query_string"]
        recorder.keep_head(
            receipt,
            request.method,
            (url + b"?" + query if query else url).decode("latin-1"),
            request.headers.items(),
        )
        return receipt

    def _unknown_url(self, request: Request) -> Response:
        path = request.scope["path"]
        receipt = self._arrived(request, path)
        # Braze answers a URL with a slash at its end as if the key lacked a permission.
        slash = path.endswith("/") and self._routes.has(path.rstrip("/"))
        return self._respond(receipt, RefusedError(403 if slash else 404).answer)

    def _process(
        self, endpoint: Endpoint, call: Call, size: int, receipt: Receipt, fault: FaultOfRead | None
    ) -> tuple[Answer, Standing]:
        """Handle a request that Braze can read as Braze does."""
        state = self._state
        admitted, standing = state.limiter.admit(charges(endpoint, call.body))
        try:
            if not admitted:
                raise RefusedError(429)
            if endpoint.request:
                whole = {**call.body, **call.path}
                call.body, receipt.unknown_fields = judge(endpoint, whole, size)
            accepted = HANDLERS[endpoint.name](call)
        except RefusedError as refusal:
            return refusal.answer, standing
        told = {"message": "success", **accepted.answer}
        if accepted.change is not None:
            accepted.change()
        if accepted.send is not None:
            sent = self._send(accepted, accepted.send, receipt, fault)
            told = {**(sent if endpoint.ids else {}), **told}
        return Answer(accepted.status, told, link=accepted.link), standing

    def _send(
        self, accepted: Accepted, send: BrazeSend, receipt: Receipt, fault: FaultOfRead | None
    ) -> dict[str, str]:
        """Send now or later; returns the keys of the answer that tell about the send."""
        receipt.dispatch_id = secrets.token_hex(16)
        receipt.recipients = len(send.recipients)
        receipt.broadcast = send.broadcast
        receipt.campaign_id = send.campaign_id
        receipt.canvas_id = send.canvas_id
        receipt.content = send.content
        receipt.send_id = send.send_id
        told = {"dispatch_id": receipt.dispatch_id}
        if send.broadcast and send.campaign_id is not None:
            # Braze tracks broadcasts of a campaign under a label. It makes one if none was given.
            receipt.send_id = told["send_id"] = send.send_id or secrets.token_hex(12)
        self._state.recorder.accept(receipt)
        if accepted.at is not None:
            scheduled = Scheduled(accepted.kind, accepted.at, receipt.index, send)
            told["schedule_id"] = receipt.schedule_id = self._state.schedules.add(scheduled)
            return told
        if send.notice is not None:
            told["notice"] = send.notice
        self._state.deliver(send, receipt, fault.spared(send) if fault is not None else ())
        return told

    def _respond(
        self,
        receipt: Receipt,
        answer: Answer | None,
        fault: Fault | None = None,
        standing: Standing | None = None,
    ) -> Response:
        state = self._state
        receipt.fault = fault.kind if fault is not None else None
        if answer is None:
            state.recorder.answer(receipt, None)
        else:
            state.recorder.answer(receipt, answer.status, answer.content())
        resets = fault is not None and fault.resets
        if answer is None:
            return NoResponse(reset=resets)
        headers = answer.headers
        if headers is None:
            headers = state.limiter.headers(standing or state.limiter.standing())
        headers = {
            "Date": state.clock.http_date(),
            **({"Link": answer.link} if answer.link else {}),
            **headers,
        }
        if isinstance(fault, FaultOfRead) and fault.halves:
            return HalfResponse(answer, headers, reset=resets)
        return WholeResponse(answer, headers)


async def _read(request: Request, most: int) -> bytes | None:
    """
    Read a request's body to its end; None when it is larger than allowed.

    A body that is too large is also read to its end. A client that gets its answer while it still writes
    would see a broken connection instead of the answer.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= most:
            chunks.append(chunk)
    return b"".join(chunks) if size <= most else None


def _note_channels(receipt: Receipt, body: dict[str, Any]) -> None:
    if receipt.name == LIVE_ACTIVITY:
        receipt.channels = ["live_activity"]
    elif isinstance(messages := body.get("messages"), dict):
        receipt.channels = [channel for channel, message in messages.items() if isinstance(message, dict)]


def _note_wanted(receipt: Receipt, body: dict[str, Any]) -> None:
    """Note what a request is about that was not taken."""
    ids = {name: body.get(name) for name in ("campaign_id", "canvas_id")}
    receipt.wanted = {name: one for name, one in ids.items() if isinstance(one, str)}
    receipt.named = len(named_by(body))


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


# Python's reader accepts NaN and Infinity as numbers; Braze's does not.
_DECODER = json.JSONDecoder(parse_constant=_not_json)


def _parsed(request: Request, raw: bytes | None) -> dict[str, Any]:
    if raw is None:
        raise RefusedError(413)
    declared = request.headers.get("content-type", "")
    if declared.partition(";")[0].strip().lower() != "application/json":
        raise RefusedError(415)
    try:
        body = _DECODER.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        raise RefusedError(400, UNPARSEABLE, key="error") from None
    if not isinstance(body, dict):
        raise RefusedError(400, WRONG_FORMAT, key="error")
    return body
