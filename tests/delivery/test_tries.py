"""One task instance's tries, clears and copies, with a real SQL ledger between them."""

from __future__ import annotations

import logging
import time
from functools import partial
from typing import Any

import pytest

from braze_provider.api.endpoints import CAMPAIGNS_TRIGGER_SEND
from braze_provider.delivery import lease
from braze_provider.delivery.delivery import (
    Attempt,
    Delivery,
    DeliveryError,
    DeliveryOptions,
    LedgerGoneError,
)
from braze_provider.delivery.ledger.base import Claim, DeliveryKey, LedgerLostError
from braze_provider.delivery.ledger.sql import SqlLedger
from braze_provider.delivery.resume import SourceChangedError
from braze_provider.hooks.braze import BrazeHook
from braze_provider.recipients import InlineRecipients

sqlalchemy = pytest.importorskip("sqlalchemy")

KEY = DeliveryKey("d", "r", "t")


@pytest.fixture
def ledger_of(tmp_path):
    """Open the ledger as some copy of the task."""
    opened: list[SqlLedger] = []

    def open_as(owner: str) -> SqlLedger:
        engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'ledger.db'}")
        opened.append(SqlLedger(engine, KEY, owner))
        return opened[-1]

    yield open_as
    for ledger in opened:
        ledger.close()


@pytest.fixture
def attempt(sandbox, ledger_of):
    """Make a delivery to 120 people, one request at a time."""

    def make(
        owner: str,
        hook: BrazeHook | None = None,
        try_number: int = 1,
        clears: int = 0,
        people: int = 120,
        **options: Any,
    ):
        resumed, mapped = options.pop("resumed", False), options.pop("mapped", False)
        delivery = Delivery(
            hook=hook or BrazeHook(),
            endpoint=CAMPAIGNS_TRIGGER_SEND,
            options=DeliveryOptions(concurrency=1, **options),
            log=logging.getLogger("test.tries"),
            ledger=ledger_of(owner),
            attempt=Attempt(try_number, clears, resumed, mapped),
        )
        source = InlineRecipients([f"p{number}" for number in range(people)], key="external_user_id")
        delivery.run = partial(delivery.run, {"campaign_id": "c"}, source)  # type: ignore[method-assign]
        return delivery

    return make


def test_a_finished_delivery_sends_nothing_again(sandbox, attempt):
    attempt("first").run()

    report = attempt("second", try_number=2, clears=1).run()

    assert (report.recipients, report.already_sent, report.sent, report.requests) == (120, 120, 0, 0)
    assert sandbox.summary()["requests"] == 3


def test_a_finished_delivery_does_not_read_its_source_again(sandbox, attempt):
    attempt("first").run()

    second = attempt("second", try_number=2, clears=1, people=0)

    assert not second.begin()
    assert second.run().already_sent == 120


@pytest.mark.parametrize("clears", [0, 1])
def test_a_finished_mapped_task_sends_nothing_again_either(sandbox, attempt, clears):
    attempt("first", mapped=True).run()

    report = attempt("second", try_number=2, clears=clears, mapped=True).run()

    assert (report.recipients, report.already_sent, report.requests) == (120, 120, 0)
    assert sandbox.summary()["requests"] == 3


@pytest.mark.parametrize("people", [20, 100, 119, 170])
def test_other_people_in_the_place_of_a_finished_mapped_task_are_no_success(sandbox, attempt, people):
    attempt("first", mapped=True).run()

    with pytest.raises(SourceChangedError, match="mapped list has expanded differently"):
        attempt("second", try_number=2, clears=1, people=people, mapped=True).run()

    assert sandbox.summary()["requests"] == 3


def test_a_finished_mapped_task_that_airflow_runs_once_more_does_not_read_its_source(sandbox, attempt):
    attempt("first", mapped=True).run()

    assert attempt("second", try_number=2, people=0, mapped=True).run().already_sent == 120


def test_its_dispatch_ids_are_still_known(sandbox, attempt):
    first, second = attempt("first"), attempt("second", try_number=2, clears=1)
    first.run()
    second.run()

    assert second.dispatch_ids(10) == first.dispatch_ids(10)


def test_resend_starts_over_once_for_each_clear(sandbox, attempt):
    attempt("first").run()
    sandbox.fault("disconnect", processed=True, after=1, times=1)

    with pytest.raises(DeliveryError):
        attempt("second", try_number=2, clears=1, resend=True).run()
    with pytest.raises(DeliveryError):
        attempt("its retry", try_number=3, clears=1, resend=True).run()

    # Three requests of the first try, three of the second; the retry had nothing left but what is held.
    assert sandbox.summary()["requests"] == 6


def test_resend_without_a_clear_changes_nothing(sandbox, attempt):
    attempt("first", resend=True).run()

    assert attempt("second", try_number=2, resend=True).run().already_sent == 120


@pytest.mark.parametrize(("on_uncertain", "requests", "sent"), [("accept", 0, 50), ("resend", 1, 50)])
def test_what_is_held_is_settled_by_another_value_of_on_uncertain(
    sandbox, attempt, on_uncertain, requests, sent
):
    sandbox.fault("disconnect", processed=True, after=1, times=1)
    with pytest.raises(DeliveryError):
        attempt("first").run()

    report = attempt("second", try_number=2, clears=1, on_uncertain=on_uncertain).run()

    assert (report.requests, report.sent, report.already_sent, report.uncertain) == (requests, sent, 70, 0)


def test_what_is_held_stays_held_until_then(sandbox, attempt):
    sandbox.fault("disconnect", processed=True, after=1, times=1)
    with pytest.raises(DeliveryError):
        attempt("first").run()

    second = attempt("second", try_number=2)
    with pytest.raises(DeliveryError, match="50 recipients are in doubt"):
        second.run()
    assert second.report.requests == 0
    assert not second.may_be_retried


@pytest.mark.parametrize("which", [{"try_number": 2, "clears": 1}, {"resumed": True}])
def test_a_ledger_that_should_be_there_and_is_not_stops_everything(sandbox, attempt, which):
    with pytest.raises(LedgerGoneError, match="resend=True"):
        attempt("second", **which).run()
    assert sandbox.requests() == []


@pytest.mark.parametrize(
    "which", [{"try_number": 2}, {"clears": 1}, {"try_number": 2, "clears": 1, "resend": True}]
)
def test_a_ledger_that_need_not_be_there_stops_nothing(sandbox, attempt, which):
    assert attempt("second", **which).run().sent == 120


class Overtaken(BrazeHook):
    """A hook whose first request takes so long that another copy of the task starts meanwhile."""

    def __init__(self, start_other: Any) -> None:
        super().__init__()
        self._start_other = start_other

    def call(self, *args: Any, **kwargs: Any) -> Any:
        answer = super().call(*args, **kwargs)
        if self._start_other is not None:
            start_other, self._start_other = self._start_other, None
            start_other()
        return answer


def test_of_two_live_copies_the_older_one_stops_and_nobody_is_sent_to_twice(sandbox, attempt):
    younger = attempt("younger", try_number=2)
    errors: list[DeliveryError] = []

    def start_younger() -> None:
        try:
            younger.run()
        except DeliveryError as error:
            errors.append(error)

    older = attempt("older", hook=Overtaken(start_younger))

    with pytest.raises(LedgerLostError):
        older.run()

    assert sandbox.summary()["duplicates"] == 0
    # What the older one had claimed, the younger one could not know the end of.
    assert [error.report.uncertain for error in errors] == [100]
    assert younger.report.sent == 20


def test_of_what_a_copy_had_claimed_it_sends_nothing_once_another_one_has_taken_over(
    sandbox, attempt, monkeypatch
):
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.2)

    def sleep_while_the_younger_runs() -> None:
        with pytest.raises(DeliveryError):
            attempt("younger", try_number=2).run()
        time.sleep(0.2)

    with pytest.raises(LedgerLostError):
        attempt("older", hook=Overtaken(sleep_while_the_younger_runs)).run()

    # The older one had claimed two batches, and one of them was on its way.
    assert len(sandbox.recipients()) == 50 + 20


def test_a_zombie_that_wakes_up_after_its_successor_has_finished_sends_nothing(sandbox, attempt, ledger_of):
    zombie = attempt("zombie")
    zombie.ledger.open(clear_number=0)
    attempt("successor", try_number=2).run()

    with pytest.raises(LedgerLostError):
        zombie.ledger.write([], [Claim(0, 50, "f")])
    assert sandbox.summary()["requests"] == 3
