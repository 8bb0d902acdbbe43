"""
JSON of any shape: custom attributes, trigger properties, extras.

Their values often come from databases, with dates, decimals and UUIDs, which JSON does not have. All values
become plain JSON here, so that exactly the validated data is sent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from math import isfinite
from typing import Annotated, Any, NoReturn
from uuid import UUID

from pydantic import AfterValidator, ValidationError
from pydantic_core import InitErrorDetails, to_json

from braze_provider.api.limits import MAX_PROPERTIES_BYTES
from braze_provider.api.reasons import kind, refusal

MAX_DEPTH = 100
"""Levels of nesting at most. Real data is never so deep, and an object that contains itself has no end."""

# An object within these numbers of values and characters can't reach the size limit of properties, even if
# each character is written as six and each number as 25. So most rows need no measuring.
_FEW, _SHORT = 100, 5_000

_BAD_NAME = "holds a name that is not valid Unicode text"


_Refused = list[InitErrorDetails]


def _refuse(refused: _Refused, path: tuple[str | int, ...], reason: str) -> None:
    refused.append(InitErrorDetails(type=refusal(reason), loc=path, input=None))


def _raise(refused: _Refused) -> NoReturn:
    raise ValidationError.from_exception_data("JSON", refused, hide_input=True)


def _plain(value: Any, path: tuple[str | int, ...], refused: _Refused) -> Any:
    """Turn a value into plain JSON data, and note what can't be."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if _is_unicode(value):
            return str.__str__(value)  # the text itself, where it is a member of an enumeration
        _refuse(refused, path, "is not valid Unicode text")
    elif isinstance(value, int):
        return int(value)
    elif isinstance(value, (float, Decimal)):
        if value.is_finite() if isinstance(value, Decimal) else isfinite(value):
            return _number(value)
        _refuse(refused, path, "must be a finite number: JSON has no NaN or Infinity")
    elif isinstance(value, (datetime, date, time)):
        if value == value:
            return value.isoformat()
        _refuse(refused, path, "must be a date, not NaT")  # pandas' missing datetime
    elif isinstance(value, UUID):
        return str(value)
    elif len(path) > MAX_DEPTH:
        _refuse(refused, path[:1], f"is nested more than {MAX_DEPTH} levels deep, or contains itself")
    elif isinstance(value, Mapping):
        return _plain_mapping(value, path, refused)
    elif isinstance(value, (list, tuple)):
        return [_plain(item, (*path, index), refused) for index, item in enumerate(value)]
    else:
        _refuse(refused, path, f"must be JSON, not {kind(value)}")
    return None


def _plain_mapping(
    value: Mapping[Any, Any], path: tuple[str | int, ...], refused: _Refused
) -> dict[str, Any]:
    plain = {}
    for name, item in value.items():
        if isinstance(name, str) and _is_unicode(name):
            plain[name] = _plain(item, (*path, name), refused)
        else:
            _refuse(refused, path, _BAD_NAME)
    return plain


def _number(value: float | Decimal) -> int | float:
    # A database gives a NUMBER(38, 0) as a Decimal. It means a whole number of any size.
    if isinstance(value, Decimal) and int(value.as_tuple().exponent) >= 0:
        return int(value)
    return float(value)


def _is_unicode(text: str) -> bool:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:  # half of a surrogate pair, such as an emoji that was cut in two
            return False
    return True


def _make_plain(found: dict[str, Any]) -> int | None:
    """
    Make pydantic's own copy of an object plain, in place.

    :returns: The number of characters in its text, which limits its size; None if it holds more than a few
        flat values, so that its size must be measured.
    """
    refused: _Refused = []
    characters = 0
    flat = len(found) <= _FEW
    for name, value in found.items():
        if not (name.isascii() or _is_unicode(name)):
            _refuse(refused, (), _BAD_NAME)
            continue
        characters += len(name)
        # This is the fast way for a million rows: nearly all of their values are plain already.
        exact = type(value)
        if exact is str and (value.isascii() or _is_unicode(value)):
            characters += len(value)
        elif not (
            (exact is int and value.bit_length() < 64)
            or (exact is float and isfinite(value))
            or value is None
            or exact is bool
        ):
            found[name] = _plain(value, (name,), refused)
            flat = False
    if refused:
        _raise(refused)
    return characters if flat else None


def plain_json(value: Any) -> Any:
    """
    Turn a value into plain JSON data. :data:`JsonValue` says how types that JSON lacks are written.

    :param value: The value.
    :raises pydantic.ValidationError: With every part of the value that can't be JSON.
    """
    refused: _Refused = []
    plain = _plain(value, (), refused)
    if refused:
        _raise(refused)
    return plain


def plain_column(values: Sequence[Any]) -> Sequence[Any]:
    """
    Turn the values that many objects have under the same name into plain JSON data.

    :param values: One value of each object.
    :raises pydantic.ValidationError: With the index of each value that can't be JSON, and of each object and
        array. Only the whole row can tell whether those are nested too deep.
    """
    kinds = set(map(type, values))
    if (
        kinds <= {int, bool}
        or (kinds == {str} and _is_unicode("".join(values)))
        or (kinds == {float} and all(map(isfinite, values)))
    ):
        return values
    refused: _Refused = []
    plain = []
    for index, value in enumerate(values):
        if isinstance(value, (Mapping, list, tuple)):
            _refuse(refused, (index,), "must not be an object or an array")
        else:
            plain.append(_plain(value, (index,), refused))
    if refused:
        _raise(refused)
    return plain


def _json_object(found: dict[str, Any]) -> dict[str, Any]:
    _make_plain(found)
    return found


def _properties(found: dict[str, Any]) -> dict[str, Any]:
    characters = _make_plain(found)
    if (characters is None or characters > _SHORT) and len(to_json(found)) > MAX_PROPERTIES_BYTES:
        raise refusal(f"must be at most {MAX_PROPERTIES_BYTES:,} bytes of JSON")
    return found


def _refuse_names(found: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    refused: _Refused = []
    for name in names:
        if name in found:
            _refuse(refused, (name,), "is reserved: Braze refuses a property of this name")
    if refused:
        _raise(refused)
    return found


def _event_properties(found: dict[str, Any]) -> dict[str, Any]:
    return _refuse_names(_json_object(found), ("time", "event_name"))


def _purchase_properties(found: dict[str, Any]) -> dict[str, Any]:
    reserved = ("time", "product_id", "quantity", "event_name", "price", "currency")
    return _refuse_names(_json_object(found), reserved)


JsonValue = Annotated[Any, AfterValidator(plain_json)]
"""
Any JSON. Dates, times and UUIDs become text, a :class:`~decimal.Decimal` a number, as JSON has none of
them; NaN, Infinity, bytes, sets and other objects are refused.
"""

JsonObject = Annotated[dict[str, Any], AfterValidator(_json_object)]
"""A JSON object of any shape, with values as in :data:`JsonValue`."""

Properties = Annotated[dict[str, Any], AfterValidator(_properties)]
"""
A JSON object of at most 50 KB, which Liquid reads as ``{{api_trigger_properties.${…}}}``.

.. seealso:: https://www.braze.com/docs/api/objects_filters/trigger_properties_object
"""

EventProperties = Annotated[dict[str, Any], AfterValidator(_event_properties)]
"""Properties of an event, of any name but those that Braze reserves."""

PurchaseProperties = Annotated[dict[str, Any], AfterValidator(_purchase_properties)]
"""Properties of a purchase, of any name but those that Braze reserves."""

OPEN_JSON = frozenset({plain_json, _json_object, _properties, _event_properties, _purchase_properties})
"""The functions that check fields of any JSON."""
