"""Recipients from a query: its rows, closed cursors, and the kind of cursor for each driver."""

from __future__ import annotations

import json
import sqlite3
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from braze_provider._compat import AirflowNotFoundException, BaseHook
from braze_provider.api.errors import BrazeError, BrazeValidationError
from braze_provider.api.objects.recipients import CampaignRecipient
from braze_provider.delivery.prepare import columns_of
from braze_provider.recipients import BadRow, SqlRecipients, sql

COLUMNS = columns_of(CampaignRecipient)


def read(source: SqlRecipients) -> list[Any]:
    return list(source.recipients(COLUMNS))


@pytest.fixture
def people(tmp_path, monkeypatch) -> str:
    """Id of an Airflow connection to a SQLite database with three recipients."""
    path = tmp_path / "people.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT, country TEXT)")
        db.executemany(
            "INSERT INTO people VALUES (?, ?, ?)", [(1, "Ada", "GB"), (2, "Bob", None), (3, "Zoë", "DE")]
        )
    db.close()
    monkeypatch.setenv("AIRFLOW_CONN_PEOPLE", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    return "people"


# Reading ----------------------------------------------------------------------------------------------------


def test_rows_become_recipients_by_their_columns_in_the_order_of_the_query(people):
    source = SqlRecipients(
        people,
        'SELECT id AS external_user_id, name AS "trigger_properties.name", country AS "attributes.country" '
        "FROM people ORDER BY id DESC",
    )

    assert read(source) == [
        {"external_user_id": "3", "trigger_properties": {"name": "Zoë"}, "attributes": {"country": "DE"}},
        {"external_user_id": "2", "trigger_properties": {"name": "Bob"}},
        {"external_user_id": "1", "trigger_properties": {"name": "Ada"}, "attributes": {"country": "GB"}},
    ]


@pytest.mark.parametrize(
    ("condition", "parameters"),
    [("country = ?", ["DE"]), ("country = ?", ("DE",)), ("country = :country", {"country": "DE"})],
)
def test_parameters_are_bound_by_the_driver(people, condition, parameters):
    query = f"SELECT id AS external_user_id FROM people WHERE {condition}"

    assert read(SqlRecipients(people, query, parameters)) == [{"external_user_id": "3"}]


def test_a_parameter_is_not_read_as_sql(people):
    query = "SELECT id AS external_user_id FROM people WHERE country = ?"

    assert read(SqlRecipients(people, query, ["DE' OR '1'='1"])) == []


def test_a_percent_sign_is_a_percent_sign_without_parameters(people):
    query = "SELECT id AS external_user_id FROM people WHERE name LIKE 'Z%'"

    assert read(SqlRecipients(people, query)) == [{"external_user_id": "3"}]


def test_a_query_without_rows_has_no_recipients(people):
    assert read(SqlRecipients(people, "SELECT id AS external_user_id FROM people WHERE 0")) == []


def test_the_source_can_be_read_again(people):
    source = SqlRecipients(people, "SELECT id AS external_user_id FROM people")

    assert read(source) == read(source) != []


def test_more_rows_than_one_fetch_are_all_read(people):
    count = 2 * sql.ROWS_PER_FETCH + 1
    query = (
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) "
        "SELECT i AS external_user_id FROM n"
    )

    assert [row["external_user_id"] for row in read(SqlRecipients(people, query))] == [
        str(number) for number in range(1, count + 1)
    ]


def test_a_nul_character_in_text_arrives_as_it_is(people):
    query = "SELECT 'a' || char(0) || 'b' AS external_user_id"

    assert read(SqlRecipients(people, query)) == [{"external_user_id": "a\0b"}]


def test_a_json_column_is_text_in_sqlite_and_an_object_in_the_recipient(people):
    query = """SELECT id AS external_user_id, '{"a": [1]}' AS trigger_properties FROM people WHERE id = 1"""

    assert read(SqlRecipients(people, query)) == [{"external_user_id": "1", "trigger_properties": {"a": [1]}}]


def test_a_bad_value_makes_a_bad_row_and_reading_goes_on(people):
    query = """
        SELECT id AS external_user_id, CASE id WHEN 2 THEN 'no JSON' ELSE '{}' END AS attributes
        FROM people ORDER BY id
    """
    bad = BadRow("attributes: the column does not hold JSON")

    assert [
        row if isinstance(row, BadRow) else row["external_user_id"]
        for row in read(SqlRecipients(people, query))
    ] == ["1", bad, "3"]


def test_a_row_mapper_gets_each_row_as_a_dict(people):
    source = SqlRecipients(
        people,
        "SELECT id, name FROM people ORDER BY id",
        row_mapper=lambda row: {"external_user_id": f"{row['name']}-{row['id']}"},
    )

    assert [row["external_user_id"] for row in read(source)] == ["Ada-1", "Bob-2", "Zoë-3"]


# Errors -----------------------------------------------------------------------------------------------------


def test_an_unknown_column_fails_for_the_whole_query(people):
    with pytest.raises(BrazeValidationError, match="did you mean 'external_user_id'") as caught:
        read(SqlRecipients(people, "SELECT id AS external_usr_id, name AS email FROM people"))
    assert "'external_usr_id'" in str(caught.value)
    assert caught.value.total == 1


def test_a_column_twice_is_refused(people):
    with pytest.raises(BrazeValidationError, match="returns the column 'id' more than once"):
        read(SqlRecipients(people, "SELECT name, id, id FROM people", row_mapper=dict))


def test_a_statement_without_rows_is_refused_and_changes_nothing(people):
    with pytest.raises(BrazeValidationError, match="sql: is not a query that returns rows"):
        read(SqlRecipients(people, "DELETE FROM people"))
    assert len(read(SqlRecipients(people, "SELECT id AS external_user_id FROM people"))) == 3


def test_the_databases_own_errors_arrive_as_they_are(people):
    with pytest.raises(sqlite3.OperationalError, match="no such table: peple"):
        read(SqlRecipients(people, "SELECT * FROM peple"))


def test_a_connection_that_is_not_a_database_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_FOLDER", '{"conn_type": "fs"}')

    with pytest.raises(BrazeError, match="connection 'folder' is not a DB-API connection"):
        read(SqlRecipients("folder", "SELECT 1"))


@pytest.mark.parametrize(
    ("conn_type", "package"),
    [
        ("snowflake", "apache-airflow-providers-snowflake"),
        ("apache_hive", "apache-airflow-providers-apache-hive"),
        ("gcpbigquery", "apache-airflow-providers-google"),
        ("mssql", "apache-airflow-providers-microsoft-mssql"),
    ],
)
def test_a_connection_without_its_provider_names_the_package(monkeypatch, conn_type, package):
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": conn_type, "password": "secret"}))

    with pytest.raises(
        BrazeError, match=f"'warehouse' of type '{conn_type}' is not.*pip install {package}"
    ) as raised:
        read(SqlRecipients("warehouse", "SELECT 1"))
    assert "secret" not in str(raised.value)


def test_a_connection_that_does_not_exist_is_airflows_error():
    with pytest.raises(AirflowNotFoundException, match="nowhere"):
        read(SqlRecipients("nowhere", "SELECT 1"))


# Cursors and connections ------------------------------------------------------------------------------------


class Watched:
    """Stands for a driver's connection or cursor and notes what happens to it."""

    def __init__(self, rows: list[Any], columns: tuple[str, ...] = ("external_user_id",)) -> None:
        self.happened: list[str] = []
        self.asked_for: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self.description = [(column, None) for column in columns]
        self._rows = iter(rows)

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        self.asked_for = args, kwargs
        return SimpleNamespace(
            execute=lambda *_: None,
            fetchmany=self.fetch,
            description=self.description,
            close=lambda: self.happened.append("cursor closed"),
        )

    def fetch(self, size: int) -> list[Any]:
        self.happened.append(f"fetch {size}")
        row = next(self._rows, None)
        if isinstance(row, Exception):
            raise row
        return [] if row is None else [row]

    def close(self) -> None:
        self.happened.append("connection closed")


@pytest.fixture
def use(monkeypatch):
    """Make every connection id lead to the given driver connection."""

    def use(connection: Any) -> Any:
        hook = SimpleNamespace(get_conn=lambda: connection, get_records=None)
        monkeypatch.setattr(BaseHook, "get_hook", staticmethod(lambda conn_id: hook))
        return connection

    return use


CLOSED = ["cursor closed", "connection closed"]


def test_cursor_and_connection_are_closed_at_the_end(use):
    connection = use(Watched([("ada",), ("bob",)]))

    assert len(read(SqlRecipients("x", "SELECT"))) == 2
    assert connection.happened == [f"fetch {sql.ROWS_PER_FETCH}"] * 3 + CLOSED


def test_nothing_is_opened_before_the_first_row_is_asked_for(use):
    connection = use(Watched([("ada",)]))

    SqlRecipients("x", "SELECT").recipients(COLUMNS)

    assert connection.asked_for is None


def test_rows_are_fetched_on_demand_only(use):
    connection = use(Watched([("ada",), ("bob",), ("cy",)]))

    next(SqlRecipients("x", "SELECT").recipients(COLUMNS))

    assert connection.happened[0] == f"fetch {sql.ROWS_PER_FETCH}"
    assert sum(event.startswith("fetch") for event in connection.happened) == 1


def test_cursor_and_connection_are_closed_when_reading_stops_early(use):
    connection = use(Watched([("ada",), ("bob",)]))
    reading = SqlRecipients("x", "SELECT").recipients(COLUMNS)
    next(reading)

    reading.close()

    assert connection.happened[-2:] == CLOSED


def test_cursor_and_connection_are_closed_when_the_database_fails_half_way(use):
    connection = use(Watched([("ada",), OSError("connection lost")]))

    with pytest.raises(OSError, match="connection lost"):
        read(SqlRecipients("x", "SELECT"))
    assert connection.happened[-2:] == CLOSED


def test_cursor_and_connection_are_closed_when_the_columns_are_wrong(use):
    connection = use(Watched([("ada",)], columns=("zip",)))

    with pytest.raises(BrazeValidationError) as caught:
        read(SqlRecipients("x", "SELECT"))
    assert connection.happened[-2:] == CLOSED
    assert caught  # The exception lives until here, and it must not keep the source open.


def test_rows_that_a_connection_gives_as_dicts_are_read_by_their_names(use):
    use(Watched([{"external_user_id": "ada"}]))

    assert read(SqlRecipients("x", "SELECT")) == [{"external_user_id": "ada"}]


def connection_of(driver: str) -> Watched:
    """A connection whose class comes from a module of the driver."""
    kind = type("Connection", (Watched,), {"__module__": f"{driver}.connections"})
    return kind([("ada",)])


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_postgres_drivers_are_asked_for_a_named_cursor(use, driver):
    connection = use(connection_of(driver))

    read(SqlRecipients("x", "SELECT"))

    assert connection.asked_for == ((), {"name": "braze_recipients"})


@pytest.mark.parametrize("driver", ["MySQLdb", "pymysql"])
def test_mysql_drivers_are_asked_for_their_unbuffered_cursor(use, monkeypatch, driver):
    cursors: Any = ModuleType(f"{driver}.cursors")
    cursors.SSCursor = object()
    monkeypatch.setitem(sys.modules, driver, ModuleType(driver))
    monkeypatch.setitem(sys.modules, f"{driver}.cursors", cursors)
    connection = use(connection_of(driver))

    read(SqlRecipients("x", "SELECT"))

    assert connection.asked_for == ((cursors.SSCursor,), {})


@pytest.mark.parametrize("driver", ["sqlite3", "snowflake", "trino", "psycopg2cffi"])
def test_other_drivers_are_asked_for_their_ordinary_cursor(use, driver):
    connection = use(connection_of(driver))

    read(SqlRecipients("x", "SELECT"))

    assert connection.asked_for == ((), {})


# Privacy ----------------------------------------------------------------------------------------------------


def test_logs_and_stored_fields_hold_no_parameter():
    source = SqlRecipients("people", "SELECT *\n  FROM people\n WHERE email = ?", ["ada@example.com"])

    shown = "SqlRecipients(conn_id='people', sql='SELECT * FROM people WHERE email = ?')"
    assert (repr(source), str(source), source.serialize()) == (shown, shown, shown)


def test_a_long_query_is_shortened_in_logs_and_stored_whole():
    source = SqlRecipients("people", f"SELECT id FROM people WHERE name IN ({', '.join(['?'] * 500)})")

    assert len(str(source)) < 260
    assert "…" in str(source)
    assert source.serialize() == repr(source)
    assert len(repr(source)) > 1_000
