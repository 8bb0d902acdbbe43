"""A task that schedules and then fails for good leaves no schedule behind, on real Airflow."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import airflow_harness
import pendulum
import pytest
from airflow.sdk import DAG, XComArg

from braze_provider.api.errors import BrazeValidationError
from braze_provider.delivery.sender import MAX_ATTEMPTS, Sender
from braze_provider.operators.schedules import (
    CampaignScheduleOperator,
    CanvasScheduleOperator,
    MessagesScheduleOperator,
    ScheduleDeleteOperator,
)
from braze_provider.tasks import calls, undo
from braze_provider.tasks.send import BrazeSendOperator

pytestmark = pytest.mark.dag

LATER = pendulum.now("UTC").add(hours=2).replace(microsecond=0).isoformat()
RUN = pendulum.datetime(2026, 1, 5)
PUSH = {"apple_push": {"alert": "Hello"}}
each_kind = pytest.mark.parametrize(
    ("operator", "what"),
    [
        (MessagesScheduleOperator, {"messages": PUSH}),
        (CampaignScheduleOperator, {"campaign_id": "c"}),
        (CanvasScheduleOperator, {"canvas_id": "c"}),
    ],
)
CREATION = "/campaigns/trigger/schedule/create"
DELETION = "/campaigns/trigger/schedule/delete"


def recipients(count: int) -> list[dict[str, str]]:
    return [{"external_user_id": f"u{number}"} for number in range(count)]


def schedule_dag(operator: Any = CampaignScheduleOperator, **arguments: Any) -> DAG:
    with DAG("d", schedule=None) as dag:
        operator(
            task_id="t",
            **{
                **({"campaign_id": "c"} if operator is CampaignScheduleOperator else {}),
                "recipients": recipients(220),
                "time": LATER,
                "concurrency": 1,
                "delete_on_failure": True,
                "retry_delay": timedelta(0),
                **arguments,
            },
        )
    return dag


def states(sandbox: Any) -> list[str]:
    return [one["state"] for one in sandbox.schedules()]


def deletions(sandbox: Any) -> int:
    return sum(request["endpoint"].endswith("/delete") for request in sandbox.requests())


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch) -> None:
    """Let the attempts follow each other without a wait."""
    monkeypatch.setitem(Sender.__init__.__kwdefaults__, "first_backoff", 0.001)
    monkeypatch.setattr(calls, "FIRST_BACKOFF", 0.001)


@pytest.fixture
def ledger(tmp_path, monkeypatch) -> dict[str, Any]:
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "ledger.db")}
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps(connection))
    return {"ledger_conn_id": "ledger"}


@pytest.fixture(params=["sql", "task state store", "memory"])
def any_ledger(request, ledger) -> dict[str, Any]:
    if request.param == "sql":
        return ledger
    if (request.param == "memory") == (airflow_harness.AIRFLOW_VERSION < (3, 3)):
        return {}
    pytest.skip("Airflow has a task state store from 3.3 on, and then always uses it")


@pytest.fixture
def cancel_after(monkeypatch) -> Callable[[int], None]:
    """A function that lets Airflow cancel the task once it has sent a number of batches."""
    running: list[BrazeSendOperator] = []
    make, send = BrazeSendOperator._make_delivery, Sender.send
    left = [0]

    def record(self: BrazeSendOperator, *args: Any, **kwargs: Any) -> Any:
        running.append(self)
        return make(self, *args, **kwargs)

    def send_and_cancel(self: Sender, *args: Any) -> Any:
        settled = send(self, *args)
        left[0] -= 1
        if left[0] == 0:
            running[-1].on_kill()
        return settled

    monkeypatch.setattr(BrazeSendOperator, "_make_delivery", record)
    monkeypatch.setattr(Sender, "send", send_and_cancel)

    def arm(batches: int) -> None:
        left[0] = batches

    return arm


# It deletes -------------------------------------------------------------------------------------------------


@each_kind
def test_a_rejected_part_takes_back_the_rest(run_dag, sandbox, ledger, operator, what):
    sandbox.fault("status", status=400, message="Bad Request", after=2, times=1)

    result = run_dag(schedule_dag(operator, retries=2, **what, **ledger))

    assert result.state == "failed"
    assert states(sandbox) == ["cancelled"] * 4
    assert len(result.task("t").attempts) == 1, "a retry would be rejected too"
    error = str(result.task("t").error)
    assert "50 recipients rejected" in error
    assert "4 schedules deleted (delete_on_failure)" in error
    report = result.xcom("t")
    assert (report["sent"], report["failed"], report["rejected"], report["recipients"]) == (0, 170, 50, 220)
    assert result.xcom("t", "schedule_ids") == []


def test_every_ledger_lets_the_task_delete(run_dag, sandbox, any_ledger):
    sandbox.fault("status", status=400, message="Bad Request", after=2, times=1)

    assert run_dag(schedule_dag(**any_ledger)).state == "failed"

    assert states(sandbox) == ["cancelled"] * 4


def test_without_it_the_schedules_stand(run_dag, sandbox, ledger):
    sandbox.fault("status", status=400, message="Bad Request", after=2, times=1)

    assert run_dag(schedule_dag(delete_on_failure=False, **ledger)).state == "failed"

    assert states(sandbox) == ["waiting"] * 4


def test_a_broadcast_is_taken_back_if_the_task_fails_after_it(run_dag, sandbox, ledger, monkeypatch):
    def refuse(*args: Any) -> None:
        raise RuntimeError("no XCom")

    monkeypatch.setattr(BrazeSendOperator, "_push_ids", refuse)

    result = run_dag(schedule_dag(recipients=None, broadcast=True, **ledger))

    assert result.state == "failed"
    assert states(sandbox) == ["cancelled"]
    assert result.xcom("t")["failed"] == 1


def test_nothing_is_deleted_before_a_retry_which_goes_on(run_dag, sandbox, ledger):
    sandbox.fault("status", status=500, after=2, times=MAX_ATTEMPTS)

    result = run_dag(schedule_dag(retries=1, **ledger))

    assert result.state == "success", result.log
    assert "a retry goes on with what was scheduled" in result.log
    assert (states(sandbox), deletions(sandbox)) == (["waiting"] * 5, 0)


def test_the_last_retry_deletes_what_all_tries_have_scheduled(run_dag, sandbox, ledger):
    sandbox.fault("status", status=500, endpoint=CREATION, after=2, times=MAX_ATTEMPTS)
    sandbox.fault("status", status=500, endpoint=CREATION, after=10, times=MAX_ATTEMPTS)

    result = run_dag(schedule_dag(retries=1, **ledger))

    assert (result.state, result.task("t").try_number) == ("failed", 2)
    assert states(sandbox) == ["cancelled"] * 4
    assert (result.xcom("t")["failed"], result.xcom("t")["already_sent"]) == (220, 0)
    assert "4 schedules deleted" in str(result.task("t").error)


@pytest.mark.skipif(airflow_harness.AIRFLOW_VERSION < (3, 3), reason="there are retry policies from 3.3 on")
def test_an_error_that_the_retry_policy_does_not_retry_deletes_at_once(run_dag, sandbox, ledger):
    sandbox.fault("status", status=500, endpoint=CREATION, after=2, times=MAX_ATTEMPTS)
    sandbox.fault("status", status=401, endpoint=CREATION, after=10, times=1)

    result = run_dag(schedule_dag(retries=2, **ledger))

    assert (result.state, result.task("t").try_number) == ("failed", 2)
    assert states(sandbox) == ["cancelled"] * 4


# Cancelled --------------------------------------------------------------------------------------------------


def test_a_cancelled_task_deletes_and_a_later_try_schedules_again(run_dag, sandbox, any_ledger, cancel_after):
    cancel_after(2)

    result = run_dag(schedule_dag(retries=1, **any_ledger))

    if not any_ledger and airflow_harness.AIRFLOW_VERSION < (3, 3):
        assert (result.state, states(sandbox)) == ("failed", ["cancelled"] * 2)
        return
    assert result.state == "success", result.log
    assert states(sandbox) == ["cancelled"] * 2 + ["waiting"] * 5
    assert len(result.xcom("t", "schedule_ids")) == 5
    sandbox.advance(hours=3)
    assert sorted(map(len, sandbox.recipients().values())) == [1] * 220


def test_a_task_that_is_cancelled_after_its_last_request_deletes_too(run_dag, sandbox, ledger, cancel_after):
    cancel_after(5)

    result = run_dag(schedule_dag(**ledger))

    assert result.state == "failed"
    assert states(sandbox) == ["cancelled"] * 5
    assert "5 schedules deleted" in str(result.task("t").error)


def test_after_it_the_cleared_task_schedules_again(run_dag, sandbox, ledger, cancel_after):
    cancel_after(5)
    dag = schedule_dag(**ledger)
    assert run_dag(dag, logical_date=RUN).state == "failed"

    result = run_dag(dag, logical_date=RUN)

    assert result.state == "success", result.log
    assert states(sandbox) == ["cancelled"] * 5 + ["waiting"] * 5
    sandbox.advance(hours=3)
    assert sorted(map(len, sandbox.recipients().values())) == [1] * 220


def test_a_cancelled_task_without_it_leaves_its_schedules(run_dag, sandbox, ledger, cancel_after):
    cancel_after(5)

    assert run_dag(schedule_dag(delete_on_failure=False, **ledger)).state == "success"

    assert states(sandbox) == ["waiting"] * 5


# What it can't delete ---------------------------------------------------------------------------------------


def test_batches_without_an_id_are_held_and_counted(run_dag, sandbox, ledger):
    sandbox.fault("disconnect", processed=True, after=1, times=1)
    dag = schedule_dag(**ledger)

    result = run_dag(dag, logical_date=RUN)

    assert states(sandbox) == ["cancelled", "waiting", "cancelled", "cancelled", "cancelled"]
    assert "1 batch in doubt can't be deleted, because Braze gave no schedule id" in result.log
    assert (result.xcom("t")["uncertain"], result.xcom("t")["failed"]) == (50, 170)

    run_dag(dag, logical_date=RUN)  # It makes the others again, and deletes them again: one is still held.

    assert states(sandbox).count("waiting") == 1
    assert len(states(sandbox)) == 9


def test_a_lost_answer_to_a_deletion_is_followed_by_another_one(run_dag, sandbox, ledger, cancel_after):
    cancel_after(5)
    sandbox.fault("disconnect", processed=True, endpoint=DELETION, times=1)

    result = run_dag(schedule_dag(**ledger))

    assert "5 schedules deleted" in str(result.task("t").error)
    assert deletions(sandbox) == 6


def test_a_deletion_that_fails_is_named_and_held(run_dag, sandbox, ledger, cancel_after):
    cancel_after(5)
    sandbox.fault("status", status=400, message="Bad Request", endpoint=DELETION, after=1, times=1)
    dag = schedule_dag(**ledger)

    result = run_dag(dag, logical_date=RUN)

    error = str(result.task("t").error)
    (left,) = [one["schedule_id"] for one in sandbox.schedules() if one["state"] == "waiting"]
    assert f"In doubt, and held until a person decides: 1 schedule, {left}" in error
    assert "A schedule may still stand: " in error
    assert "Bad Request" in error
    assert result.xcom("t", "schedule_ids") == [left]

    result = run_dag(dag, logical_date=RUN)  # held, so it fails, and deletes again: this time, all of them

    assert result.state == "failed"
    assert "waiting" not in states(sandbox)
    assert run_dag(dag, logical_date=RUN).state == "success"


def test_a_key_that_may_not_delete_leaves_the_record_as_it_is(run_dag, sandbox, ledger, cancel_after):
    cancel_after(5)
    sandbox.fault("status", status=403, message="Access Denied", endpoint=DELETION, times=5)
    dag = schedule_dag(**ledger)

    result = run_dag(dag, logical_date=RUN)

    error = str(result.task("t").error)
    assert "Not deleted: 5 schedules" in error
    assert "campaigns.trigger.schedule.delete" in error
    sandbox.clear_faults()
    assert run_dag(dag, logical_date=RUN).xcom("t")["already_sent"] == 220
    assert states(sandbox) == ["waiting"] * 5


def test_what_is_deleted_shortly_before_the_time_stays_in_doubt(
    run_dag, sandbox, ledger, cancel_after, monkeypatch
):
    cancel_after(5)
    monkeypatch.setattr(undo, "LATE", pendulum.duration(hours=3))

    result = run_dag(schedule_dag(**ledger))

    assert states(sandbox) == ["cancelled"] * 5
    assert "A schedule was deleted, but perhaps after its time" in str(result.task("t").error)
    assert result.xcom("t")["uncertain"] == 220


def test_a_local_time_that_has_come_somewhere_leaves_doubt(run_dag, sandbox, ledger, cancel_after):
    cancel_after(5)
    time = pendulum.now("UTC").add(hours=13).naive().isoformat()

    result = run_dag(schedule_dag(time=time, in_local_time=True, **ledger))

    assert states(sandbox) == ["cancelled"] * 5
    assert result.xcom("t")["uncertain"] == 220


def test_what_has_been_sent_is_not_deleted_and_stays_on_record(
    run_dag, sandbox, ledger, cancel_after, monkeypatch
):
    cancel_after(5)
    monkeypatch.setattr(undo, "last_moment_of", lambda schedule: RUN)

    result = run_dag(schedule_dag(**ledger))

    assert "Nothing is deleted: the time of 5 schedules has passed" in str(result.task("t").error)
    assert (result.xcom("t")["sent"], deletions(sandbox)) == (220, 0)


def test_what_an_earlier_clear_made_of_another_source_is_deleted_but_held(run_dag, sandbox, ledger, tmp_path):
    assert run_dag(schedule_dag(**ledger), logical_date=RUN).state == "success"
    other_time = pendulum.now("UTC").add(days=3).isoformat()

    result = run_dag(schedule_dag(time=other_time, **ledger), logical_date=RUN)

    assert result.state == "failed"
    assert states(sandbox) == ["cancelled"] * 5
    assert "perhaps after its time" in str(result.task("t").error)
    again = run_dag(schedule_dag(time=LATER, delete_on_failure=False, **ledger), logical_date=RUN)
    assert (again.state, again.xcom("t")["uncertain"]) == ("failed", 220)
    assert len(states(sandbox)) == 5


def test_a_kill_in_the_middle_of_the_deletion_leaves_a_window_in_doubt(
    run_dag, sandbox, ledger, cancel_after, monkeypatch
):
    class Killed(BaseException):
        """SIGKILL: no code handles it."""

    def kill(*args: Any, **kwargs: Any) -> None:
        raise Killed

    cancel_after(5)
    with monkeypatch.context() as patch:
        patch.setattr("braze_provider.tasks.undo._Deletion._settle", kill)
        run_dag(schedule_dag(**ledger), logical_date=RUN)
    assert states(sandbox) == ["cancelled"] * 5

    result = run_dag(schedule_dag(delete_on_failure=False, **ledger), logical_date=RUN)

    assert (result.state, result.xcom("t")["uncertain"]) == ("failed", 220)
    assert len(states(sandbox)) == 5


# The other records ------------------------------------------------------------------------------------------


def test_the_file_of_unsent_recipients_names_those_of_deleted_schedules(run_dag, sandbox, ledger, tmp_path):
    sandbox.fault("status", status=400, message="Bad Request", after=2, times=1)
    path = tmp_path / "unsent.jsonl"

    run_dag(schedule_dag(unsent_path=str(path), **ledger))

    lines = [json.loads(line)["_unsent"] for line in path.read_text().splitlines()]
    assert len(lines) == 220
    by_state = {line["state"]: line["reason"] for line in lines}
    assert set(by_state) == {"rejected", "failed"}
    assert by_state["failed"].endswith("was deleted")


def test_the_file_of_receipts_says_that_they_were_deleted(run_dag, sandbox, ledger, tmp_path, cancel_after):
    cancel_after(5)
    path = tmp_path / "receipts.jsonl"

    run_dag(schedule_dag(receipts_path=str(path), **ledger))

    last = {line["index"]: line for line in map(json.loads, path.read_text().splitlines())}
    assert {line["state"] for line in last.values()} == {"failed"}


def test_the_ledger_keeps_the_schedules_id_in_the_reason(run_dag, sandbox, ledger, tmp_path, cancel_after):
    cancel_after(5)
    run_dag(schedule_dag(recipients=recipients(220), **ledger))

    with sqlite3.connect(tmp_path / "ledger.db") as db:
        reasons = [
            reason for (reason,) in db.execute("SELECT reason FROM braze_receipt ORDER BY batch_index")
        ]
    assert reasons == [f"its schedule {one['schedule_id']} was deleted" for one in sandbox.schedules()]


def test_a_dry_run_deletes_nothing(run_dag, sandbox, ledger, cancel_after):
    assert run_dag(schedule_dag(**ledger), logical_date=RUN).state == "success"
    sandbox.fault("status", status=401, times=1)

    assert run_dag(schedule_dag(dry_run=True, **ledger), logical_date=RUN).state == "failed"

    assert states(sandbox) == ["waiting"] * 5


def test_the_option_is_checked_at_dag_parse():
    with pytest.raises(BrazeValidationError, match="delete_on_failure: must be a Boolean, not 'yes'"):
        schedule_dag(delete_on_failure="yes")


def test_a_later_task_that_cancels_has_nothing_left_to_do(run_dag, sandbox, ledger, cancel_after):
    cancel_after(5)
    dag = schedule_dag(**ledger)
    with dag:
        ScheduleDeleteOperator(
            task_id="cancel",
            campaign_id="c",
            schedule_ids=XComArg(dag.get_task("t"), key="schedule_ids"),
            trigger_rule="one_failed",
        )

    result = run_dag(dag)

    assert (result.task("t").state, result.task("cancel").state) == ("failed", "success")
    assert deletions(sandbox) == 5
