"""Tasks are killed at random moments while they send: no recipient is sent to twice, and none is lost."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import psutil
import pytest
from airflow_harness import AIRFLOW_VERSION
from process.airflow_api import FINISHED, DagRun, TaskInstance
from process.airflow_cluster import AirflowCluster, TaskProcess
from process.deliveries import CONCURRENCY, CUSTOMERS, LATENCY, PER_REQUEST, REQUESTS, Inbox, Received

pytestmark = pytest.mark.process

RUNS = 20
MAX_KILLS = 2
# A sudden death leaves at most one second's work in doubt, at up to twice the average pace.
WINDOW = 2 * PER_REQUEST * CONCURRENCY / LATENCY

HAS_NO_MARK = AIRFLOW_VERSION < (3, 3)
"""Whether Airflow has no task state store. Only the store can tell that a task has never opened a ledger."""

SUDDEN = {"SIGKILL": TaskProcess.kill, "loss of the machine": TaskProcess.vanish}
KILLS = {"SIGTERM": TaskProcess.terminate, **SUDDEN}

LEDGERS = ["sends_with_sql"]
if AIRFLOW_VERSION >= (3, 3):
    LEDGERS += ["sends_with_task_state", "schedules_with_sql"]


@dataclass(frozen=True)
class Kill:
    """How a try should end, after how many requests of its Dag run, and how many seconds later."""

    how: str
    requests: int
    delay: float


@dataclass
class Story:
    """What should happen to one Dag run, and what did happen."""

    kills: list[Kill]
    """The ends of its first tries."""
    happened: list[str] = field(default_factory=list)
    run: DagRun | None = None
    received: Received = field(default_factory=Received)
    report: dict[str, int] = field(default_factory=dict)
    dispatch_ids: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.run}\n  {'; '.join(self.happened)}\n  {self.report}"


def _invent(chance: random.Random) -> Story:
    return Story(
        [
            Kill(
                how=chance.choices(list(KILLS), weights=[2, 2, 1])[0],
                requests=chance.randrange(REQUESTS),
                delay=chance.uniform(0, LATENCY),
            )
            for _ in range(chance.randint(1, MAX_KILLS))
        ]
    )


def _live(cluster: AirflowCluster, inbox: Inbox, dag_id: str, story: Story) -> Story:
    """Play a story."""
    run_id = cluster.trigger(dag_id)
    for try_number, kill in enumerate(story.kills, start=1):
        story.happened.append(_execute(kill, cluster, inbox, dag_id, run_id, try_number))
        if AIRFLOW_VERSION < (3, 1):
            _retry_by_hand(cluster, dag_id, run_id, try_number)
    story.run = cluster.wait(dag_id, run_id)
    story.received = inbox.of(run_id)
    with contextlib.suppress(KeyError):
        story.report = cluster.xcom(dag_id, run_id, "send")
        story.dispatch_ids = cluster.xcom(dag_id, run_id, "send", "dispatch_ids")
    return story


def _execute(
    kill: Kill, cluster: AirflowCluster, inbox: Inbox, dag_id: str, run_id: str, try_number: int
) -> str:
    """Kill a try at its time, and note what happened."""
    try:
        process = cluster.task_process(dag_id, run_id, "send", try_number=try_number)
        while process.is_running and inbox.of(run_id).requests < kill.requests:
            time.sleep(0.02)
        time.sleep(kill.delay)
        KILLS[kill.how](process)
    except ProcessLookupError:
        return "there was no such try"
    except psutil.NoSuchProcess:
        return "the task was done already"
    return f"{kill.how} after {inbox.of(run_id).requests} requests"


def _retry_by_hand(cluster: AirflowCluster, dag_id: str, run_id: str, try_number: int) -> None:
    """Clear a try that has failed: Airflow 3.0 does not retry a task that dies of a signal."""

    def settled() -> TaskInstance | None:
        task = cluster.run(dag_id, run_id).task("send")
        return task if task.try_number > try_number or task.state in FINISHED else None

    task = cluster.eventually(settled, f"try {try_number} has ended")
    if (task.state, task.try_number) == ("failed", try_number):
        cluster.wait(dag_id, run_id)
        cluster.clear(dag_id, run_id)


def _problems(story: Story) -> Iterator[str]:
    """The problems at the end of a story."""
    run, received, report = story.run, story.received, story.report
    if not report:
        yield "there is no report"
        return
    if HAS_NO_MARK and not report["recipients"] and not received.messages:
        # It was killed before it opened its ledger. Without a mark, that looks like a lost record.
        if run is None or run.state != "failed":
            yield "no recipient was sent to, and the run does not say so"
        return
    sent = report["sent"] + report["already_sent"]
    missing = CUSTOMERS - len(received.messages)
    sudden = [what for what in story.happened if what.startswith(tuple(SUDDEN))]
    if received.duplicates:
        yield f"{len(received.duplicates)} customers got it more than once"
    if sent + report["uncertain"] != CUSTOMERS:
        yield "some customers are neither sent to nor in doubt"
    if sent != received.under(story.dispatch_ids):
        yield f"under the dispatch ids on record, Braze sent to {received.under(story.dispatch_ids)}"
    if missing > report["uncertain"]:
        yield f"{missing} customers got nothing"
    if report["uncertain"] > len(sudden) * WINDOW:
        yield "more is in doubt than one window for each sudden death"
    if run is None or run.state != ("failed" if report["uncertain"] else "success"):
        yield "the run's state is not what the report says"


@pytest.mark.parametrize("dag_id", LEDGERS)
def test_killed_tasks_send_to_each_recipient_once(cluster, inbox, dag_id):
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    with ThreadPoolExecutor(cluster.runs_at_a_time) as threads:
        stories = list(
            threads.map(
                lambda story: _live(cluster, inbox, dag_id, story), [_invent(chance) for _ in range(RUNS)]
            )
        )

    failures = [
        "\n".join([*problems, str(story), cluster.task_log(dag_id, story.run.run_id, "send")])
        for story in stories
        if story.run is not None and (problems := list(_problems(story)))
    ]
    assert not failures, "\n\n".join([f"seed {seed}", *failures])
    killed = [what for story in stories for what in story.happened if " after " in what]
    assert len(killed) >= RUNS, killed
