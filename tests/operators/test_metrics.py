"""The counters of a task in Airflow's metrics, on real Airflow."""

from __future__ import annotations

from collections import Counter

import pytest
from airflow.sdk import DAG

from braze_provider._compat import Stats
from braze_provider.operators.campaigns import CampaignTriggerOperator

pytestmark = pytest.mark.dag


@pytest.fixture
def counters(monkeypatch) -> Counter[str]:
    """The counters of this package, without those of Airflow."""
    counted: Counter[str] = Counter()

    def incr(name: str, count: int = 1, *_: object, tags: dict[str, str] | None = None, **__: object) -> None:
        if name.startswith("braze."):
            assert tags == {"endpoint": "campaigns_trigger_send"}
            counted[name] += count

    monkeypatch.setattr(Stats, "incr", incr, raising=False)
    return counted


def run(run_dag, count: int, **arguments: object) -> None:
    with DAG("d", schedule=None) as dag:
        CampaignTriggerOperator(
            **{
                "task_id": "t",
                "campaign_id": "c",
                "recipients": [{"external_user_id": f"u{number}"} for number in range(count)],
                "concurrency": 1,
                **arguments,
            }
        )
    run_dag(dag)


def test_a_delivery_counts_requests_and_the_outcomes_of_recipients(run_dag, sandbox, counters):
    sandbox.fault("status", status=400, after=0, times=1)
    sandbox.fault("disconnect", processed=True, after=0, times=1)
    sandbox.fault("rate_limited", reset_after=1, after=0, times=1)

    run(run_dag, 170)

    assert counters == {
        "braze.recipients": 170,
        "braze.requests": 5,
        "braze.sent": 70,
        "braze.rejected": 50,
        "braze.uncertain": 50,
        "braze.rate_limited": 1,
    }


def test_a_broadcast_counts_its_one_request(run_dag, sandbox, counters):
    run(run_dag, 0, recipients=None, broadcast=True)

    assert counters == {"braze.requests": 1, "braze.sent": 1}


def test_a_dry_run_makes_no_request(run_dag, sandbox, counters):
    run(run_dag, 60, dry_run=True)

    assert counters == {"braze.recipients": 60}
