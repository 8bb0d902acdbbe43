"""
The way of a request through the sandbox: known key, readable body, room in the budget, rule, record.

A request is settled the moment it has arrived in full. Latency and faults then decide what the client
gets to know of it and when, as with a real service: a client that hangs up early has sent all the same.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from braze_provider.sandbox.answers import Answer
from braze_provider.sandbox.calls import Call, Send
from braze_provider.sandbox.endpoints import BY_PATH, Endpoint
from braze_provider.sandbox.faults import Fault
from braze_provider.sandbox.limits import SHARED, Standing
from braze_provider.sandbox.reading import read_body, read_call
from braze_provider.sandbox.records import Receipt
from braze_provider.sandbox.refusals import RefusedError
from braze_provider.sandbox.responses import HalfResponse, NoResponse, WholeResponse, hold
from braze_provider.sandbox.rules.recipients import names_recipient
from braze_provider.sandbox.spoiling import left_out, spoil
from braze_provider.sandbox.state import SandboxState

CONTROL = "/_sandbox"
"""Where the sandbox's own endpoints are; Braze has none there, and what happens there is not recorded."""

Handler = Callable[[Request], Awaitable[Response]]


class Gateway:
    """
    Answers the requests of all endpoints.

    :param state: the sandbox's state.
    """

    def __init__(self, state: SandboxState) -> None:
        self._state = state

    def handler(self, endpoint: Endpoint) -> Handler:
        """
        The request handler of an endpoint.

        :param endpoint: the endpoint.
        """

        async def handle(request: Request) -> Response:
            return await self._handle(endpoint, request)

        return handle

    async def unknown_url(self, request: Request, error: Exception) -> Response:
        """
        Answer a request that is for no endpoint, or for one in a way it does not have.

        :param request: the request.
        :param error: how the router put it.
        """
        path = request.url.path
        if path.startswith(CONTROL):
            return JSONResponse({"message": f"No such control call; GET {CONTROL} lists them"}, 404)
        receipt = self._state.recorder.arrive(path)
        # Braze answers a trailing slash as if the key lacked a permission.
        refusal = RefusedError(403 if path.endswith("/") and path.rstrip("/") in BY_PATH else 404)
        return self._respond(receipt, Answer(refusal.status, refusal.body()), None)

    async def _handle(self, endpoint: Endpoint, request: Request) -> Response:
        state = self._state
        receipt = state.recorder.arrive(endpoint.path)
        fault = state.faults.take(endpoint.path, lambda _: False, before_read=True)
        if fault is not None:
            return self._respond(receipt, None, fault)
        try:
            raw = await read_body(request, state.config.max_body_bytes)
        except ClientDisconnect:
            return self._respond(receipt, None, None)
        standing: Standing | None = None
        try:
            state.keys.authorise(request.headers.get("authorization"), endpoint.permission)
            state.recorder.keep_body(receipt, raw or b"")
            call = read_call(request, raw, state.workspace)
            fault = state.faults.take(endpoint.path, lambda key: names_recipient(call.body, key))
            answer: Answer | None = None
            if fault is None or fault.processed:
                answer, standing = self._process(endpoint, call, receipt, fault)
        except RefusedError as refusal:
            answer = Answer(refusal.status, refusal.body())
        except RecursionError:
            answer = Answer(400, {"message": "The request is nested too deeply"})
        if fault is not None:
            answer = spoil(fault, answer, state.limiter, state.clock)
        if state.config.latency:
            await asyncio.sleep(state.config.latency)
        if fault is not None and fault.delay and not await hold(request.receive, fault.delay):
            answer = None
        return self._respond(receipt, answer, fault, standing)

    def _process(
        self, endpoint: Endpoint, call: Call, receipt: Receipt, fault: Fault | None
    ) -> tuple[Answer, Standing]:
        """Do what Braze does with a request that it can read."""
        admitted, standing = self._state.limiter.admit(endpoint.charges(call.body))
        try:
            if not admitted:
                raise RefusedError(429)
            accepted = endpoint.rule(call)
        except RefusedError as refusal:
            return Answer(refusal.status, refusal.body()), standing
        body = {"message": "success", **accepted.answer}
        if accepted.send is not None:
            body = {**self._deliver(accepted.send, receipt, fault), **body}
        return Answer(accepted.status, body), standing

    def _deliver(self, send: Send, receipt: Receipt, fault: Fault | None) -> dict[str, str]:
        """Let a send reach its recipients; returns what the answer says of it."""
        receipt.dispatch_id = secrets.token_hex(16)
        receipt.recipients = len(send.recipients)
        receipt.broadcast = send.broadcast
        receipt.campaign_id = send.campaign_id
        receipt.content = send.content
        receipt.send_id = send.send_id
        told = {"dispatch_id": receipt.dispatch_id}
        if send.broadcast and send.campaign_id is not None:
            # Broadcasts of a campaign are tracked under a label, an automatic one if none was given.
            receipt.send_id = told["send_id"] = send.send_id or secrets.token_hex(12)
        reached = self._state.workspace.reachable(send.recipients)
        if spared := left_out(fault, send):
            reached = [key for key in reached if key not in spared]
        self._state.recorder.accept(receipt, reached)
        return told

    def _respond(
        self,
        receipt: Receipt,
        answer: Answer | None,
        fault: Fault | None,
        standing: Standing | None = None,
    ) -> Response:
        state = self._state
        receipt.fault = fault.kind if fault is not None else None
        state.recorder.answer(receipt, answer.status if answer is not None else None)
        if answer is None:
            return NoResponse(reset=fault is not None and fault.reset)
        headers = answer.headers
        if headers is None:
            headers = state.limiter.headers(standing or state.limiter.standing(SHARED))
        headers = {"Date": state.clock.http_date(), **headers}
        if fault is not None and fault.kind == "cut_answer":
            return HalfResponse(answer, headers, reset=fault.reset)
        return WholeResponse(answer, headers)
