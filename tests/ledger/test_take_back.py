"""What was sent can be taken back, in each ledger: its batch is in doubt or open again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from ledger import sql_ledger_helpers as sql
from ledger import task_state_ledger_helpers as task_state

from braze_provider.ledger.base import LedgerLostError, State
from braze_provider.ledger.memory import MemoryLedger
from braze_provider.ledger.task_state import TaskStateLedger

REPORT = {"recipients": 100}


def _opened(ledger: Any, decide: Any) -> Any:
    ledger.head = ledger.open(decide)
    return ledger


class _Durable:
    """The tests of a durable ledger. ``opened`` gives a function that opens it as another copy."""

    def test_a_batch_that_was_sent_by_an_earlier_try_is_open_again(self, opened):
        copy, help_ = opened
        first = copy("first")
        first.write([], help_.claims(0, 1))
        first.write([help_.settled(0), help_.settled(1)], [])
        second = copy("second")
        assert list(second.write([], help_.claims(0))) == []

        second.take_back([replace(help_.settled(0), state=State.FAILED, ids={}, reason="was deleted")])

        assert help_.states(second) == {0: State.FAILED, 1: State.SENT}
        (taken_back, _) = second.receipts()
        assert (taken_back.ids, taken_back.reason) == ({}, "was deleted")
        assert list(second.write([], help_.claims(0, 1))) == [0]
        second.write([help_.settled(0)], [])
        assert help_.states(copy("third")) == {0: State.SENT, 1: State.SENT}

    def test_a_finished_delivery_is_open_again(self, opened):
        copy, help_ = opened
        first = copy("first")
        first.write([], help_.claims(0))
        first.write([help_.settled(0)], [])
        first.finish(REPORT)
        second = copy("second")
        assert second.head.finished

        second.take_back([replace(help_.settled(0), state=State.UNCERTAIN)])

        third = copy("third")
        assert (third.head.finished, third.head.report) == (False, None)
        assert help_.states(third) == {0: State.UNCERTAIN}

    def test_a_copy_that_has_lost_the_ledger_takes_nothing_back(self, opened):
        copy, help_ = opened
        first = copy("first")
        first.write([], help_.claims(0))
        first.write([help_.settled(0)], [])
        second = copy("second")

        with pytest.raises(LedgerLostError):
            first.take_back([replace(help_.settled(0), state=State.FAILED)])

        assert help_.states(second) == {0: State.SENT}

    def test_it_can_be_taken_back_twice(self, opened):
        copy, help_ = opened
        first = copy("first")
        first.write([], help_.claims(0))
        first.write([help_.settled(0)], [])

        for state in (State.UNCERTAIN, State.UNCERTAIN, State.FAILED, State.FAILED):
            first.take_back([replace(help_.settled(0), state=state)])
            assert help_.states(first) == {0: state}


class TestSql(_Durable):
    @pytest.fixture
    def opened(self, sql_database: sql.Database) -> Any:
        return lambda owner: _opened(sql_database.ledger(owner), sql.goes_on), sql


class TestTaskState(_Durable):
    @pytest.fixture
    def opened(self, task_state_store: task_state.Store) -> Any:
        return lambda owner: _opened(
            TaskStateLedger(task_state_store, owner), task_state.opening()
        ), task_state


def test_a_store_that_can_not_be_written_to_keeps_a_finished_delivery(task_state_store, monkeypatch):
    first = _opened(TaskStateLedger(task_state_store, "first"), task_state.opening())
    first.write([], task_state.claims(0))
    first.write([task_state.settled(0)], [])
    first.finish(REPORT)

    def fail(verb: str, key: str) -> None:
        if verb == "set":
            raise task_state.Killed

    task_state_store.on_call = fail
    with pytest.raises(task_state.Killed):
        first.take_back([task_state.settled(0, State.FAILED)])
    task_state_store.on_call = lambda verb, key: None

    second = _opened(TaskStateLedger(task_state_store, "second"), task_state.opening())
    assert second.head.finished
    assert task_state.states(second) == {0: State.SENT}


def test_the_ledger_in_memory_replaces_the_receipt():
    ledger = MemoryLedger()
    one = sql.settled(0)
    ledger.write([one], [])

    ledger.take_back([replace(one, state=State.FAILED)])

    assert [found.state for found in ledger.receipts()] == [State.FAILED]
