"""When a failed delivery is retried, on an Airflow with retry policies: 3.3 and newer."""

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

RECIPIENTS = [{"external_user_id": "u"}]
FAIL, RETRY, DEFAULT = policies.RetryAction.FAIL, policies.RetryAction.RETRY, policies.RetryAction.DEFAULT


def operator(**arguments: Any) -> Any:
    return CampaignTriggerOperator(task_id="t", campaign_id="c", recipients=RECIPIENTS, **arguments)


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
        (BrazeValidationError("customers.csv", []), DEFAULT, None),
        (RuntimeError("something else"), DEFAULT, None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_the_error_decides_whether_and_when_a_task_is_retried(error, action, delay):
    decision = operator().retry_policy.evaluate(error, 1, 3)

    assert (decision.action, decision.retry_delay) == (action, delay)


def test_a_task_keeps_its_own_retry_policy():
    own = policies.ExceptionRetryPolicy(rules=[])

    assert operator(retry_policy=own).retry_policy is own


def test_a_dag_with_the_policy_can_be_stored_and_read(serialise, deserialise):
    with DAG("d", schedule=None) as dag:
        operator()

    assert deserialise(serialise(dag)).has_task("t")


def test_a_mapped_task_is_not_retried_after_a_wrong_key(run_dag, sandbox):
    sandbox.fault("status", status=401, message="Unauthorized", times=2)
    with DAG("d", schedule=None) as dag:
        CampaignTriggerOperator.partial(
            task_id="t", campaign_id="c", retries=3, retry_delay=timedelta(0)
        ).expand(recipients=[RECIPIENTS, RECIPIENTS])

    result = run_dag(dag)

    assert [(task.state, task.try_number) for task in result.mapped("t")] == [("failed", 1)] * 2


def test_a_task_is_retried_when_the_closed_rate_limit_resets(run_dag, sandbox, monkeypatch):
    monkeypatch.setitem(Sender.__init__.__kwdefaults__, "max_attempts", 1)
    sandbox.fault("rate_limited", reset_after=30, times=1)
    with DAG("d", schedule=None) as dag:
        operator(retries=0)

    error = run_dag(dag).task("t").error

    assert isinstance(error, DeliveryError)
    assert 20 < error.retry_in <= 31
