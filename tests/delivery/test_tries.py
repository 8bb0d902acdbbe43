"""One task instance's tries, clears and copies, with a real SQL ledger between them."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from typing import Any

import pytest
from delivery.attempts import (
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
from braze_provider.delivery.delivery import Delivery, DeliveryOptions
from braze_provider.delivery.failure import DeliveryError
from braze_provider.delivery.opening import Attempt, LedgerGoneError
from braze_provider.delivery.resume import SourceChangedError
from braze_provider.hooks.braze import BrazeHook
from braze_provider.ledger.base import Claim, DeliveryKey, LedgerLostError
from braze_provider.ledger.sql import SqlLedger
from braze_provider.recipients import InlineRecipients

sqlalchemy = pytest.importorskip("sqlalchemy")

KEY = DeliveryKey("d", "r", "t")


class Mark:
    """What Airflow's task state store would keep of an opening."""

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

    def open_as(owner: str, map_index: int = -1, keeps_people: bool = False) -> SqlLedger:
        engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'ledger.db'}")
        key = replace(KEY, map_index=map_index)
        opened.append(SqlLedger(engine, key, owner, keeps_people=keeps_people))
        return opened[-1]

    yield open_as
    for ledger in opened:
        ledger.close()


@pytest.fixture
def attempt(sandbox, ledger_of):
    """Make a delivery to 120 people, or to those who are named, one request at a time."""
    names = (f"owner-{number}" for number in count())

    def make(
        which: Attempt = FIRST,
        people: int | Sequence[str] = 120,
        *,
        hook: BrazeHook | None = None,
        mark: Mark | None = None,
        map_index: int = -1,
        campaign_id: str = "c",
        **options: Any,
    ):
        keeps_people = options.get("on_source_change") == "send_rest"
        delivery = Delivery(
            hook=hook or BrazeHook(),
            endpoint=CAMPAIGNS_TRIGGER_SEND,
            options=DeliveryOptions(concurrency=1, **options),
            log=logging.getLogger("test.tries"),
            ledger=ledger_of(next(names), map_index, keeps_people),
            attempt=replace(which, mapped=map_index >= 0),
            mark=mark,  # type: ignore[arg-type]
        )
        who = [f"p{number}" for number in range(people)] if isinstance(people, int) else people
        source = InlineRecipients(who, key="external_user_id")
        delivery.run = partial(delivery.run, {"campaign_id": campaign_id}, source)  # type: ignore[method-assign]
        return delivery

    return make


# A delivery that has finished -------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [RETRY, CLEARED, CLEARED_WITHOUT_THE_RUN, CREATED_AGAIN])
@pytest.mark.parametrize("map_index", [-1, 0])
def test_a_finished_delivery_to_the_same_people_sends_nothing_again(sandbox, attempt, which, map_index):
    attempt(map_index=map_index).run()

    report = attempt(which, map_index=map_index).run()

    assert (report.recipients, report.already_sent, report.sent, report.requests) == (120, 120, 0, 0)
    assert sandbox.summary()["requests"] == 3


@pytest.mark.parametrize("which", [CLEARED, CLEARED_WITHOUT_THE_RUN, CREATED_AGAIN])
@pytest.mark.parametrize("people", [20, 100, 119, 170])
def test_other_people_or_more_after_the_end_are_no_success(sandbox, attempt, which, people):
    attempt().run()

    with pytest.raises(SourceChangedError, match=f"names {people} recipients now; 120 were sent to"):
        attempt(which, people).run()

    assert sandbox.summary()["requests"] == 3


def test_a_delivery_that_ended_with_nobody_starts_over_once_there_is_somebody(sandbox, attempt):
    assert attempt(people=0).run().recipients == 0

    assert attempt(CLEARED).run().sent == 120


def test_its_ids_are_still_known(attempt):
    first, second = attempt(), attempt(CLEARED)
    first.run()
    second.run()

    assert second.ids(10) == first.ids(10)


# Starting over ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resend", [True, "after the outage"])
@pytest.mark.parametrize("which", [CLEARED, CLEARED_WITHOUT_THE_RUN, CREATED_AGAIN])
def test_resend_sends_to_everybody_once_more(sandbox, attempt, resend, which):
    attempt().run()

    assert attempt(which, resend=resend).run().sent == 120
    assert attempt(replace(which, try_number=which.try_number + 1), resend=resend).run().already_sent == 120


def test_resend_starts_over_once_for_each_clear(sandbox, attempt):
    attempt().run()
    sandbox.fault("disconnect", processed=True, after=1, times=1)

    with pytest.raises(DeliveryError):
        attempt(CLEARED, resend=True).run()
    with pytest.raises(DeliveryError):
        attempt(RETRY_AFTER_CLEAR, resend=True).run()

    # Three requests of the first try, three of the second; the retry had nothing left but what is held.
    assert sandbox.summary()["requests"] == 6
    assert attempt(CLEARED_TWICE, resend=True).run().sent == 120


@pytest.mark.parametrize("resend", [True, "from the start"])
def test_resend_without_a_clear_changes_nothing(attempt, resend):
    attempt(resend=resend).run()

    assert attempt(RETRY, resend=resend).run().already_sent == 120


# What is in doubt -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("on_uncertain", "requests", "sent"), [("accept", 0, 50), ("resend", 1, 50)])
def test_what_is_held_is_settled_by_another_value_of_on_uncertain(
    sandbox, attempt, on_uncertain, requests, sent
):
    sandbox.fault("disconnect", processed=True, after=1, times=1)
    with pytest.raises(DeliveryError):
        attempt().run()

    report = attempt(CLEARED, on_uncertain=on_uncertain).run()

    assert (report.requests, report.sent, report.already_sent, report.uncertain) == (requests, sent, 70, 0)


def test_what_is_held_stays_held_until_then(sandbox, attempt):
    sandbox.fault("disconnect", processed=True, after=1, times=1)
    with pytest.raises(DeliveryError):
        attempt().run()

    second = attempt(RETRY)
    with pytest.raises(DeliveryError, match="50 recipients in doubt"):
        second.run()
    assert second.report.requests == 0
    assert not second.may_be_retried


# A record that should be there ------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [RETRY, CLEARED, CLEARED_WITHOUT_THE_RUN, RESUMED])
def test_a_record_that_may_be_lost_stops_everything_at_each_try(sandbox, attempt, which):
    later = which
    for _ in range(3):
        with pytest.raises(LedgerGoneError, match="resend=True"):
            attempt(later).run()
        later = replace(later, try_number=later.try_number + 1, max_tries=later.max_tries + 1)
    assert sandbox.requests() == []


def test_a_lost_record_is_started_over_by_resend_alone(sandbox, attempt):
    with pytest.raises(LedgerGoneError):
        attempt(CLEARED).run()

    assert attempt(CLEARED_TWICE, resend=True).run().sent == 120


def test_a_record_that_is_lost_is_noticed_by_the_mark(sandbox, attempt):
    mark = Mark()
    attempt(mark=mark).begin()
    assert mark.ledger is not None
    mark.ledger = "sql:another"

    with pytest.raises(LedgerGoneError, match="another ledger"):
        attempt(RETRY, mark=mark).run()
    assert sandbox.requests() == []


@pytest.mark.parametrize("which", [RETRY, CLEARED, CLEARED_WITHOUT_THE_RUN])
def test_a_first_try_that_opened_no_ledger_can_be_mended(attempt, which):
    assert attempt(which, mark=Mark()).run().sent == 120


# A source that has changed ----------------------------------------------------------------------------------


def people(*numbers: int) -> list[str]:
    return [f"p{number}" for number in numbers]


def test_a_campaign_that_was_refused_can_be_mended(sandbox, attempt):
    sandbox.fault("status", status=400, times=3)
    with pytest.raises(DeliveryError):
        attempt(campaign_id="mistyped").run()

    assert attempt(CLEARED).run().sent == 120


@pytest.mark.parametrize("on_empty", ["succeed", "skip", "fail"])
@pytest.mark.parametrize("status", [400, 500])
def test_a_source_that_was_not_empty_at_an_earlier_try_fails(sandbox, attempt, on_empty, status):
    sandbox.fault("status", status=status, times=100)
    with pytest.raises(DeliveryError):
        attempt(people=10).run()

    with pytest.raises(SourceChangedError, match="names nobody now"):
        attempt(CLEARED, 0, on_empty=on_empty).run()


@pytest.mark.parametrize("held", ["hold", "accept"])
def test_send_rest_sends_to_whoever_is_on_no_record(sandbox, attempt, held):
    sandbox.fault("disconnect", processed=True, after=1, times=1)
    with pytest.raises(DeliveryError):
        attempt(people=people(*range(100)), on_source_change="send_rest").run()

    # One of those who were sent to has left, one in doubt as well, and twenty have come.
    second = attempt(
        RETRY,
        people(*range(1, 99), *range(200, 220)),
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


def test_send_rest_goes_on_after_another_change(sandbox, attempt):
    first = attempt(people=people(*range(100)), on_source_change="send_rest")
    first.run()
    attempt(CLEARED, people(*range(50, 130)), on_source_change="send_rest").run()
    report = attempt(CLEARED_TWICE, people(*range(140)), on_source_change="send_rest").run()

    assert (report.recipients, report.already_sent, report.sent) == (140, 130, 10)
    assert sandbox.summary()["duplicates"] == 0
    assert len(sandbox.recipients()) == 140


def test_send_rest_leaves_the_unchanged_source_alone(sandbox, attempt):
    attempt(on_source_change="send_rest").run()

    assert attempt(CLEARED, on_source_change="send_rest").run().requests == 0


def test_send_rest_refuses_another_campaign(sandbox, attempt):
    attempt(on_source_change="send_rest").run()

    with pytest.raises(SourceChangedError, match="The campaign, segment or audience is another one"):
        attempt(CLEARED, on_source_change="send_rest", campaign_id="other").run()
    assert sandbox.summary()["requests"] == 3


def test_send_rest_refuses_a_record_that_does_not_say_who(sandbox, attempt):
    attempt().run()

    with pytest.raises(BrazeError, match="does not say who was in batch 1"):
        attempt(CLEARED, 100, on_source_change="send_rest").run()
    assert sandbox.summary()["requests"] == 3


def test_send_rest_refuses_to_resend_to_people_it_can_not_find(sandbox, attempt):
    sandbox.fault("disconnect", processed=True, after=1, times=1)
    with pytest.raises(DeliveryError):
        attempt(on_source_change="send_rest").run()

    with pytest.raises(SourceChangedError, match="can't find the 50 recipients in doubt"):
        attempt(CLEARED, 110, on_source_change="send_rest", on_uncertain="resend").run()


# A mapped list that expands anew ----------------------------------------------------------------------------


def test_a_place_that_has_moved_is_not_sent_again(sandbox, attempt):
    attempt(people=people(*range(50)), map_index=0).run()
    attempt(people=people(*range(50, 100)), map_index=1).run()
    later = replace(FIRST, run_started_at="2999-01-01T00:00:00+00:00")

    for _ in range(2):
        with pytest.raises(SourceChangedError, match="map index 1 of this task has sent"):
            attempt(later, people(*range(50, 100)), map_index=2).run()
    assert sandbox.summary()["duplicates"] == 0
    assert attempt(later, people(*range(100, 150)), map_index=3).run().sent == 50


def test_a_place_that_has_moved_in_a_run_that_is_still_running_is_known_as_well(sandbox, attempt):
    attempt(map_index=0).run()

    with pytest.raises(SourceChangedError, match="map index 0 of this task has sent"):
        attempt(replace(FIRST, clear_number=1), map_index=1).run()
    assert sandbox.summary()["duplicates"] == 0


def test_places_of_one_expansion_may_send_to_the_same_people(attempt):
    attempt(map_index=0).run()

    assert attempt(map_index=1).run().sent == 120


# Copies -----------------------------------------------------------------------------------------------------


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
    younger = attempt(RETRY)
    errors: list[DeliveryError] = []

    def start_younger() -> None:
        try:
            younger.run()
        except DeliveryError as error:
            errors.append(error)

    older = attempt(hook=Overtaken(start_younger))

    with pytest.raises(LedgerLostError):
        older.run()

    assert sandbox.summary()["duplicates"] == 0
    # What the older one had claimed, the younger one could not know the end of.
    assert [error.report.uncertain for error in errors] == [50]
    assert younger.report.sent == 70


def test_a_copy_that_slept_while_another_one_took_over_sends_nothing_more(sandbox, attempt, monkeypatch):
    monkeypatch.setattr(lease, "LEASE_SECONDS", 0.2)

    def sleep_while_the_younger_runs() -> None:
        with pytest.raises(DeliveryError):
            attempt(RETRY).run()
        time.sleep(0.2)

    with pytest.raises(LedgerLostError):
        attempt(hook=Overtaken(sleep_while_the_younger_runs)).run()

    assert sandbox.summary()["duplicates"] == 0
    assert len(sandbox.recipients()) == 120


def test_a_zombie_that_wakes_up_after_its_successor_has_finished_sends_nothing(sandbox, attempt):
    zombie = attempt()
    zombie.begin()
    attempt(RETRY).run()

    with pytest.raises(LedgerLostError):
        zombie.ledger.write([], [Claim(0, 50, "f")])
    with pytest.raises(LedgerLostError):
        attempt().run()
    assert sandbox.summary()["requests"] == 3
