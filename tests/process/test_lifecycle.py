"""What Airflow does to tasks that are killed, lost, cleared or marked. Resuming relies on this."""

from __future__ import annotations

import importlib.metadata

import pytest
from airflow_harness import AIRFLOW_VERSION

pytestmark = pytest.mark.process

heartbeats_lost = pytest.mark.skipif(
    importlib.metadata.version("apache-airflow") == "3.4.0b2",
    reason="Airflow 3.4.0b2's scheduler dies when a task with retries has lost its heartbeat",
)


def test_a_dag_runs_to_its_end(cluster, journals):
    run_id = cluster.trigger("waits_without_retries")
    process = cluster.task_process("waits_without_retries", run_id, "wait")
    journals.let_go_on(run_id)

    run = cluster.wait("waits_without_retries", run_id)

    assert run.state == "success"
    assert run.task("wait").try_number == 1
    assert cluster.xcom("waits_without_retries", run_id, "wait") == {"pid": process.task.pid}
    assert journals.of(run_id) == ["try 1: begins", "try 1: ends"]
    assert not process.is_running


def test_a_killed_task_is_retried(cluster, journals):
    run_id = cluster.trigger("waits_with_retries")
    process = cluster.task_process("waits_with_retries", run_id, "wait")
    _until(cluster, journals, run_id, "try 1: begins")
    process.kill()
    journals.let_go_on(run_id)

    run = cluster.wait("waits_with_retries", run_id)

    if AIRFLOW_VERSION < (3, 1):  # On that version, the supervisor reports a failure that is never retried.
        assert (run.state, run.task("wait").try_number) == ("failed", 1)
        cluster.clear("waits_with_retries", run_id)
        run = cluster.wait("waits_with_retries", run_id)
    assert (run.state, run.task("wait").try_number) == ("success", 2)
    assert journals.of(run_id) == ["try 1: begins", "try 2: begins", "try 2: ends"]


def test_a_terminated_task_runs_on_kill_and_ends_by_itself(cluster, journals):
    run_id = cluster.trigger("waits_without_retries")
    process = cluster.task_process("waits_without_retries", run_id, "wait")
    _until(cluster, journals, run_id, "try 1: begins")
    process.terminate()

    run = cluster.wait("waits_without_retries", run_id)

    assert run.state == "failed"
    assert journals.of(run_id) == ["try 1: begins", "try 1: on_kill"]
    assert "RuntimeError" in cluster.task_log("waits_without_retries", run_id, "wait")


def test_a_task_lost_with_its_supervisor_is_retried(cluster, journals):
    run_id = cluster.trigger("waits_with_retries")
    process = cluster.task_process("waits_with_retries", run_id, "wait")
    _until(cluster, journals, run_id, "try 1: begins")
    process.vanish()
    journals.let_go_on(run_id)

    run = cluster.wait("waits_with_retries", run_id)

    assert (run.state, run.task("wait").try_number) == ("success", 2)
    assert journals.of(run_id) == ["try 1: begins", "try 2: begins", "try 2: ends"]


@heartbeats_lost
def test_a_task_without_heartbeats_gets_a_second_copy_and_may_wake_up(cluster, journals):
    run_id = cluster.trigger("waits_with_retries")
    first = cluster.task_process("waits_with_retries", run_id, "wait")
    _until(cluster, journals, run_id, "try 1: begins")
    first.freeze()
    second = cluster.task_process("waits_with_retries", run_id, "wait", try_number=2)
    _until(cluster, journals, run_id, "try 2: begins")

    first.task.resume()  # Its supervisor still sleeps, and can't tell it to end.
    journals.let_go_on(run_id)
    _until(cluster, journals, run_id, "try 1: ends")
    run = cluster.wait("waits_with_retries", run_id)
    first.thaw()

    assert first.task.pid != second.task.pid
    assert (run.state, run.task("wait").try_number) == ("success", 2)
    events = [event for event in journals.of(run_id) if not event.endswith("on_kill")]
    assert sorted(events) == ["try 1: begins", "try 1: ends", "try 2: begins", "try 2: ends"]
    # Either copy's XComs may remain: the first one's replace the second's if they are written later.
    assert cluster.xcom("waits_with_retries", run_id, "wait")["pid"] in (first.task.pid, second.task.pid)


@heartbeats_lost
def test_a_task_that_wakes_up_with_its_supervisor_is_told_to_end(cluster, journals):
    run_id = cluster.trigger("waits_with_retries")
    first = cluster.task_process("waits_with_retries", run_id, "wait")
    _until(cluster, journals, run_id, "try 1: begins")
    first.freeze()
    cluster.task_process("waits_with_retries", run_id, "wait", try_number=2)

    first.thaw()
    cluster.eventually(lambda: not first.is_running, "the first copy has ended")
    journals.let_go_on(run_id)
    run = cluster.wait("waits_with_retries", run_id)

    assert "try 1: on_kill" in journals.of(run_id)
    assert "try 1: ends" not in journals.of(run_id)
    assert (run.state, run.task("wait").try_number) == ("success", 2)


@pytest.mark.parametrize("task_id", ["wait", None])
def test_a_failed_and_a_finished_task_run_again_when_cleared(cluster, journals, task_id):
    run_id = cluster.trigger("waits_without_retries")
    process = cluster.task_process("waits_without_retries", run_id, "wait")
    _until(cluster, journals, run_id, "try 1: begins")
    process.terminate()
    assert cluster.wait("waits_without_retries", run_id).state == "failed"

    journals.let_go_on(run_id)
    for try_number in (2, 3):
        cluster.clear("waits_without_retries", run_id, task_id)
        run = cluster.wait("waits_without_retries", run_id)
        assert (run.state, run.task("wait").try_number) == ("success", try_number)


@pytest.mark.skipif(
    AIRFLOW_VERSION < (3, 1),
    reason="Airflow 3.0 stops the task and leaves it in the state 'restarting' for good",
)
def test_a_running_task_that_is_cleared_is_stopped_and_runs_again(cluster, journals):
    run_id = cluster.trigger("waits_with_retries")
    first = cluster.task_process("waits_with_retries", run_id, "wait")
    _until(cluster, journals, run_id, "try 1: begins")

    cluster.clear("waits_with_retries", run_id, "wait")
    _until(cluster, journals, run_id, "try 2: begins")
    journals.let_go_on(run_id)
    run = cluster.wait("waits_with_retries", run_id)

    assert run.state == "success"
    assert "try 1: on_kill" in journals.of(run_id)
    assert not first.is_running


def test_a_running_task_that_is_marked_failed_is_stopped(cluster, journals):
    run_id = cluster.trigger("waits_with_retries")
    process = cluster.task_process("waits_with_retries", run_id, "wait")
    _until(cluster, journals, run_id, "try 1: begins")

    cluster.mark_failed("waits_with_retries", run_id, "wait")
    run = cluster.wait("waits_with_retries", run_id)
    cluster.eventually(lambda: not process.is_running, "the task has ended")

    assert (run.state, run.task("wait").try_number) == ("failed", 1)
    assert journals.of(run_id) == ["try 1: begins", "try 1: on_kill"]


def test_a_task_that_takes_too_long_runs_on_kill_and_fails(cluster, journals):
    run_id = cluster.trigger("times_out")

    run = cluster.wait("times_out", run_id)

    assert run.state == "failed"
    assert journals.of(run_id) == ["try 1: begins", "try 1: on_kill"]


def test_a_deferred_task_comes_back_in_the_same_try(cluster, journals):
    run_id = cluster.trigger("defers")

    run = cluster.wait("defers", run_id)

    assert (run.state, run.task("defer").try_number) == ("success", 1)
    assert journals.of(run_id) == ["try 1: defers", "try 1: is back"]
    assert cluster.xcom("defers", run_id, "defer") == "done"


def _until(cluster, journals, run_id, event):
    cluster.eventually(lambda: event in journals.of(run_id), f"{run_id} told {event!r}")
