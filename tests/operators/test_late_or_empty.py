"""A run that comes late, and a source that names nobody."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow_harness import AIRFLOW_VERSION

from braze_provider._compat import AirflowSkipException
from braze_provider.operators.campaigns import CampaignTriggerOperator

NOW = datetime.now(timezone.utc)
LATE, RECENT = NOW - timedelta(days=3), NOW - timedelta(hours=1)


def lateness(**moments: datetime | None) -> str | None:
    """What the operator says when it skips a run for being late; None if it goes on."""
    task = CampaignTriggerOperator(
        task_id="t", campaign_id="c", recipients=[{"external_user_id": "u"}], max_lateness=timedelta(days=2)
    )
    interval_end = moments.pop("data_interval_end", None)
    context: Any = {"dag_run": SimpleNamespace(run_type="manual", **moments)}
    if interval_end is not None:
        context["data_interval_end"] = interval_end
    try:
        task._skip_if_late(context)
    except AirflowSkipException as error:
        return str(error)
    return None


@pytest.mark.parametrize(
    ("moments", "measured"),
    [
        ({"data_interval_end": LATE, "run_after": NOW}, "data interval ended"),
        ({"partition_date": LATE, "run_after": NOW}, "partition date was"),
        ({"partition_date": None, "run_after": LATE}, "run_after was"),
        ({"run_after": LATE}, "run_after was"),
    ],
)
def test_a_late_run_is_measured_against_the_best_moment_that_it_has(moments, measured):
    assert f"The {measured} 3 days" in (lateness(**moments) or "")


@pytest.mark.parametrize(
    "moments",
    [
        {"data_interval_end": RECENT, "run_after": LATE},
        {"partition_date": RECENT, "run_after": LATE},
        {"run_after": RECENT},
    ],
)
def test_a_run_in_time_is_not_skipped(moments):
    assert lateness(**moments) is None


@pytest.mark.dag
@pytest.mark.parametrize(
    ("on_empty", "state"), [("succeed", "success"), ("skip", "skipped"), ("fail", "failed")]
)
def test_a_source_that_names_nobody_is_a_decision(run_dag, sandbox, on_empty, state):
    with DAG("d", schedule=None, render_template_as_native_obj=True) as dag:
        CampaignTriggerOperator(task_id="t", campaign_id="c", recipients="{{ [] }}", on_empty=on_empty)

    result = run_dag(dag)

    assert result.task("t").state == state
    if on_empty == "fail" and AIRFLOW_VERSION < (3, 3):  # There is no ledger, so a retry could not send.
        assert type(result.task("t").error).__name__ == "AirflowFailException"
    assert "names nobody" in result.task("t").log
