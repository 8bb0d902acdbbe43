"""
Braze's answers: each HTTP answer, whatever its body, becomes one typed answer or one typed error.

.. seealso:: https://www.braze.com/docs/api/errors
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from braze_provider.api.endpoints import ID_NAMES, Endpoint
from braze_provider.api.errors import (
    BrazeAuthenticationError,
    BrazeConflictError,
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
MAX_VALUE = 60
"""Characters of a value in a request that Braze's error repeats."""
_ACCEPTED = ("success", "queued")


# Words of a 429 that is about the rate limit.
_OVER_THE_LIMIT = ("rate limit", "too many requests")
_LINK = re.compile(r'<([^<>]{0,4000})>[^<>]*?;\s*rel="?(\w+)', re.IGNORECASE)


class RowError(NamedTuple):
    """
    An error that names one row of a request.

    :param array: The array that holds the row.
    :param place: Its index in that array.
    :param reason: Braze's word for the mistake.
    """

    array: str
    place: int
    reason: str


@dataclass(frozen=True)
class Answer:
    """
    A request that Braze accepted.

    :param status: HTTP status, a 2xx.
    :param body: The whole JSON body.
    :param rate_limit: The state of the rate limit, from the headers.
    :param links: The ``Link`` header: by relation, such as ``next``, the query parameters of that page.
    """

    status: int
    body: Mapping[str, Any] = field(repr=False)
    rate_limit: RateLimitState = field(default_factory=RateLimitState, repr=False)
    links: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)

    @property
    def message(self) -> str:
        """Braze's word for the result: ``success``, or ``queued`` during maintenance."""
        return str(self.body.get("message", ""))

    @property
    def dispatch_id(self) -> str | None:
        """Braze's id of this send. The whole request has one."""
        return _text_or_none(self.body.get("dispatch_id"))

    @property
    def send_id(self) -> str | None:
        """The send identifier under which Braze tracks the send; None if Braze does not track it."""
        return _text_or_none(self.body.get("send_id"))

    @property
    def ids(self) -> dict[str, str]:
        """All ids that Braze gave it, by name."""
        return _ids(self.body)

    @property
    def errors(self) -> tuple[str, ...]:
        """Minor errors. Braze dropped the parts that they name, and processed all others."""
        return _errors(self.body)

    @property
    def row_errors(self) -> tuple[RowError, ...]:
        """Those of the minor errors that name a row. Braze did not process these rows."""
        found = self.body.get("errors")
        named = (one for one in (found if isinstance(found, list) else ()) if isinstance(one, dict))
        return tuple(
            RowError(one["input_array"], one["index"], _shorten(one.get("type") or one.get("message")))
            for one in named
            if isinstance(one.get("input_array"), str) and type(one.get("index")) is int
        )


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
    Turn an HTTP answer into a typed answer, or raise the error that it means.

    :param status: HTTP status.
    :param content: Body as received: JSON, HTML from an edge server, or empty.
    :param headers: The answer's headers.
    :param endpoint: The endpoint that was called. Its row says what a repeat does, which ids an answer holds,
        and which permission an error names when it may be missing.
    :param host: The REST endpoint's host, which an error names when it may be the wrong one.
    :param hide: Hides the API key in all texts of the server, because Braze's 401 repeats the key.
    :raises BrazeRequestError: If Braze did not accept the request, or may not have accepted it. The class
        says why.
    """
    body = _json_object(content, hide)
    shown = _Shown(headers, hide)
    rate_limit = RateLimitState.from_headers(shown)
    outcome = outcome_of_answer(
        status, is_brazes=_is_brazes(status, content, body, endpoint), repeat=endpoint.repeat
    )
    said = _said(status, body or {})
    if outcome is Outcome.REJECTED and endpoint.recognised and said.startswith(endpoint.recognised):
        outcome = Outcome.SENT
    if outcome is Outcome.SENT and not (notice := _shorten((body or {}).get("notice"))):
        return Answer(status, body or {}, rate_limit, _links(shown))
    if outcome is Outcome.SENT:
        error: BrazeRequestError = BrazeInertError(
            f"Braze accepted the request, but it reaches no recipient: {notice}",
            outcome=Outcome.REJECTED,
            status=status,
            braze_message=notice,
            errors=_errors(body or {}),
            ids=_ids(body or {}),
        )
    elif status == 429 and endpoint.one_at_a_time and (said := _conflict(body, rate_limit)):
        error = BrazeConflictError(
            f"Braze runs only one at a time, and one runs already ({said})",
            outcome=Outcome.REJECTED,
            status=status,
            braze_message=said,
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
        # For some requests that it accepts, Braze documents an answer without a body.
        return 200 <= status < 300 and not content.strip() and not endpoint.ids and endpoint.method != "GET"
    if not 200 <= status < 300:
        return bool(_said(status, body))
    if endpoint.repeat is Repeat.SAFE:
        return True
    return body.get("message") in _ACCEPTED or any(_text_or_none(body.get(name)) for name in endpoint.ids)


def _said(status: int, body: Mapping[str, Any]) -> str:
    """
    Give Braze's own words.

    Braze writes them under ``error`` only for a request that it could not parse. Other servers use that key
    too.
    """
    said = body.get("message") or (body.get("error") if status == 400 else None)
    return _shorten(said) if isinstance(said, str) else ""


def _conflict(body: Mapping[str, Any] | None, rate_limit: RateLimitState) -> str:
    """Give Braze's words for a 429 that means "one runs already"; empty if it is about the rate limit."""
    said = _said(429, body or {})
    is_over_the_limit = any(words in said.lower() for words in _OVER_THE_LIMIT)
    return "" if is_over_the_limit and not rate_limit.remaining else said


def _unknown(
    status: int, outcome: Outcome, body: Mapping[str, Any] | None, content: bytes, *, host: str
) -> BrazeRequestError:
    """Make the error for an answer that does not say what Braze did."""
    said, errors = _said(status, body or {}), _errors(body or {})
    is_harmless = outcome is Outcome.REPEATABLE
    follows = "So the request may have been accepted"
    if is_harmless:
        follows = f"Is {host} a Braze REST endpoint?" if status < 300 else "It is safe to repeat the request"
    if 200 <= status < 300 and body is not None:
        words = "; ".join(filter(None, (said, *errors)))
        what = f"{host} answered {status} without an id from Braze and without Braze's word for success"
        what += f" ({words})" if words else ""
    elif said:
        what = f"{host} answered {status} ({said})"
    else:
        what = (
            f"{host} answered {status} with a body that Braze does not write ({len(content):,} bytes): a "
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
    errors = "".join(f"; {error}" for error in details["errors"])
    if status == 404 and errors:
        return BrazeNotFoundError(
            f"Braze does not know what the request names: 404{quoted}{errors}", **details
        )
    if status == 404 or status < 400:
        return BrazeNotFoundError(
            f"There is no such Braze endpoint at {host}: it answered {status}{quoted}", **details
        )
    if status == 429:
        return BrazeRateLimitError(f"Over Braze's rate limit{quoted}: nothing was sent", **details)
    if outcome is Outcome.NOT_SENT:
        return BrazeServerError(f"Braze failed with {status}{quoted}: nothing was sent", **details)
    return BrazeRejectedError(f"Braze refused the request with {status}{quoted}{errors}", **details)


class _Shown(Mapping[str, str]):
    """Headers with the API key hidden."""

    def __init__(self, headers: Mapping[str, str], hide: Hide) -> None:
        self._headers = headers
        self._hide = hide

    def __getitem__(self, name: str) -> str:
        return self._hide(self._headers[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)


def _links(headers: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Read the ``Link`` header. Only the query counts: some of Braze's own examples misspell the address."""
    found = _LINK.findall(headers.get("Link") or "")
    return {relation.lower(): dict(parse_qsl(urlsplit(url).query)) for url, relation in found}


def _json_object(content: bytes, hide: Hide) -> Mapping[str, Any] | None:
    try:
        # The key is hidden after parsing, because JSON can write each character in several ways.
        body = hidden(json.loads(content), hide)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _described(content: bytes) -> str:
    return f"a body that Braze does not write, {len(content):,} bytes"


def _errors(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Read Braze's errors: texts, or objects that say what is wrong and where."""
    errors = body.get("errors")
    if not errors:
        return ()
    return tuple(_error_text(error) for error in (errors if isinstance(errors, list) else [errors]))


def _error_text(error: Any) -> str:
    if not isinstance(error, dict):
        return _shorten(error)
    if isinstance(error.get("id"), str):  # an error of a catalog
        return _catalog_error_text(error)
    place = "".join(f", {key} {_shorten(error[key])}" for key in ("input_array", "index") if key in error)
    return _shorten(error.get("type") or error.get("message") or "error") + place


def _catalog_error_text(error: Mapping[str, Any]) -> str:
    names, values = (error.get(key) for key in ("parameters", "parameter_values"))
    pairs = zip(names, values, strict=False) if isinstance(names, list) and isinstance(values, list) else ()
    where = "; ".join(f"{_shorten(name)} {_shorten(value, MAX_VALUE)}" for name, value in pairs)
    text = ": ".join(filter(None, (_shorten(error["id"]), _shorten(error.get("message")))))
    return _shorten(f"{text} ({where})" if where else text)


def _ids(body: Mapping[str, Any]) -> dict[str, str]:
    found = {name: _text_or_none(body.get(name)) for name in ID_NAMES}
    return {name: value for name, value in found.items() if value is not None}


def _text_or_none(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _shorten(value: Any, most: int = MAX_TEXT) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= most else text[: most - 1] + "…"
