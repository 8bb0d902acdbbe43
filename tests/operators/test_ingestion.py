"""Syncs of Cloud Data Ingestion on real Airflow: each is started once, whatever happens in between."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk import DAG

from braze_provider.api.errors import BrazeValidationError
from braze_provider.hooks.braze import BrazeHook
from braze_provider.operators.ingestion import CdiSyncOperator
from braze_provider.sandbox import Integration

pytestmark = pytest.mark.dag

SYNC = "/cdi/integrations/{integration_id}/sync"
STATUS = "/cdi/integrations/{integration_id}/job_sync_status"
each_way = pytest.mark.parametrize("deferrable", [False, True], ids=["in its slot", "deferrable"])


@pytest.fixture
def sync(run_dag):
    def run(**arguments: Any) -> Any:
        with DAG("d", schedule=None) as dag:
            CdiSyncOperator(
                task_id="t",
                **{
                    "integration_id": "i",
                    "poll_interval": 0.1,
                    "timeout": 60,
                    "retry_delay": 0,
                    **arguments,
                },
            )
        return run_dag(dag)

    return run


def starts(sandbox) -> int:
    return sum(request["endpoint"] == SYNC for request in sandbox.requests())


@each_way
def test_it_waits_until_the_sync_is_done_and_returns_its_figures(braze, sync, deferrable):
    sandbox = braze(integrations=[Integration(id="i", rows_synced=7)])

    result = sync(deferrable=deferrable)

    assert result.state == "success", result.log
    found = result.xcom("t")
    assert (found["job_status"], found["rows_synced"], found["rows_failed"]) == ("success", 7, 0)
    assert found["sync_start_time"] == sandbox.jobs()["syncs"][0]["sync_start_time"]
    assert starts(sandbox) == 1


def test_it_does_not_take_an_older_sync_for_its_own(braze, sync):
    sandbox = braze()
    BrazeHook().cdi_integrations_sync("i")
    sandbox.advance(hours=1)

    result = sync()

    first, second = sandbox.jobs()["syncs"]
    assert first["sync_start_time"] < result.xcom("t")["sync_start_time"] == second["sync_start_time"]


def test_it_finds_its_sync_on_whatever_page_it_is(braze, sync):
    sandbox = braze()
    for _ in range(12):
        BrazeHook().cdi_integrations_sync("i")
        sandbox.advance(minutes=1)

    assert sync().xcom("t")["sync_start_time"] == sandbox.jobs()["syncs"][12]["sync_start_time"]


def test_it_does_not_wait_if_told_so(braze, sync):
    sandbox = braze(job_seconds=3_600)

    assert sync(wait_for_completion=False).state == "success"
    assert [one["job_status"] for one in sandbox.jobs()["syncs"]] == ["running"]


# Crashes ----------------------------------------------------------------------------------------------------


@each_way
@pytest.mark.parametrize(
    ("name", "requests"),
    [("cdi_integrations_sync", 1), ("cdi_integrations_job_sync_status", 2)],
    ids=["after the start", "while it waits"],
)
def test_a_killed_task_goes_on_waiting_for_its_sync(
    braze, sync, dies_after, notes, name, requests, deferrable
):
    sandbox = braze()
    dies_after(name, requests=requests)

    result = sync(retries=1, deferrable=deferrable)

    assert result.state == "success", result.log
    assert result.task("t").try_number == 2
    assert starts(sandbox) == 1


def test_a_killed_task_finds_its_sync_also_if_that_has_ended_meanwhile(braze, sync, dies_after, notes):
    sandbox = braze()
    dies_after("cdi_integrations_sync")

    result = sync(retries=1, on_retry_callback=lambda context: sandbox.advance(hours=1))

    assert (result.state, starts(sandbox)) == ("success", 1), result.log


def test_a_task_killed_before_the_start_starts_it(braze, sync, dies_after, notes):
    sandbox = braze()
    dies_after("cdi_integrations_job_sync_status")

    result = sync(retries=1)

    assert (result.state, starts(sandbox)) == ("success", 1), result.log


@each_way
def test_a_lost_answer_starts_no_second_sync(braze, sync, deferrable):
    sandbox = braze()
    sandbox.fault("disconnect", endpoint=SYNC, processed=True)

    result = sync(deferrable=deferrable)

    assert result.state == "success", result.log
    assert starts(sandbox) == 1


def test_a_lost_request_is_made_again(braze, sync):
    sandbox = braze()
    sandbox.fault("disconnect", endpoint=SYNC, processed=False)

    result = sync()

    assert result.state == "success", result.log
    assert (starts(sandbox), len(sandbox.jobs()["syncs"])) == (2, 1)


def test_a_refusal_after_a_lost_answer_means_that_the_sync_runs(braze, sync):
    sandbox = braze()
    sandbox.fault("disconnect", endpoint=SYNC, processed=True)
    # It is not listed yet when the task looks whether it has begun.
    sandbox.fault("status", endpoint=STATUS, status=500, after=1, times=1)

    result = sync(if_running="fail")

    assert result.state == "success", result.log
    assert (starts(sandbox), len(sandbox.jobs()["syncs"])) == (2, 1)


def test_a_retry_does_not_take_an_older_sync_that_runs_for_its_own(
    braze, sync, dies_after, notes, monkeypatch
):
    # The other sync began ten minutes before the Dag run.
    sandbox = braze(clock_offset=-600, job_seconds=700)
    BrazeHook().cdi_integrations_sync("i")
    sandbox.advance(seconds=540)
    dies_after("cdi_integrations_job_sync_status", requests=2)
    real = BrazeHook.call

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        sandbox.advance(seconds=15)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(BrazeHook, "call", call)

    result = sync(retries=1)

    assert result.state == "success", result.log
    first, second = sandbox.jobs()["syncs"]
    assert result.xcom("t")["sync_start_time"] == second["sync_start_time"] >= first["sync_finish_time"]


def test_a_read_that_fails_before_the_start_is_repeated(braze, sync):
    sandbox = braze()
    sandbox.fault("status", endpoint=STATUS, status=502, times=2)

    result = sync()

    assert (result.state, starts(sandbox)) == ("success", 1), result.log


def test_many_requests_without_an_answer_fail_the_task(braze, sync):
    sandbox = braze()
    sandbox.fault("disconnect", endpoint=SYNC, processed=False, times=None)

    result = sync()

    assert "It is not known whether Braze has started it" in result.log
    assert starts(sandbox) == 6


# Another sync -----------------------------------------------------------------------------------------------


@each_way
def test_it_waits_for_another_sync_and_then_starts_its_own(braze, sync, deferrable):
    sandbox = braze()
    BrazeHook().cdi_integrations_sync("i")

    result = sync(deferrable=deferrable)

    assert result.state == "success", result.log
    first, second = sandbox.jobs()["syncs"]
    assert result.xcom("t")["sync_start_time"] == second["sync_start_time"] >= first["sync_finish_time"]


def test_it_fails_at_once_if_another_sync_runs_and_it_is_told_to(braze, sync):
    sandbox = braze()
    BrazeHook().cdi_integrations_sync("i")

    result = sync(if_running="fail", retries=3)

    assert result.state == "failed"
    assert "Another job is in progress" in result.log
    assert starts(sandbox) == 2


def test_a_rate_limit_is_no_other_sync(braze, sync):
    sandbox = braze()
    sandbox.fault("rate_limited", endpoint=SYNC, reset_after=1)

    result = sync(if_running="fail")

    assert result.state == "success", result.log
    assert starts(sandbox) == 2


# Ends -------------------------------------------------------------------------------------------------------


@each_way
@pytest.mark.parametrize("ends", ["error", "config_error", "partial"])
def test_a_sync_that_fails_fails_the_task_without_a_retry(braze, sync, ends, deferrable):
    sandbox = braze(integrations=[Integration(id="i", ends=ends, rows_failed=3)])

    result = sync(retries=3, deferrable=deferrable)

    assert (result.state, starts(sandbox)) == ("failed", 1)
    assert f": {ends}, " in result.log
    assert "3 failed" in result.log


def test_a_partial_sync_succeeds_if_told_so(braze, sync):
    braze(integrations=[Integration(id="i", ends="partial", rows_failed=3)])

    result = sync(on_partial="succeed")

    assert result.state == "success", result.log
    assert result.xcom("t")["rows_failed"] == 3


@each_way
def test_the_end_of_the_time_tells_what_was_last_seen(braze, sync, deferrable):
    braze(job_seconds=3_600)

    result = sync(timeout=0.5, retries=3, deferrable=deferrable)

    assert result.state == "failed"
    assert result.task("t").try_number == 1
    assert "Waited longer than the timeout" in result.log
    assert ": running" in str(result.task("t").error)


def test_an_unknown_integration_fails_at_once(braze, sync):
    braze(integrations=["other"])

    result = sync(retries=3)

    assert (result.state, result.task("t").try_number) == ("failed", 1)
    assert "Integration not found" in result.log


# Bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "mistake"),
    [
        ({"integration_id": "a/b"}, "integration_id: is part of a path: a slash"),
        ({"integration_id": ""}, "integration_id: is required"),
        ({"if_running": "join"}, "if_running: must be `wait` or `fail`"),
        ({"on_partial": "skip"}, "on_partial: must be `fail` or `succeed`"),
        (
            {"timeout": None},
            "timeout: must be a number of seconds or a timedelta, above 0: a wait needs an end",
        ),
        ({"timeout": float("inf")}, "timeout: must be a number of seconds"),
        ({"timeout": 0}, "timeout: must be a number of seconds"),
        ({"poll_interval": 0}, "poll_interval: must be a number of seconds"),
    ],
)
def test_a_bad_argument_is_named_at_dag_parse(arguments, mistake):
    with pytest.raises(BrazeValidationError, match=mistake):
        CdiSyncOperator(task_id="t", **{"integration_id": "i", **arguments})


def test_a_rendered_id_with_a_slash_is_refused_before_the_first_request(braze, sync):
    sandbox = braze()

    result = sync(integration_id="{{ 'a/b' }}")

    assert "integration_id: is part of a path: a slash" in result.log
    assert sandbox.requests() == []
