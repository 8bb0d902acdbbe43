"""The types of Braze's fields: what may be left out, arrays, and text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, GetCoreSchemaHandler, StringConstraints
from pydantic_core import CoreSchema

from braze_provider.api.limits import MAX_EXTERNAL_ID_BYTES, MAX_SEND_ID_LENGTH
from braze_provider.api.reasons import refusal

T = TypeVar("T")


class _NotNull:
    """Takes `None` out of the values a field accepts, and leaves it as the default of an absent one."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        return schema["schema"] if schema["type"] == "nullable" else schema


Omittable = Annotated[T | None, _NotNull()]
"""
A field that may be left out. ``null`` is refused, as no page says what Braze makes of one; only in messages
it counts as left out (:class:`~braze_provider.api.base.MessagePart`).
"""


def _list_of_tuple(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


Array = Annotated[list[T], BeforeValidator(_list_of_tuple)]
"""A JSON array, given as a list or a tuple."""


def is_empty_array(value: object) -> bool:
    """Tell whether this is an array that holds nothing; a value of any other type is none."""
    return isinstance(value, (list, tuple)) and not value


def has_liquid(text: str) -> bool:
    """Tell whether Braze will render the text, so that what it says is unknown until then."""
    return "{{" in text or "{%" in text


# The bound of 0 is no slip: with a bound, pydantic also looks whether the text can be written as UTF-8.
Text = Annotated[str, StringConstraints(min_length=0)]
"""Text that may be empty, such as a title or a body. Liquid in it is Braze's business."""

NonEmptyText = Annotated[str, StringConstraints(min_length=1)]
"""Text that must say something, such as any id."""


def _at_most(limit: int) -> Callable[[str], str]:
    def check(text: str) -> str:
        # A character takes four bytes at most: short ones, which are nearly all, need no encoding.
        if len(text) * 4 > limit and len(text.encode()) > limit:
            raise refusal(f"must be at most {limit:,} bytes long")
        return text

    return check


def max_bytes(limit: int) -> AfterValidator:
    """Give the constraint of text to a number of UTF-8 bytes, which is how Braze counts ids."""
    return AfterValidator(_at_most(limit))


def _send_id(text: str) -> str:
    if not text.isascii():
        raise refusal("must be ASCII")
    return text


ExternalUserId = Annotated[NonEmptyText, max_bytes(MAX_EXTERNAL_ID_BYTES)]
SendId = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_SEND_ID_LENGTH), AfterValidator(_send_id)
]
