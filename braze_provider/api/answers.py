"""
What Braze answers: bodies of any kind in, one typed answer or one typed error out.

.. seealso:: https://www.braze.com/docs/api/errors
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from braze_provider.api.errors import (
    BrazeAuthenticationError,
    BrazeInertError,
    BrazeNotFoundError,
    BrazePermissionError,
    BrazeRateLimitError,
    BrazeRejectedError,
    BrazeRequestError,
    BrazeServerError,
    BrazeUncertainError,
)
from braze_provider.api.limits import RateLimitState
from braze_provider.api.outcomes import Outcome, outcome_of_answer
from braze_provider.api.redaction import Hide, hidden

MAX_TEXT = 300
ID_NAMES = ("dispatch_id", "schedule_id", "send_id")
"""Under which names Braze gives ids of what it accepted."""

_ACCEPTED = ("success", "queued")


@dataclass(frozen=True)
class Answer:
    """
    A request that Braze accepted.

    :param status: HTTP status, some 2xx.
    :param body: The whole JSON body.
    :param rate_limit: What the headers say of the rate limit.
    """

    status: int
    body: Mapping[str, Any] = field(repr=False)
    rate_limit: RateLimitState = field(default_factory=RateLimitState, repr=False)

    @property
    def message(self) -> str:
        """Braze's word for it: ``success``, or ``queued`` during maintenance."""
        return str(self.body.get("message", ""))

    @property
    def dispatch_id(self) -> str | None:
        """Braze's id of this send; one for the whole request."""
        return _text_or_none(self.body.get("dispatch_id"))

    @property
    def send_id(self) -> str | None:
        """The send identifier under which Braze tracks it, where it does."""
        return _text_or_none(self.body.get("send_id"))

    @property
    def ids(self) -> dict[str, str]:
        """All ids that Braze gave it, by name."""
        found = {name: _text_or_none(self.body.get(name)) for name in ID_NAMES}
        return {name: value for name, value in found.items() if value is not None}

    @property
    def errors(self) -> tuple[str, ...]:
        """Minor errors: what they name was dropped, everything else was processed."""
        return _errors(self.body)


def read_answer(
    status: int,
    content: bytes,
    headers: Mapping[str, str],
    *,
    permission: str,
    host: str,
    sends: bool = True,
    hide: Hide = str,
) -> Answer:
    """
    Turn an HTTP answer into a typed one, or raise the error it stands for.

    :param status: HTTP status.
    :param content: Body as received: JSON, HTML from an edge server, or empty.
    :param headers: The answer's headers.
    :param permission: The permission that the endpoint needs, to be named when it is missing.
    :param host: The REST endpoint's host, to be named when it may be the wrong one.
    :param sends: Whether the endpoint sends something, so that accepting means a dispatch id, and an answer
        that is not Braze's may hide an acceptance.
    :param hide: Hides the API key, which Braze's 401 repeats, in whatever the server says.
    :raises BrazeRequestError: The member of the family that the answer stands for.
    """
    body = _json_object(content, hide)
    rate_limit = RateLimitState.from_headers(_Shown(headers, hide))
    is_brazes = body is not None and (200 <= status < 300 or bool(_said(status, body)))
    outcome = outcome_of_answer(status, is_brazes=is_brazes or not sends)
    if outcome is Outcome.SENT:
        return _accepted(status, body, rate_limit, host=host, sends=sends)
    if sends and outcome is Outcome.UNCERTAIN:
        error: BrazeRequestError = _uncertain(status, body, content, host=host, is_brazes=is_brazes)
    else:
        error = _refused(status, outcome, body, content, permission=permission, host=host)
    error.rate_limit = rate_limit
    raise error


def _said(status: int, body: Mapping[str, Any]) -> str:
    """Braze's own words; ``error`` is the key for what it could not even parse, and those of others'."""
    said = body.get("message") or (body.get("error") if status == 400 else None)
    return _shorten(said) if isinstance(said, str) else ""


def _accepted(
    status: int, body: Mapping[str, Any] | None, rate_limit: RateLimitState, *, host: str, sends: bool
) -> Answer:
    answer = Answer(status, body or {}, rate_limit)
    if body is None or (sends and answer.dispatch_id is None and answer.message not in _ACCEPTED):
        doubt = "so the request may have been accepted" if sends else f"is {host} a REST endpoint of Braze's?"
        said = _said(status, answer.body)
        words = "; ".join(filter(None, (said, *answer.errors)))
        lacks = f"without a dispatch id ({words})" if words else "with a body that can't be read"
        unreadable = BrazeUncertainError(
            f"{host} answered {status} {lacks}: {doubt}",
            outcome=Outcome.UNCERTAIN,
            status=status,
            braze_message=said,
            errors=answer.errors,
            ids=answer.ids,
        )
        unreadable.rate_limit = rate_limit
        raise unreadable
    if notice := _shorten(body.get("notice")):
        inert = BrazeInertError(
            f"Braze accepted the request but nobody is reached: {notice}",
            outcome=Outcome.REJECTED,
            status=status,
            braze_message=notice,
            errors=answer.errors,
            ids=answer.ids,
        )
        inert.rate_limit = rate_limit
        raise inert
    return answer


def _uncertain(
    status: int, body: Mapping[str, Any] | None, content: bytes, *, host: str, is_brazes: bool
) -> BrazeUncertainError:
    said = _said(status, body or {})
    if is_brazes:
        what = f"{host} answered {status} ({said}): the request may have been accepted"
    else:
        what = (
            f"{host} answered {status} with a body that can't be read as Braze's ({len(content):,} bytes): a "
            "CDN, proxy or firewall on the way may have answered after it passed the request on, so the "
            "request may have been accepted"
        )
    return BrazeUncertainError(
        what, outcome=Outcome.UNCERTAIN, status=status, braze_message=said, errors=_errors(body or {})
    )


def _refused(
    status: int,
    outcome: Outcome,
    body: Mapping[str, Any] | None,
    content: bytes,
    *,
    permission: str,
    host: str,
) -> BrazeRequestError:
    said = "" if body is None else _shorten(body.get("message")) or _shorten(body.get("error"))
    quoted = f" ({said or _described(content)})" if content.strip() else ""
    details: dict[str, Any] = {
        "outcome": outcome,
        "status": status,
        "braze_message": said,
        "errors": _errors(body or {}),
    }
    if status == 401:
        return BrazeAuthenticationError(
            f"Braze does not know this API key at {host}{quoted}: the key is wrong, in quotes or deleted, or "
            "belongs to another workspace or Braze instance; a proxy changed the Authorization header; "
            f"this machine's address is not on its IP allow-list; or it lacks the permission {permission}",
            **details,
        )
    if status == 403 and not said:
        return BrazePermissionError(
            f"Access refused with 403{quoted}, which is not how Braze answers: a proxy or firewall on the "
            f"way to {host} may have refused it, or the API key lacks the permission {permission}",
            **details,
        )
    if status == 403 and said == "Forbidden":
        return BrazePermissionError(
            f"Braze refused access{quoted}: the plan does not include {permission}, or the account is not "
            "active",
            **details,
        )
    if status == 403:
        return BrazePermissionError(
            f"The API key is valid but lacks the permission {permission}{quoted}, or this machine's address "
            "is not on its IP allow-list: neither can be changed for an existing key, so create a new one",
            **details,
        )
    if status == 404 or status < 400:
        return BrazeNotFoundError(
            f"There is no such Braze endpoint at {host}: it answered {status}{quoted}", **details
        )
    if status == 429:
        return BrazeRateLimitError(f"Over Braze's rate limit{quoted}: nothing was sent", **details)
    if outcome is Outcome.NOT_SENT:
        return BrazeServerError(f"Braze failed with {status}{quoted}: nothing was sent", **details)
    if outcome is Outcome.UNCERTAIN:
        return BrazeUncertainError(f"{host} answered {status}{quoted}", **details)
    errors = "".join(f"; {error}" for error in details["errors"])
    return BrazeRejectedError(f"Braze refused the request with {status}{quoted}{errors}", **details)


class _Shown(Mapping[str, str]):
    """Headers as they may be shown."""

    def __init__(self, headers: Mapping[str, str], hide: Hide) -> None:
        self._headers = headers
        self._hide = hide

    def __getitem__(self, name: str) -> str:
        return self._hide(self._headers[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)


def _json_object(content: bytes, hide: Hide) -> Mapping[str, Any] | None:
    try:
        # Hidden after parsing: in JSON, each character can be written in other ways than plainly.
        body = hidden(json.loads(content), hide)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _described(content: bytes) -> str:
    return f"nothing that Braze says, {len(content):,} bytes"


def _errors(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Braze writes errors as strings or as objects with a ``type`` and the place they belong to."""
    errors = body.get("errors")
    if not errors:
        return ()
    return tuple(_error_text(error) for error in (errors if isinstance(errors, list) else [errors]))


def _error_text(error: Any) -> str:
    if not isinstance(error, dict):
        return _shorten(error)
    place = "".join(f", {key} {_shorten(error[key])}" for key in ("input_array", "index") if key in error)
    return _shorten(error.get("type") or error.get("message") or "error") + place


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _shorten(value: Any) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
