"""Later actions of a user, on a whole Airflow: settle a doubt, repeat past runs, clear a mapped list."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from airflow_harness import AIRFLOW_VERSION

pytestmark = pytest.mark.process

RECIPIENTS = 120

LEDGERS = ["sql", "task_state"] if AIRFLOW_VERSION >= (3, 3) else ["sql"]

# On 3.4, a clear in the UI empties the task state store unless this is ticked.
KEEPING: dict[str, Any] = {"keep_task_state": True} if AIRFLOW_VERSION >= (3, 4) else {}


@pytest.fixture(autouse=True)
def no_faults(braze):
    yield
    braze.clear_faults()


@pytest.mark.parametrize("ledger", LEDGERS)
@pytest.mark.parametrize(("answer", "sent_again"), [("accept", 0), ("resend", 50)])
def test_a_clear_with_another_on_uncertain_settles_the_doubt(
    cluster, braze, inbox, ledger, answer, sent_again
):
    dag_id = f"settles_with_{ledger}"
    braze.fault("disconnect", processed=True, after=1, times=1)
    run_id = cluster.trigger(dag_id)
    assert cluster.wait(dag_id, run_id).state == "failed"
    assert cluster.xcom(dag_id, run_id, "send")["uncertain"] == 50

    cluster.clear(dag_id, run_id, "send", **KEEPING)
    assert (
        cluster.wait(dag_id, run_id).state == "failed"
    )  # The user has not decided, and time alone settles nothing.
    cluster.set_variable(f"on_uncertain_{run_id}", answer)
    cluster.clear(dag_id, run_id, "send", **KEEPING)
    run = cluster.wait(dag_id, run_id)

    report = cluster.xcom(dag_id, run_id, "send")
    assert run.state == "success"
    assert (report["sent"], report["already_sent"], report["uncertain"]) == (50, RECIPIENTS - 50, 0)
    messages = inbox.of(f"{dag_id}/{run_id}").messages
    assert len(messages) == RECIPIENTS
    assert messages.total() == RECIPIENTS + sent_again


@pytest.mark.skipif(AIRFLOW_VERSION < (3, 4), reason="Airflow keeps the state of cleared tasks before 3.4")
def test_a_finished_task_without_its_state_sends_nothing(cluster, inbox):
    dag_id = "settles_with_task_state"
    run_id = cluster.trigger(dag_id)
    assert cluster.wait(dag_id, run_id).state == "success"

    cluster.clear(dag_id, run_id, "send", keep_task_state=False)
    run = cluster.wait(dag_id, run_id)

    assert run.state == "failed"
    assert "there is no record of what earlier tries of this task have sent" in cluster.task_log(
        dag_id, run_id, "send"
    )
    assert inbox.of(f"{dag_id}/{run_id}").messages.total() == RECIPIENTS


def test_a_reprocessing_backfill_sends_nothing_again(cluster, braze, inbox):
    dag_ids = [f"backfills_with_{ledger}" for ledger in LEDGERS]
    # One of the runs has a batch in doubt.
    braze.fault("disconnect", processed=True, after=1, times=1)

    first = cluster.backfill(dag_ids, "2026-01-01", "2026-01-02")
    again = cluster.backfill(dag_ids, "2026-01-01", "2026-01-02", reprocess="completed")

    assert [(run.dag_id, run.run_id, run.state) for run in first] == [
        (run.dag_id, run.run_id, run.state) for run in again
    ]
    assert sorted(run.state for run in again) == ["failed", *["success"] * (len(again) - 1)]
    for run in again:
        assert run.task("send").try_number == 2
        assert cluster.xcom(run.dag_id, run.run_id, "send")["requests"] == 0
        messages = inbox.of(f"{run.dag_id}/{run.run_id}").messages
        assert (len(messages), messages.total()) == (RECIPIENTS, RECIPIENTS)


@pytest.mark.parametrize("ledger", LEDGERS)
def test_a_changed_mapped_list_stops_where_it_differs_after_a_clear(cluster, inbox, ledger):
    dag_id = f"maps_with_{ledger}"
    run_id = cluster.trigger(dag_id)
    assert cluster.wait(dag_id, run_id).state == "success"

    cluster.set_variable(f"regions_{run_id}", "north,west,south")
    cluster.clear(dag_id, run_id, "people_by_region", **KEEPING)
    run = cluster.wait(dag_id, run_id)

    # South has moved from map index 1 to 2. Only a SQL ledger can look at other map indexes.
    knows_map_indexes = ledger == "sql"
    states = [run.task("send", place).state for place in range(3)]
    assert states == ["success", "failed", "failed" if knows_map_indexes else "success"]
    assert "mapped list has expanded differently" in cluster.task_log(dag_id, run_id, "send", 1)
    messages = inbox.of(f"{dag_id}/{run_id}").messages
    regions = Counter[str]()
    for name, count in messages.items():
        regions[name.rpartition("/")[2].partition("-")[0]] += count
    assert regions == {"north": RECIPIENTS, "south": RECIPIENTS if knows_map_indexes else 2 * RECIPIENTS}
