"""Airflow with CeleryExecutor and two workers, as on two machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from process import services
from process.airflow_cluster import AirflowCluster
from process.deliveries import CUSTOMERS, LIMIT

pytestmark = pytest.mark.process

DAG_ID = "spreads"
TASKS = 8


@pytest.fixture(scope="module")
def celery_cluster(new_cluster: Callable[..., AirflowCluster]) -> Iterator[AirflowCluster]:
    pytest.importorskip("airflow.providers.celery")
    try:
        services.check_postgres()
        services.check_redis()
    except services.ServiceMissingError as error:
        pytest.skip(str(error))
    with new_cluster(executor="CeleryExecutor") as cluster:
        yield cluster


def test_mapped_tasks_spread_over_both_workers(celery_cluster, journals):
    run_id = celery_cluster.trigger(DAG_ID)
    processes = [celery_cluster.task_process(DAG_ID, run_id, "wait", map_index=n) for n in range(TASKS)]
    workers = {process.supervisor.ppid() for process in processes}
    journals.let_go_on(run_id)

    run = celery_cluster.wait(DAG_ID, run_id)

    assert run.state == "success"
    assert len(workers) == 2


def test_mapped_tasks_share_one_limit_by_the_slots_of_their_pool(celery_cluster, limited_braze):
    celery_cluster.set_pool("braze", TASKS)

    run_id = celery_cluster.trigger("shares_a_limit")
    run = celery_cluster.wait("shares_a_limit", run_id)

    assert run.state == "success"
    assert limited_braze.summary()["duplicates"] == 0
    assert len(limited_braze.recipient_keys()) == TASKS * CUSTOMERS
    requests = limited_braze.requests()
    refused = [request["received_at"] for request in requests if request["status"] == 429]
    first_window_ends = requests[0]["received_at"] + LIMIT.seconds
    assert [moment for moment in refused if moment > first_window_ends] == []

    by_part: dict[int, list[float]] = {}
    for request in requests:
        if request["status"] == 201:
            by_part.setdefault(request["body"]["trigger_properties"]["part"], []).append(
                request["received_at"]
            )
    # This counts only while all of them send: the other tasks do not get the share of a task that has ended.
    begins = max(moments[0] for moments in by_part.values())
    ends = min(moments[-1] for moments in by_part.values())
    sent = sum(begins <= moment <= ends for moments in by_part.values() for moment in moments)
    assert ends - begins > 3, "the tasks hardly ran side by side"
    share = sent / (ends - begins) * LIMIT.seconds / LIMIT.requests
    assert share >= 0.9


def test_a_task_killed_on_a_worker_is_retried(celery_cluster, journals):
    run_id = celery_cluster.trigger("waits_with_retries")
    process = celery_cluster.task_process("waits_with_retries", run_id, "wait")
    celery_cluster.eventually(lambda: "try 1: begins" in journals.of(run_id), "the task has begun")
    process.kill()
    journals.let_go_on(run_id)

    run = celery_cluster.wait("waits_with_retries", run_id)

    assert (run.state, run.task("wait").try_number) == ("success", 2)
