"""Wait until the counts of a send have settled, on real Airflow."""

from __future__ import annotations

import airflow_harness
import pytest
from airflow.sdk import DAG

from braze_provider.api.errors import BrazeValidationError
from braze_provider.hooks.braze import BrazeHook
from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.sandbox import Campaign, Sandbox
from braze_provider.sensors.sends import SendSettledSensor, send_has_settled

pytestmark = pytest.mark.dag


@pytest.mark.parametrize(
    "way",
    [
        pytest.param({"mode": "poke"}, id="poke"),
        pytest.param(
            {"mode": "reschedule"},
            id="reschedule",
            marks=pytest.mark.skipif(airflow_harness.AIRFLOW_VERSION < (3, 3), reason="is refused there"),
        ),
        pytest.param({"deferrable": True}, id="deferrable"),
    ],
)
def test_it_ends_once_the_number_is_the_same_in_some_polls(run_dag, monkeypatch, way):
    with Sandbox(campaigns=[Campaign(id="c", name="C", audience=1_200)]) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", sandbox.airflow_connection)
        with DAG("d", schedule=None) as dag:
            send = CampaignTriggerOperator(task_id="send", campaign_id="c", broadcast=True)
            send >> SendSettledSensor(
                task_id="t",
                campaign_id="c",
                send_id="{{ ti.xcom_pull(task_ids='send', key='send_ids')[0] }}",
                polls=2,
                poke_interval=0.1,
                timeout=60,
                **way,
            )

        result = run_dag(dag)

        assert result.state == "success", result.log
        assert result.xcom("t") == {"sent": 1_200}
        assert sandbox.summary()["by_endpoint"]["/sends/data_series"] == {"200": 3}


@pytest.fixture
def look(sandbox):
    """Look again and again, as a sensor does, and send before a look."""
    hook = BrazeHook()
    memory = None

    def once(*recipients: str):
        nonlocal memory
        for recipient in recipients:
            named = [{"external_user_id": recipient}]
            hook.campaigns_trigger_send({"campaign_id": "c", "send_id": "s", "recipients": named})
        seen = send_has_settled(hook, "c", "s", 2, memory)
        memory = seen.memory
        return seen

    yield once
    hook.close()


def test_a_number_that_grows_begins_the_count_anew(look):
    looks = [look("ada"), look(), look("bob"), look(), look()]

    assert [seen.has_come for seen in looks] == [False, False, False, False, True]
    assert looks[1].state == "1 sent, unchanged in 1 of 2 polls"
    assert looks[-1].result == {"sent": 2}


def test_a_send_without_a_message_is_not_settled(look):
    assert [look().has_come for _ in range(5)] == [False] * 5


def test_an_unknown_campaign_fails_at_once(run_dag, monkeypatch):
    with Sandbox(campaigns=[Campaign(id="there", name="C")]) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", sandbox.airflow_connection)
        with DAG("d", schedule=None) as dag:
            SendSettledSensor(task_id="t", campaign_id="elsewhere", send_id="s", timeout=60)

        result = run_dag(dag)

    assert result.state == "failed"
    assert "Invalid Campaign ID" in result.log


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"campaign_id": ""}, "campaign_id"),
        ({"send_id": None}, "send_id"),
        ({"polls": 0}, "polls"),
        ({"polls": True}, "polls"),
        ({"polls": 1.5}, "polls"),
        ({"timeout": float("inf")}, "timeout"),
    ],
)
def test_a_bad_argument_is_named_at_dag_parse(arguments, field):
    with pytest.raises(BrazeValidationError) as caught:
        SendSettledSensor(task_id="t", **{"campaign_id": "c", "send_id": "s", **arguments})
    assert [problem.path for problem in caught.value.problems] == [field]
