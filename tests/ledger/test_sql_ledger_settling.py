"""What a person decides about batches in doubt, on each database that is available."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ledger.sql_ledger_helpers import (
    AT,
    COUNTERS,
    KEY,
    Database,
    claims,
    goes_on,
    in_state,
    in_threads,
    settled,
    starts_over,
    states,
)
from sqlalchemy import select, update

from braze_provider.api.endpoints import CAMPAIGNS_TRIGGER_SEND
from braze_provider.delivery.delivery import Delivery
from braze_provider.delivery.failure import DeliveryError
from braze_provider.delivery.opening import Try
from braze_provider.delivery.options import DeliveryOptions
from braze_provider.hooks.braze import BrazeHook
from braze_provider.ledger import sql_engine, sql_schema
from braze_provider.ledger.base import DeliveryKey, LedgerLostError, State
from braze_provider.ledger.settle_sql import MAX_NAME_LENGTH, Decision, NotSettledError, Settled, settle
from braze_provider.ledger.sql import SqlLedger
from braze_provider.ledger.sql_line import Line
from braze_provider.ledger.sql_migrations import LedgerVersionError
from braze_provider.recipients import InlineRecipients

LONG_AGO = "2026-01-01T06:00:00.000+00:00"
ALL_STATES = [State.SENT, State.REJECTED, State.UNCERTAIN, State.FAILED, State.CLAIMED]

Settle = Callable[..., Settled | None]


@pytest.fixture
def decide(sql_database: Database) -> Settle:
    """Settle a delivery: ``decide("sent")``."""

    def as_decided(decision: str, *, key: DeliveryKey = KEY, who: str = "ada", **how: Any) -> Settled | None:
        engine = sql_engine.set_up(sql_database.engine())
        return settle(engine, key, Decision(decision), who, **how)

    return as_decided


def let_time_pass(database: Database) -> None:
    database.query(update(sql_schema.delivery).values(updated_at=LONG_AGO))


@pytest.fixture
def left(sql_database: Database, sql_ledger: SqlLedger) -> SqlLedger:
    """A ledger with a batch in each state, of a task that ended long ago."""
    for index, state in enumerate(ALL_STATES):
        in_state(state, sql_ledger, index)
    let_time_pass(sql_database)
    return sql_ledger


def reasons(ledger: SqlLedger) -> dict[int, str | None]:
    return {one.index: one.reason for one in ledger.receipts()}


# What it does -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("decision", "becomes"), [("sent", State.SENT), ("resend", State.FAILED)])
def test_uncertain_batches_and_claims_are_settled_and_no_others(
    left: SqlLedger, decide: Settle, decision: str, becomes: State
):
    assert decide(decision) == Settled(batches=2, recipients=100)
    assert states(left) == {**dict(enumerate(ALL_STATES)), 2: becomes, 4: becomes}


def test_only_the_named_batches_are_settled(left: SqlLedger, decide: Settle):
    assert decide("sent", only=[4]) == Settled(batches=1, recipients=50)
    assert (states(left)[2], states(left)[4]) == (State.UNCERTAIN, State.SENT)


def test_the_reason_says_who_decided_and_when_and_what_was_before(
    sql_database: Database, sql_ledger: SqlLedger, decide: Settle
):
    sql_ledger.write([], claims(0, 1))
    sql_ledger.write([settled(0, State.UNCERTAIN, reason="504: Gateway Timeout")], [])
    let_time_pass(sql_database)

    decide("sent", who="Ada Ünal")

    first, second = sql_ledger.receipts()
    told = f"taken for sent, decided by Ada Ünal at {first.at[:19]}Z; before that: "
    assert (first.reason, second.reason) == (
        f"{told}504: Gateway Timeout",
        f"{told}no outcome was known",
    )
    assert first.at > AT


def test_a_reason_stays_within_its_length(sql_database: Database, sql_ledger: SqlLedger, decide: Settle):
    sql_ledger.write([], claims(0))
    sql_ledger.write([settled(0, State.UNCERTAIN, reason="x" * 4_000)], [])
    let_time_pass(sql_database)

    decide("resend")

    assert len(reasons(sql_ledger)[0] or "") == 4_000


def test_receipts_from_before_a_new_start_are_left_alone(sql_database: Database, decide: Settle):
    first = sql_database.ledger()
    first.open(goes_on)
    first.write([], claims(0, 1))
    second = sql_database.ledger("second")
    second.open(starts_over)
    second.write([], claims(0))
    let_time_pass(sql_database)

    assert decide("sent") == Settled(batches=1, recipients=50)
    column = sql_schema.receipt.c.state
    assert sorted(state for (state,) in sql_database.query(select(column))) == ["claimed", "claimed", "sent"]


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_delivery_of_an_older_version_is_settled_without_an_upgrade(
    empty_sql_database: Database, decide: Settle, version: int
):
    empty_sql_database.fill_as_version(version)

    found = decide("sent", key=replace(KEY, task_id="killed"))

    assert found == Settled(batches=3, recipients=150)
    assert empty_sql_database.query(select(sql_schema.version.c.version)) == [(version,)]
    assert empty_sql_database.query(select(sql_schema.decision.c.batches)) == [("3, 6-7",)]


# What the next try does -------------------------------------------------------------------------------------

PEOPLE = [f"p{number}" for number in range(200)]


def next_try(ledger: SqlLedger, number: int, **options: Any) -> Delivery:
    return Delivery(
        BrazeHook(),
        CAMPAIGNS_TRIGGER_SEND,
        DeliveryOptions(concurrency=1, **options),
        logging.getLogger("test.settling"),
        ledger,
        Try(number, max_tries=2, retries=2, run_started_at=AT),
    )


@pytest.fixture
def in_doubt(sql_database: Database, sandbox: Any) -> Any:
    """A delivery of four batches. The second is in doubt, and Braze has taken it."""
    sandbox.fault("disconnect", processed=True, after=1, times=1)
    first = next_try(sql_database.ledger(), 1)
    with pytest.raises(DeliveryError):
        first.run({"campaign_id": "c"}, InlineRecipients(PEOPLE, key="external_user_id"))
    first.close()
    let_time_pass(sql_database)
    return sandbox


@pytest.mark.parametrize(
    ("decision", "already_sent", "sent", "duplicates"), [("sent", 200, 0, 0), ("resend", 150, 50, 50)]
)
def test_the_next_try_takes_it_as_decided_and_ends_well(
    in_doubt: Any,
    sql_database: Database,
    decide: Settle,
    decision: str,
    already_sent: int,
    sent: int,
    duplicates: int,
):
    decide(decision)

    second = next_try(sql_database.ledger("second"), 2)
    report = second.run({"campaign_id": "c"}, InlineRecipients(PEOPLE, key="external_user_id"))
    second.close()

    assert (report.already_sent, report.sent, report.uncertain) == (already_sent, sent, 0)
    assert in_doubt.summary()["duplicates"] == duplicates


def test_a_batch_that_ends_in_doubt_again_needs_another_decision(
    in_doubt: Any, sql_database: Database, decide: Settle
):
    decide("resend")
    in_doubt.fault("disconnect", processed=True, times=1)

    for number in (2, 3):
        later = next_try(sql_database.ledger(f"try {number}"), number)
        with pytest.raises(DeliveryError, match="50 recipients in doubt"):
            later.run({"campaign_id": "c"}, InlineRecipients(PEOPLE, key="external_user_id"))
        later.close()

    assert in_doubt.summary()["duplicates"] == 50


def test_the_recipients_of_a_batch_that_is_to_be_sent_again_may_have_changed(
    in_doubt: Any, sql_database: Database, decide: Settle
):
    decide("resend")

    second = next_try(sql_database.ledger("second"), 2)
    changed = ["new" if name == "p60" else name for name in PEOPLE]
    report = second.run({"campaign_id": "c"}, InlineRecipients(changed, key="external_user_id"))
    second.close()

    assert (report.already_sent, report.sent) == (150, 50)
    assert len(in_doubt.received("new")) == 1


# What is refused --------------------------------------------------------------------------------------------


def test_a_decision_is_used_once(left: SqlLedger, sql_database: Database, decide: Settle):
    decide("sent")
    let_time_pass(sql_database)

    with pytest.raises(NotSettledError, match="has no batches in doubt"):
        decide("resend")
    assert states(left)[2] is State.SENT


def test_a_delivery_that_was_just_written_to_is_refused(sql_ledger: SqlLedger, decide: Settle):
    sql_ledger.write([], claims(0))

    with pytest.raises(NotSettledError, match=r"may be running.*2 minutes have passed, or give --force"):
        decide("sent")
    assert states(sql_ledger) == {0: State.CLAIMED}


def test_with_force_a_copy_that_runs_after_all_starts_no_request_any_more(
    sql_ledger: SqlLedger, decide: Settle
):
    sql_ledger.write([], claims(0, 1))

    assert decide("resend", force=True) == Settled(batches=2, recipients=100)

    with pytest.raises(LedgerLostError, match="the decision of ada"):
        sql_ledger.confirm()


def test_a_delivery_that_a_new_try_has_opened_since_the_person_looked_is_refused(
    left: SqlLedger, sql_database: Database, decide: Settle
):
    sql_database.ledger("second").open(goes_on)

    with pytest.raises(NotSettledError, match="since you looked"):
        decide("resend", force=True, as_of=LONG_AGO)
    assert states(left) == dict(enumerate(ALL_STATES))


def test_a_delivery_that_is_as_the_person_saw_it_is_settled(left: SqlLedger, decide: Settle):
    assert decide("resend", as_of=LONG_AGO) == Settled(batches=2, recipients=100)


def test_the_true_outcome_of_a_request_that_was_still_under_way_counts(sql_ledger: SqlLedger, decide: Settle):
    sql_ledger.write([], claims(0))
    decide("resend", force=True)

    with pytest.raises(LedgerLostError):
        sql_ledger.write([settled(0, ids={"dispatch_id": "abc"})], [])
    assert states(sql_ledger) == {0: State.SENT}


def test_what_is_taken_for_sent_stays_sent(sql_ledger: SqlLedger, decide: Settle):
    sql_ledger.write([], claims(0))
    decide("sent", force=True)

    with pytest.raises(LedgerLostError):
        sql_ledger.write([settled(0, State.FAILED)], [])
    assert states(sql_ledger) == {0: State.SENT}


def test_a_finished_delivery_is_refused(sql_database: Database, sql_ledger: SqlLedger, decide: Settle):
    sql_ledger.write([], claims(0))
    sql_ledger.write([settled(0)], [])
    sql_ledger.finish({})
    let_time_pass(sql_database)

    with pytest.raises(NotSettledError, match="is finished"):
        decide("resend", force=True)
    assert states(sql_ledger) == {0: State.SENT}


def test_batches_that_are_not_in_doubt_are_named_and_nothing_is_settled(left: SqlLedger, decide: Settle):
    with pytest.raises(NotSettledError, match="Not in doubt: batch 1, batch 9"):
        decide("sent", only=[8, 0, 2])
    assert states(left) == dict(enumerate(ALL_STATES))


def test_an_unknown_delivery_is_not_found(left: SqlLedger, decide: Settle):
    assert decide("sent", key=replace(KEY, run_id="another")) is None
    assert decide("sent", key=replace(KEY, deployment="production")) is None
    assert states(left) == dict(enumerate(ALL_STATES))


def test_a_mapped_task_needs_a_map_index(sql_database: Database, decide: Settle):
    key = replace(KEY, map_index=3)
    ledger = sql_database.ledger(key=key)
    ledger.open(goes_on)
    ledger.write([], claims(0))
    let_time_pass(sql_database)

    with pytest.raises(NotSettledError, match="--map-index"):
        decide("sent")
    assert decide("sent", key=key) == Settled(batches=1, recipients=50)


def test_a_database_without_a_ledger_has_nothing(empty_sql_database: Database, decide: Settle):
    assert decide("sent") is None


def test_a_ledger_of_a_newer_version_is_refused(left: SqlLedger, sql_database: Database, decide: Settle):
    sql_database.query(update(sql_schema.version).values(version=99))
    try:
        with pytest.raises(LedgerVersionError, match="99"):
            decide("sent")
    finally:
        sql_database.query(update(sql_schema.version).values(version=sql_schema.SCHEMA_VERSION))
    assert states(left) == dict(enumerate(ALL_STATES))


@pytest.mark.parametrize("who", ["", " ", "two\nlines", "x" * (MAX_NAME_LENGTH + 1)])
def test_a_decision_without_a_name_is_refused(left: SqlLedger, decide: Settle, who: str):
    with pytest.raises(ValueError, match="who decides"):
        decide("sent", who=who)
    assert states(left) == dict(enumerate(ALL_STATES))


# At the same time -------------------------------------------------------------------------------------------


def test_of_two_decisions_at_the_same_time_one_counts(
    left: SqlLedger, sql_database: Database, decide: Settle
):
    def one(copy: str) -> str:
        try:
            decide("sent" if copy == "copy-0" else "resend")
        except NotSettledError as error:
            return str(error)
        return copy

    found = in_threads(2, one)

    assert len({"copy-0", "copy-1"} & set(found)) == 1
    assert len(sql_database.query(select(sql_schema.decision))) == 1
    winner = State.SENT if "copy-0" in found else State.FAILED
    assert (states(left)[2], states(left)[4]) == (winner, winner)


def test_a_decision_whose_commit_was_not_answered_counts_once(
    left: SqlLedger, sql_database: Database, decide: Settle, monkeypatch: pytest.MonkeyPatch
):
    transact = Line.transact
    calls = []

    def answer_is_lost(self: Line, work: Any, **how: Any) -> Any:
        result = transact(self, work, **how)
        if how["writes"]:
            calls.append(result)
            if len(calls) == 1:
                raise sql_engine.LockedError
        return result

    monkeypatch.setattr(Line, "transact", answer_is_lost)

    assert decide("sent") == Settled(batches=2, recipients=100)
    assert calls == [Settled(batches=2, recipients=100)] * 2
    assert len(sql_database.query(select(sql_schema.decision))) == 1


def test_a_later_try_goes_on_from_what_was_decided(left: SqlLedger, sql_database: Database, decide: Settle):
    decide("resend")
    later = sql_database.ledger("second")
    assert later.open(goes_on) is not None

    assert list(later.write([], claims(0, 2, 4))) == [2, 4]
    head = later.open(goes_on)
    assert head is not None
    assert head.counters == COUNTERS
