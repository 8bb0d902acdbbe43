"""
Checks of single values, and the means to make checks of whole objects out of them.

A check takes a value and its path in the request, and raises :class:`RefusedError` naming the path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from braze_provider.sandbox.refusals import refuse

Check: TypeAlias = Callable[[object, str], None]

MAX_PROPERTIES_BYTES = 50 * 1024

_TIMESTAMP = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)

_JSON_NAMES = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
}


def json_name(value: object) -> str:
    """What JSON calls a value, with its article."""
    return _JSON_NAMES.get(type(value), type(value).__name__)


def child(path: str, name: str) -> str:
    """The path of a field within the object at a path; the request's own path is empty."""
    return f"{path}.{name}" if path else name


def has_liquid(text: str) -> bool:
    """Whether Braze renders the text for each user, so that its length and its meaning are not known yet."""
    return "{{" in text or "{%" in text


def size_in_bytes(value: object) -> int:
    """The length of a value as compact UTF-8 JSON."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "surrogatepass"))


def text(value: object, path: str) -> None:
    """A string."""
    if not isinstance(value, str):
        refuse(f"{path} must be a string, not {json_name(value)}")


def filled(value: object, path: str) -> None:
    """A string that is not empty."""
    text(value, path)
    if not value:
        refuse(f"{path} must not be empty")


def boolean(value: object, path: str) -> None:
    """A JSON boolean; the string ``"false"`` of some published examples is none."""
    if not isinstance(value, bool):
        refuse(f"{path} must be a boolean, not {json_name(value)}")


def mapping(value: object, path: str) -> None:
    """An object with whatever in it."""
    if not isinstance(value, dict):
        refuse(f"{path} must be an object, not {json_name(value)}")


def properties(value: object, path: str) -> None:
    """An object with whatever in it, up to the 50 KB that Braze allows."""
    mapping(value, path)
    if size_in_bytes(value) > MAX_PROPERTIES_BYTES:
        refuse(f"{path} exceeds 50 KB")


def timestamp(value: object, path: str) -> None:
    """A datetime in ISO 8601, or a date alone; what Liquid makes of one is not known yet."""
    text(value, path)
    if has_liquid(str(value)):
        return
    found = _TIMESTAMP.fullmatch(str(value))
    try:
        if found is None:
            raise ValueError(value)
        date, clock, seconds = found.groups()
        datetime.fromisoformat(f"{date}T{clock or '00:00'}:{seconds or '00'}")
    except ValueError:
        refuse(f"{path} must be an ISO 8601 datetime")


def integer(low: int | None = None, high: int | None = None) -> Check:
    """A whole number within bounds, both of them included."""

    def check(value: object, path: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            refuse(f"{path} must be a whole number, not {json_name(value)}")
        _bounded(value, path, low, high)

    return check


def number(low: float | None = None, high: float | None = None) -> Check:
    """A number within bounds, both of them included."""

    def check(value: object, path: str) -> None:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            refuse(f"{path} must be a number, not {json_name(value)}")
        _bounded(value, path, low, high)

    return check


def choice(*options: str) -> Check:
    """One of some strings."""

    def check(value: object, path: str) -> None:
        if value not in options:
            refuse(f"{path} must be one of {', '.join(options)}")

    return check


def array(item: Check, *, least: int = 0) -> Check:
    """An array with a check for each of its items."""

    def check(value: object, path: str) -> None:
        if not isinstance(value, list):
            refuse(f"{path} must be an array, not {json_name(value)}")
        if len(value) < least:
            refuse(f"{path} must have at least {least} item{'s' if least > 1 else ''}")
        for index, element in enumerate(value):
            item(element, f"{path}[{index}]")

    return check


def without_nulls(value: dict[str, Any]) -> dict[str, Any]:
    """The fields of an object that say something."""
    return {name: element for name, element in value.items() if element is not None}


def shape(fields: Mapping[str, Check], *, required: Collection[str] = ()) -> Check:
    """
    An object of which every field is known; one that is null counts as left out.

    :param fields: the check for each field it may have.
    :param required: the fields it must have.
    """

    def check(value: object, path: str) -> None:
        if not isinstance(value, dict):
            refuse(f"{path or 'the request body'} must be an object, not {json_name(value)}")
        for name in value:
            if name not in fields:
                refuse(f"{child(path, name)} is not a known field")
        given = without_nulls(value)
        for name in required:
            if name not in given:
                refuse(f"{child(path, name)} is required")
        for name, element in given.items():
            fields[name](element, child(path, name))

    return check


def with_also(check: Check, further: Callable[[dict[str, Any], str], None]) -> Check:
    """A check of an object's shape, followed by one of what its fields mean together."""

    def both(value: object, path: str) -> None:
        check(value, path)
        if isinstance(value, dict):
            further(without_nulls(value), path)

    return both


def _bounded(value: float, path: str, low: float | None, high: float | None) -> None:
    if (low is not None and value < low) or (high is not None and value > high):
        refuse(f"{path} must be between {low} and {high}" if high is not None else f"{path} is below {low}")
