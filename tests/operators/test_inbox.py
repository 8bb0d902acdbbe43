"""A task of real Airflow in the sandbox's inbox."""

from __future__ import annotations

import pytest
import requests
from airflow.sdk import DAG

from braze_provider.operators.campaigns import CampaignTriggerOperator

pytestmark = pytest.mark.dag


def test_the_inbox_names_the_task_that_sent(run_dag, sandbox):
    with DAG("win_back", schedule=None) as dag:
        CampaignTriggerOperator(task_id="send", campaign_id="c", recipients=[{"external_user_id": "ada"}])

    result = run_dag(dag)

    assert result.state == "success", result.log
    (entry,) = requests.get(f"{sandbox.url}/_sandbox/inbox?q=win_back", timeout=10).json()["entries"]
    assert (entry["task"]["dag_id"], entry["task"]["task_id"]) == ("win_back", "send")
    assert entry["task"]["run_id"]
