"""Wait until a campaign has sent, on real Airflow."""

from __future__ import annotations

import pytest
from airflow.sdk import DAG

from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.sandbox import Sandbox
from braze_provider.sandbox.workspace import Campaign
from braze_provider.sensors.campaigns import CampaignSentSensor

pytestmark = pytest.mark.dag

RECIPIENTS = [{"external_user_id": "u"}]


@pytest.mark.parametrize("deferrable", [False, True])
def test_it_ends_once_the_campaign_has_sent_in_this_run(run_dag, sandbox, deferrable):
    with DAG("d", schedule=None) as dag:
        send = CampaignTriggerOperator(
            task_id="send", campaign_id="c", recipients=[{"external_user_id": "u"}]
        )
        send >> CampaignSentSensor(task_id="sent", campaign_id="c", deferrable=deferrable, timeout=30)

    result = run_dag(dag)

    assert result.state == "success", result.log
    assert result.xcom("sent").endswith(":00:00Z")


def test_an_earlier_send_does_not_count(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:
        send = CampaignTriggerOperator(
            task_id="send", campaign_id="c", recipients=[{"external_user_id": "u"}]
        )
        send >> CampaignSentSensor(
            task_id="sent", campaign_id="c", since="2099-01-01T00:00:00Z", timeout=0.1, poke_interval=0.1
        )

    result = run_dag(dag)

    assert result.task("sent").state == "failed"
    assert "Last seen: last sent 20" in result.log


def test_a_campaign_that_is_archived_fails_at_once(run_dag, monkeypatch):
    with Sandbox(campaigns=[Campaign(id="c", name="Old", archived=True)]) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", sandbox.airflow_connection)
        with DAG("d", schedule=None) as dag:
            CampaignSentSensor(task_id="sent", campaign_id="c", timeout=60)

        result = run_dag(dag)

    assert result.state == "failed"
    assert "Campaign c is archived: it will not send" in result.log


def test_a_moment_without_a_time_zone_is_refused(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:
        CampaignSentSensor(task_id="sent", campaign_id="c", since="2099-01-01T00:00:00", timeout=60)

    assert "since: must be a date and time with a time zone" in run_dag(dag).log
