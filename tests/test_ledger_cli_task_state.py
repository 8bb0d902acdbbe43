"""``python -m braze_provider.ledger --task-state``, through the REST API of a real Airflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
import requests
from airflow.sdk import DAG
from airflow_harness import AIRFLOW_VERSION, DagResult, initialise_database

from braze_provider.delivery.sender import Sender
from braze_provider.ledger import task_state
from braze_provider.ledger.__main__ import main
from braze_provider.ledger.base import DeliveryKey
from braze_provider.ledger.show_task_state import RestStore
from braze_provider.operators.campaigns import CampaignTriggerOperator

pytestmark = pytest.mark.dag
has_task_state = pytest.mark.skipif(AIRFLOW_VERSION < (3, 3), reason="Airflow has no task state before 3.3")


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of Airflow's API server. The environment has a token for it."""
    import uvicorn

    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "True")
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "a secret of this test's, " * 4)
    initialise_database()
    from airflow.api_fastapi.app import create_app

    server = uvicorn.Server(uvicorn.Config(create_app(), port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.05)
        url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        token = requests.get(f"{url}/auth/token", timeout=30).json()["access_token"]
        monkeypatch.setenv("AIRFLOW_CLI_TOKEN", token)
        yield url
    finally:
        server.should_exit = True
        thread.join()


def deliver(run_dag: Any, **arguments: Any) -> DagResult:
    """Send to 120 recipients in three batches."""
    recipients = [{"external_user_id": f"p{number}"} for number in range(120)]
    with DAG("looked_at", schedule=None) as dag:
        given = {"recipients": recipients, "retry_delay": timedelta(0), "concurrency": 1, **arguments}
        CampaignTriggerOperator(task_id="send", campaign_id="c", **given)
    return run_dag(dag)


def arguments(airflow: str, result: DagResult, *more: str) -> list[str]:
    run_id = result.run_id
    task = ["--dag-id", "looked_at", "--run-id", run_id, "--task-id", "send"]
    return ["--task-state", "--airflow-url", airflow, *task, *more]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in its own process: Airflow's server logs into the output of this one."""
    line = [sys.executable, "-m", "braze_provider.ledger", *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False)


@pytest.fixture
def found(airflow: str) -> Any:
    """Run the command for JSON: ``found(result, …)`` gives the delivery."""

    def run(result: DagResult, *more: str) -> dict[str, Any]:
        ran = command(*arguments(airflow, result, "--format", "json", *more))
        assert ran.returncode == 0, ran.stderr
        (one,) = json.loads(ran.stdout)["deliveries"]
        return dict(one)

    return run


@has_task_state
def test_a_held_batch_is_found_with_its_reason(run_dag, sandbox, found):
    sandbox.fault("disconnect", after=1, times=1)
    result = deliver(run_dag)

    one = found(result, "--state", "uncertain", "--dispatch-ids")

    assert (one["dag_id"], one["task_id"], one["map_index"]) == ("looked_at", "send", -1)
    assert one["recipients_by_state"] == {
        "sent": 70,
        "rejected": 0,
        "uncertain": 50,
        "failed": 0,
        "claimed": 0,
    }
    (batch,) = one["batches"]
    assert (batch["index"], batch["state"]) == (1, "uncertain")
    assert "batch 2 of 3 (rows 51–100): No answer" in batch["reason"]
    assert one["dispatch_ids"] == result.xcom("send", "dispatch_ids")
    assert one["begun_at"] <= one["written_at"]


@has_task_state
def test_a_finished_delivery_of_two_tries_is_found_with_its_report(run_dag, sandbox, found, monkeypatch):
    sandbox.fault("status", status=500, after=1, times=6)
    monkeypatch.setitem(Sender.__init__.__kwdefaults__, "first_backoff", 0.001)
    result = deliver(run_dag, retries=1)

    one = found(result)

    assert (one["state"], one["try_number"], one["report"]["already_sent"]) == ("finished", 2, 70)
    assert one["recipients_by_state"]["sent"] == 120


@has_task_state
def test_reading_changes_nothing_and_the_owner_stays(run_dag, sandbox, airflow, found):
    sandbox.fault("disconnect", after=1, times=1)
    result = deliver(run_dag)

    def keys() -> list[Any]:
        run = quote(result.run_id, safe="")
        path = f"/api/v2/dags/looked_at/dagRuns/{run}/taskInstances/send/state-store"
        token = {"Authorization": f"Bearer {os.environ['AIRFLOW_CLI_TOKEN']}"}
        answer = requests.get(airflow + path, headers=token, timeout=30).json()
        return list(answer["task_state_store"])

    before = keys()
    found(result, "--state", "uncertain")

    assert before
    assert keys() == before


@has_task_state
def test_a_task_instance_without_a_ledger_has_nothing(run_dag, sandbox, airflow):
    ran = command(*arguments(airflow, deliver(run_dag, dry_run=True)))

    assert (ran.returncode, ran.stdout, ran.stderr) == (1, "", "Nothing found.\n")


@has_task_state
@pytest.mark.parametrize("format_", ["table", "json"])
def test_a_delivery_is_printed(run_dag, sandbox, airflow, format_):
    ran = command(*arguments(airflow, deliver(run_dag), "--format", format_, "--state", "sent"))

    assert ran.returncode == 0
    assert "looked_at" in ran.stdout
    assert "finished" in ran.stdout


def test_an_address_where_airflow_s_api_is_not_is_an_error(run_dag, sandbox, airflow):
    ran = command(*arguments(f"{airflow}/no/airflow", deliver(run_dag)))

    assert ran.returncode == 2
    assert "check --airflow-url" in ran.stderr


@pytest.mark.skipif(AIRFLOW_VERSION >= (3, 3), reason="Airflow has no task state before 3.3")
def test_an_airflow_without_task_state_is_an_error(run_dag, sandbox, airflow):
    ran = command(*arguments(airflow, deliver(run_dag)))

    assert ran.returncode == 2
    assert "Airflow has no task state store before 3.3" in ran.stderr


@has_task_state
def test_a_wrong_token_is_an_error_that_names_the_option(run_dag, sandbox, airflow):
    ran = command(*arguments(airflow, deliver(run_dag), "--token", "wrong-token"))

    assert ran.returncode == 2
    assert "--token, or AIRFLOW_CLI_TOKEN, must be valid" in ran.stderr
    assert "wrong-token" not in ran.stderr


def test_missing_options_are_named(capsys):
    with pytest.raises(SystemExit):
        main(["--task-state", "--dag-id", "d", "--airflow-url", "http://127.0.0.1:1"])
    assert "--task-state needs --run-id, --task-id" in capsys.readouterr().err


def test_an_airflow_that_is_not_there_is_an_error(capsys):
    named = ["--dag-id", "d", "--run-id", "r", "--task-id", "t"]
    assert main(["--task-state", "--airflow-url", "http://127.0.0.1:1", *named]) == 2
    assert "can't be read: ConnectionError" in capsys.readouterr().err


def test_the_store_can_not_be_written_to():
    store = RestStore("http://127.0.0.1:1", "", DeliveryKey("d", "r", "t"))
    with pytest.raises(TypeError, match="only read"):
        store.set(task_state.HEAD, {})
    with pytest.raises(TypeError, match="only read"):
        store.delete(task_state.HEAD)
