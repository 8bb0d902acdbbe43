"""Retries with a durable ledger, on real Airflow: no recipient twice, and none dropped."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta
from typing import Any

import airflow_harness
import pytest
from airflow.sdk import DAG

from braze_provider.delivery.engine import Engine
from braze_provider.delivery.sender import MAX_ATTEMPTS, Sender
from braze_provider.ledger.base import LedgerLostError
from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.recipients import SqlRecipients

pytestmark = pytest.mark.dag

SQL = "SELECT id AS external_user_id FROM customers ORDER BY id"


@pytest.fixture(params=["sql", "task state store"])
def ledger(request, tmp_path, monkeypatch) -> dict[str, Any]:
    """The operator's arguments for a durable ledger."""
    if request.param == "sql":
        connection = {"conn_type": "sqlite", "host": str(tmp_path / "ledger.db")}
        monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps(connection))
        return {"ledger_conn_id": "ledger"}
    if airflow_harness.AIRFLOW_VERSION < (3, 3):
        pytest.skip("Airflow has a task state store from 3.3 on")
    return {}


@pytest.fixture
def customers(tmp_path, monkeypatch):
    """A table of 220 customers; the fixture is a function that changes it."""
    path = tmp_path / "customers.db"
    monkeypatch.setenv("AIRFLOW_CONN_CUSTOMERS", json.dumps({"conn_type": "sqlite", "host": str(path)}))

    def change(*statements: str) -> None:
        with sqlite3.connect(path) as db:
            for statement in statements:
                db.execute(statement)

    rows = ",".join(f"('p{number:04}')" for number in range(220))
    change("CREATE TABLE customers (id TEXT PRIMARY KEY)", f"INSERT INTO customers VALUES {rows}")
    return change


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch) -> None:
    """Let the attempts of a batch follow each other without a wait."""
    monkeypatch.setitem(Sender.__init__.__kwdefaults__, "first_backoff", 0.001)


def campaign_dag(**arguments: Any) -> DAG:
    with DAG("durable", schedule=None) as dag:
        CampaignTriggerOperator(
            task_id="t",
            campaign_id="c",
            concurrency=1,
            **{
                "recipients": SqlRecipients("customers", SQL),
                "retries": 2,
                "retry_delay": timedelta(0),
                **arguments,
            },
        )
    return dag


def test_a_retry_continues_where_the_last_try_stopped(run_dag, sandbox, customers, ledger):
    sandbox.fault("status", status=500, after=2, times=MAX_ATTEMPTS)

    result = run_dag(campaign_dag(**ledger))

    assert result.state == "success"
    assert result.task("t").try_number == 2
    assert sandbox.summary()["duplicates"] == 0
    assert len(sandbox.recipients()) == 220
    report = result.xcom("t")
    assert (report["recipients"], report["sent"] + report["already_sent"]) == (220, 220)
    assert report["already_sent"] == 170
    assert len(result.xcom("t", "dispatch_ids")) == 5


def test_held_batches_are_not_retried_and_the_error_says_what_to_do(run_dag, sandbox, customers, ledger):
    sandbox.fault("disconnect", processed=True, after=1, times=1)

    result = run_dag(campaign_dag(**ledger))

    assert result.state == "failed"
    assert result.task("t").try_number == 1
    assert "on_uncertain='accept'" in str(result.task("t").error)
    assert result.xcom("t")["uncertain"] == 50
    assert sandbox.summary()["duplicates"] == 0
    assert len(sandbox.recipients()) == 220


def test_a_source_that_changed_between_two_tries_stops_the_second_try(run_dag, sandbox, customers, ledger):
    sandbox.fault("status", status=500, after=2, times=MAX_ATTEMPTS)

    def change(context: Any) -> None:
        customers("DELETE FROM customers WHERE id = 'p0060'")

    result = run_dag(campaign_dag(on_retry_callback=change, **ledger))

    assert result.state == "failed"
    assert "Batch 2 of 5 (rows 51–100) is not the one of an earlier try" in str(result.task("t").error)
    assert sandbox.summary()["duplicates"] == 0


def test_a_broadcast_is_never_sent_twice(run_dag, sandbox, customers, ledger):
    sandbox.fault("disconnect", processed=True, times=1)

    result = run_dag(campaign_dag(recipients=None, broadcast=True, **ledger))

    assert result.state == "failed"
    assert sandbox.summary()["broadcasts"] == 1
    assert sandbox.summary()["requests"] == 1


def test_the_first_line_of_the_log_names_the_ledger(run_dag, sandbox, customers, ledger):
    log = run_dag(campaign_dag(**ledger)).task("t").log

    assert log.index("Ledger: ") < log.index("recipients from")


def test_a_task_gives_its_slot_back_while_the_rate_limit_is_closed(run_dag, sandbox, customers, ledger):
    sandbox.fault("rate_limited", reset_after=3, after=2, times=1)

    result = run_dag(campaign_dag(deferrable=True, max_slot_wait=0.5, **ledger))

    assert result.state == "success"
    assert "gives its slot back" in result.task("t").log
    assert sandbox.summary()["duplicates"] == 0
    assert len(sandbox.recipients()) == 220


def test_a_try_that_failed_before_sending_is_not_a_lost_ledger(
    run_dag, sandbox, customers, ledger, monkeypatch
):
    connection = json.loads(sandbox.airflow_connection)
    monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", json.dumps({**connection, "password": ""}))

    result = run_dag(campaign_dag(**ledger))

    assert "password is empty" in str(result.task("t").error)
    assert "Ledger: " in result.task("t").log


def test_a_copy_that_has_lost_the_ledger_pushes_no_report(run_dag, sandbox, customers, ledger, monkeypatch):
    def lost(*_: Any) -> None:
        raise LedgerLostError("another copy has taken over")

    monkeypatch.setattr(Engine, "run", lost)

    result = run_dag(campaign_dag(**{"retries": 0, **ledger}))

    assert result.state == "failed"
    for key in ("return_value", "dispatch_ids"):
        with pytest.raises(KeyError):
            result.xcom("t", key)
