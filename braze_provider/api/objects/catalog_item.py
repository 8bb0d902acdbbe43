"""The items of a catalog, of which a delivery may write a million."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, ValidationError
from pydantic_core import InitErrorDetails

from braze_provider.api.limits import MAX_ITEM_DEPTH, MAX_ITEM_ID_LENGTH, MAX_ITEM_VALUE_LENGTH
from braze_provider.api.objects.row import Row
from braze_provider.api.open_json import plain_json
from braze_provider.api.reasons import refusal
from braze_provider.api.values import IdText

_ID = re.compile("[A-Za-z0-9_-]+")
_CHANGES = frozenset({"$add", "$remove"})


def _mistakes(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[InitErrorDetails]:
    """List what Braze does not take in a value that is plain JSON."""
    if isinstance(value, str) and len(value) > MAX_ITEM_VALUE_LENGTH:
        yield _mistake(path, f"must be at most {MAX_ITEM_VALUE_LENGTH:,} characters long")
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _mistakes(inner, (*path, index))
    elif isinstance(value, dict):
        if len(path) >= MAX_ITEM_DEPTH:
            yield _mistake(path[:1], f"must be at most {MAX_ITEM_DEPTH} levels deep")
            return
        for name, inner in value.items():
            if "." in name or "$" in name:
                yield _mistake(path, "holds a name with a dot or a dollar sign, which Braze refuses")
            yield from _mistakes(inner, (*path, name))


def _mistake(path: tuple[str | int, ...], reason: str) -> InitErrorDetails:
    return InitErrorDetails(type=refusal(reason), loc=path, input=None)


def _value(value: Any) -> Any:
    return _checked(plain_json(value))


def _checked(plain: Any, *parts: tuple[tuple[str, ...], Any]) -> Any:
    """Raise an error for what Braze does not take in a value, or in those parts of it that are given."""
    if mistakes := [one for path, part in parts or [((), plain)] for one in _mistakes(part, path)]:
        raise ValidationError.from_exception_data("value", mistakes, hide_input=True)
    return plain


def _change(value: Any) -> Any:
    plain = plain_json(value)
    if isinstance(plain, dict) and plain and plain.keys() <= _CHANGES:
        return _checked(plain, *(((name,), items) for name, items in plain.items()))
    return _checked(plain)


def _of_an_id(text: str) -> str:
    if len(text) > MAX_ITEM_ID_LENGTH:
        raise refusal(f"must be at most {MAX_ITEM_ID_LENGTH:,} characters long")
    if not _ID.fullmatch(text):
        raise refusal("must have letters, digits, hyphens and underscores only")
    return text


ItemId = Annotated[IdText, AfterValidator(_of_an_id)]
"""The id of an item. A whole number or a UUID, as databases have them, becomes text."""


class CatalogItemId(Row):
    """
    The id of an item, alone.

    :param id: The item's id: at most 250 letters, digits, hyphens and underscores.

    .. seealso:: https://www.braze.com/docs/api/endpoints/catalogs
    """

    id: ItemId

    def identity(self) -> str:
        """Give the id: two rows with the same one are the same item."""
        return self.id

    @classmethod
    def identities(
        cls, given: Mapping[tuple[str, ...], Sequence[str]], bodies: Sequence[bytes]
    ) -> Iterator[str]:
        """Give the ids of many items."""
        return iter(given["id",])


class CatalogItem(CatalogItemId):
    """
    An item of a catalog: its id, and values of the catalog's fields under their names.

    A text is at most 5,000 characters long. An object is at most 50 levels deep, and its names have neither
    dots nor dollar signs.

    :param id: The item's id: at most 250 letters, digits, hyphens and underscores.

    .. seealso:: https://www.braze.com/docs/api/endpoints/catalogs
    """

    other_fields = "custom"

    __pydantic_extra__: dict[str, Annotated[Any, AfterValidator(_value)]]


class CatalogItemChange(CatalogItemId):
    """
    New values for some fields of an item of a catalog. The others stay as they are.

    An array also takes ``{"$add": […], "$remove": […]}``. Braze does not say what the same ``$add`` does a
    second time.

    :param id: The item's id: at most 250 letters, digits, hyphens and underscores.

    .. seealso:: https://www.braze.com/docs/api/endpoints/catalogs
    """

    other_fields = "custom"

    __pydantic_extra__: dict[str, Annotated[Any, AfterValidator(_change)]]
