"""The types of Braze's fields: what may be left out, arrays, and text."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema

from braze_provider.api.endpoints import reason_against_path
from braze_provider.api.limits import MAX_EXTERNAL_ID_BYTES, MAX_PRODUCT_ID_LENGTH, MAX_SEND_ID_LENGTH
from braze_provider.api.reasons import refusal

T = TypeVar("T")
_E164 = re.compile(r"\+[1-9][0-9]{1,14}")


class _NotNull:
    """Makes a field refuse `None`, although `None` stays the default of an absent field."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        return schema["schema"] if schema["type"] == "nullable" else schema


Omittable = Annotated[T | None, _NotNull()]
"""
A field that may be left out. ``null`` is refused, because no page says what Braze does with it. Only in
messages ``null`` counts as left out (:class:`~braze_provider.api.base.MessagePart`).
"""


def _list_of_tuple(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


Array = Annotated[list[T], BeforeValidator(_list_of_tuple)]
"""A JSON array, given as a list or a tuple."""


def is_empty_array(value: object) -> bool:
    """Tell whether a value is an array without items. A value of another type is not."""
    return isinstance(value, (list, tuple)) and not value


def has_liquid(text: str) -> bool:
    """Tell whether the text holds Liquid. Braze renders it, so the final text is not known here."""
    return "{{" in text or "{%" in text


# The bound of 0 is needed: only with a bound does pydantic check that the text can be written as UTF-8.
Text = Annotated[str, StringConstraints(min_length=0)]
"""Text that may be empty, such as a title or a body. Liquid in it is left to Braze."""

NonEmptyText = Annotated[str, StringConstraints(min_length=1)]
"""Text that must not be empty, such as any id."""


def _as_text(value: object) -> object:
    if (isinstance(value, int) and not isinstance(value, bool)) or isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return f"{value:.0f}"
    return value


def _part_of_a_path(text: str) -> str:
    if reason := reason_against_path(text):
        raise refusal(reason)
    return text


def _at_most(limit: int) -> Callable[[str], str]:
    def check(text: str) -> str:
        # A character takes at most four bytes. So nearly all texts are short enough without being encoded.
        if len(text) * 4 > limit and len(text.encode()) > limit:
            raise refusal(f"must be at most {limit:,} bytes long")
        return text

    return check


def max_bytes(limit: int) -> AfterValidator:
    """Limit a text to a number of UTF-8 bytes, because Braze counts ids in bytes."""
    return AfterValidator(_at_most(limit))


def _as_number(value: object) -> object:
    if not isinstance(value, Decimal) or not value.is_finite():
        return value
    return int(value) if value == value.to_integral_value() else float(value)


Number = Annotated[float, BeforeValidator(_as_number), Field(allow_inf_nan=False)]
"""A number. A ``Decimal``, as databases have them, becomes one of JSON's."""

WholeNumber = Annotated[int, BeforeValidator(_as_number)]
"""A whole number."""

IdText = Annotated[NonEmptyText, BeforeValidator(_as_text)]
"""An id. A whole number or a UUID, as databases have them, becomes text."""


def _phone_number(text: str) -> str:
    if not _E164.fullmatch(text):
        raise refusal("must be a telephone number in E.164, such as +4930123456")
    return text


PhoneNumber = Annotated[str, AfterValidator(_phone_number)]
"""A telephone number in E.164: a plus sign, and up to 15 digits that begin with the code of the country."""

ProductId = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MAX_PRODUCT_ID_LENGTH),
    BeforeValidator(_as_text),
]
"""Id of a product. A whole number or a UUID becomes text."""

PathText = Annotated[NonEmptyText, AfterValidator(_part_of_a_path)]
"""The value of a parameter in an endpoint's path."""


def _send_id(text: str) -> str:
    if not text.isascii():
        raise refusal("must be ASCII")
    return text


ExternalUserId = Annotated[NonEmptyText, max_bytes(MAX_EXTERNAL_ID_BYTES)]
SendId = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_SEND_ID_LENGTH), AfterValidator(_send_id)
]
