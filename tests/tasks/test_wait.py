"""A task that waits does the same in its slot, in reschedule mode and in the triggerer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

import airflow_harness
import pytest
from airflow.sdk import DAG
from tasks import looks

from braze_provider._compat import HAS_TASK_STATE
from braze_provider.api.errors import BrazeValidationError
from braze_provider.tasks.fields import TEXT
from braze_provider.tasks.wait import BrazeSensor
from braze_provider.triggers.wait import WaitTrigger

pytestmark = pytest.mark.dag
reschedules = pytest.mark.skipif(
    airflow_harness.AIRFLOW_VERSION < (3, 1),
    reason="dag.test() of Airflow 3.0 hands a rescheduled sensor its first date as text, and fails",
)
each_way = pytest.mark.parametrize(
    "way",
    [
        pytest.param({"mode": "poke"}, id="poke"),
        pytest.param({"mode": "reschedule"}, id="reschedule", marks=reschedules),
        pytest.param({"deferrable": True}, id="deferrable"),
    ],
)


class Sensor(BrazeSensor):
    """
    A sensor of the tests.

    :param path: File in which each look is noted.
    :param plan: What each look shows.
    """

    request_fields: ClassVar = {"path": TEXT, "plan": TEXT}
    look = staticmethod(looks.look)

    def __init__(self, *, path: str, plan: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.plan = plan

    def arguments_of_look(self) -> dict[str, Any]:
        return {"path": self.path, "plan": self.plan}


@pytest.fixture
def wait(run_dag, sandbox, tmp_path):
    def run(plan: str, *, kind: type[Sensor] = Sensor, **options: Any) -> Any:
        with DAG("d", schedule=None) as dag:
            kind(task_id="t", path=str(tmp_path / "looks"), plan=plan, poke_interval=0.1, **options)
        return run_dag(dag)

    run.looks = lambda: (tmp_path / "looks").read_text().count("\n")
    return run


@each_way
def test_it_looks_until_the_state_has_come_and_returns_the_result(wait, way):
    result = wait("not not come", timeout=60, **way)

    assert result.state == "success", result.log
    assert result.xcom("t") == {"looks": 3}
    assert wait.looks() == 3
    # The looks of the triggerer are in the triggerer's own log.
    assert "Seen: state 1" in result.log
    assert "Seen: state 3" in result.log


@each_way
def test_a_state_that_can_not_come_fails_at_once(wait, way):
    result = wait("not never", timeout=60, retries=3, **way)

    assert (result.state, wait.looks()) == ("failed", 2)
    assert "it is archived" in result.log


@each_way
def test_a_missing_permission_fails_at_once(wait, way):
    result = wait("forbidden", timeout=60, retries=3, **way)

    assert (result.state, wait.looks()) == ("failed", 1)
    assert "lacks the permission" in result.log


@each_way
def test_a_lost_answer_is_followed_by_another_look(wait, way):
    result = wait("lost lost come", timeout=60, **way)

    assert result.state == "success", result.log
    assert "Seen: not known: no answer" in result.log


@each_way
def test_the_end_of_the_time_tells_the_last_state_seen(wait, way):
    result = wait("not", timeout=0.5, **way)

    assert result.state == "failed"
    assert f"Last seen: state {wait.looks()}" in result.log


@each_way
def test_a_soft_failure_skips_the_task(wait, way):
    assert wait("never", timeout=60, soft_fail=True, **way).task("t").state == "skipped"


class Remembering(Sensor):
    """A sensor that counts its looks."""

    remembers = True


keeps_task_state = pytest.mark.skipif(not HAS_TASK_STATE, reason="Airflow keeps nothing between two looks")
each_way_that_remembers = pytest.mark.parametrize(
    "way",
    [
        pytest.param({"mode": "poke"}, id="poke"),
        pytest.param({"mode": "reschedule"}, id="reschedule", marks=keeps_task_state),
        pytest.param({"deferrable": True}, id="deferrable"),
        pytest.param({"deferrable": True, "mode": "reschedule"}, id="deferrable-reschedule"),
    ],
)


@each_way_that_remembers
def test_a_look_knows_what_the_one_before_it_has_seen(wait, way):
    result = wait("count lost count", kind=Remembering, timeout=60, **way)

    assert result.state == "success", result.log
    assert (result.xcom("t"), wait.looks()) == ({"counted": 3}, 4)


@keeps_task_state
def test_a_later_try_does_not_know_what_an_earlier_one_has_seen(wait):
    plan = "count count broken count"
    result = wait(plan, kind=Remembering, timeout=60, mode="reschedule", retries=1, retry_delay=0)

    assert result.state == "success", result.log
    # Two of the first try, the one that broke it, and three of the second try.
    assert wait.looks() == 6


@pytest.mark.skipif(HAS_TASK_STATE, reason="Airflow keeps the memory")
def test_a_sensor_that_remembers_is_refused_in_reschedule_mode_at_dag_parse():
    with pytest.raises(BrazeValidationError, match=r"mode: 'reschedule' needs Airflow 3\.3 here"):
        Remembering(task_id="t", path="p", plan="come", mode="reschedule", deferrable=False)


@pytest.mark.parametrize(
    "timeout", [None, 0, -1, float("inf"), float("nan"), timedelta(0), timedelta.max, "an hour"]
)
def test_a_wait_without_an_end_is_refused_at_dag_parse(timeout):
    with pytest.raises(BrazeValidationError, match="timeout: must be more than 0 seconds and at most"):
        Sensor(task_id="t", path="p", plan="come", timeout=timeout)


def test_a_wait_without_an_end_from_the_default_arguments_is_refused():
    with (
        pytest.raises(BrazeValidationError, match="timeout: must be more than 0"),
        DAG("d", schedule=None, default_args={"timeout": 0}),
    ):
        Sensor(task_id="t", path="p", plan="come")


@pytest.mark.parametrize("timeout", [1, 0.5, timedelta(days=30)])
def test_a_wait_with_an_end_is_taken(timeout):
    assert Sensor(task_id="t", path="p", plan="come", timeout=timeout).timeout > 0


def test_a_restarted_trigger_goes_on_until_the_same_moment():
    trigger = WaitTrigger(
        look="tasks.looks.look", arguments={"a": 1}, braze_conn_id="b", poke_interval=5.0, give_up_at=7.0
    )
    path, arguments = trigger.serialize()
    assert path == "braze_provider.triggers.wait.WaitTrigger"
    assert WaitTrigger(**arguments).serialize() == trigger.serialize()
