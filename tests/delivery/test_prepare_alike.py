"""Rows that are checked together have the same result as rows that the model checks one by one."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from datetime import date, datetime, timezone
from decimal import Decimal
from hashlib import blake2b
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from braze_provider.api import requests, rows
from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.api.objects.recipients import Addressee
from braze_provider.api.requests.base import SendRequest
from braze_provider.api.validation import problems
from braze_provider.delivery.prepare import MAX_BAD_ROWS_NAMED, columns_of, prepare
from braze_provider.delivery.spool import Spool
from braze_provider.recipients import BadRow, InlineRecipients, RecipientSource
from braze_provider.recipients.blocks import Table
from braze_provider.recipients.columns import ColumnError, ColumnShaper

hypothesis = pytest.importorskip("hypothesis")
from hypothesis import strategies as st  # noqa: E402

pytestmark = pytest.mark.slow

MODELS = sorted(
    {
        model.recipient_model
        for endpoint in ENDPOINTS.values()
        if isinstance(model := getattr(requests, endpoint.request or "", None), type)
        and issubclass(model, SendRequest)
    },
    key=lambda model: model.__name__,
)
SMALL: dict[str, Any] = {
    "deadline": None,
    "suppress_health_check": list(hypothesis.HealthCheck),
}


class Colour(str, enum.Enum):
    RED = "red"


class Shouted(str):
    __slots__ = ()


class Query(RecipientSource):
    """A query's rows, as a driver gives them."""

    def __init__(self, columns: tuple[str, ...], values: list[tuple[Any, ...]]) -> None:
        super().__init__()
        self._columns, self._values = columns, values

    def rows(self) -> Any:
        return (dict(zip(self._columns, row, strict=True)) for row in self._values)

    def chunks(self) -> Any:
        yield Table(self._columns, self._values, range(len(self._values)))


def one_by_one(model: type[Addressee], given: list[Mapping[str, Any] | BadRow]) -> tuple[Any, ...]:
    """The right result: the model checks each recipient alone."""
    valid, invalid = [], []
    for number, row in enumerate(given, start=1):
        if isinstance(row, BadRow):
            invalid.append((number, row.reason, None))
            continue
        try:
            made = model.model_validate(row)
        except ValidationError:
            reasons = "; ".join(map(str, problems(model, row)))
            invalid.append((number, reasons, json.dumps(row, default=str).encode()))
        else:
            who = blake2b(made.identity().encode(), digest_size=16).digest()
            valid.append((number, who, made.to_json()))
    return valid, invalid, max((len(body) for _, _, body in valid), default=0)


def together(model: type[Addressee], source: RecipientSource) -> tuple[Any, ...]:
    with Spool() as spool:
        found = prepare(source, spool, model, on_invalid="skip", allow_duplicates=True)
        valid, invalid = list(spool), list(spool.invalid())
    assert [(problem.path, problem.reason) for problem in found.bad_rows] == [
        (f"row {number:,}", reason) for number, reason, _ in invalid[:MAX_BAD_ROWS_NAMED]
    ]
    assert (found.recipients, found.invalid) == (len(valid), len(invalid))
    return valid, invalid, found.largest


def shaped(model: type[Addressee], row: Mapping[str, Any]) -> Mapping[str, Any] | BadRow:
    try:
        return ColumnShaper(columns_of(model))(row)
    except ColumnError as error:
        return BadRow(str(error))


@pytest.fixture(autouse=True)
def soon(monkeypatch) -> None:
    """Two rows are alike enough."""
    monkeypatch.setattr(rows, "MIN_ROWS", 1)


TEXTS = [
    *[
        "ada",
        "",
        "Zoë",
        "a,b",
        'a","b',
        "\\",
        '"',
        "\x00\n\u2028",
        "\ud83d",
        "%s%b%%",
        "column 0 of a row",
        "2026-01-02",
    ],
    *["x" * 987, "x" * 988, "é" * 494, "☃" * 78 + "xy", "☃" * 79, "x" * 51_100, "x" * 60_000],
    *[Colour.RED, Shouted("loud")],
]
NUMBERS = [
    *[0, 1, -1, 2**63, 10**30, True, False, 0.0, -0.0, 1.0, 1.5, 1e16, 1e300, 5e-324],
    *[float("nan"), float("inf"), Decimal("1.0"), Decimal("7"), Decimal("1E+3"), Decimal("NaN")],
]
OTHERS = [
    date(2026, 1, 2),
    datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001 - what a database gives
    datetime(2026, 1, 2, tzinfo=timezone.utc),
    UUID(int=5),
    b"bytes",
    {1, 2},
    object,
    [1, "a", None],
    ("a", "b"),
    {"x": 1},
    {"x": {"y": float("nan")}},
    {"x": "y" * 51_200},
    {},
    [],
    '{"x": 1.50, "y": [null]}',
    "null",
    "{",
    "[1]",
]
FLAGS = [True, False, "true", "FALSE", 1, 0, "maybe", Decimal(1), 2]
ORDERS = ["identified", "unidentified,identified", ["identified"], ("most_recently_updated",), [], "x"]
DEEP: dict[str, Any] = {"alias_name": "ada", "alias_label": "shop"}
for _ in range(101):
    DEEP = {"x": DEEP}

texts = st.text(max_size=5) | st.sampled_from(TEXTS)
numbers = st.integers(-(10**30), 10**30) | st.floats() | st.booleans() | st.sampled_from(NUMBERS)
others = st.sampled_from(OTHERS)
flags = st.sampled_from(FLAGS)
orders = st.sampled_from(ORDERS)
anything = texts | numbers | others
COLUMNS: dict[str, Any] = {
    "external_user_id": texts | st.integers() | st.just(UUID(int=7)),
    "EMAIL": texts,
    "braze_id": texts,
    "alias_name": texts,
    "alias_label": texts,
    "user_alias": st.sampled_from([DEEP, {"alias_name": "ada", "alias_label": "shop"}, "{}"]),
    "user_alias.alias_name": texts,
    "prioritization": orders,
    "send_to_existing_only": flags,
    "trigger_properties": others,
    "trigger_properties.voucher": anything,
    "trigger_properties.%s": texts | numbers,
    "trigger_properties.order.total": numbers,
    "trigger_properties.order": anything,
    "trigger_properties." + ".".join("x" * 101): anything,
    "attributes": others,
    "attributes.first_name": texts,
    "attributes.dob": texts | others,
    "attributes.gender": st.sampled_from(["M", "F", "X", 1]),
    "attributes.email_subscribe": st.sampled_from(["opted_in", "no"]),
    "attributes.push_token_import": flags,
    "attributes._update_existing_only": flags,
    "attributes.push_tokens": others,
    "attributes.external_id": texts,
    "attributes.facebook.likes": numbers,
    "attributes.facebook": others,
    "attributes.shoe.size": numbers,
    "attributes.shoe_size": anything,
    "context.offer": anything,
    "canvas_entry_properties": others,
    "canvas_entry_properties.offer": anything,
    "attributes.\ud83d": texts,
    "zip": texts,
}


def blocks_of(good: Any) -> list[list[Any]]:
    """Values of a column: of one type, or of all types, or one beside good ones, with NULL."""
    values = [*TEXTS, *NUMBERS, *OTHERS, *FLAGS, *ORDERS]
    by_type: dict[type, list[Any]] = {}
    for value in values:
        by_type.setdefault(type(value), []).append(value)
    return [
        *by_type.values(),
        values,
        [True, 1, False, 0, 1.0],
        *([value, good] for value in values),
        [None, good],
        [None],
    ]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("column", COLUMNS, ids=lambda name: name[:30].encode("ascii", "replace").decode())
def test_any_value_in_any_column(model, column):
    is_who = column in ("external_user_id", "EMAIL", "braze_id", "zip") or "alias" in column
    for values in blocks_of("identified" if column == "prioritization" else "good"):
        for who in [{}, {"external_user_id": "ada"}, {"EMAIL": "ada", "prioritization": "identified"}]:
            if (is_who or column in who) == bool(who):
                continue
            columns = (*who, column)
            rows_ = [(*who.values(), value) for value in values]
            alone = [shaped(model, dict(zip(columns, row, strict=True))) for row in rows_]
            assert together(model, Query(columns, rows_)) == one_by_one(model, alone)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "field", ["external_user_id", "send_to_existing_only", "trigger_properties", "attributes", 5]
)
def test_any_value_in_any_field(model, field):
    who = {} if field == "external_user_id" else {"external_user_id": "ada"}
    for values in blocks_of({"x": "good"}):
        items = [{**who, field: value} for value in values]
        alone = list(InlineRecipients(items).rows())
        assert together(model, InlineRecipients(items)) == one_by_one(model, alone)


short = st.text(max_size=3) | st.sampled_from(["ada", "Zoë", 'a","b', "\\", "%s", "\x00\u2028"])
plain = [short, st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans()]
WHO = [
    {"external_user_id": short.filter(bool)},
    {"external_user_id": st.integers()},
    {"alias_name": short.filter(bool), "alias_label": st.sampled_from(["shop", "7"])},
    {"EMAIL": short.filter(bool), "prioritization": st.sampled_from(["identified", "unidentified"])},
    {"braze_id": short.filter(bool), "send_to_existing_only": st.sampled_from([True, "false"])},
    {},
]


@st.composite
def queries(draw: Any) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Rows with the same columns. Most are valid; some hold NULL or nearly any value."""
    columns = dict(draw(st.sampled_from(WHO)))
    for name in draw(st.lists(st.sampled_from(list(COLUMNS)), unique=True, max_size=3)):
        columns[name] = draw(st.sampled_from([*plain, short, COLUMNS[name]]))
    hypothesis.assume(columns)
    names = draw(st.permutations(list(columns)))
    odd = {name: columns[name] | COLUMNS[name] | st.none() | anything for name in names}
    good = st.tuples(*(columns[name] for name in names))
    bad = st.tuples(*(odd[name] for name in names))
    sparse = st.tuples(*(columns[name] | st.none() for name in names))
    rows = st.lists(
        st.sampled_from([good, good, good, good, sparse, bad]).flatmap(lambda kind: kind),
        min_size=1,
        max_size=20,
    )
    return tuple(names), draw(rows)


@pytest.mark.parametrize("model", MODELS)
@hypothesis.settings(max_examples=400, **SMALL)
@hypothesis.given(query=queries())
def test_rows_of_a_query(model, query):
    columns, values = query
    alone = [shaped(model, dict(zip(columns, row, strict=True))) for row in values]

    assert together(model, Query(columns, values)) == one_by_one(model, alone)


FIELDS: dict[Any, Any] = {
    "external_user_id": texts,
    "email": texts,
    "braze_id": texts,
    "user_alias": st.fixed_dictionaries({"alias_name": texts, "alias_label": texts}) | anything,
    "prioritization": orders,
    "send_to_existing_only": flags,
    "trigger_properties": st.dictionaries(texts, anything, max_size=2) | anything,
    "attributes": st.dictionaries(texts | st.sampled_from(["dob", "first_name"]), anything, max_size=2)
    | anything,
    "context": anything,
    "canvas_entry_properties": anything,
    5: anything,
}


@st.composite
def lists(draw: Any) -> list[Any]:
    names = draw(st.lists(st.sampled_from(list(FIELDS)), unique=True, min_size=1, max_size=4))
    alike = st.fixed_dictionaries({name: draw(st.sampled_from([FIELDS[name], texts])) for name in names})
    different = st.fixed_dictionaries({}, optional=FIELDS)
    return draw(st.lists(st.one_of(alike, alike, alike, different, anything, st.none()), max_size=12))


@pytest.mark.parametrize("model", MODELS)
@hypothesis.settings(max_examples=400, **SMALL)
@hypothesis.given(items=lists())
def test_recipients_as_braze_has_them(model, items):
    alone = list(InlineRecipients(items).rows())

    assert together(model, InlineRecipients(items)) == one_by_one(model, alone)
