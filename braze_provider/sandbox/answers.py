"""
Braze's answers: its texts, and the text for each broken rule.

The rules are those of the request models in :mod:`braze_provider.api`. This module adds the text of each
refusal that Braze documents, and the cases that Braze accepts although the models don't.
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
TOO_MANY_OBJECTS = "Max Input Length Exceeded"
NO_MESSAGE = "No message to send"
APPLE_PUSH_TOO_LONG = "Apple Push Length Exceeded"
ANDROID_PUSH_TOO_LONG = "Android Push Length Exceeded"
ADDRESS_AND_NUMBER = "Either an email address or a phone number should be provided, but not both."
# These two are not on that page. Their words follow its "Invalid Campaign ID".
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

# The path of a mistake, a part of its reason, and Braze's text for it. The first that fits is the answer.
_TEXTS: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(path), reason, text)
    for path, reason, text in (
        ("recipients", "is empty", NO_RECIPIENTS),
        ("", "reaches no recipient", NO_RECIPIENTS),
        ("recipients", "one request takes", TOO_MANY_IDS),
        ("", "one request takes 75", TOO_MANY_OBJECTS),
        ("", "one request takes", TOO_MANY_IDS_AND_ALIASES),
        ("messages", "is required", NO_MESSAGE),
        ("messages", "holds no message", NO_MESSAGE),
        (r"messages\.\w+\.message_variation_id", "is required", MESSAGE_VARIANT_UNSPECIFIED),
        (r"messages\.(apple|android)_push\.extra", "must be an object", INVALID_EXTRA_PUSH_PAYLOAD),
        (r"messages\.apple_push", "bytes of JSON", APPLE_PUSH_TOO_LONG),
        (r"messages\.android_push", "bytes in", ANDROID_PUSH_TOO_LONG),
        ("phone", "is not allowed with `email`", ADDRESS_AND_NUMBER),
    )
)

# The ids of catalogs' errors, likewise.
_CATALOG_ERRORS: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(path), reason, error_id)
    for path, reason, error_id in (
        ("items", "one request takes", "request-includes-too-many-items"),
        (r"items\[\d+\]\.id", "is required", "items-missing-ids"),
        (r"items\[\d+\]\.id", "is there twice", "ids-not-unique"),
        (r"items\[\d+\]\.id", "characters long", "ids-too-large"),
        (r"items\[\d+\]\.id", "", "invalid-ids"),
        (r"items\[\d+\]\..+", "characters long", "items-too-large"),
        (r"items\[\d+\]\..+", "levels deep", "too-deep-nesting-in-value-object"),
        (r"items\[\d+\]\..+", "a name with", "invalid-keys-in-value-object"),
        (r"items\[\d+\]", "", "invalid-fields"),
    )
)

# Braze takes any JSON in these. `attributes` is special; see below.
_OPEN_OBJECTS = frozenset({"trigger_properties", "context", "attributes"})

_OLD_NAMES = {"canvas_entry_properties": "context"}

# The path of a mistake and a part of its reason, for mistakes that no page says Braze refuses. If Braze can't
# read a profile's value, it stores the value as text or leaves it out. A variable may be a number, a text may
# be empty, old comparisons are still read, and JSON allows half a surrogate pair.
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
    An answer to a client, before it becomes HTTP.

    :param status: HTTP status.
    :param body: JSON object, or any bytes.
    :param content_type: The ``Content-Type`` header.
    :param headers: Headers instead of the current rate-limit headers. Default: the rate-limit headers.
    """

    status: int
    body: Mapping[str, Any] | bytes
    content_type: str = JSON
    headers: dict[str, str] | None = field(default=None)
    link: str = ""

    @property
    def accepted(self) -> bool:
        """Whether Braze says that it took the request."""
        return 200 <= self.status < 300

    def content(self) -> bytes:
        """Give the body as it goes over the wire."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    def with_body(self, **changes: Any) -> Answer:
        """
        Give the same answer with some keys of its JSON body set. A value of None removes the key.

        :param changes: The keys and their values.
        """
        if isinstance(self.body, bytes):
            return self
        merged = {key: value for key, value in {**self.body, **changes}.items() if value is not None}
        return Answer(self.status, merged, self.content_type, self.headers)


class RefusedError(Exception):
    """
    Braze refuses the request, and no recipient gets a message.

    :param status: HTTP status of the answer.
    :param message: Text of the answer. Default: Braze's text for that status.
    :param key: The key that holds the text: ``message``, or ``error`` for a body that could not be read.
    """

    def __init__(self, status: int, message: str | None = None, *, key: str = "message") -> None:
        text = status_text(status) if message is None else message
        self.answer = Answer(status, {key: text})
        super().__init__(f"{status} {text}")


def refuse_catalog(status: int, error_id: str, message: str, **values: Any) -> NoReturn:
    """
    Refuse a request for catalogs, whose errors have ids.

    :param status: HTTP status.
    :param error_id: Braze's id of the error.
    :param message: What is wrong.
    :param values: The parameters that are wrong, with their values.
    :raises RefusedError: Always.
    """
    refusal = RefusedError(status, "Invalid Request")
    error = {
        "id": error_id,
        "message": message,
        "parameters": list(values),
        "parameter_values": list(values.values()),
    }
    refusal.answer = refusal.answer.with_body(errors=[error])
    raise refusal


def refuse(message: str) -> NoReturn:
    """
    Refuse a request as wrong in itself.

    :param message: Text of the answer.
    :raises RefusedError: Always, with status 400.
    """
    raise RefusedError(400, message)


def status_text(status: int) -> str:
    """
    Give the message that Braze sends with a status, or the standard phrase if Braze documents none.

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
    :returns: The body as Braze reads it, and the fields in it that the models don't know. No page says that
        Braze refuses those.
    :raises RefusedError: If it breaks a rule; with Braze's text, if there is one.
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
            if endpoint.path.startswith("/catalogs"):
                refuse_catalog(400, _catalog_error_id(problems), str(problems[0]))
            refuse(_text(problems))
    return body, []


def _with_one_of_each(body: dict[str, Any], most: int) -> dict[str, Any]:
    """
    Give a body with one recipient of each shape: no rule tells recipients of the same shape apart.

    To make a model for each of 50 recipients takes longer than the rest of a request.
    """
    recipients = body.get("recipients")
    if not isinstance(recipients, list) or not 1 < len(recipients) <= most:
        return body
    one_of_each: dict[object, Any] = {}
    for index, recipient in enumerate(recipients):
        one_of_each[_shape(recipient) or index] = recipient
    return {**body, "recipients": list(one_of_each.values())}


def _shape(recipient: object) -> tuple[object, ...] | None:
    """Give everything that the rules read of a recipient in a small request; None if they may read more."""
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
    Change a body to what Braze reads in it: no nulls, today's names, ids as text.

    :param body: The body of a request.
    """
    read = _fields(body)
    for name in ("external_user_ids", "user_aliases"):
        if read.get(name) == []:
            del read[name]
    for name in ("email", "phone"):  # Of these, Braze takes a single one without an array too.
        if isinstance(read.get(name), str):
            read[name] = [read[name]]
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


def _catalog_error_id(problems: list[Problem]) -> str:
    found = (
        error_id
        for path, reason, error_id in _CATALOG_ERRORS
        if any(_fits(problem, path, reason) for problem in problems)
    )
    return next(found, "item-array-invalid")
