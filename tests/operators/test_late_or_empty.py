"""A run that is late, and a source without recipients."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG
from airflow_harness import AIRFLOW_VERSION

from braze_provider._compat import AirflowSkipException
from braze_provider.operators.campaigns import CampaignTriggerOperator

NOW = datetime.now(timezone.utc)
LATE, RECENT = NOW - timedelta(days=3), NOW - timedelta(hours=1)


def lateness(max_lateness: timedelta = timedelta(days=2), **moments: datetime | None) -> str | None:
    """The reason that the operator gives when it skips a late run. None: it does not skip the run."""
    task = CampaignTriggerOperator(
        task_id="t", campaign_id="c", recipients=[{"external_user_id": "u"}], max_lateness=max_lateness
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
def test_the_lateness_counts_from_the_best_moment_of_the_run(moments, measured):
    assert f"The {measured} 3 days" in (lateness(**moments) or "")


@pytest.mark.parametrize(
    ("max_lateness", "is_late"),
    [
        (pendulum.duration(days=2), True),
        (pendulum.duration(days=4), False),
        (pendulum.duration(months=1), False),
    ],
    ids=str,
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_a_pendulum_duration_works_in_any_time_zone(zone, max_lateness, is_late):
    ended = pendulum.instance(LATE).in_timezone(zone)

    assert (lateness(max_lateness, run_after=ended) is not None) is is_late


def test_the_reason_says_how_late_a_run_is():
    ended = pendulum.now("UTC").subtract(days=3, hours=4, minutes=5)

    assert "was 3 days 4 hours 5 minutes" in (lateness(run_after=ended) or "")


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
def test_on_empty_decides_what_a_source_without_recipients_means(run_dag, sandbox, on_empty, state):
    with DAG("d", schedule=None, render_template_as_native_obj=True) as dag:
        CampaignTriggerOperator(task_id="t", campaign_id="c", recipients="{{ [] }}", on_empty=on_empty)

    result = run_dag(dag)

    assert result.task("t").state == state
    if on_empty == "fail" and AIRFLOW_VERSION < (3, 3):  # A retry could not send, because there is no ledger.
        assert type(result.task("t").error).__name__ == "AirflowFailException"
    assert "names no recipients" in result.task("t").log
