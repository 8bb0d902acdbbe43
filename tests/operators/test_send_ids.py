"""A task that makes one request, on real Airflow."""

from __future__ import annotations

import pytest
from airflow.sdk import DAG

from braze_provider.api.errors import BrazeValidationError
from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.operators.sends import SendIdCreateOperator

pytestmark = pytest.mark.dag


def bodies(sandbox) -> list[dict]:
    return [request["body"] for request in sandbox.requests()]


def test_the_next_task_sends_under_the_send_id(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:
        register = SendIdCreateOperator(task_id="register", campaign_id="c")
        CampaignTriggerOperator(
            task_id="send", campaign_id="c", send_id=register.output, recipients=[{"external_user_id": "u"}]
        )

    result = run_dag(dag)

    assert result.state == "success", result.log
    registered, sent = bodies(sandbox)
    assert registered["send_id"] == sent["send_id"] == result.xcom("register", "send_id")


@pytest.mark.parametrize(
    "arguments", [{"send_id": "spring", "recipients": [{"external_user_id": "u"}]}, {"broadcast": True}]
)
def test_a_send_tells_the_next_task_its_send_id(run_dag, sandbox, arguments):
    with DAG("d", schedule=None) as dag:
        CampaignTriggerOperator(task_id="send", campaign_id="c", **arguments)

    result = run_dag(dag)

    assert result.xcom("send", "send_id")
    if "send_id" in arguments:
        assert result.xcom("send", "send_id") == "spring"


def test_a_retry_registers_the_same_send_id(run_dag, sandbox):
    sandbox.fault("status", status=400, times=1)
    with DAG("d", schedule=None) as dag:
        SendIdCreateOperator(task_id="t", campaign_id="c")
    run_dag(dag)
    first = bodies(sandbox)
    sandbox.fault("disconnect", processed=True, times=2)

    assert run_dag(dag).state == "success"

    again = bodies(sandbox)[1:]
    assert len(again) == 3
    assert len({body["send_id"] for body in again}) == 1
    assert first[0]["send_id"] != again[0]["send_id"], "another run has another one"


def test_a_rate_limit_is_waited_for(run_dag, sandbox):
    sandbox.fault("rate_limited", reset_after=1, times=1)
    with DAG("d", schedule=None) as dag:
        SendIdCreateOperator(task_id="t", campaign_id="c", send_id="spring")

    result = run_dag(dag)

    assert (result.state, result.xcom("t")) == ("success", "spring")
    assert len(sandbox.requests()) == 2


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"kind": "status", "status": 400, "message": "Invalid Campaign ID"}, "Invalid Campaign ID"),
        ({"kind": "status", "status": 401, "message": "Unauthorized"}, "does not know this API key"),
    ],
)
def test_a_refusal_fails_at_once(run_dag, sandbox, fault, told):
    sandbox.fault(**fault, times=1)
    with DAG("d", schedule=None) as dag:
        SendIdCreateOperator(task_id="t", campaign_id="c", retries=3, retry_delay=0)

    result = run_dag(dag)

    assert (result.state, len(sandbox.requests())) == ("failed", 1)
    assert told in result.log


def test_a_bad_argument_is_named_at_dag_parse():
    with pytest.raises(BrazeValidationError, match="send_id: must be ASCII"):
        SendIdCreateOperator(task_id="t", campaign_id="c", send_id="größe")
