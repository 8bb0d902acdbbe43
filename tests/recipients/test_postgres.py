"""Recipients from a real PostgreSQL: a server-side cursor, so that a million rows don't sit in memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest

from braze_provider._compat import BaseHook
from braze_provider.api.errors import BrazeValidationError
from braze_provider.api.objects.recipients import CampaignRecipient
from braze_provider.delivery.prepare import columns_of
from braze_provider.recipients import SqlRecipients

pytestmark = pytest.mark.postgres

# The statement that a cursor runs can see its own cursor in this view.
OPEN_CURSORS = "(SELECT string_agg(name, ',') FROM pg_cursors)"

COLUMNS = columns_of(CampaignRecipient)


def read(source: SqlRecipients) -> list[Any]:
    return list(source.recipients(COLUMNS))


def test_a_query_is_read_through_a_cursor_that_the_server_keeps(postgres_connection):
    query = f'SELECT 7 AS external_user_id, {OPEN_CURSORS} AS "trigger_properties.cursors"'

    assert read(SqlRecipients(postgres_connection, query)) == [
        {"external_user_id": "7", "trigger_properties": {"cursors": "braze_recipients"}}
    ]


def test_columns_of_postgres_types_become_values_that_braze_takes(postgres_connection):
    query = """
        SELECT uuid '6f1c3a52-8f0e-4b7e-9a8e-0d2f6a1b2c3d' AS external_user_id,
               jsonb '{"a": [1, null]}' AS trigger_properties,
               9.50::numeric AS "trigger_properties.total",
               ARRAY['identified', 'most_recently_updated'] AS prioritization,
               false AS send_to_existing_only,
               date '2026-01-31' AS "attributes.dob",
               NULL::text AS "attributes.country"
    """

    (row,) = read(SqlRecipients(postgres_connection, query))

    assert UUID(row["external_user_id"]) == UUID("6f1c3a52-8f0e-4b7e-9a8e-0d2f6a1b2c3d")
    assert CampaignRecipient.model_validate(row).to_body() == {
        "external_user_id": "6f1c3a52-8f0e-4b7e-9a8e-0d2f6a1b2c3d",
        "trigger_properties": {"a": [1, None], "total": 9.5},
        "prioritization": ["identified", "most_recently_updated"],
        "send_to_existing_only": False,
        "attributes": {"dob": "2026-01-31"},
    }


@pytest.mark.parametrize(
    ("condition", "parameters"), [("n > %s", [2]), ("n > %(least)s", {"least": 2}), ("n %% 10 > %s", (2,))]
)
def test_parameters_are_bound_by_the_driver(postgres_connection, condition, parameters):
    query = f"SELECT n AS external_user_id FROM generate_series(1, 3) n WHERE {condition}"

    assert read(SqlRecipients(postgres_connection, query, parameters)) == [{"external_user_id": "3"}]


def test_a_query_without_rows_has_no_recipients(postgres_connection):
    assert read(SqlRecipients(postgres_connection, "SELECT 1 AS external_user_id WHERE false")) == []


def test_columns_are_checked_even_if_there_are_no_rows_to_check(postgres_connection):
    with pytest.raises(BrazeValidationError, match="returns the column 'x' more than once"):
        read(SqlRecipients(postgres_connection, "SELECT 1 AS x, 2 AS x WHERE false"))


def test_a_statement_without_rows_is_refused_and_changes_nothing(postgres_connection, postgres_dsn):
    psycopg2 = pytest.importorskip("psycopg2")
    with psycopg2.connect(postgres_dsn) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE people AS SELECT 1 AS external_user_id")
    connection.close()

    with pytest.raises(Exception, match="syntax error at or near"):
        read(SqlRecipients(postgres_connection, "DELETE FROM people"))
    assert len(read(SqlRecipients(postgres_connection, "SELECT * FROM people"))) == 1


def test_the_databases_own_error_is_not_hidden_by_closing_after_it(postgres_connection):
    with pytest.raises(Exception, match="division by zero"):
        read(SqlRecipients(postgres_connection, "SELECT 1 / (n - 3) FROM generate_series(1, 5) n"))


@pytest.fixture(params=["psycopg2", "psycopg"])
def driver_connection(request, monkeypatch, postgres_dsn):
    """Open a connection with psycopg2 and psycopg, and let every connection id lead to it."""
    module = pytest.importorskip(request.param)

    def connect(*, dicts: bool = False) -> Any:
        options: dict[str, Any] = {}
        if dicts and request.param == "psycopg2":
            options = {"cursor_factory": pytest.importorskip("psycopg2.extras").RealDictCursor}
        elif dicts:
            options = {"row_factory": pytest.importorskip("psycopg.rows").dict_row}
        connection = module.connect(postgres_dsn, **options)
        hook = SimpleNamespace(get_conn=lambda: connection, get_records=None)
        monkeypatch.setattr(BaseHook, "get_hook", staticmethod(lambda conn_id: hook))
        return connection

    return connect


@pytest.mark.parametrize("dicts", [False, True], ids=["tuples", "dicts"])
def test_both_generations_of_the_driver_stream_rows_of_either_form(driver_connection, dicts):
    driver_connection(dicts=dicts)
    query = f'SELECT n AS external_user_id, {OPEN_CURSORS} AS "attributes.c" FROM generate_series(1, 2) n'

    assert read(SqlRecipients("any", query)) == [
        {"external_user_id": "1", "attributes": {"c": "braze_recipients"}},
        {"external_user_id": "2", "attributes": {"c": "braze_recipients"}},
    ]


def test_the_connection_is_closed_when_reading_stops_early(driver_connection):
    connection = driver_connection()
    query = "SELECT n AS external_user_id FROM generate_series(1, 100000) n"
    reading = SqlRecipients("any", query).recipients(COLUMNS)
    next(reading)
    assert not connection.closed

    reading.close()

    assert connection.closed


MEASURE = """
import os, resource, sys
sys.path.insert(0, {tests!r})
import airflow_harness
home = airflow_harness.private_airflow_home()
os.environ["AIRFLOW_CONN_POSTGRES_TEST"] = {dsn!r}
from braze_provider.recipients import SqlRecipients

def read(count):
    query = f"SELECT n AS external_user_id, repeat('x', 200) AS email FROM generate_series(1, {{count}}) n"
    read = sum(1 for _ in SqlRecipients("postgres_test", query).rows())
    assert read == count, read
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

few, many = read(10_000), read(400_000)
airflow_harness.remove_airflow_home(home)
print((many - few) // 1024)
"""


def test_memory_does_not_grow_with_the_number_of_rows(postgres_connection, postgres_dsn):
    code = MEASURE.format(tests=str(Path(__file__).parents[1]), dsn=postgres_dsn)

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout.split()[-1]) < 20, "MiB more for 400,000 rows of 200 bytes than for 10,000"
