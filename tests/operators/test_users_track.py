"""Attributes, events and purchases of users, on real Airflow."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta
from decimal import Decimal
from typing import Any

import airflow_harness
import pendulum
import pytest
from airflow.sdk import DAG

from braze_provider.api.errors import BrazeValidationError
from braze_provider.delivery.sender import MAX_ATTEMPTS, Sender
from braze_provider.operators.users import UsersTrackOperator
from braze_provider.recipients import SqlRecipients

pytestmark = pytest.mark.dag

AT = "2026-11-20T08:00:00Z"
DAY = pendulum.datetime(2026, 11, 1)


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch) -> None:
    """Let the attempts of a batch follow each other without a wait."""
    monkeypatch.setitem(Sender.__init__.__kwdefaults__, "first_backoff", 0.001)


@pytest.fixture
def warehouse(tmp_path, monkeypatch) -> None:
    """A table of 200 customers with a numeric id."""
    path = tmp_path / "warehouse.db"
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, tier TEXT)")
        db.executemany("INSERT INTO customers VALUES (?, ?)", [(n, "gold") for n in range(200)])


@pytest.fixture
def ledger(tmp_path, monkeypatch) -> dict[str, str]:
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "ledger.db")}
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps(connection))
    return {"ledger_conn_id": "ledger"}


def track(**arguments: Any) -> DAG:
    with DAG("track", schedule=None) as dag:
        UsersTrackOperator(
            task_id="t", **{"concurrency": 1, "retries": 2, "retry_delay": timedelta(0), **arguments}
        )
    return dag


def bodies(sandbox) -> list[dict[str, Any]]:
    return [request["body"] for request in sandbox.requests()]


PURCHASE = {"external_id": "u", "product_id": "p", "currency": "EUR", "price": 9.5, "time": AT}
ATTRIBUTES = [{"external_id": f"u{number}", "tier": "gold"} for number in range(100)]
EVENTS = [{"external_id": f"u{number}", "name": "visit", "time": AT} for number in range(100)]


# Requests ---------------------------------------------------------------------------------------------------


def test_all_three_kinds_share_the_75_objects_of_a_request(run_dag, sandbox):
    purchases = [{"external_id": "u1", "product_id": "p", "currency": "EUR", "price": 9.5, "time": AT}]

    result = run_dag(track(attributes=ATTRIBUTES[:50], events=EVENTS[:30], purchases=purchases))

    assert result.state == "success", result.log
    assert [
        [len(body.get(kind, ())) for kind in ("attributes", "events", "purchases")]
        for body in bodies(sandbox)
    ] == [
        [50, 25, 0],
        [0, 5, 1],
    ]
    profile = sandbox.profile("u1")
    assert profile["attributes"] == {"tier": "gold"}
    assert [event["name"] for event in profile["events"]] == ["visit"]
    assert [purchase["price"] for purchase in profile["purchases"]] == [9.5]


def test_the_columns_of_a_query_are_attributes(run_dag, sandbox, warehouse):
    sql = "SELECT id AS external_id, tier AS Tier, id * 2 AS points FROM customers"

    result = run_dag(track(attributes=SqlRecipients("warehouse", sql)))

    assert result.state == "success", result.log
    assert sandbox.profile("7")["attributes"] == {"Tier": "gold", "points": 14}
    assert [len(body["attributes"]) for body in bodies(sandbox)] == [75, 75, 50]


def test_the_columns_of_a_query_are_the_fields_of_an_event(run_dag, sandbox, warehouse):
    sql = (
        f"SELECT id AS external_id, 'visit' AS name, '{AT}' AS time, tier AS \"properties.tier\" "
        "FROM customers"
    )

    assert run_dag(track(events=SqlRecipients("warehouse", sql))).state == "success"

    assert sandbox.profile("7")["events"] == [
        {"external_id": "7", "name": "visit", "time": AT, "properties": {"tier": "gold"}}
    ]


# Bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "mistake"),
    [
        ({}, "writes nothing: give `attributes`, `events` or `purchases`"),
        ({"attributes": [{"tier": "gold"}]}, r"attributes\[0\]: names no user"),
        ({"attributes": [{"external_id": "u", "braze_id": "b"}]}, r"attributes\[0\]: has 2 identities"),
        ({"events": [{"external_id": "u", "name": "visit"}]}, r"events\[0\].time: is required"),
        ({"events": [{"external_user_id": "u", "name": "n", "time": AT}]}, "here it is called `external_id`"),
        (
            {"events": [{"external_id": "u", "name": "n", "time": AT, "properties": {"time": 1}}]},
            r"events\[0\].properties.time: is reserved",
        ),
        (
            {
                "purchases": [
                    {"external_id": "u", "product_id": "p", "currency": "EUR", "price": "9", "time": AT}
                ]
            },
            r"purchases\[0\].price: must be a number",
        ),
        (
            {"purchases": [{**PURCHASE, "product_id": "p" * 256}]},
            r"purchases\[0\].product_id: must be at most 255 characters long",
        ),
    ],
)
def test_a_mistake_fails_the_import_of_the_dag(arguments, mistake):
    with pytest.raises(BrazeValidationError, match=mistake):
        track(**arguments)


def test_a_bad_row_is_named_before_anything_is_written(run_dag, sandbox, warehouse):
    sql = "SELECT CASE WHEN id = 120 THEN NULL ELSE id END AS external_id, tier FROM customers"

    result = run_dag(track(attributes=SqlRecipients("warehouse", sql), retries=0))

    assert (result.state, sandbox.requests()) == ("failed", [])
    assert "row 121: attributes: names no user" in result.log


# What a repeat does -----------------------------------------------------------------------------------------


def test_plain_attributes_are_written_again_after_a_lost_answer_without_a_ledger(run_dag, sandbox):
    sandbox.fault("disconnect", processed=True, times=1)

    result = run_dag(track(attributes=ATTRIBUTES))

    assert result.state == "success", result.log
    assert len(sandbox.requests()) == 3


def test_a_retry_writes_plain_attributes_again_without_a_ledger(run_dag, sandbox):
    sandbox.fault("disconnect", processed=True, times=MAX_ATTEMPTS)

    result = run_dag(track(attributes=ATTRIBUTES))

    assert result.state == "success", result.log
    # From Airflow 3.3 on, the task state store tells the second try what the first one has written.
    again = 1 if airflow_harness.AIRFLOW_VERSION >= (3, 3) else 2
    assert len(sandbox.requests()) == MAX_ATTEMPTS + 1 + again


@pytest.mark.parametrize(
    "arguments",
    [{"events": EVENTS}, {"attributes": [{"external_id": "u", "visits": {"inc": 1}}]}],
    ids=["events", "increments"],
)
def test_what_would_count_twice_is_held_after_a_lost_answer(run_dag, sandbox, ledger, arguments):
    sandbox.fault("disconnect", processed=True, times=1)

    result = run_dag(track(**arguments, **ledger))

    assert result.state == "failed"
    assert "in doubt" in result.log
    assert len(sandbox.requests()) == -(-len(next(iter(arguments.values()))) // 75)


def test_a_retry_counts_no_event_twice(run_dag, sandbox, ledger):
    sandbox.fault("status", status=500, after=1, times=MAX_ATTEMPTS)

    result = run_dag(track(events=EVENTS, **ledger))

    assert result.state == "success", result.log
    assert all(len(sandbox.profile(event["external_id"])["events"]) == 1 for event in EVENTS)


def test_a_retry_of_events_without_a_ledger_writes_nothing(run_dag, sandbox):
    if airflow_harness.AIRFLOW_VERSION >= (3, 3):
        pytest.skip("Airflow has a task state store from 3.3 on")
    sandbox.fault("status", status=500, after=1, times=MAX_ATTEMPTS)

    assert run_dag(track(events=EVENTS)).state == "failed"

    assert len(sandbox.requests()) == 1 + MAX_ATTEMPTS


def test_a_cleared_task_counts_no_event_again(run_dag, sandbox, ledger):
    for _ in range(2):
        assert run_dag(track(events=EVENTS, **ledger), logical_date=DAY).state == "success"

    assert len(sandbox.requests()) == 2


def test_a_retry_goes_on_with_plain_attributes_where_the_last_try_stopped(run_dag, sandbox, ledger):
    sandbox.fault("status", status=500, after=1, times=MAX_ATTEMPTS)

    assert run_dag(track(attributes=ATTRIBUTES, **ledger)).state == "success"

    assert len(sandbox.requests()) == 1 + MAX_ATTEMPTS + 1


def test_a_retry_writes_everything_again_if_a_value_has_changed(run_dag, sandbox, ledger, warehouse):
    """The query gives another value at each try."""
    sandbox.fault("status", status=500, after=1, times=MAX_ATTEMPTS)
    sql = "SELECT id AS external_id, hex(randomblob(8)) AS token FROM customers LIMIT 100"

    result = run_dag(track(attributes=SqlRecipients("warehouse", sql), **ledger))

    assert result.state == "success", result.log
    assert "Everything is written again, which does no harm: the source has changed" in result.log
    assert len(sandbox.requests()) == 1 + MAX_ATTEMPTS + 2


def test_events_that_have_changed_since_the_last_try_are_not_written(run_dag, sandbox, ledger, warehouse):
    sandbox.fault("status", status=500, after=1, times=MAX_ATTEMPTS)
    sql = (
        f"SELECT id AS external_id, 'visit' AS name, '{AT}' AS time, "
        'hex(randomblob(8)) AS "properties.token" FROM customers LIMIT 100'
    )

    result = run_dag(track(events=SqlRecipients("warehouse", sql), **ledger))

    assert result.state == "failed"
    assert "is not the one of an earlier try" in result.log
    assert len(sandbox.requests()) == 1 + MAX_ATTEMPTS


# Objects that Braze refuses ---------------------------------------------------------------------------------


def test_an_object_that_braze_refuses_is_named_by_its_row(run_dag, sandbox):
    bad = {"external_id": "u80", "visits": {"inc": 1.5}}

    result = run_dag(track(attributes=[*ATTRIBUTES[:80], bad, *ATTRIBUTES[81:]]))

    assert result.state == "failed"
    assert "row 81: Braze refused it: 'visits' can only be incremented by an integer" in result.log
    assert "99 sent, 1 rejected" in result.log
    assert len(sandbox.requests()) == 2, "a retry would be refused too"


def test_a_decimal_of_a_database_is_a_number(run_dag, sandbox):
    purchase = {"external_id": "u", "product_id": 5, "currency": "EUR", "price": Decimal("9.50"), "time": AT}

    assert run_dag(track(purchases=[purchase])).state == "success"

    assert sandbox.profile("u")["purchases"][0]["price"] == 9.5
