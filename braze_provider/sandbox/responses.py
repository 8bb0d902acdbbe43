"""Answers on the wire, the broken ones included."""

from __future__ import annotations

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from braze_provider.sandbox.answers import Answer
from braze_provider.sandbox.wire import Wire


async def hold(receive: Receive, seconds: float) -> bool:
    """
    Wait, for as long as the client does.

    :param receive: the request's ``receive``, its body having been read.
    :param seconds: how long (float) at most.
    :returns: whether the client has waited too.
    """
    try:
        await asyncio.wait_for(client_gone(receive), seconds)
    except asyncio.TimeoutError:
        return True
    return False


async def client_gone(receive: Receive) -> None:
    """
    Wait until the connection is closed, whoever closes it.

    :param receive: the request's ``receive``.
    """
    while (await receive())["type"] != "http.disconnect":
        continue


class WholeResponse(Response):
    """
    An answer as it should be.

    :param answer: the answer.
    :param headers: its headers.
    """

    def __init__(self, answer: Answer, headers: dict[str, str]) -> None:
        # Starlette adds a content type of its own only when there is none among the headers.
        super().__init__(answer.content(), answer.status, {**headers, "Content-Type": answer.content_type})


class HalfResponse(WholeResponse):
    """
    An answer whose head promises more than arrives before the connection closes.

    :param answer: the answer.
    :param headers: its headers.
    :param reset: close with a TCP reset (bool).
    """

    def __init__(self, answer: Answer, headers: dict[str, str], *, reset: bool) -> None:
        super().__init__(answer, headers)
        self._reset = reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer by half."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await Wire.of(scope).cut(after_flush=True, reset=self._reset)
        await client_gone(receive)


class NoResponse(Response):
    """
    No answer: the connection closes.

    :param reset: close with a TCP reset (bool).
    """

    def __init__(self, *, reset: bool) -> None:
        super().__init__()
        self._reset = reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection."""
        await Wire.of(scope).cut(reset=self._reset)
        # The server takes a handler that returns without an answer for a bug, unless the client has gone.
        await client_gone(receive)
