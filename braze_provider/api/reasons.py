"""
One plain sentence for each way in which a value can be wrong.

Pydantic's own messages speak of inputs, dictionaries and branches of unions, and print the value. These
texts speak of JSON, name the near miss, and never print the value: it may be a recipient's data.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic_core import ErrorDetails, PydanticCustomError

REFUSED = "braze"
"""Pydantic's error type for every reason that is worded here."""


def refusal(reason: str, fields: tuple[str, ...] = ()) -> PydanticCustomError:
    """
    Give the error that a validator raises to refuse a value.

    :param reason: What is wrong, as a sentence fragment that follows the path. Never holds the value.
    :param fields: The top-level request fields that a rule over several fields looks at.
    """
    return PydanticCustomError(REFUSED, "{reason}", {"reason": reason, "fields": fields})


def kind(value: object) -> str:
    """Name a value's type in the words of JSON."""
    if isinstance(value, bool):
        return "a Boolean"
    if isinstance(value, str):
        return "text"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, (list, tuple)):
        return "an array"
    return f"a Python {type(value).__name__}"


def listed(names: Iterable[str], conjunction: str = "or") -> str:
    """Join names for a sentence: `a`, `b` or `c`."""
    *most, last = (f"`{name}`" for name in names)
    return f"{', '.join(most)} {conjunction} {last}" if most else last


def with_article(noun: str) -> str:
    """Put the article before a noun: `a recipient`, `an item`."""
    return f"{'an' if noun[0] in 'aeio' else 'a'} {noun}"


def near_miss(name: str, known: Iterable[str]) -> str:
    """Give `` (did you mean `x`?)`` when one of the known names is close, else nothing."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.7)
    return f"; did you mean `{close[0]}`?" if close else ""


def reason_for(error: ErrorDetails) -> str:
    """Word one of pydantic's errors."""
    value = error["input"]
    word = _WORDING.get(error["type"])
    if word is None:
        # None of the other types is reachable through the models' fields; pydantic's text has no value in it.
        return error["msg"]
    if value is None and error["type"] != "missing":
        return "must not be null; leave it out instead"
    return word(value, error.get("ctx", {}))


def _not_a(what: str) -> Callable[[Any, Mapping[str, Any]], str]:
    return lambda value, _: f"must be {what}, not {kind(value)}"


def _integer(value: Any, _: Mapping[str, Any]) -> str:
    return "must be a whole number" + (f", not {kind(value)}" if not isinstance(value, float) else "")


def _choice(value: Any, context: Mapping[str, Any]) -> str:
    known = re.findall(r"'([^']*)'", context["expected"])
    near = near_miss(value, known) if isinstance(value, str) else ""
    return f"must be {'' if len(known) == 1 else 'one of '}{listed(known)}{near}"


_WORDING: Mapping[str, Callable[[Any, Mapping[str, Any]], str]] = {
    "missing": lambda *_: "is required",
    "invalid_key": lambda *_: "the name of a field must be text",
    "string_type": _not_a("text"),
    "string_unicode": lambda *_: "is not valid Unicode text",
    "string_too_short": lambda *_: "must not be empty",
    "string_too_long": lambda _, context: f"must be at most {context['max_length']:,} characters long",
    "bool_type": _not_a("a JSON Boolean"),
    "int_type": _integer,
    "float_type": _not_a("a number"),
    "finite_number": lambda *_: "must be a finite number: JSON has no NaN or Infinity",
    "greater_than_equal": lambda _, context: f"must be at least {context['ge']:,}",
    "less_than_equal": lambda _, context: f"must be at most {context['le']:,}",
    "list_type": _not_a("an array"),
    "dict_type": _not_a("an object"),
    "model_type": _not_a("an object"),
    "literal_error": _choice,
    "recursion_loop": lambda *_: "is nested too deep, or contains itself",
}
