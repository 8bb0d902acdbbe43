"""Fields that this package does not know are refused, unless they are allowed."""

from __future__ import annotations

import pytest
from airflow.sdk import DAG

from braze_provider.api.errors import BrazeValidationError
from braze_provider.hooks.braze import BrazeHook
from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.operators.messages import MessagesSendOperator

pytestmark = pytest.mark.dag

RECIPIENTS = [{"external_user_id": f"u{n}", "new_field": n} for n in range(120)]


def test_they_reach_braze_as_they_are_and_the_log_names_each_once(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:
        CampaignTriggerOperator(
            task_id="t", campaign_id="c", recipients=RECIPIENTS, allow_unknown_fields=True
        )

    result = run_dag(dag)

    assert result.state == "success", result.log
    rows = [row for request in sandbox.requests() for row in request["body"]["recipients"]]
    assert sorted(row["new_field"] for row in rows) == list(range(120))
    assert result.log.count("Fields unknown to this package are sent as they are: new_field") == 1


def test_a_channel_that_braze_adds_can_be_used(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:
        MessagesSendOperator(
            task_id="t",
            external_user_ids=["u"],
            messages={"pigeon_post": {"text": "{{ run_id }}"}},
            allow_unknown_fields=True,
        )

    result = run_dag(dag)

    assert result.state == "success", result.log
    assert sandbox.requests()[0]["body"]["messages"] == {"pigeon_post": {"text": result.run_id}}


def test_they_are_refused_by_default():
    with pytest.raises(BrazeValidationError, match=r"recipients\[0\].new_field: unknown field"):
        CampaignTriggerOperator(task_id="t", campaign_id="c", recipients=RECIPIENTS)


def test_the_hook_hands_them_on(sandbox, caplog):
    request = {"campaign_id": "c", "broadcast": True, "new_field": 1}
    with pytest.raises(BrazeValidationError, match="new_field: unknown field"):
        BrazeHook().campaigns_trigger_send(request)

    BrazeHook().campaigns_trigger_send(request, allow_unknown_fields=True)

    assert sandbox.requests()[0]["body"] == request
