"""
What Braze answers: its texts, and which of them a request gets that breaks a rule.

The rules are those of the request models in :mod:`braze_provider.api`. Here stands what Braze does beside
them: the text of each refusal that Braze documents, and what Braze takes although the models don't.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NoReturn

from braze_provider.api import requests
from braze_provider.api.endpoints import Endpoint
from braze_provider.api.errors import BrazeValidationError, Problem
from braze_provider.api.limits import MAX_EXTERNAL_ID_BYTES, MAX_PROPERTIES_BYTES
from braze_provider.api.validation import unknown_fields, validate

JSON = "application/json; charset=utf-8"

# The fatal errors of Braze's errors page that concern the endpoints served here, word for word.
NO_RECIPIENTS = "No Recipients"
INVALID_CAMPAIGN_ID = "Invalid Campaign ID"
MESSAGE_VARIANT_UNSPECIFIED = "Message Variant Unspecified"
INVALID_MESSAGE_VARIANT = "Invalid Message Variant"
MISMATCHED_MESSAGE_TYPE = "Mismatched Message Type"
INVALID_EXTRA_PUSH_PAYLOAD = "Invalid Extra Push Payload"
TOO_MANY_IDS_AND_ALIASES = "The max number of external_ids and aliases per request was exceeded"
TOO_MANY_IDS = "The max number of ids per request was exceeded"
NO_MESSAGE = "No message to send"
APPLE_PUSH_TOO_LONG = "Apple Push Length Exceeded"
ANDROID_PUSH_TOO_LONG = "Android Push Length Exceeded"
# Not on that page: in the words of its "Invalid Campaign ID".
INVALID_CANVAS_ID = "Invalid Canvas ID"
INVALID_SEGMENT_ID = "Invalid Segment ID"
UNPARSEABLE = "Error while parsing request body. Please check your syntax."
WRONG_FORMAT = "The request body does not match the declared format: a JSON object is expected."

_STATUS_TEXTS: Mapping[int, str] = {
    401: "Unauthorized",
    403: "Access Denied",
    404: "Invalid URL",
    413: "Payload Too Large",
    415: "Unsupported Media Type",
    429: "Rate Limited",
}

# The path of a mistake and a part of its reason, with Braze's text for it; the first that fits is told.
_TEXTS: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(path), reason, text)
    for path, reason, text in (
        ("recipients", "is empty", NO_RECIPIENTS),
        ("", "reaches no recipient", NO_RECIPIENTS),
        ("recipients", "one request takes", TOO_MANY_IDS),
        ("", "one request takes", TOO_MANY_IDS_AND_ALIASES),
        ("messages", "is required", NO_MESSAGE),
        ("messages", "holds no message", NO_MESSAGE),
        (r"messages\.\w+\.message_variation_id", "is required", MESSAGE_VARIANT_UNSPECIFIED),
        (r"messages\.(apple|android)_push\.extra", "must be an object", INVALID_EXTRA_PUSH_PAYLOAD),
        (r"messages\.apple_push", "bytes of JSON", APPLE_PUSH_TOO_LONG),
        (r"messages\.android_push", "bytes in", ANDROID_PUSH_TOO_LONG),
    )
)

# Any JSON as far as Braze is concerned; see below for `attributes`.
_OPEN_OBJECTS = frozenset({"trigger_properties", "context", "attributes"})

_OLD_NAMES = {"canvas_entry_properties": "context"}

# The path of a mistake and a part of its reason, where no page says that Braze refuses it: a profile's value
# that it can't read is stored as text or left out, a variable may be a number, a text may be empty, old
# comparisons are still read, and half a surrogate pair is no problem of JSON's.
_TAKEN: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"recipients\[\d+\]\.attributes\..+"), ""),
    (re.compile(r"messages\..+_variables\.\w+"), "must be text"),
    (re.compile(r"messages\..+\.(alert|title|body|description|section_title)"), "must not be empty"),
    (re.compile(".*"), "Braze has renamed"),
    (re.compile(".*"), "valid Unicode text"),
)


@dataclass
class Answer:
    """
    What a client is told, before it becomes HTTP.

    :param status: HTTP status.
    :param body: JSON object, or any bytes.
    :param content_type: The ``Content-Type`` header.
    :param headers: Headers in place of the rate-limit headers of the moment. Default: those.
    """

    status: int
    body: Mapping[str, Any] | bytes
    content_type: str = JSON
    headers: dict[str, str] | None = field(default=None)

    @property
    def accepted(self) -> bool:
        """Whether Braze says that it took the request."""
        return 200 <= self.status < 300

    def content(self) -> bytes:
        """Give the body as it goes over the wire."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    def with_body(self, **changes: Any) -> Answer:
        """
        Give the same answer with some keys of its JSON body set, or removed where the value is None.

        :param changes: The keys and their values.
        """
        if isinstance(self.body, bytes):
            return self
        merged = {key: value for key, value in {**self.body, **changes}.items() if value is not None}
        return Answer(self.status, merged, self.content_type, self.headers)


class RefusedError(Exception):
    """
    Braze refuses the request: nothing was sent to anybody.

    :param status: HTTP status of the answer.
    :param message: Text of the answer. Default: what Braze says with that status.
    :param key: The key that holds the text: ``message``, or ``error`` for a body that could not be read.
    """

    def __init__(self, status: int, message: str | None = None, *, key: str = "message") -> None:
        text = status_text(status) if message is None else message
        self.answer = Answer(status, {key: text})
        super().__init__(f"{status} {text}")


def refuse(message: str) -> NoReturn:
    """
    Refuse a request as wrong in itself.

    :param message: Text of the answer.
    :raises RefusedError: Always, with status 400.
    """
    raise RefusedError(400, message)


def status_text(status: int) -> str:
    """
    Give the message that Braze sends with a status, or the standard phrase where Braze documents none.

    :param status: The HTTP status.
    """
    if status in _STATUS_TEXTS:
        return _STATUS_TEXTS[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def judge(endpoint: Endpoint, body: dict[str, Any], size: int) -> tuple[dict[str, Any], list[str]]:
    """
    Check a request as Braze does.

    :param endpoint: Its endpoint, which has a request model.
    :param body: Its body.
    :param size: Bytes of its body.
    :returns: The body as Braze reads it, and the fields in it that the models don't know: Braze is not
        known to refuse them.
    :raises RefusedError: If it breaks a rule; with Braze's text, where there is one.
    """
    model = getattr(requests, endpoint.request or "")
    small = size <= MAX_PROPERTIES_BYTES
    try:
        validate(model, _with_one_of_each(body, endpoint.rows or 0) if small else body)
        return body, []
    except BrazeValidationError:
        body = as_braze_reads(body)
    try:
        return body, unknown_fields(validate(model, body, allow_unknown_fields=True))
    except BrazeValidationError as error:
        if problems := [one for one in error.problems if not any(_fits(one, *taken) for taken in _TAKEN)]:
            refuse(_text(problems))
    return body, []


def _with_one_of_each(body: dict[str, Any], most: int) -> dict[str, Any]:
    """
    Give a body with one recipient in place of all those whom no rule tells apart from it.

    A model for each of 50 recipients costs more than all else that is done with a request.
    """
    recipients = body.get("recipients")
    if not isinstance(recipients, list) or not 1 < len(recipients) <= most:
        return body
    one_of_each: dict[object, Any] = {}
    for index, recipient in enumerate(recipients):
        one_of_each[_shape(recipient) or index] = recipient
    return {**body, "recipients": list(one_of_each.values())}


def _shape(recipient: object) -> tuple[object, ...] | None:
    """Give all that a rule asks of a recipient in a small request; None where it may be more."""
    if not isinstance(recipient, dict):
        return None
    shape: list[object] = []
    for name, value in recipient.items():
        kind = type(value)
        if kind is bool:
            shape.append(value)
        elif not value or not (
            (kind is str and name == "external_user_id" and len(value) * 4 <= MAX_EXTERNAL_ID_BYTES)
            or (kind is dict and name in _OPEN_OBJECTS)
        ):
            return None
        shape.append(name)
    return tuple(shape)


def as_braze_reads(body: dict[str, Any]) -> dict[str, Any]:
    """
    Put a body as Braze has been seen to read it: without nulls, under today's names, with ids as text.

    :param body: The body of a request.
    """
    read = _fields(body)
    for name in ("external_user_ids", "user_aliases"):
        if read.get(name) == []:
            del read[name]
    if isinstance(ids := read.get("external_user_ids"), list):
        read["external_user_ids"] = [_id(value) for value in ids]
    if isinstance(recipients := read.get("recipients"), list):
        read["recipients"] = [_fields(one) if isinstance(one, dict) else one for one in recipients]
    return read


def _fields(given: dict[str, Any]) -> dict[str, Any]:
    return {
        _OLD_NAMES.get(name, name): _id(value) if name == "external_user_id" else value
        for name, value in given.items()
        if value is not None
    }


def _id(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _fits(problem: Problem, path: re.Pattern[str], reason: str) -> bool:
    return reason in problem.reason and path.fullmatch(problem.path) is not None


def _text(problems: list[Problem]) -> str:
    for path, reason, text in _TEXTS:
        if any(_fits(problem, path, reason) for problem in problems):
            return text
    return str(problems[0])
