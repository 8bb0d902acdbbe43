"""Wait until an integration has synced, on real Airflow."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG

from braze_provider.api.errors import BrazeValidationError
from braze_provider.hooks.braze import BrazeHook
from braze_provider.operators.ingestion import CdiSyncOperator
from braze_provider.sandbox import Integration, Sandbox
from braze_provider.sensors.ingestion import CdiSyncSensor

pytestmark = pytest.mark.dag

each_way = pytest.mark.parametrize("deferrable", [False, True], ids=["poke", "deferrable"])


@pytest.fixture
def braze(monkeypatch):
    started = []

    def start(**options: Any) -> Sandbox:
        sandbox = Sandbox(**{"job_seconds": 1.0, **options})
        sandbox.start()
        started.append(sandbox)
        monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", sandbox.airflow_connection)
        return sandbox

    yield start
    for sandbox in started:
        sandbox.stop()


@pytest.fixture
def wait(run_dag):
    def run(**arguments: Any) -> Any:
        with DAG("d", schedule=None) as dag:
            CdiSyncSensor(
                task_id="t", **{"integration_id": "i", "poke_interval": 0.1, "timeout": 60, **arguments}
            )
        return run_dag(dag)

    return run


@each_way
def test_it_ends_once_a_sync_of_this_run_is_done(braze, run_dag, deferrable):
    braze(integrations=[Integration(id="i", rows_synced=7)])
    with DAG("d", schedule=None) as dag:
        start = CdiSyncOperator(task_id="start", integration_id="i", wait_for_completion=False)
        start >> CdiSyncSensor(
            task_id="t", integration_id="i", deferrable=deferrable, poke_interval=0.1, timeout=60
        )

    result = run_dag(dag)

    assert result.state == "success", result.log
    assert (result.xcom("t")["job_status"], result.xcom("t")["rows_synced"]) == ("success", 7)


def test_an_earlier_sync_does_not_count(braze, wait):
    sandbox = braze()
    BrazeHook().cdi_integrations_sync("i")
    sandbox.advance(minutes=1)

    result = wait(since="2099-01-01T00:00:00Z", timeout=0.3)

    assert result.state == "failed"
    assert "Last seen: no sync has begun since 2099-01-01" in result.log


@each_way
def test_syncs_that_all_failed_fail_it_at_once(braze, wait, deferrable):
    sandbox = braze(integrations=[Integration(id="i", ends="error")])
    BrazeHook().cdi_integrations_sync("i")
    sandbox.advance(minutes=1)

    result = wait(since="2020-01-01T00:00:00Z", retries=3, deferrable=deferrable)

    assert (result.state, result.task("t").try_number) == ("failed", 1)
    assert ": error, " in result.log


@pytest.mark.parametrize(("on_partial", "state"), [("fail", "failed"), ("succeed", "success")])
def test_a_partial_sync_counts_as_the_user_says(braze, wait, on_partial, state):
    sandbox = braze(integrations=[Integration(id="i", ends="partial", rows_failed=3)])
    BrazeHook().cdi_integrations_sync("i")
    sandbox.advance(minutes=1)

    assert wait(since="2020-01-01T00:00:00Z", on_partial=on_partial).state == state


def test_a_choice_that_does_not_exist_is_refused_at_dag_parse():
    with pytest.raises(BrazeValidationError, match="on_partial: must be `fail` or `succeed`"):
        CdiSyncSensor(task_id="t", integration_id="i", on_partial="skip")
