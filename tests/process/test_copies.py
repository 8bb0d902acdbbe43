"""A copy of a task sleeps while Airflow takes it for dead. It wakes up beside or after its successor."""

from __future__ import annotations

import importlib.metadata
import time

import pytest
from airflow_harness import AIRFLOW_VERSION
from process.deliveries import CUSTOMERS, LATENCY, REQUESTS

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        importlib.metadata.version("apache-airflow") == "3.4.0b2",
        reason="Airflow 3.4.0b2's scheduler dies when a task with retries has lost its heartbeat",
    ),
]

LEDGERS = ["sends_with_sql"]
if AIRFLOW_VERSION >= (3, 3):
    LEDGERS.append("sends_with_task_state")

AWAKE_SECONDS = 5.0
"""Seconds for which the copy is awake without its supervisor, which would tell it to end."""


@pytest.mark.parametrize("dag_id", LEDGERS)
@pytest.mark.parametrize("successor", ["sends", "has ended"])
def test_a_copy_that_wakes_up_sends_nothing_more(cluster, inbox, dag_id, successor):
    run_id = cluster.trigger(dag_id)
    first = cluster.task_process(dag_id, run_id, "send")
    cluster.eventually(lambda: inbox.of(run_id).requests > REQUESTS // 4, "the first copy sends")
    first.freeze()
    time.sleep(4 * LATENCY)  # The requests under way arrive.
    before = len(inbox.of(run_id).messages)
    cluster.task_process(dag_id, run_id, "send", try_number=2)
    if successor == "sends":
        cluster.eventually(lambda: len(inbox.of(run_id).messages) > before, "the second copy sends")
    else:
        cluster.wait(dag_id, run_id)

    first.task.resume()
    time.sleep(AWAKE_SECONDS)
    first.thaw()
    run = cluster.wait(dag_id, run_id)
    cluster.eventually(lambda: not first.is_running, "the first copy has ended")

    received, report = inbox.of(run_id), cluster.xcom(dag_id, run_id, "send")
    assert run.task("send").try_number == 2
    assert received.duplicates == {}
    # The second copy sends everything else. The first one does not send the batches that it had only claimed.
    assert len(received.messages) == before + report["sent"]
    assert report["sent"] + report["already_sent"] + report["uncertain"] == CUSTOMERS
