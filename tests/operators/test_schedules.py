"""Schedules on real Airflow: a task makes them once, and later tasks move and cancel them."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG, task

from braze_provider.api.errors import BrazeValidationError
from braze_provider.operators.schedules import (
    CampaignScheduleOperator,
    CanvasScheduleOperator,
    MessagesScheduleOperator,
    ScheduleDeleteOperator,
    ScheduleUpdateOperator,
)

pytestmark = pytest.mark.dag

PUSH = {"apple_push": {"alert": "Hello {{${first_name}}}"}}
LOCAL = datetime(2099, 1, 1)  # noqa: DTZ001 - a time by each user's own clock
IN_TWO_HOURS = "{{ macros.datetime.utcnow() + macros.timedelta(hours=2) }}+00:00"
KINDS: list[tuple[Any, dict[str, Any], dict[str, Any]]] = [
    (MessagesScheduleOperator, {"messages": PUSH}, {}),
    (CampaignScheduleOperator, {"campaign_id": "c"}, {"campaign_id": "c"}),
    (CanvasScheduleOperator, {"canvas_id": "c"}, {"canvas_id": "c"}),
]
each_kind = pytest.mark.parametrize(
    ("operator", "what", "owner"), KINDS, ids=lambda one: getattr(one, "__name__", "")
)


def recipients(count: int) -> list[dict[str, str]]:
    return [{"external_user_id": f"u{number}"} for number in range(count)]


@pytest.fixture
def ledger(tmp_path, monkeypatch) -> str:
    path = str(tmp_path / "ledger.db")
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps({"conn_type": "sqlite", "host": path}))
    return "ledger"


@each_kind
def test_each_recipient_is_scheduled_once_and_reached_at_the_time(run_dag, sandbox, operator, what, owner):
    with DAG("d", schedule=None) as dag:
        operator(task_id="t", recipients=recipients(120), time=IN_TWO_HOURS, **what)

    result = run_dag(dag)

    assert result.state == "success", result.log
    sizes = {one["schedule_id"]: len(one["recipients"]) for one in sandbox.schedules()}
    # In the order of the batches, in whatever order they arrived.
    assert [sizes[schedule_id] for schedule_id in result.xcom("t", "schedule_ids")] == [50, 50, 20]
    assert len(result.xcom("t", "dispatch_ids")) == 3
    assert sandbox.recipients() == {}
    sandbox.advance(hours=2)
    assert sorted(map(len, sandbox.recipients().values())) == [1] * 120


@each_kind
def test_a_lost_answer_is_held_and_a_retry_schedules_nothing_twice(
    run_dag, sandbox, ledger, operator, what, owner
):
    sandbox.fault("disconnect", processed=True, after=1, times=1)
    with DAG("d", schedule=None) as dag:
        operator(
            task_id="t",
            recipients=recipients(120),
            time=IN_TWO_HOURS,
            concurrency=1,
            ledger_conn_id=ledger,
            retries=2,
            retry_delay=0,
            **what,
        )

    result = run_dag(dag)

    assert result.state == "failed"
    assert result.xcom("t")["uncertain"] == 50
    sandbox.advance(hours=2)
    assert sandbox.summary()["recipients"] == 120
    assert sandbox.summary()["duplicates"] == 0


@each_kind
def test_a_later_task_moves_all_schedules_of_one_before(run_dag, sandbox, operator, what, owner):
    with DAG("d", schedule=None) as dag:
        schedule = operator(task_id="t", recipients=recipients(120), time=IN_TWO_HOURS, **what)
        ScheduleUpdateOperator(
            task_id="later",
            schedule_ids=schedule.output["schedule_ids"],
            time="2099-01-01T00:00:00Z",
            **owner,
        )

    result = run_dag(dag)

    assert result.state == "success", result.log
    assert result.xcom("later") == ["success"] * 3
    assert {one["time"] for one in sandbox.schedules()} == {"2099-01-01T00:00:00Z"}


@each_kind
def test_a_later_task_cancels_all_schedules_of_one_before(run_dag, sandbox, operator, what, owner):
    with DAG("d", schedule=None) as dag:
        schedule = operator(task_id="t", recipients=recipients(120), time=IN_TWO_HOURS, **what)
        ScheduleDeleteOperator(task_id="cancel", schedule_ids=schedule.output["schedule_ids"], **owner)

    assert run_dag(dag).state == "success"

    sandbox.advance(hours=3)
    assert sandbox.recipients() == {}
    assert [one["state"] for one in sandbox.schedules()] == ["cancelled"] * 3


@pytest.mark.parametrize("operator", [ScheduleUpdateOperator, ScheduleDeleteOperator])
def test_a_lost_answer_to_a_change_is_followed_by_another_request(run_dag, sandbox, operator):
    sandbox.fault("disconnect", processed=True, after=1, times=1)
    change = {"time": "2099-01-01T00:00:00Z"} if operator is ScheduleUpdateOperator else {}
    with DAG("d", schedule=None) as dag:
        schedule = CampaignScheduleOperator(
            task_id="t", campaign_id="c", recipients=recipients(1), time=IN_TWO_HOURS
        )
        operator(task_id="u", campaign_id="c", schedule_ids=schedule.output["schedule_ids"], **change)

    assert run_dag(dag).state == "success"
    assert len(sandbox.requests()) == 3


def test_all_ids_are_checked_before_the_first_request(run_dag, sandbox):
    @task
    def ids() -> list[str]:
        return ["s", ""]

    with DAG("d", schedule=None) as dag:
        ScheduleDeleteOperator(task_id="t", schedule_ids=ids())

    result = run_dag(dag)

    assert result.state == "failed"
    assert "schedule_id: must not be empty" in result.log
    assert sandbox.requests() == []


def test_a_schedule_that_braze_does_not_know_fails_the_task_without_a_retry(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:
        ScheduleDeleteOperator(task_id="t", schedule_ids=["nowhere"], retries=3, retry_delay=0)

    result = run_dag(dag)

    assert result.state == "failed"
    assert "Invalid Schedule ID" in result.log
    assert len(sandbox.requests()) == 1


# The time ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time", "flags", "sent"),
    [
        ("2099-01-01T12:00:00+02:00", {}, {"time": "2099-01-01T10:00:00+00:00"}),
        (pendulum.datetime(2099, 1, 1, 12, tz="Europe/Berlin"), {}, {"time": "2099-01-01T11:00:00+00:00"}),
        ("{{ '2099-01-01T12:00:00Z' }}", {}, {"time": "2099-01-01T12:00:00+00:00"}),
        (
            "2099-01-01T12:00:00",
            {"in_local_time": True},
            {"time": "2099-01-01T12:00:00", "in_local_time": True},
        ),
        (
            LOCAL,
            {"at_optimal_time": True},
            {"time": "2099-01-01T00:00:00", "at_optimal_time": True},
        ),
    ],
)
def test_a_moment_goes_out_in_utc_and_a_local_time_as_it_is(run_dag, sandbox, time, flags, sent):
    with DAG("d", schedule=None) as dag:
        CampaignScheduleOperator(task_id="t", campaign_id="c", recipients=recipients(1), time=time, **flags)

    assert run_dag(dag).state == "success"

    assert sandbox.requests()[0]["body"]["schedule"] == sent


@pytest.mark.parametrize(
    ("time", "flags"),
    [("2020-01-01T12:00:00Z", {}), ("2020-01-01T12:00:00", {"in_local_time": True})],
)
def test_a_time_that_has_passed_is_refused_before_the_first_request(run_dag, sandbox, time, flags):
    with DAG("d", schedule=None) as dag:
        CampaignScheduleOperator(
            task_id="t",
            campaign_id="c",
            recipients=recipients(1),
            time=time,
            retries=2,
            retry_delay=0,
            **flags,
        )

    result = run_dag(dag)

    assert result.state == "failed"
    assert "time: nothing more is scheduled, because 2020-01-0" in result.log
    assert sandbox.requests() == []


def test_a_change_to_a_time_that_has_passed_is_refused(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:
        ScheduleUpdateOperator(task_id="t", schedule_ids=["s"], time="2020-01-01T00:00:00Z")

    result = run_dag(dag)

    assert "time: has passed: 2020-01-01T00:00:00+00:00" in result.log
    assert sandbox.requests() == []


@pytest.mark.parametrize(
    ("time", "flags", "reason"),
    [
        ("2099-01-01T12:00:00", {}, "time: must be a date and time with a time zone"),
        (LOCAL, {}, "time: must be a date and time with a time zone"),
        ("tomorrow", {}, "time: must be a date and time with a time zone"),
        (
            "2099-01-01T12:00:00Z",
            {"in_local_time": True},
            "time: must have no time zone with `in_local_time`",
        ),
        (
            "2099-01-01T12:00:00Z",
            {"at_optimal_time": True},
            "time: must have no time zone with `at_optimal_time`",
        ),
    ],
)
def test_a_time_of_the_wrong_form_is_refused_at_dag_parse(time, flags, reason):
    with pytest.raises(BrazeValidationError, match=reason):
        CampaignScheduleOperator(task_id="t", campaign_id="c", recipients=recipients(1), time=time, **flags)


def test_a_change_that_changes_nothing_is_refused_at_dag_parse():
    with pytest.raises(BrazeValidationError, match="changes nothing: give `schedule` or `messages`"):
        ScheduleUpdateOperator(task_id="t", schedule_ids=["s"])


def test_a_schedule_of_a_campaign_and_of_a_canvas_is_refused_at_dag_parse():
    with pytest.raises(BrazeValidationError, match="canvas_id: is not allowed with `campaign_id`"):
        ScheduleDeleteOperator(task_id="t", schedule_ids=["s"], campaign_id="c", canvas_id="c")
