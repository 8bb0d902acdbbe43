"""What a task that starts a job makes of clears, of stops, and of notes that it can't read."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest

from braze_provider.api.errors import BrazeError
from braze_provider.hooks.braze import BrazeHook
from braze_provider.ledger.base import Counters, LedgerLostError
from braze_provider.operators.duplicates import CampaignDuplicateOperator
from braze_provider.operators.ingestion import CdiSyncOperator
from braze_provider.tasks.jobs import FORMAT, JobNote, JobNotes

NOTE = JobNote({"after": None}, Counters(1, 0, "2026-01-01"), 5.0, is_accepted=True)


class Store(dict):
    """Airflow's task state store."""

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def context_of(store):
    """The context of a try. Airflow counts a clear by raising ``max_tries``."""

    def make(try_number: int = 1, *, clears: int = 0) -> Any:
        ti = SimpleNamespace(
            dag_id="d", run_id="r", task_id="t", map_index=-1, try_number=try_number, max_tries=clears
        )
        dag_run = SimpleNamespace(start_date=pendulum.now("UTC"), clear_number=clears)
        return {"ti": ti, "dag_run": dag_run, "task_state_store": store}

    start_date = pendulum.now("UTC")

    def with_one_start(*args: Any, **kwargs: Any) -> Any:
        context = make(*args, **kwargs)
        context["dag_run"].start_date = start_date
        return context

    return with_one_start


def sync(**arguments: Any) -> CdiSyncOperator:
    return CdiSyncOperator(
        task_id="t", **{"integration_id": "i", "poll_interval": 0.05, "timeout": 30, **arguments}
    )


def run(operator: Any, context: Any) -> Any:
    """Run a task's code as Airflow does, without its checks of who calls it."""
    return type(operator).execute.__wrapped__(operator, context)


def syncs(sandbox) -> int:
    return len(sandbox.jobs()["syncs"])


@pytest.fixture(autouse=True)
def quick(sandbox, monkeypatch):
    """Let each look take a minute of the sandbox's clock, so that jobs end while a task waits."""
    real = BrazeHook.call

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        answer = real(self, *args, **kwargs)
        if quick_clock.runs:
            sandbox.advance(seconds=4)
        return answer

    quick_clock = SimpleNamespace(runs=True)
    monkeypatch.setattr(BrazeHook, "call", call)
    return quick_clock


# Clears -----------------------------------------------------------------------------------------------------


def test_a_cleared_task_whose_job_is_done_starts_another(sandbox, context_of):
    run(sync(), context_of())
    run(sync(), context_of(2, clears=1))

    assert syncs(sandbox) == 2


def test_a_retry_after_the_job_is_done_starts_no_other(sandbox, context_of):
    first = run(sync(), context_of())

    assert run(sync(), context_of(2)) == first
    assert syncs(sandbox) == 1


def test_a_cleared_task_goes_on_with_a_job_that_still_runs(sandbox, context_of, quick):
    quick.runs = False
    with pytest.raises(Exception, match="Waited longer"):
        run(sync(timeout=0.1), context_of())
    quick.runs = True

    run(sync(), context_of(2, clears=1))

    assert syncs(sandbox) == 1


def test_a_cleared_task_does_not_take_a_job_that_ended_after_it_gave_up(sandbox, context_of, quick):
    quick.runs = False
    with pytest.raises(Exception, match="Waited longer"):
        run(sync(timeout=0.1), context_of())
    quick.runs = True
    sandbox.advance(days=7)

    run(sync(), context_of(2, clears=1))

    assert syncs(sandbox) == 2


def test_a_cleared_task_with_another_argument_starts_its_own_job(sandbox, context_of, quick):
    quick.runs = False
    with pytest.raises(Exception, match="Waited longer"):
        run(sync(timeout=0.1), context_of())
    quick.runs = True

    run(sync(integration_id="other"), context_of(2, clears=1))

    assert [one["integration_id"] for one in sandbox.jobs()["syncs"]] == ["i", "other"]


def test_a_retry_goes_on_with_the_job_whatever_its_templates_give_now(sandbox, context_of, quick):
    def copy(name: str, timeout: float) -> CampaignDuplicateOperator:
        return CampaignDuplicateOperator(
            task_id="t", campaign_id="c", name=name, poll_interval=0.05, timeout=timeout
        )

    quick.runs = False
    with pytest.raises(Exception, match="Waited longer"):
        run(copy("Copy of 10:00", 0.1), context_of())
    quick.runs = True

    assert run(copy("Copy of 10:05", 30), context_of(2))
    assert [one["endpoint"] for one in sandbox.requests()].count("/campaigns/duplicate") == 1


def test_a_cleared_task_takes_a_copy_whose_id_nobody_has_got(sandbox, context_of, quick):
    def copy(timeout: float) -> CampaignDuplicateOperator:
        return CampaignDuplicateOperator(
            task_id="t", campaign_id="c", name="Copy", poll_interval=0.05, timeout=timeout
        )

    quick.runs = False
    with pytest.raises(Exception, match="Waited longer"):
        run(copy(0.1), context_of())
    sandbox.advance(minutes=5)

    assert run(copy(30), context_of(2, clears=1))
    assert [one["endpoint"] for one in sandbox.requests()].count("/campaigns/duplicate") == 1


# Stops ------------------------------------------------------------------------------------------------------


def test_a_stopped_task_ends_its_wait_and_tells_what_it_has_seen(sandbox, context_of, quick, caplog):
    quick.runs = False
    operator = sync(poll_interval=60, timeout=3_600)
    real = CdiSyncOperator.look

    def stopping(*args: Any, **kwargs: Any) -> Any:
        seen = real(*args, **kwargs)
        operator.on_kill()
        return seen

    class Stopped(CdiSyncOperator):
        look = staticmethod(stopping)

    operator.__class__ = Stopped

    with pytest.raises(BrazeError, match=r"was stopped while it waited\. Last seen: the sync of .*: running"):
        run(operator, context_of())


def test_a_task_that_airflow_has_ended_starts_nothing(sandbox, context_of, store, monkeypatch):
    def ended(self: Any, note: Any) -> None:
        raise LedgerLostError("Airflow has ended this try")

    monkeypatch.setattr(JobNotes, "write", ended)

    with pytest.raises(LedgerLostError):
        run(sync(), context_of())
    assert syncs(sandbox) == 0


def test_a_note_that_can_not_be_kept_after_the_start_is_a_warning(sandbox, context_of, monkeypatch):
    real, writes = JobNotes.write, []

    def failing(self: Any, note: Any) -> None:
        writes.append(note)
        if len(writes) > 1:
            raise BrazeError("the store is down")
        real(self, note)

    monkeypatch.setattr(JobNotes, "write", failing)

    assert run(sync(), context_of())["job_status"] == "success"


# Notes ------------------------------------------------------------------------------------------------------


def test_a_note_is_read_as_it_was_written(store):
    notes = JobNotes({"task_state_store": store})  # type: ignore[typeddict-item]
    notes.write(NOTE)

    assert notes.read() == NOTE
    notes.write(None)
    assert notes.read() is None
    notes.close()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"format": FORMAT + 1}, "written by a newer release"),
        ({"format": FORMAT, "facts": {}}, "can't be read"),
        ("note", "can't be read"),
    ],
)
def test_a_note_that_can_not_be_read_starts_nothing(sandbox, context_of, store, value, reason):
    store["braze-job"] = {"note": value}

    with pytest.raises(BrazeError, match=reason):
        run(sync(), context_of())
    assert sandbox.requests() == []
