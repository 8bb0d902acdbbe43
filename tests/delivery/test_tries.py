"""Tries, clears and copies of one task instance, with a real SQL ledger."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import pytest
from delivery.tries import (
    CLEARED,
    CLEARED_TWICE,
    CLEARED_WITHOUT_THE_RUN,
    CREATED_AGAIN,
    FIRST,
    RESUMED,
    RETRY,
    RETRY_AFTER_CLEAR,
)

from braze_provider.api.endpoints import CAMPAIGNS_TRIGGER_SEND
from braze_provider.api.errors import BrazeError
from braze_provider.delivery import lease
from braze_provider.delivery.delivery import Delivery
from braze_provider.delivery.failure import DeliveryError
from braze_provider.delivery.opening import LedgerGoneError, Try
from braze_provider.delivery.options import DeliveryOptions
from braze_provider.delivery.resume import SourceChangedError
from braze_provider.hooks.braze import BrazeHook
from braze_provider.ledger.base import Claim, DeliveryKey, LedgerLostError
from braze_provider.ledger.sql import SqlLedger
from braze_provider.recipients import InlineRecipients

pytestmark = pytest.mark.slow

sqlalchemy = pytest.importorskip("sqlalchemy")

KEY = DeliveryKey("d", "r", "t")


class Mark:
    """A mark as Airflow's task state store would keep it."""

    outlasts_clears = True
    ledger: str | None = None

    def read(self) -> str | None:
        return self.ledger

    def write(self, identity: str) -> None:
        self.ledger = identity


@pytest.fixture
def ledger_of(tmp_path):
    """Open the ledger as some copy of the task."""
    opened: list[SqlLedger] = []

    def open_as(owner: str, map_index: int = -1, keeps_recipients: bool = False) -> SqlLedger:
        engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'ledger.db'}")
        key = replace(KEY, map_index=map_index)
        opened.append(SqlLedger(engine, key, owner, keeps_recipients=keeps_recipients))
        return opened[-1]

    yield open_as
    for ledger in opened:
        ledger.close()


@pytest.fixture
def new_try(sandbox, ledger_of):
    """Make a delivery to 120 recipients, or to those that are named, with one request at a time."""
    names = (f"owner-{number}" for number in count())

    def make(
        which: Try = FIRST,
        recipients: int | Sequence[str] = 120,
        *,
        hook: BrazeHook | None = None,
        mark: Mark | None = None,
        map_index: int = -1,
        campaign_id: str = "c",
        **options: Any,
    ):
        keeps_recipients = options.get("on_source_change") == "send_rest"
        delivery = Delivery(
            hook=hook or BrazeHook(),
            endpoint=CAMPAIGNS_TRIGGER_SEND,
            options=DeliveryOptions(concurrency=1, **options),
            log=logging.getLogger("test.tries"),
            ledger=ledger_of(next(names), map_index, keeps_recipients),
            this_try=replace(which, mapped=map_index >= 0),
            mark=mark,  # type: ignore[arg-type]
        )
        who = [f"p{number}" for number in range(recipients)] if isinstance(recipients, int) else recipients
        source = InlineRecipients(who, key="external_user_id")
        delivery.run = partial(delivery.run, {"campaign_id": campaign_id}, source)  # type: ignore[method-assign]
        return delivery

    return make


# A delivery that has finished -------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [RETRY, CLEARED, CLEARED_WITHOUT_THE_RUN, CREATED_AGAIN])
@pytest.mark.parametrize("map_index", [-1, 0])
def test_a_finished_delivery_to_the_same_recipients_sends_nothing_again(sandbox, new_try, which, map_index):
    new_try(map_index=map_index).run()

    report = new_try(which, map_index=map_index).run()

    assert (report.recipients, report.already_sent, report.sent, report.requests) == (120, 120, 0, 0)
    assert sandbox.summary()["requests"] == 3


@pytest.mark.parametrize("which", [CLEARED, CLEARED_WITHOUT_THE_RUN, CREATED_AGAIN])
@pytest.mark.parametrize("recipients", [20, 100, 119, 170])
def test_other_or_more_recipients_after_the_end_fail(sandbox, new_try, which, recipients):
    new_try().run()

    with pytest.raises(SourceChangedError, match=f"names {recipients} recipients now; 120 were sent to"):
        new_try(which, recipients).run()

    assert sandbox.summary()["requests"] == 3


def test_a_delivery_that_ended_empty_starts_over_with_recipients(sandbox, new_try):
    assert new_try(recipients=0).run().recipients == 0

    assert new_try(CLEARED).run().sent == 120


def test_its_ids_are_still_known(new_try):
    first, second = new_try(), new_try(CLEARED)
    first.run()
    second.run()

    assert second.ids(10) == first.ids(10)


# Starting over ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resend", [True, "after the outage"])
@pytest.mark.parametrize("which", [CLEARED, CLEARED_WITHOUT_THE_RUN, CREATED_AGAIN])
def test_resend_sends_to_all_recipients_once_more(sandbox, new_try, resend, which):
    new_try().run()

    assert new_try(which, resend=resend).run().sent == 120
    assert new_try(replace(which, try_number=which.try_number + 1), resend=resend).run().already_sent == 120


def test_resend_starts_over_once_for_each_clear(sandbox, new_try):
    new_try().run()
    sandbox.fault("disconnect", processed=True, after=1, times=1)

    with pytest.raises(DeliveryError):
        new_try(CLEARED, resend=True).run()
    with pytest.raises(DeliveryError):
        new_try(RETRY_AFTER_CLEAR, resend=True).run()

    # The first try made three requests, and the second one three. For the retry only held batches were left.
    assert sandbox.summary()["requests"] == 6
    assert new_try(CLEARED_TWICE, resend=True).run().sent == 120


@pytest.mark.parametrize("resend", [True, "from the start"])
def test_resend_without_a_clear_changes_nothing(new_try, resend):
    new_try(resend=resend).run()

    assert new_try(RETRY, resend=resend).run().already_sent == 120


# Batches in doubt -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("on_uncertain", "requests", "sent"), [("accept", 0, 50), ("resend", 1, 50)])
def test_another_value_of_on_uncertain_settles_held_batches(sandbox, new_try, on_uncertain, requests, sent):
    sandbox.fault("disconnect", processed=True, after=1, times=1)
    with pytest.raises(DeliveryError):
        new_try().run()

    report = new_try(CLEARED, on_uncertain=on_uncertain).run()

    assert (report.requests, report.sent, report.already_sent, report.uncertain) == (requests, sent, 70, 0)


def test_held_batches_stay_held_until_then(sandbox, new_try):
    sandbox.fault("disconnect", processed=True, after=1, times=1)
    with pytest.raises(DeliveryError):
        new_try().run()

    second = new_try(RETRY)
    with pytest.raises(DeliveryError, match="50 recipients in doubt"):
        second.run()
    assert second.report.requests == 0
    assert not second.may_be_retried


# A lost record ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [RETRY, CLEARED, CLEARED_WITHOUT_THE_RUN, RESUMED])
def test_a_record_that_may_be_lost_stops_every_try(sandbox, new_try, which):
    later = which
    for _ in range(3):
        with pytest.raises(LedgerGoneError, match="resend=True"):
            new_try(later).run()
        later = replace(later, try_number=later.try_number + 1, max_tries=later.max_tries + 1)
    assert sandbox.requests() == []


def test_only_resend_starts_over_without_a_record(sandbox, new_try):
    with pytest.raises(LedgerGoneError):
        new_try(CLEARED).run()

    assert new_try(CLEARED_TWICE, resend=True).run().sent == 120


def test_the_mark_shows_that_a_record_is_lost(sandbox, new_try):
    mark = Mark()
    new_try(mark=mark).begin()
    assert mark.ledger is not None
    mark.ledger = "sql:another"

    with pytest.raises(LedgerGoneError, match="another ledger"):
        new_try(RETRY, mark=mark).run()
    assert sandbox.requests() == []


@pytest.mark.parametrize("which", [RETRY, CLEARED, CLEARED_WITHOUT_THE_RUN])
def test_a_first_try_that_opened_no_ledger_can_be_repeated(new_try, which):
    assert new_try(which, mark=Mark()).run().sent == 120


# A changed source -------------------------------------------------------------------------------------------


def recipients(*numbers: int) -> list[str]:
    return [f"p{number}" for number in numbers]


def test_a_refused_campaign_can_be_corrected(sandbox, new_try):
    sandbox.fault("status", status=400, times=3)
    with pytest.raises(DeliveryError):
        new_try(campaign_id="mistyped").run()

    assert new_try(CLEARED).run().sent == 120


@pytest.mark.parametrize("on_empty", ["succeed", "skip", "fail"])
@pytest.mark.parametrize("status", [400, 500])
def test_a_source_that_was_not_empty_at_an_earlier_try_fails(sandbox, new_try, on_empty, status):
    sandbox.fault("status", status=status, times=100)
    with pytest.raises(DeliveryError):
        new_try(recipients=10).run()

    with pytest.raises(SourceChangedError, match="names no recipients now"):
        new_try(CLEARED, 0, on_empty=on_empty).run()


@pytest.mark.parametrize("held", ["hold", "accept"])
def test_send_rest_sends_to_recipients_without_a_record(sandbox, new_try, held):
    sandbox.fault("disconnect", processed=True, after=1, times=1)
    with pytest.raises(DeliveryError):
        new_try(recipients=recipients(*range(100)), on_source_change="send_rest").run()

    # One recipient that was sent to has left the source, and one in doubt. Twenty are new.
    second = new_try(
        RETRY,
        recipients(*range(1, 99), *range(200, 220)),
        on_source_change="send_rest",
        on_uncertain=held,
    )
    if held == "hold":
        with pytest.raises(DeliveryError, match="50 recipients in doubt"):
            second.run()
    else:
        second.run()

    report = second.report
    assert report.recipients == 120
    assert (report.already_sent, report.requests) == (50, 1)
    assert (report.sent, report.uncertain) == ((20, 50) if held == "hold" else (70, 0))
    assert sandbox.summary()["duplicates"] == 0
    assert len(sandbox.recipients()) == 120


def test_send_rest_goes_on_after_another_change(sandbox, new_try):
    first = new_try(recipients=recipients(*range(100)), on_source_change="send_rest")
    first.run()
    new_try(CLEARED, recipients(*range(50, 130)), on_source_change="send_rest").run()
    report = new_try(CLEARED_TWICE, recipients(*range(140)), on_source_change="send_rest").run()

    assert (report.recipients, report.already_sent, report.sent) == (140, 130, 10)
    assert sandbox.summary()["duplicates"] == 0
    assert len(sandbox.recipients()) == 140


def test_send_rest_leaves_the_unchanged_source_alone(sandbox, new_try):
    new_try(on_source_change="send_rest").run()

    assert new_try(CLEARED, on_source_change="send_rest").run().requests == 0


def test_send_rest_refuses_another_campaign(sandbox, new_try):
    new_try(on_source_change="send_rest").run()

    with pytest.raises(SourceChangedError, match="The campaign, segment or audience is another one"):
        new_try(CLEARED, on_source_change="send_rest", campaign_id="other").run()
    assert sandbox.summary()["requests"] == 3


def test_send_rest_refuses_a_record_without_recipients(sandbox, new_try):
    new_try().run()

    with pytest.raises(BrazeError, match="has not kept the recipients of batch 1"):
        new_try(CLEARED, 100, on_source_change="send_rest").run()
    assert sandbox.summary()["requests"] == 3


def test_send_rest_refuses_to_resend_to_recipients_it_can_not_find(sandbox, new_try):
    sandbox.fault("disconnect", processed=True, after=1, times=1)
    with pytest.raises(DeliveryError):
        new_try(on_source_change="send_rest").run()

    with pytest.raises(SourceChangedError, match="can't find the 50 recipients in doubt"):
        new_try(CLEARED, 110, on_source_change="send_rest", on_uncertain="resend").run()


# A mapped list that expands again ---------------------------------------------------------------------------


def test_a_group_that_has_moved_is_not_sent_again(sandbox, new_try):
    new_try(recipients=recipients(*range(50)), map_index=0).run()
    new_try(recipients=recipients(*range(50, 100)), map_index=1).run()
    later = replace(FIRST, run_started_at="2999-01-01T00:00:00+00:00")

    for _ in range(2):
        with pytest.raises(SourceChangedError, match="was sent by map index 1 of this task"):
            new_try(later, recipients(*range(50, 100)), map_index=2).run()
    assert sandbox.summary()["duplicates"] == 0
    assert new_try(later, recipients(*range(100, 150)), map_index=3).run().sent == 50


def test_a_group_that_has_moved_in_a_running_run_is_not_sent_again(sandbox, new_try):
    new_try(map_index=0).run()

    with pytest.raises(SourceChangedError, match="was sent by map index 0 of this task"):
        new_try(replace(FIRST, clear_number=1), map_index=1).run()
    assert sandbox.summary()["duplicates"] == 0


def test_groups_of_one_expansion_may_send_to_the_same_recipients(new_try):
    new_try(map_index=0).run()

    assert new_try(map_index=1).run().sent == 120


# Copies -----------------------------------------------------------------------------------------------------


class Overtaken(BrazeHook):
    """A hook whose first request takes so long that another copy of the task starts."""

    def __init__(self, start_other: Any) -> None:
        super().__init__()
        self._start_other = start_other

    def call(self, *args: Any, **kwargs: Any) -> Any:
        answer = super().call(*args, **kwargs)
        if self._start_other is not None:
            start_other, self._start_other = self._start_other, None
            start_other()
        return answer


def test_the_older_of_two_live_copies_stops_and_nothing_is_sent_twice(sandbox, new_try):
    younger = new_try(RETRY)
    errors: list[DeliveryError] = []

    def start_younger() -> None:
        try:
            younger.run()
        except DeliveryError as error:
            errors.append(error)

    older = new_try(hook=Overtaken(start_younger))

    with pytest.raises(LedgerLostError):
        older.run()

    assert sandbox.summary()["duplicates"] == 0
    # The younger copy could not know the outcomes of the older copy's claims.
    assert [error.report.uncertain for error in errors] == [50]
    assert younger.report.sent == 70


def test_a_copy_that_slept_during_a_takeover_sends_nothing_more(sandbox, new_try, monkeypatch):
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.2)

    def sleep_while_the_younger_runs() -> None:
        with pytest.raises(DeliveryError):
            new_try(RETRY).run()
        time.sleep(0.2)

    with pytest.raises(LedgerLostError):
        new_try(hook=Overtaken(sleep_while_the_younger_runs)).run()

    assert sandbox.summary()["duplicates"] == 0
    assert len(sandbox.recipients()) == 120


def test_a_copy_that_wakes_up_after_the_end_sends_nothing(sandbox, new_try):
    zombie = new_try()
    zombie.begin()
    new_try(RETRY).run()

    with pytest.raises(LedgerLostError):
        zombie.ledger.write([], [Claim(0, 50, "f")])
    with pytest.raises(LedgerLostError):
        new_try().run()
    assert sandbox.summary()["requests"] == 3
