"""
What Braze answers: bodies of any kind in, one typed answer or one typed error out.

.. seealso:: https://www.braze.com/docs/api/errors
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from braze_provider.api.endpoints import ID_NAMES, Endpoint
from braze_provider.api.errors import (
    BrazeAuthenticationError,
    BrazeInertError,
    BrazeNoAnswerError,
    BrazeNotFoundError,
    BrazePermissionError,
    BrazeRateLimitError,
    BrazeRejectedError,
    BrazeRequestError,
    BrazeServerError,
    BrazeUncertainError,
)
from braze_provider.api.limits import RateLimitState
from braze_provider.api.outcomes import Outcome, Repeat, outcome_of_answer
from braze_provider.api.redaction import Hide, hidden

MAX_TEXT = 300
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
        return _ids(self.body)

    @property
    def errors(self) -> tuple[str, ...]:
        """Minor errors: what they name was dropped, everything else was processed."""
        return _errors(self.body)


def read_answer(
    status: int,
    content: bytes,
    headers: Mapping[str, str],
    *,
    endpoint: Endpoint,
    host: str,
    hide: Hide = str,
) -> Answer:
    """
    Turn an HTTP answer into a typed one, or raise the error it stands for.

    :param status: HTTP status.
    :param content: Body as received: JSON, HTML from an edge server, or empty.
    :param headers: The answer's headers.
    :param endpoint: What was called. It says what a repeat does, which ids an answer carries, and the
        permission to be named when it is missing.
    :param host: The REST endpoint's host, to be named when it may be the wrong one.
    :param hide: Hides the API key, which Braze's 401 repeats, in whatever the server says.
    :raises BrazeRequestError: The member of the family that the answer stands for.
    """
    body = _json_object(content, hide)
    rate_limit = RateLimitState.from_headers(_Shown(headers, hide))
    outcome = outcome_of_answer(
        status, is_brazes=_is_brazes(status, content, body, endpoint), repeat=endpoint.repeat
    )
    if outcome is Outcome.SENT and not (notice := _shorten((body or {}).get("notice"))):
        return Answer(status, body or {}, rate_limit)
    if outcome is Outcome.SENT:
        error: BrazeRequestError = BrazeInertError(
            f"Braze accepted the request but nobody is reached: {notice}",
            outcome=Outcome.REJECTED,
            status=status,
            braze_message=notice,
            errors=_errors(body or {}),
            ids=_ids(body or {}),
        )
    elif outcome in (Outcome.UNCERTAIN, Outcome.REPEATABLE):
        error = _unknown(status, outcome, body, content, host=host)
    else:
        error = _refused(status, outcome, body, content, permission=endpoint.permission, host=host)
    error.rate_limit = rate_limit
    raise error


def _is_brazes(status: int, content: bytes, body: Mapping[str, Any] | None, endpoint: Endpoint) -> bool:
    """Tell whether an answer has a shape that Braze documents."""
    if body is None:
        # Braze documents no body for some requests that it accepts.
        return 200 <= status < 300 and not content.strip() and not endpoint.ids and endpoint.method != "GET"
    if not 200 <= status < 300:
        return bool(_said(status, body))
    if endpoint.repeat is Repeat.SAFE:
        return True
    return body.get("message") in _ACCEPTED or any(_text_or_none(body.get(name)) for name in endpoint.ids)


def _said(status: int, body: Mapping[str, Any]) -> str:
    """Braze's own words; ``error`` is the key for what it could not even parse, and those of others'."""
    said = body.get("message") or (body.get("error") if status == 400 else None)
    return _shorten(said) if isinstance(said, str) else ""


def _unknown(
    status: int, outcome: Outcome, body: Mapping[str, Any] | None, content: bytes, *, host: str
) -> BrazeRequestError:
    """Make the error for an answer that does not tell what Braze did."""
    said, errors = _said(status, body or {}), _errors(body or {})
    is_harmless = outcome is Outcome.REPEATABLE
    follows = "So the request may have been accepted"
    if is_harmless:
        follows = (
            f"Is {host} a REST endpoint of Braze's?" if status < 300 else "It is safe to repeat the request"
        )
    if 200 <= status < 300 and body is not None:
        words = "; ".join(filter(None, (said, *errors)))
        what = f"{host} answered {status} without an id or a success of Braze's"
        what += f" ({words})" if words else ""
    elif said:
        what = f"{host} answered {status} ({said})"
    else:
        what = (
            f"{host} answered {status} with a body that can't be read as Braze's ({len(content):,} bytes): a "
            "CDN, proxy or firewall on the way may have answered"
        )
        what += "" if is_harmless else " after it passed the request on"
    kind: type[BrazeRequestError] = BrazeUncertainError
    if is_harmless:
        kind = BrazeServerError if status >= 500 and said else BrazeNoAnswerError
    return kind(
        f"{what}. {follows}",
        outcome=outcome,
        status=status,
        braze_message=said,
        errors=errors,
        ids=_ids(body or {}),
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


def _ids(body: Mapping[str, Any]) -> dict[str, str]:
    found = {name: _text_or_none(body.get(name)) for name in ID_NAMES}
    return {name: value for name, value in found.items() if value is not None}


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _shorten(value: Any) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"
