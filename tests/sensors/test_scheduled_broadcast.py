"""Wait until a broadcast of the dashboard is due, on real Airflow."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import airflow_harness
import pytest
from airflow.sdk import DAG

from braze_provider.api.errors import BrazeValidationError
from braze_provider.hooks.braze import BrazeHook
from braze_provider.sandbox import Broadcast, Campaign, Canvas, Sandbox
from braze_provider.sensors.broadcasts import ScheduledBroadcastSensor, broadcast_is_due
from braze_provider.triggers.look import NeverComesError

pytestmark = pytest.mark.dag

HOUR = 3_600.0


def in_hours(hours: float, zone: str = "Z") -> str:
    return (datetime.now(timezone.utc) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%S") + zone


@pytest.fixture
def workspace(monkeypatch):
    """Start a sandbox whose dashboard has scheduled something."""
    started = []

    def start(*broadcasts: Broadcast, **options):
        sandbox = Sandbox(scheduled_broadcasts=broadcasts, **options)
        sandbox.start()
        started.append(sandbox)
        monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", sandbox.airflow_connection)
        return sandbox

    yield start
    for sandbox in started:
        sandbox.stop()


@pytest.mark.parametrize(
    "way",
    [
        pytest.param({"mode": "poke"}, id="poke"),
        pytest.param({"mode": "reschedule"}, id="reschedule"),
        pytest.param({"deferrable": True}, id="deferrable"),
    ],
)
@pytest.mark.parametrize("kind", ["campaign_id", "canvas_id"])
def test_it_ends_once_the_broadcast_is_within_the_time(run_dag, workspace, kind, way):
    workspace(Broadcast(**{kind: "c"}, name="Sale", next_send_time=in_hours(1.5)))
    with DAG("d", schedule=None) as dag:
        ScheduledBroadcastSensor(task_id="t", **{kind: "c"}, within=timedelta(hours=2), timeout=60, **way)

    result = run_dag(dag)

    assert result.state == "success", result.log
    assert (result.xcom("t")["id"], result.xcom("t")["name"]) == ("c", "Sale")


@pytest.mark.parametrize(
    "way",
    [
        pytest.param({"mode": "poke"}, id="poke"),
        pytest.param(
            {"mode": "reschedule"},
            id="reschedule",
            marks=pytest.mark.skipif(
                airflow_harness.AIRFLOW_VERSION < (3, 1), reason="dag.test() of Airflow 3.0 fails there"
            ),
        ),
        pytest.param({"deferrable": True}, id="deferrable"),
    ],
)
def test_a_broadcast_that_is_further_away_is_waited_for(run_dag, workspace, way):
    workspace(Broadcast(campaign_id="c", next_send_time=in_hours(50)))
    with DAG("d", schedule=None) as dag:
        ScheduledBroadcastSensor(
            task_id="t", campaign_id="c", within=7_200, timeout=0.3, poke_interval=0.1, **way
        )

    result = run_dag(dag)

    assert result.state == "failed"
    assert "Last seen: scheduled for 20" in result.log


@pytest.mark.parametrize("kind", ["campaign_id", "canvas_id"])
@pytest.mark.parametrize("deferrable", [False, True])
def test_an_archived_one_without_a_schedule_fails_at_once(run_dag, workspace, kind, deferrable):
    workspace(campaigns=[Campaign(id="c", name="C", archived=True)], canvases=[Canvas(id="c", archived=True)])
    with DAG("d", schedule=None) as dag:
        ScheduledBroadcastSensor(
            task_id="t", **{kind: "c"}, timeout=60, retries=2, retry_delay=0, deferrable=deferrable
        )

    result = run_dag(dag)

    assert (result.state, len(result.task("t").attempts)) == ("failed", 1)
    assert "c is archived and has no scheduled broadcast: none will come" in result.log


# One look ---------------------------------------------------------------------------------------------------


@pytest.fixture
def look(workspace):
    def once(*broadcasts: Broadcast, within: float = HOUR, **options):
        workspace(*broadcasts, **options)
        hook = BrazeHook()
        try:
            return broadcast_is_due(hook, within, campaign_id="c")
        finally:
            hook.close()

    return once


def test_nothing_scheduled_yet_is_waited_for(look):
    seen = look(Broadcast(campaign_id="other", next_send_time=in_hours(0.5)))
    assert (seen.has_come, seen.state[:24]) == (False, "nothing scheduled until ")


def test_a_canvas_of_the_same_id_is_another_one(look):
    assert not look(Broadcast(canvas_id="c", next_send_time=in_hours(0.5))).has_come


def test_the_next_of_several_broadcasts_counts(look):
    soon = in_hours(0.5)
    seen = look(
        Broadcast(campaign_id="c", next_send_time=in_hours(9)),
        Broadcast(campaign_id="c", next_send_time=soon),
    )
    assert (seen.has_come, seen.result["next_send_time"]) == (True, soon)


@pytest.mark.parametrize(
    ("hours", "zone", "is_due"),
    [(13, "", True), (14.5, "", True), (15.5, "", False), (13, "Z", False), (0.5, "Z", True)],
)
def test_a_time_by_each_users_clock_counts_from_the_first_zone(look, hours, zone, is_due):
    assert look(Broadcast(campaign_id="c", next_send_time=in_hours(hours, zone))).has_come is is_due


def test_a_key_that_may_not_read_details_can_wait_all_the_same(workspace, monkeypatch):
    permissions = ["messages.schedule_broadcasts"]
    archived = Campaign(id="c", name="C", archived=True)
    sandbox = workspace(campaigns=[archived], api_keys={"narrow": permissions})
    connection = sandbox.airflow_connection.replace(sandbox.api_key, "narrow")
    monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", connection)

    assert not broadcast_is_due(BrazeHook(), HOUR, campaign_id="c").has_come


def test_an_archived_campaign_never_comes(look):
    with pytest.raises(NeverComesError, match="Campaign c is archived"):
        look(campaigns=[Campaign(id="c", name="C", archived=True)])


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "campaign_id"),
        ({"campaign_id": "a", "canvas_id": "b"}, "campaign_id"),
        ({"campaign_id": ""}, "campaign_id"),
        ({"campaign_id": "a", "within": 0}, "within"),
        ({"campaign_id": "a", "within": float("inf")}, "within"),
        ({"campaign_id": "a", "within": "an hour"}, "within"),
        ({"campaign_id": "a", "within": 60, "poke_interval": 60}, "within"),
        ({"campaign_id": "a", "within": 600, "exponential_backoff": True}, "within"),
        ({"campaign_id": "a", "timeout": None}, "timeout"),
    ],
)
def test_a_bad_argument_is_named_at_dag_parse(arguments, field):
    with pytest.raises(BrazeValidationError) as caught:
        ScheduledBroadcastSensor(task_id="t", deferrable=False, **arguments)
    assert [problem.path for problem in caught.value.problems] == [field]


def test_growing_pauses_with_a_limit_are_taken():
    sensor = ScheduledBroadcastSensor(
        task_id="t", campaign_id="c", within=600, exponential_backoff=True, max_wait=300, deferrable=False
    )
    assert sensor.arguments_of_look()["within"] == 600
