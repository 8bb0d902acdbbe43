"""Make Braze's recipient objects from flat rows of a table or file, by the names of their columns."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from braze_provider.api.reasons import with_article
from braze_provider.recipients.blocks import Alike, Table

MAX_PLANS = 1_000
"""Number of column sets that are remembered. Each line of JSON may have its own set, so there is a limit."""

_OBJECT_FIELDS = (
    "trigger_properties", "attributes", "context", "canvas_entry_properties", "properties", "user_alias",
)  # fmt: skip
_ALIAS_COLUMNS = ("alias_name", "alias_label")
_ID_FIELDS = ("external_user_id", "email", "braze_id")
_Null = type(None)
_TEXT_OR_NULL = frozenset({str, _Null})


class ColumnError(ValueError):
    """
    A row whose columns do not fit a recipient.

    :param reason: What is wrong; never holds a value.
    :param concerns_all_rows: Whether every row with these columns has the same mistake.
    """

    def __init__(self, reason: str, *, concerns_all_rows: bool = False) -> None:
        super().__init__(reason)
        self.concerns_all_rows = concerns_all_rows


class Columns(NamedTuple):
    """
    The columns that a source may have.

    :param names: The fields of a row.
    :param any_other: Whether a column of another name is a field too, such as a custom attribute.
    :param inner: By field: the columns of the object that it holds.
    :param noun: What errors call that which a row becomes.
    """

    names: tuple[str, ...]
    any_other: bool = False
    inner: Mapping[str, Columns] = {}
    noun: str = "recipient"


class _Column(NamedTuple):
    name: str
    path: tuple[str, ...]
    convert: Callable[[Any], Any] | None
    number: int


class _Plan(NamedTuple):
    columns: list[_Column]
    overlaps: bool
    """Whether a column's value is put into the object that another column holds."""


class ColumnShaper:
    """
    Shape rows into recipients by the names of their columns.

    ======================================= ==============================================================
    column                                  becomes
    ======================================= ==============================================================
    ``external_user_id``, ``email``,        the recipient's identity; a whole number or a UUID becomes text
    ``braze_id``
    ``alias_name`` and ``alias_label``      its ``user_alias``
    ``trigger_properties.<x>``,             one value of that object; deeper with further dots
    ``attributes.<x>``, ``context.<x>``,
    ``canvas_entry_properties.<x>``
    ``trigger_properties``, ``attributes``  the whole object, from a JSON column or JSON text
    ``send_to_existing_only``               a Boolean; the texts ``true``/``false`` and 1/0 are taken as well
    ``prioritization``                      a list, from an array, JSON text or text with commas
    ======================================= ==============================================================

    The first part of a name may be in upper or lower case, because some warehouses change it. NULL, and in
    CSV an empty field, means *not given*: it never deletes an attribute. If a row has both a whole object and
    a single value of it, the single value overrides the object's. The order of the columns does not matter.

    Where a row may have fields of any name, such as custom attributes, every other column is one of them.

    :param columns: The columns that a row may have.
    """

    def __init__(self, columns: Columns) -> None:
        self._fields = columns.names
        self._any_other = columns.any_other
        self._noun = columns.noun
        self._plans: dict[tuple[str, ...], _Plan] = {}

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """
        Shape one row.

        :param row: Values by column.
        :raises ColumnError: If a column's name or value does not fit.
        """
        if type(row) is not dict and not isinstance(row, Mapping):
            raise ColumnError("must be an object")
        recipient: dict[str, Any] = {}
        for name, path, convert, _ in self._plan(tuple(row)).columns:
            value = row[name]
            if value is not None and convert is not None:
                value = convert(value)
            if value is None:
                continue
            head = path[0]
            if len(path) == 1:
                recipient[head] = value
            elif len(path) == 2 and head not in recipient:
                recipient[head] = {path[1]: value}
            else:
                _put(recipient, path, value)
        return recipient

    def table(self, table: Table) -> tuple[list[Alike], dict[int, dict[str, Any] | ColumnError]]:
        """
        Shape rows with the same columns, a column at a time.

        :param table: The rows.
        :return: Recipients that are alike; and by index, recipients shaped one by one and errors.
        :raises ColumnError: If a column's name does not fit.
        """
        names, rows, indexes = table
        plan = self._plan(names)
        if plan.overlaps:
            return [], {
                index: self.one(dict(zip(names, row, strict=True)))
                for index, row in zip(indexes, rows, strict=True)
            }
        values = list(zip(*rows, strict=True))
        wrong: dict[int, ColumnError] = {}
        places, columns, nulls = [], [], []
        for _, path, convert, number in plan.columns:
            column: Sequence[Any] = values[number]
            kinds = set(map(type, column))
            if convert is not None and not (convert is _as_text and kinds <= _TEXT_OR_NULL):
                column = _converted(column, convert, wrong)
                kinds = set(map(type, column))
            if kinds != {_Null}:
                places.append(path)
                columns.append(column)
                if _Null in kinds:
                    nulls.append([value is None for value in column])
        if places and not nulls and not wrong:
            return [Alike(tuple(places), columns, indexes)], {}
        groups: dict[tuple[bool, ...], list[int]] = {}
        for number, key in enumerate(zip(*nulls, strict=True) if nulls else [()] * len(rows)):
            if number not in wrong:
                groups.setdefault(key, []).append(number)
        others: dict[int, dict[str, Any] | ColumnError] = {indexes[number]: wrong[number] for number in wrong}
        alike = []
        for numbers in groups.values():
            given = [n for n, column in enumerate(columns) if column[numbers[0]] is not None]
            if given:
                picked = [[columns[n][number] for number in numbers] for n in given]
                found = [indexes[number] for number in numbers]
                alike.append(Alike(tuple(places[n] for n in given), picked, found))
            else:
                others.update((indexes[number], {}) for number in numbers)
        return alike, others

    def one(self, row: Any) -> dict[str, Any] | ColumnError:
        """
        Shape one row, and give the error instead of raising it.

        :param row: Values by column.
        """
        try:
            return self(row)
        except ColumnError as error:
            return error

    def _plan(self, names: tuple[str, ...]) -> _Plan:
        plan = self._plans.get(names)
        if plan is None:
            plan = self._new_plan(names)
            if len(self._plans) >= MAX_PLANS:
                self._plans.clear()
            self._plans[names] = plan
        return plan

    def _new_plan(self, names: tuple[str, ...]) -> _Plan:
        columns = {name: self._column(name, number) for number, name in enumerate(names)}
        if unknown := [name for name, column in columns.items() if column is None]:
            raise ColumnError(self._advice(unknown, len(names)), concerns_all_rows=True)
        # Objects come first, so that single values can then be put into them.
        plan = sorted((column for column in columns.values() if column), key=lambda column: len(column.path))
        by_path: dict[tuple[str, ...], str] = {}
        overlaps = False
        for place, (name, path, convert, number) in enumerate(plan):
            if path in by_path:
                same = f"columns {by_path[path]!r} and {name!r} are the same"
                raise ColumnError(same, concerns_all_rows=True)
            by_path[path] = name
            if any(other.path[: len(path)] == path for other in plan[place + 1 :]):
                plan[place] = _Column(name, path, _copied(convert), number)
                overlaps = True
        return _Plan(plan, overlaps)

    def _column(self, name: str, number: int) -> _Column | None:
        head, *rest = str(name).split(".")
        head = head.lower()
        if head in _ALIAS_COLUMNS and "user_alias" in self._fields and not rest:
            return _Column(name, ("user_alias", head), _as_text, number)
        if head in self._fields and (not rest or (head in _OBJECT_FIELDS and all(rest))):
            inner = _as_text if head == "user_alias" else None
            return _Column(name, (head, *rest), inner if rest else _conversion(head), number)
        if self._any_other and head and all(rest):
            return _Column(name, tuple(str(name).split(".")), None, number)
        return None

    def _advice(self, unknown: list[str], count: int) -> str:
        known: list[str] = []
        for field in self._fields:
            names = _ALIAS_COLUMNS if field == "user_alias" else (field,)
            known += (f"{name}.<name>" if name in _OBJECT_FIELDS else name for name in names)
        head, dot, _ = str(unknown[0]).lower().partition(".")
        near = difflib.get_close_matches(f"{head}.<name>" if dot else head, known, n=1)
        # If no name is known, none is shown: a file without a header begins with a recipient's data.
        which = "none of its columns fits a" if len(unknown) == count else f"column {unknown[0]!r} fits no"
        meant = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}."
        return f"{which} field of {with_article(self._noun)}; {meant} A row_mapper takes any columns"


def with_ids_as_text(recipient: Mapping[str, Any]) -> Mapping[str, Any]:
    """
    Write a recipient's ids as text if they are whole numbers or UUIDs, as is done for columns.

    :param recipient: A recipient as Braze has it. It is not changed: a copy is returned if needed.
    """
    if type(recipient.get("external_user_id")) is str:  # True for nearly all recipients, so it comes first.
        return recipient
    changed = {field: _as_text(recipient[field]) for field in _ID_FIELDS if field in recipient}
    if isinstance(alias := recipient.get("user_alias"), Mapping):
        changed["user_alias"] = {
            name: _as_text(value) if name in _ALIAS_COLUMNS else value for name, value in alias.items()
        }
    return {**recipient, **changed}


def without_nulls(struct: Mapping[str, Any]) -> dict[str, Any]:
    """
    Leave out the NULLs. Every row has all fields of a struct, and a NULL there does not mean *delete*.

    :param struct: A row, or a struct in it.
    """
    return {
        name: without_nulls(value) if isinstance(value, dict) else value
        for name, value in struct.items()
        if value is not None
    }


def _converted(
    column: Sequence[Any], convert: Callable[[Any], Any], wrong: dict[int, ColumnError]
) -> list[Any]:
    converted = []
    for index, value in enumerate(column):
        try:
            converted.append(None if value is None else convert(value))
        except ColumnError as error:  # noqa: PERF203
            wrong.setdefault(index, error)
            converted.append(None)
    return converted


def _put(recipient: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    target = recipient
    for key in path[:-1]:
        target = target.setdefault(key, {})
        if not isinstance(target, dict):
            raise ColumnError(f"{key} is both a value and an object")
    target[path[-1]] = value


def _conversion(field: str) -> Callable[[Any], Any] | None:
    if field in _ID_FIELDS or field in _ALIAS_COLUMNS:
        return _as_text
    if field in _OBJECT_FIELDS:
        return lambda value: _as_json(field, value)
    if field == "send_to_existing_only":
        return _as_boolean
    if field == "prioritization":
        return _as_list
    return None


def _copied(convert: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """Copy an object before other columns put values into it: other rows may share it."""
    return lambda value: deepcopy(value if convert is None else convert(value))


def _as_text(value: Any) -> Any:
    """Turn whole numbers and UUIDs, as databases often have for ids, into text. The model checks the rest."""
    if isinstance(value, str):
        return value
    if (isinstance(value, int) and not isinstance(value, bool)) or isinstance(value, UUID):
        return str(value)
    if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
        return f"{value:.0f}"
    return value


def _as_json(field: str, value: Any) -> Any:
    if not isinstance(value, (str, bytes, bytearray)):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise ColumnError(f"{field}: the column does not hold JSON") from None


def _as_boolean(value: Any) -> Any:
    if isinstance(value, str):
        return {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower(), value)
    return bool(value) if isinstance(value, (int, Decimal)) and value in (0, 1) else value


def _as_list(value: Any) -> Any:
    if not isinstance(value, str):
        return list(value) if isinstance(value, tuple) else value
    if value.lstrip().startswith("["):
        return _as_json("prioritization", value)
    return [part.strip() for part in value.split(",") if part.strip()]
