"""How the sandbox says no: Braze's documented statuses and texts."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, NoReturn

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

_TEXTS: Mapping[int, str] = MappingProxyType(
    {
        401: "Unauthorized",
        403: "Access Denied",
        404: "Invalid URL",
        413: "Payload Too Large",
        415: "Unsupported Media Type",
        429: "Rate Limited",
        500: "Internal Server Error",
    }
)


def status_text(status: int) -> str:
    """
    The message Braze gives with a status, or the standard phrase where Braze documents none.

    :param status: the HTTP status (int).
    """
    if status in _TEXTS:
        return _TEXTS[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


class RefusedError(Exception):
    """
    Braze refuses the request: nothing was sent to anybody.

    :param status: HTTP status (int) of the answer.
    :param message: text (str) of the answer; default, what Braze says with that status.
    :param key: the answer's key (str) that holds the text: ``message``, or ``error`` for a body that
        could not be read at all.
    """

    def __init__(self, status: int, message: str | None = None, *, key: str = "message") -> None:
        self.status = status
        self.message = status_text(status) if message is None else message
        self.key = key
        super().__init__(f"{status} {self.message}")

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        return {self.key: self.message}


def refuse(message: str) -> NoReturn:
    """
    Refuse the request as wrong in itself.

    :param message: text (str) of the answer.
    :raises RefusedError: always, with status 400.
    """
    raise RefusedError(400, message)
