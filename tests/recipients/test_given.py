"""Values that name recipients: tables by their columns and lists. All others get one clear error."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from airflow.sdk import DAG, task

from braze_provider.api.errors import BrazeError, BrazeValidationError
from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.operators.messages import MessagesSendOperator
from braze_provider.recipients import InlineRecipients, RecipientSource, TableRecipients
from braze_provider.recipients.columns import Columns
from braze_provider.recipients.given import source_of

KEYS = {"external_user_ids": "external_user_id", "user_aliases": "user_alias", "recipients": None}
COLUMNS = Columns(("external_user_id", "user_alias", "attributes", "prioritization"))
PUSH = {"apple_push": {"alert": "Hello"}}


class Missing:
    """Stands for a missing value of pandas: it equals nothing, not even itself."""

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = None


class NumpyArray:
    """Stands for an array of numpy."""

    def __init__(self, items: list[Any]) -> None:
        self._items = items

    def tolist(self) -> list[Any]:
        return self._items


class Pandas:
    """The part of a DataFrame of pandas that matters, because pandas is not installed."""

    def __init__(self, columns: list[Any], rows: list[tuple[Any, ...]]) -> None:
        self._columns, self._rows = columns, rows

    @property
    def columns(self) -> list[Any]:
        return self._columns

    @property
    def shape(self) -> tuple[int, int]:
        return len(self._rows), len(self._columns)

    @property
    def iloc(self) -> Any:
        table = self

        class Slices:
            def __getitem__(self, rows: slice) -> Pandas:
                return Pandas(table._columns, table._rows[rows])

        return Slices()

    def astype(self, kind: type) -> Pandas:
        assert kind is object
        return self

    def notna(self) -> list[list[bool]]:
        return [[not isinstance(value, Missing) for value in row] for row in self._rows]

    def where(self, kept: list[list[bool]], other: None) -> Pandas:
        rows = [
            tuple(value if keep else other for value, keep in zip(row, keeps, strict=True))
            for row, keeps in zip(self._rows, kept, strict=True)
        ]
        return Pandas(self._columns, rows)

    def itertuples(self, *, index: bool, name: None) -> Iterator[tuple[Any, ...]]:
        assert not index
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._columns)

    def __bool__(self) -> bool:
        raise ValueError("The truth value of a DataFrame is ambiguous")


class Polars:
    """The part of a DataFrame of polars that matters, because polars is not installed."""

    def __init__(self, columns: list[str], rows: list[tuple[Any, ...]]) -> None:
        self._columns, self._rows = columns, rows

    @property
    def columns(self) -> list[str]:
        return self._columns

    @property
    def shape(self) -> tuple[int, int]:
        return len(self._rows), len(self._columns)

    def iter_rows(self, *, named: bool) -> Iterator[dict[str, Any]]:
        assert named
        return (dict(zip(self._columns, row, strict=True)) for row in self._rows)


class LazyFrame:
    """A table that has columns and no rows yet, as in polars, Spark and dask."""

    @property
    def columns(self) -> list[str]:
        return ["external_user_id"]


def arrow(columns: list[str], rows: list[tuple[Any, ...]]) -> pyarrow.Table:
    return pyarrow.table([[row[n] for row in rows] for n in range(len(columns))], names=columns)


def arrow_batch(columns: list[str], rows: list[tuple[Any, ...]]) -> pyarrow.RecordBatch:
    return arrow(columns, rows).to_batches()[0]


TABLES = pytest.mark.parametrize("make", [Pandas, Polars, arrow, arrow_batch])


def source(value: Any, argument: str = "recipients") -> RecipientSource:
    return source_of(value, argument=argument, keys=KEYS)


def recipients_of(value: Any, argument: str = "recipients") -> list[Any]:
    return list(source(value, argument).recipients(COLUMNS))


# Tables --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("argument", list(KEYS))
@TABLES
def test_a_tables_columns_decide_in_every_argument(make, argument):
    table = make(["external_user_id", "attributes.city"], [(1, "Graz"), (2, None)])

    assert recipients_of(table, argument) == [
        {"external_user_id": "1", "attributes": {"city": "Graz"}},
        {"external_user_id": "2"},
    ]


@TABLES
def test_an_unknown_column_fails_for_the_whole_table(make):
    with pytest.raises(BrazeValidationError, match=r"2 rows of a .*: 1 mistake.*\n.*none of its columns"):
        recipients_of(make(["id", "n"], [("u1", 1), ("u2", 2)]), "external_user_ids")


@TABLES
def test_a_table_of_many_rows_is_read_from_start_to_end_and_again(make):
    rows = [(f"u{number}",) for number in range(12_000)]
    given = source(make(["external_user_id"], rows))

    for _ in range(2):
        assert [row["external_user_id"] for row in given.recipients(COLUMNS)] == [id_ for (id_,) in rows]


@TABLES
def test_logs_and_stored_fields_show_the_number_of_rows_only(make):
    shown = source(make(["external_user_id"], [("ada",)])).serialize()

    assert shown.startswith("1 row of a ")
    assert "ada" not in shown


@pytest.mark.parametrize("make", [Pandas, arrow])
def test_a_column_that_is_there_twice_is_refused(make):
    with pytest.raises(BrazeValidationError, match="has the column 'external_user_id' twice"):
        recipients_of(make(["external_user_id", "external_user_id"], [("a", "b")]))


def test_missing_values_of_pandas_are_left_out():
    assert recipients_of(Pandas(["external_user_id", "attributes.city"], [("a", Missing())])) == [
        {"external_user_id": "a"}
    ]


def test_an_array_of_numpy_within_a_table_becomes_a_list():
    table = Pandas(["external_user_id", "prioritization"], [("a", NumpyArray(["most_recently_updated"]))])

    assert recipients_of(table)[0]["prioritization"] == ["most_recently_updated"]


@pytest.mark.parametrize("make", [Polars, arrow])
def test_a_null_within_a_struct_deletes_no_attribute(make):
    table = make(["external_user_id", "attributes"], [("a", {"city": "Graz", "zip": None})])

    assert recipients_of(table) == [{"external_user_id": "a", "attributes": {"city": "Graz"}}]


def test_a_row_mapper_takes_any_table():
    table = TableRecipients(
        arrow(["id"], [(5,)]), row_mapper=lambda row: {"external_user_id": f"c{row['id']}"}
    )

    assert list(table.recipients(COLUMNS)) == [{"external_user_id": "c5"}]


@pytest.mark.parametrize(
    "column", [pyarrow.array([1, 2]), pyarrow.chunked_array([[1], [2]]), NumpyArray([1, 2])]
)
def test_one_column_of_a_table_is_a_list_of_ids(column):
    assert recipients_of(column, "external_user_ids") == [
        {"external_user_id": "1"},
        {"external_user_id": "2"},
    ]


# Values that name no recipients --------------------------------------------------------------------------

NO_RECIPIENTS = [
    (
        {"ids": ["u1"], "count": 1},
        r"not dict: its keys .* taken for recipients.*my_task\(\)\[\"ids\"\]",
    ),
    ("u1", "not text: put a single one into a list.*render_template_as_native_obj"),
    (b"u1", "not bytes: put a single one into a list"),
    (7, "not int: give the recipients themselves"),
    (7.5, "not float: give the recipients themselves"),
    (True, "not bool: give the recipients themselves"),
    (None, "not None: the task that gives them must return them"),
    ({"u1", "u2"}, r"not set: its order differs from try to try. Give sorted\(…\)"),
    ((n for n in "ab"), r"not generator: it can be read only once.*Give list\(…\)"),
    (map(str, [1]), r"not map: it can be read only once.*Give list\(…\)"),
    (Path("people.csv"), "not PosixPath: FileRecipients reads a file"),
    (LazyFrame(), "not LazyFrame: collect its rows into a table"),
    (lambda: ["u1"], "not function: call it"),
]


@pytest.mark.parametrize("argument", list(KEYS))
@pytest.mark.parametrize(("value", "reason"), NO_RECIPIENTS, ids=lambda value: type(value).__name__)
def test_a_value_that_cannot_name_recipients_fails_with_advice(value, reason, argument):
    with pytest.raises(
        BrazeError, match=f"^{argument}: must be a list, a table or a source .*{reason}"
    ) as raised:
        source(value, argument)
    assert "u1" not in str(raised.value)


@pytest.mark.parametrize("items", [["u1"], ["u1", 2], (1,)])
def test_bare_ids_in_the_place_of_objects_name_the_argument_for_ids(items):
    with pytest.raises(
        BrazeError, match=r"recipients: must be a list of objects.*give a list of ids to external_user_ids"
    ):
        source(items)
    with pytest.raises(
        BrazeError, match=r'recipients: must be a list of objects.*write {"external_user_id": …}'
    ):
        source_of(items, argument="recipients", keys={"recipients": None})


@pytest.mark.parametrize("items", [[], (), [{"external_user_id": "u"}], {"a": {}}.values()])
def test_a_list_names_recipients_even_if_it_is_empty(items):
    assert isinstance(source(items), InlineRecipients)


# On real Airflow -----------------------------------------------------------------------------------------


def returning(value: Any) -> Any:
    """Make a task that returns a value and logs nothing of it."""

    @task(show_return_value_in_logs=False)
    def given() -> Any:
        return value

    return given()


@pytest.mark.dag
@pytest.mark.parametrize(
    ("value", "reason"),
    [({"ids": ["u1"], "count": 1}, "not dict"), (None, "not None"), ("u1", "not text"), (7, "not int")],
)
@pytest.mark.parametrize("argument", ["external_user_ids", "recipients"])
def test_a_wrong_value_from_a_task_reaches_no_recipient(run_dag, sandbox, value, reason, argument):
    with DAG("d", schedule=None) as dag:
        MessagesSendOperator(task_id="t", messages=PUSH, **{argument: returning(value)})

    failed = run_dag(dag).task("t")

    assert failed.state == "failed"
    assert f"{argument}: must be a list, a table or a source of recipients, {reason}" in str(failed.error)
    assert sandbox.requests() == []


@pytest.mark.dag
def test_a_table_in_the_dag_reaches_the_recipients_in_its_rows(run_dag, sandbox):
    table = arrow(["external_user_id"], [(f"u{number}",) for number in range(60)])
    with DAG("d", schedule=None) as dag:
        MessagesSendOperator(task_id="t", messages=PUSH, external_user_ids=deepcopy(table))

    result = run_dag(dag)

    assert result.state == "success"
    assert set(sandbox.recipients()) == {f"u{number}" for number in range(60)}
    assert result.task("t").rendered["external_user_ids"] == "60 rows of a Table"


@pytest.mark.dag
def test_a_task_whose_audience_is_returned_as_none_sends_nothing(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:
        CampaignTriggerOperator(
            task_id="t",
            campaign_id="c",
            recipients=[{"external_user_id": "u"}],
            audience=returning(None),
        )

    failed = run_dag(dag).task("t")

    assert "audience: the task that gives it has returned None" in str(failed.error)
    assert sandbox.requests() == []
