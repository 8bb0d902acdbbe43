"""When a failed delivery is retried, on an Airflow that asks: 3.3 and newer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG

from braze_provider.api.errors import (
    BrazeAuthenticationError,
    BrazeConnectionError,
    BrazeNotFoundError,
    BrazePermissionError,
    BrazeUnreachableError,
    BrazeValidationError,
)
from braze_provider.api.outcomes import Outcome
from braze_provider.delivery.failure import DeliveryError
from braze_provider.delivery.report import DeliveryReport
from braze_provider.delivery.sender import Sender
from braze_provider.operators.campaigns import CampaignTriggerOperator

policies = pytest.importorskip(
    "airflow.sdk.definitions.retry_policy", reason="Airflow has retry policies from 3.3 on"
)

pytestmark = pytest.mark.dag

PEOPLE = [{"external_user_id": "u"}]
FAIL, RETRY, DEFAULT = policies.RetryAction.FAIL, policies.RetryAction.RETRY, policies.RetryAction.DEFAULT


def operator(**arguments: Any) -> Any:
    return CampaignTriggerOperator(task_id="t", campaign_id="c", recipients=PEOPLE, **arguments)


def refused(kind: type[Exception]) -> Exception:
    return kind("no", outcome=Outcome.REJECTED)


@pytest.mark.parametrize(
    ("error", "action", "delay"),
    [
        (refused(BrazeAuthenticationError), FAIL, None),
        (refused(BrazePermissionError), FAIL, None),
        (refused(BrazeNotFoundError), FAIL, None),
        (BrazeConnectionError("the password is empty"), FAIL, None),
        (DeliveryError("closed", DeliveryReport(), retry_in=40), RETRY, timedelta(seconds=40)),
        (DeliveryError("500", DeliveryReport()), DEFAULT, None),
        (refused(BrazeUnreachableError), DEFAULT, None),
        (BrazeValidationError("people.csv", []), DEFAULT, None),
        (RuntimeError("something else"), DEFAULT, None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_a_retry_would_meet_again_fails_at_once_and_a_closed_limit_is_waited_for(error, action, delay):
    decision = operator().retry_policy.evaluate(error, 1, 3)

    assert (decision.action, decision.retry_delay) == (action, delay)


def test_a_policy_of_the_tasks_own_rules():
    own = policies.ExceptionRetryPolicy(rules=[])

    assert operator(retry_policy=own).retry_policy is own


def test_it_survives_being_stored(serialise, deserialise):
    with DAG("d", schedule=None) as dag:
        operator()

    assert deserialise(serialise(dag)).has_task("t")


def test_a_mapped_task_is_not_retried_for_a_wrong_key_either(run_dag, sandbox):
    sandbox.fault("status", status=401, message="Unauthorized", times=2)
    with DAG("d", schedule=None) as dag:
        CampaignTriggerOperator.partial(
            task_id="t", campaign_id="c", retries=3, retry_delay=timedelta(0)
        ).expand(recipients=[PEOPLE, PEOPLE])

    result = run_dag(dag)

    assert [(task.state, task.try_number) for task in result.mapped("t")] == [("failed", 1)] * 2


def test_a_limit_that_stays_closed_through_all_attempts_is_retried_after_its_reset(
    run_dag, sandbox, monkeypatch
):
    monkeypatch.setitem(Sender.__init__.__kwdefaults__, "max_attempts", 1)
    sandbox.fault("rate_limited", reset_after=30, times=1)
    with DAG("d", schedule=None) as dag:
        operator(retries=0)

    error = run_dag(dag).task("t").error

    assert isinstance(error, DeliveryError)
    assert 20 < error.retry_in <= 31
