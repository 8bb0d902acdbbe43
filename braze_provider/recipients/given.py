"""Turn an operator's argument into a source of recipients. All recipients come in here."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

from braze_provider.api.errors import BrazeError
from braze_provider.recipients.base import RecipientSource
from braze_provider.recipients.inline import InlineRecipients
from braze_provider.recipients.tables import TableRecipients, is_table

# Columns and arrays of pandas, polars, numpy and Arrow.
_LISTING = ("to_pylist", "to_list", "tolist")


def source_of(value: Any, *, argument: str, keys: Mapping[str, str | None]) -> RecipientSource:
    """
    Make a source of recipients from the value of an argument.

    :param value: A source, a list, a table, or one column of a table.
    :param argument: Name of the argument.
    :param keys: By argument of the operator: the recipient's field that a bare item of its list gives; None
        if the items are objects.
    :raises BrazeError: If the value is none of these. The error names the argument and the type, and says
        what to give instead.
    """
    if isinstance(value, RecipientSource):
        return value
    if reason := reason_against(value, argument=argument, keys=keys):
        raise BrazeError(f"{argument}: {reason}. Nothing was sent")
    if is_table(value):
        return TableRecipients(value)
    return InlineRecipients(_listed(value), key=keys[argument])


def reason_against(value: Any, *, argument: str, keys: Mapping[str, str | None]) -> str | None:
    """
    Say why a value can't name recipients, and what to give instead; None if it can.

    :param value: The argument's value. The reason shows nothing of it.
    :param argument: Name of the argument.
    :param keys: As for :func:`source_of`.
    """
    if isinstance(value, RecipientSource) or is_table(value):
        return None
    if advice := _advice_against(value):
        return f"must be a list, a table or a source of recipients, not {_kind(value)}: {advice}"
    items = _listed(value)
    if keys[argument] is None and isinstance(items, (list, tuple)) and items and all(map(_is_id, items)):
        ids = next((name for name, key in keys.items() if key == "external_user_id"), None)
        example = '{"external_user_id": …}' if argument == "recipients" else "an object"
        instead = f"give a list of ids to {ids}" if ids else f"write {example} for each id"
        return f"must be a list of objects, not of ids: {instead}"
    return None


def _advice_against(value: Any) -> str | None:
    if value is None:
        return "the task that gives them must return them"
    if isinstance(value, (str, bytes)):
        return (
            "put a single one into a list. A template gives a list only with "
            "render_template_as_native_obj=True, an XComArg such as my_task() always"
        )
    if isinstance(value, Mapping):
        return (
            "its keys would be taken for recipients. Give a list: one of its values, such as "
            'my_task()["ids"], or, if it is one recipient, a list with it'
        )
    if isinstance(value, os.PathLike):
        return "FileRecipients reads a file"
    if isinstance(value, Iterator):
        return "it can be read only once, and a retry reads again. Give list(…)"
    if isinstance(value, Set):
        return "its order differs from try to try. Give sorted(…)"
    if hasattr(type(value), "columns"):
        return "collect its rows into a table of pandas, polars or Arrow"
    if callable(value):
        return "call it"
    if not isinstance(_listed(value), Iterable):
        return "give the recipients themselves"
    return None


def _listed(value: Any) -> Any:
    for method in _LISTING:
        if hasattr(type(value), method):
            return getattr(value, method)()
    return value


def _is_id(item: Any) -> bool:
    return isinstance(item, (str, int))


def _kind(value: Any) -> str:
    return {"NoneType": "None", "str": "text"}.get(type(value).__name__, type(value).__name__)
