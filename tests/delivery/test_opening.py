"""How a delivery is opened: the record, Airflow's counters and ``resend`` decide together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from delivery.tries import (
    CLEARED,
    CLEARED_TWICE,
    CLEARED_WITHOUT_THE_RUN,
    CREATED_AGAIN,
    FIRST,
    NOON,
    RESUMED,
    RETRIES,
    RETRY,
    RETRY_AFTER_CLEAR,
)

from braze_provider.delivery.opening import LedgerGoneError, Trace, Try, decide
from braze_provider.ledger.base import Counters, Head, Opening

COUNTERS = Counters(FIRST.try_number, FIRST.max_tries, FIRST.run_started_at)
NO_STORE = Trace()
COMPLETE = Trace(is_complete=True)
HERE, ELSEWHERE = Trace("here", is_complete=True), Trace("elsewhere", is_complete=True)

OPEN = Head(COUNTERS)
FINISHED = Head(COUNTERS, finished=True, report={"recipients": 100})
FINISHED_TO_NOBODY = replace(FINISHED, report={"recipients": 0})
OF_AN_OLDER_RELEASE = Head(None)


def opening(
    head: Head | None,
    this_try: Try,
    resend: bool | str = False,
    trace: Trace = NO_STORE,
    **options: Any,
) -> Opening:
    return decide(
        head, this_try=this_try, resend=resend, ledger="here", trace=trace, **{"durable": True, **options}
    )


@pytest.mark.parametrize(
    ("this_try", "trace", "durable"),
    [
        pytest.param(FIRST, NO_STORE, True, id="first try"),
        pytest.param(FIRST, NO_STORE, False, id="first try without a ledger"),
        pytest.param(CLEARED, NO_STORE, False, id="first try since a clear, without a ledger"),
        pytest.param(RETRY, COMPLETE, True, id="the first try failed before it opened a ledger"),
        pytest.param(CLEARED, COMPLETE, True, id="and was cleared"),
    ],
)
def test_a_delivery_begins_where_no_record_can_exist(this_try, trace, durable):
    assert opening(None, this_try, trace=trace, durable=durable).starts_over


@pytest.mark.parametrize(
    ("this_try", "trace", "durable"),
    [
        pytest.param(RETRY, NO_STORE, True, id="retry"),
        pytest.param(CLEARED, NO_STORE, True, id="cleared"),
        pytest.param(CLEARED_WITHOUT_THE_RUN, NO_STORE, True, id="cleared without its run"),
        pytest.param(RETRY_AFTER_CLEAR, NO_STORE, True, id="retry after a clear"),
        pytest.param(RESUMED, NO_STORE, True, id="deferred"),
        pytest.param(RESUMED, COMPLETE, True, id="deferred, though the store names none"),
        pytest.param(RETRY, NO_STORE, False, id="retry without a ledger"),
        pytest.param(RETRY_AFTER_CLEAR, NO_STORE, False, id="retry after a clear, without a ledger"),
        pytest.param(FIRST, HERE, True, id="the record is gone from this ledger"),
        pytest.param(RETRY, ELSEWHERE, True, id="the record is in another ledger"),
        pytest.param(CLEARED, Trace(), True, id="the store may have been emptied"),
    ],
)
def test_a_delivery_whose_record_may_be_lost_is_refused(this_try, trace, durable):
    with pytest.raises(LedgerGoneError, match="Nothing is sent"):
        opening(None, this_try, trace=trace, durable=durable)


def test_a_record_that_another_ledger_continued_is_refused():
    with pytest.raises(LedgerGoneError, match="another ledger"):
        opening(OPEN, RETRY, trace=ELSEWHERE)


@pytest.mark.parametrize("resend", [True, "once more"])
@pytest.mark.parametrize("trace", [NO_STORE, HERE, ELSEWHERE])
def test_resend_begins_without_a_record_only_after_a_clear(resend, trace):
    assert opening(None, CLEARED, resend, trace).starts_over
    for this_try in (RETRY, RETRY_AFTER_CLEAR, RESUMED):
        with pytest.raises(LedgerGoneError):
            opening(None, this_try, resend, trace)


@pytest.mark.parametrize("head", [OPEN, FINISHED, OF_AN_OLDER_RELEASE])
@pytest.mark.parametrize(
    ("this_try", "starts_over"),
    [
        pytest.param(CLEARED, True, id="cleared"),
        pytest.param(CLEARED_WITHOUT_THE_RUN, True, id="cleared without its run"),
        pytest.param(CREATED_AGAIN, True, id="run created again"),
        pytest.param(RETRY, False, id="retry"),
        pytest.param(RESUMED, False, id="deferred"),
    ],
)
def test_resend_true_starts_over_only_after_a_clear(head, this_try, starts_over):
    assert opening(head, this_try, True).starts_over is starts_over


def test_resend_true_starts_over_once_for_each_clear():
    head = Head(opening(OPEN, CLEARED, True).counters)

    assert not opening(head, RETRY_AFTER_CLEAR, True).starts_over
    assert opening(head, CLEARED_TWICE, True).starts_over


def test_a_clear_of_a_sibling_starts_nothing_over():
    # Only the Dag run's own count of clears grows, and it does not matter: this task's counters stay.
    assert not opening(OPEN, RETRY, True).starts_over
    assert not opening(OPEN, RESUMED, True).starts_over


def test_a_lower_number_of_retries_does_not_look_like_a_clear():
    edited = replace(RETRY, retries=RETRIES - 1)
    assert edited.is_first

    assert not opening(OPEN, edited, True).starts_over


def test_each_text_starts_over_only_once():
    first = opening(OPEN, CLEARED, "after the outage")
    again = opening(Head(first.counters, first.resends), CLEARED_TWICE, "after the outage")
    other = opening(Head(again.counters, again.resends), RETRY_AFTER_CLEAR, "once more")

    assert (first.starts_over, again.starts_over, other.starts_over) == (True, False, True)
    assert other.resends == ("after the outage", "once more")


def test_a_text_given_from_the_beginning_starts_nothing_over():
    begun = opening(None, FIRST, "from the start")

    assert not opening(Head(begun.counters, begun.resends), RETRY, "from the start").starts_over


@pytest.mark.parametrize("this_try", [RETRY, CLEARED, CREATED_AGAIN])
def test_a_delivery_that_ended_without_recipients_starts_over(this_try):
    assert opening(FINISHED_TO_NOBODY, this_try).starts_over
    assert not opening(FINISHED, this_try).starts_over


def test_a_finished_broadcast_does_not_start_over():
    assert not opening(replace(FINISHED, report={"recipients": None}), CLEARED).starts_over


def test_the_counters_of_each_try_are_kept():
    assert opening(OPEN, CLEARED).counters == Counters(2, 1 + RETRIES, NOON)
