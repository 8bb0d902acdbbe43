"""The mark says that a delivery was opened, and in which ledger."""

from __future__ import annotations

import json

import pytest
from airflow_harness import AIRFLOW_VERSION
from ledger.task_state_ledger_helpers import ServerError, Store

from braze_provider.api.errors import BrazeError
from braze_provider.ledger import mark
from braze_provider.ledger.base import LedgerLostError
from braze_provider.ledger.mark import OpenedMark


@pytest.fixture
def opened(task_state_store: Store):
    one = OpenedMark(task_state_store)
    yield one
    one.close()


def test_there_is_no_mark_before_anything_was_opened(opened: OpenedMark):
    assert opened.read() is None


def test_a_later_try_reads_in_which_ledger_it_was_last_opened(task_state_store: Store, opened: OpenedMark):
    opened.write("sql of another task")
    opened.write("task-state")

    assert OpenedMark(task_state_store).read() == "task-state"
    assert json.loads(task_state_store.values["braze-ledger.opened"]) == {"format": 1, "ledger": "task-state"}


def test_a_refused_opening_leaves_no_mark(task_state_store: Store, opened: OpenedMark):
    task_state_store.values["braze-ledger.0.taken"] = "true"

    assert opened.read() is None


def test_a_delivery_of_an_older_release_counts_without_a_mark(task_state_store: Store, opened: OpenedMark):
    task_state_store.values["braze-ledger.head"] = '{"format": 1, "session": 0, "owner": "A"}'

    assert opened.read() == "task-state"
    opened.write("sql")
    assert opened.read() == "sql"


def test_a_mark_of_a_newer_format_is_refused(task_state_store: Store, opened: OpenedMark, monkeypatch):
    monkeypatch.setattr(mark, "FORMAT", 2)
    opened.write("task-state")
    monkeypatch.undo()

    with pytest.raises(BrazeError, match=r"newer release .* \(format 2, and this one knows 1\)"):
        opened.read()


@pytest.mark.parametrize("value", ["text", 7, {}, {"format": "1", "ledger": "x"}, {"format": 1}])
def test_a_mark_that_cannot_be_read_is_an_error(task_state_store: Store, opened: OpenedMark, value):
    task_state_store.values["braze-ledger.opened"] = json.dumps(value)

    with pytest.raises(BrazeError, match="can't be read"):
        opened.read()


def test_a_failure_of_the_store_is_handled_as_in_the_ledger(task_state_store: Store, opened: OpenedMark):
    errors: list[ServerError] = []

    def fail(verb: str, key: str) -> None:
        if errors:
            raise errors.pop()

    task_state_store.on_call = fail
    errors += [ServerError(503)] * 2
    opened.write("task-state")
    errors += [ServerError(503)] * 2
    assert opened.read() == "task-state"
    errors += [ServerError(503)] * 3
    with pytest.raises(BrazeError, match="can't be written"):
        opened.write("sql")
    errors += [ServerError(410)]
    with pytest.raises(LedgerLostError):
        opened.write("sql")


@pytest.mark.skipif(AIRFLOW_VERSION < (3, 3), reason="Airflow has a task state store since 3.3")
def test_it_outlasts_clears_if_airflow_keeps_task_state_in_clears(opened: OpenedMark):
    from airflow.api_fastapi.core_api.datamodels.task_instances import ClearTaskInstancesBody

    assert opened.outlasts_clears is ("keep_task_state" not in ClearTaskInstancesBody.model_fields)


def test_it_does_not_outlast_a_success_that_deletes_it(opened: OpenedMark, monkeypatch):
    monkeypatch.setenv("AIRFLOW__STATE_STORE__CLEAR_ON_SUCCESS", "True")

    assert opened.outlasts_clears is False
