"""
Check and write many recipients at once. This is faster than one model for each.

The rows of a query have the same fields. Some questions have the same answer for all of them: which fields
there are, whether they go together, and in which order they are written. One stand-in row, checked by the
model, answers them. The rows then differ only in texts and in open JSON, and the fields' own types check
those, a column at a time. A row that fails here, or that holds other kinds of values, goes to the model
itself, which decides and words the mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError
from pydantic_core import SchemaValidator, to_json
from pydantic_core.core_schema import list_schema

from braze_provider.api.base import BrazeObject
from braze_provider.api.limits import MAX_PROPERTIES_BYTES
from braze_provider.api.objects.row import Row
from braze_provider.api.open_json import OPEN_JSON, plain_column

Place = tuple[str, ...]
"""Where a row has a value: the name of a field, then the names below it."""
T = TypeVar("T")

MIN_ROWS = 8
"""Fewer rows of a shape go to the model one by one: each line of JSON may have a shape of its own."""
MAX_SHAPES = 1_000
"""Number of places and shapes that are remembered."""

_CONSTANTS = frozenset({str, bool, int})


class Written(NamedTuple):
    """
    Rows that the model accepts.

    :param rows: Their indexes among the given rows, in order.
    :param identities: The identity of each.
    :param bodies: Each as JSON, byte for byte as the model writes it.
    """

    rows: Sequence[int]
    identities: list[str]
    bodies: list[bytes]


class _Kind(NamedTuple):
    """
    The type of a column whose values no rule reads.

    :param check: Gives the values of a column as the model would have them. Raises pydantic's error, with the
        index of each refused value.
    :param stand_in: Makes a value of this type from a text.
    """

    check: Callable[[Sequence[Any]], Sequence[Any]]
    stand_in: Callable[[str], Any]


class _Shape(NamedTuple):
    """
    Rows that have values at the same places.

    :param order: The columns that differ from row to row, in the order in which the model writes them.
    :param pieces: The JSON before, between and after their values.
    """

    order: Sequence[int]
    pieces: Sequence[bytes]


class RowWriter:
    """
    Write recipients of one model as JSON, many of the same shape at once.

    :param model: The model of one row.
    :param max_size: Rows of more bytes are left to the model.
    """

    def __init__(self, model: type[Row], max_size: int) -> None:
        self._model = model
        # Only the model knows which part of a large row may be large.
        self._max_size = min(max_size, MAX_PROPERTIES_BYTES)
        self._kinds: dict[Place, _Kind | None] = {}
        self._shapes: dict[tuple[Any, ...], _Shape | None] = {}

    def write(self, places: tuple[Place, ...], columns: Sequence[Sequence[Any]]) -> Iterator[Written]:
        """
        Write rows that have values at the same places.

        :param places: The places; none of them is inside another one.
        :param columns: The rows' values by place, all of the same length.
        :returns: The rows that are written. The others may be right or wrong: only the model can tell.
        """
        if len(columns[0]) < MIN_ROWS:
            return
        if len(self._kinds) + len(self._shapes) > MAX_SHAPES:
            self._kinds.clear()
            self._shapes.clear()
        kinds = [self._kind(place) for place in places]
        fixed = [column for column, kind in zip(columns, kinds, strict=True) if kind is None]
        for values, rows in _by_values(fixed, len(columns[0])).items():
            if len(rows) < MIN_ROWS:
                continue
            key = (places, values)
            if key not in self._shapes:
                self._shapes[key] = self._decide(places, kinds, [column[rows[0]] for column in fixed])
            if (shape := self._shapes[key]) is not None:
                checks = {number: kind.check for number, kind in enumerate(kinds) if kind is not None}
                given = {number: _pick(columns[number], rows) for number in checks}
                yield from self._written(places, shape, checks, rows, given)

    def _written(
        self,
        places: tuple[Place, ...],
        shape: _Shape,
        checks: Mapping[int, Callable[[Sequence[Any]], Sequence[Any]]],
        rows: Sequence[int],
        given: Mapping[int, Sequence[Any]],
    ) -> Iterator[Written]:
        try:
            checked = {number: check(given[number]) for number, check in checks.items()}
        except ValidationError as error:
            mistakes = error.errors(include_url=False, include_context=False, include_input=False)
            refused = {mistake["loc"][0] for mistake in mistakes}
            left = [index for index in range(len(rows)) if index not in refused]
            if left:
                rest = {number: _pick(column, left) for number, column in given.items()}
                yield from self._written(places, shape, checks, _pick(rows, left), rest)
            return
        template = bytearray(shape.pieces[0])
        written = []
        for number, piece in zip(shape.order, shape.pieces[1:], strict=True):
            quote, values = _as_json(checked[number])
            template += quote + b"%b" + quote + piece
            written.append(values)
        bodies = list(map(bytes(template).__mod__, zip(*written, strict=True)))
        given_at = {places[number]: column for number, column in checked.items()}
        identities = self._model.identities(given_at, bodies)
        found = Written(rows, list(identities), bodies)
        if max(map(len, bodies)) > self._max_size:
            small = [index for index, body in enumerate(bodies) if len(body) <= self._max_size]
            found = Written(*(_pick(part, small) for part in found))  # type: ignore[arg-type]
        if found.rows:
            yield found

    def _kind(self, place: Place) -> _Kind | None:
        if place not in self._kinds:
            try:
                self._kinds[place] = _kind(self._model, place)
            except (KeyError, AttributeError):
                # This pydantic has schemas of another form. The model then checks each value of the column.
                self._kinds[place] = None
        return self._kinds[place]

    def _decide(
        self, places: tuple[Place, ...], kinds: Sequence[_Kind | None], fixed: Sequence[Any]
    ) -> _Shape | None:
        """Let the model check and write a stand-in for all rows of a shape; None if it refuses."""
        others = iter(fixed)
        given: dict[str, Any] = {}
        stand_ins = {}
        for number, (place, kind) in enumerate(zip(places, kinds, strict=True)):
            if kind is None:
                value = next(others)
            else:
                value = kind.stand_in(f"column_{number}_of_a_row")
                stand_ins[number] = to_json(value)
            _put(given, place, value)
        try:
            made = self._model.model_validate(given)
        except ValidationError:
            return None
        body = made.to_json()
        if any(body.count(text) != 1 for text in stand_ins.values()):
            return None
        order = sorted(stand_ins, key=lambda number: body.index(stand_ins[number]))
        pieces = []
        for number in order:
            piece, _, body = body.partition(stand_ins[number])
            pieces.append(piece)
        return _Shape(order, [piece.replace(b"%", b"%%") for piece in (*pieces, body)]) if order else None


def _put(row: dict[str, Any], place: Place, value: Any) -> None:
    *way, last = place
    for name in way:
        row = row.setdefault(name, {})
    row[last] = value


def _pick(values: Sequence[T], indexes: Sequence[int]) -> Sequence[T]:
    return values if len(indexes) == len(values) else [values[index] for index in indexes]


def _kind(model: type[BrazeObject], place: Place) -> _Kind | None:
    """Read from a model's schema what a place may hold; None if a rule may read the values."""
    name, *rest = place
    name = model.older_names.get(name, name)
    model.model_rebuild()  # It may not have been used yet.
    whole = _inner(model.__pydantic_core_schema__)[0]
    fields = whole["schema"]
    named = (field for key, field in fields["fields"].items() if field.get("validation_alias", key) == name)
    schema = next((field["schema"] for field in named), fields.get("extras_schema"))
    if schema is None:
        return None
    inner, functions = _inner(schema)
    is_open = bool(functions) and OPEN_JSON.issuperset(functions)
    if inner["type"] == "model" and rest:
        return _kind(inner["cls"], tuple(rest))
    if is_open and (rest or inner["type"] == "any"):
        return _Kind(plain_column, str)
    is_any = inner["type"] == "any" and bool(functions)
    if rest or not (is_open or is_any or inner["type"] == "str"):
        return None
    validator = SchemaValidator(list_schema(schema), whole["config"])
    return _Kind(
        lambda values: validator.validate_python(list(values)),
        (lambda text: {text: True}) if is_open else str,
    )


def _inner(schema: Any) -> tuple[Any, list[Any]]:
    """Find the type inside a schema, and the functions around it. A default may be around it too."""
    functions = []
    while schema["type"] not in ("str", "dict", "model") and "schema" in schema:
        if "function" in schema:
            functions.append(schema["function"]["function"])
        schema = schema["schema"]
    return schema, functions


def _by_values(columns: Sequence[Sequence[Any]], count: int) -> dict[tuple[Any, ...], Sequence[int]]:
    """Group rows by the values that a rule may read. Rows whose values have no key are left out."""
    if not columns:
        return {(): range(count)}
    groups: dict[tuple[Any, ...], Sequence[int]] = {}
    for index, values in enumerate(zip(*columns, strict=True)):
        key = tuple(map(_key, values))
        if None not in key:
            groups.setdefault(key, []).append(index)  # type: ignore[attr-defined]
    return groups


def _key(value: Any) -> tuple[Any, ...] | None:
    """Make a key that tells a value from all others, also `True` from 1; None if its type is another one."""
    kind = type(value)
    if kind in _CONSTANTS:
        return kind, value
    if kind is list and _CONSTANTS.issuperset(map(type, value)):
        return kind, *zip(map(type, value), value, strict=True)
    return None


def _as_json(values: Sequence[Any]) -> tuple[bytes, list[bytes]]:
    """Write each value as JSON, without the quotes around it. The quote to put around each comes first."""
    kinds = set(map(type, values))
    # All values are written at once and split at `","`. No text has that: its quotes follow a backslash.
    if kinds == {str}:
        return b'"', to_json(values)[2:-2].split(b'","')
    if kinds <= {int, float, bool}:
        return b"", to_json(values)[1:-1].split(b",")
    return b"", list(map(to_json, values))
