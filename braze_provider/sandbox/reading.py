"""From HTTP to a :class:`Call`: what is checked of a request before anything it says matters."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from starlette.requests import Request

from braze_provider.sandbox.calls import Call
from braze_provider.sandbox.refusals import UNPARSEABLE, WRONG_FORMAT, RefusedError
from braze_provider.sandbox.workspace import Workspace


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


# Python's reader takes NaN and Infinity for numbers; Braze's does not.
_DECODER = json.JSONDecoder(parse_constant=_not_json)


async def read_body(request: Request, most: int) -> bytes | None:
    """
    Read a request's body to its end.

    :param request: the request.
    :param most: size (int) up to which a body is kept.
    :returns: the body, or ``None`` when it is larger. It has been read all the same: a client that is
        answered while it still writes sees a broken connection instead of the answer.
    """
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= most:
            chunks.append(chunk)
    return b"".join(chunks) if size <= most else None


def read_call(request: Request, raw: bytes | None, workspace: Workspace) -> Call:
    """
    Make a call of a request.

    :param request: the request.
    :param raw: its body, or ``None`` if that was too large.
    :param workspace: the workspace it is addressed to.
    :raises RefusedError: 413 for a body too large, 415 for one not declared as JSON, 400 for one that is
        not JSON.
    """
    if request.method in ("GET", "HEAD"):
        return Call(workspace, query=dict(request.query_params), path=request.path_params)
    if raw is None:
        raise RefusedError(413)
    declared = request.headers.get("content-type", "")
    if declared.partition(";")[0].strip().lower() != "application/json":
        raise RefusedError(415)
    return Call(workspace, _parse(raw), len(raw), path=request.path_params)


def _parse(raw: bytes) -> dict[str, Any]:
    try:
        body = _DECODER.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        raise RefusedError(400, UNPARSEABLE, key="error") from None
    if not isinstance(body, dict):
        raise RefusedError(400, WRONG_FORMAT, key="error")
    return body
