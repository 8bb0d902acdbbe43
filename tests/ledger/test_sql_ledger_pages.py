"""What people see of a SQL ledger, a page at a time, on each database that is available."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from ledger.sql_ledger_helpers import AT, KEY, Database, claims, goes_on, in_state, settled, starts_over
from sqlalchemy import select, update

from braze_provider.api.endpoints import CAMPAIGNS_TRIGGER_SEND
from braze_provider.delivery.delivery import Delivery
from braze_provider.delivery.opening import Try
from braze_provider.delivery.options import DeliveryOptions
from braze_provider.hooks.braze import BrazeHook
from braze_provider.ledger import sql_engine, sql_schema
from braze_provider.ledger.base import LedgerLostError, Outline, State
from braze_provider.ledger.settle_sql import Decision, as_ranges, settle
from braze_provider.ledger.show_sql import DecisionMade, LedgerReader, Page, Reason
from braze_provider.ledger.sql import SqlLedger
from braze_provider.ledger.sql_rows import now_iso
from braze_provider.recipients import InlineRecipients

LONG_AGO = "2026-01-01T06:00:00.000+00:00"
OUTLINE = Outline("campaigns_trigger_send", 12_000, {"campaign_id": "c-1"})


@contextmanager
def reading(database: Database) -> Iterator[LedgerReader]:
    with sql_engine.set_up(database.engine()).connect() as connection:
        yield LedgerReader(connection)


def page(database: Database, **how: Any) -> Page:
    with reading(database) as reader:
        return reader.page(**how)


def names(found: Page) -> list[str]:
    return [one.key.dag_id for one in found.deliveries]


def begin(database: Database, name: str, *states: State, running: bool = False, **changes: Any) -> SqlLedger:
    """Begin a delivery of the Dag ``name`` with a batch in each of these states."""
    ledger = database.ledger(name, replace(KEY, dag_id=name, **changes))
    ledger.open(goes_on)
    for index, state in enumerate(states):
        in_state(state, ledger, index)
    if not running:
        delivery = sql_schema.delivery
        database.query(update(delivery).where(delivery.c.dag_id == name).values(updated_at=LONG_AGO))
    return ledger


@pytest.fixture
def several(sql_database: Database) -> Database:
    """Deliveries in the order in which they began: in doubt, killed, done, running, failed."""
    begin(sql_database, "in_doubt", State.SENT, State.UNCERTAIN)
    begin(sql_database, "killed", State.CLAIMED, State.SENT)
    begin(sql_database, "done", State.SENT).finish({"sent": 30, "already_sent": 20})
    begin(sql_database, "running", State.SENT, State.CLAIMED, running=True)
    begin(sql_database, "failed", State.REJECTED, State.FAILED)
    return sql_database


# The outline ------------------------------------------------------------------------------------------------


def test_an_outline_is_kept_until_a_later_try_notes_another(sql_database: Database, sql_ledger: SqlLedger):
    (before,) = page(sql_database).deliveries
    sql_ledger.note_outline(OUTLINE)
    sql_ledger.note_outline(replace(OUTLINE, total=None, target={}))
    (after,) = page(sql_database).deliveries

    assert before.outline is None
    assert after.outline == Outline("campaigns_trigger_send", None, {})


def test_a_copy_that_has_lost_the_ledger_notes_nothing(
    sql_database: Database, sql_ledger: SqlLedger, sql_successor: SqlLedger
):
    with pytest.raises(LedgerLostError):
        sql_ledger.note_outline(OUTLINE)
    assert page(sql_database).deliveries[0].outline is None


def test_a_delivery_notes_what_it_is_about_before_it_sends(sql_database: Database, sandbox: Any):
    seen = []

    class Watched(SqlLedger):
        def write(self, *arguments: Any) -> Any:
            seen.append(page(sql_database).deliveries[0].outline)
            return super().write(*arguments)

    ledger = Watched(sql_database.engine(), KEY, "first")
    delivery = Delivery(
        BrazeHook(),
        CAMPAIGNS_TRIGGER_SEND,
        DeliveryOptions(),
        logging.getLogger("test.pages"),
        ledger,
        Try(1, max_tries=2, retries=2, run_started_at=AT),
    )
    people = [f"p{number}" for number in range(120)]
    delivery.run({"campaign_id": "c-1"}, InlineRecipients(people, key="external_user_id"))
    delivery.close()

    assert seen[0] == Outline("campaigns_trigger_send", 120, {"campaign_id": "c-1"})


# Pages ------------------------------------------------------------------------------------------------------


def test_what_is_in_doubt_comes_first_then_the_newest(several: Database):
    assert names(page(several)) == ["killed", "in_doubt", "failed", "running", "done"]


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ("in_doubt", ["killed", "in_doubt"]),
        ("running", ["running"]),
        ("open", ["killed", "in_doubt", "failed"]),
        ("finished", ["done"]),
    ],
)
def test_a_page_of_one_status(several: Database, status: Any, found: list[str]):
    assert page(several, status=status) == Page(page(several, status=status).deliveries, len(found))
    assert names(page(several, status=status)) == found


def test_the_next_page_goes_on_where_the_last_one_ended(several: Database):
    pages = [page(several, offset=offset, limit=2) for offset in (0, 2, 4, 6)]

    assert [name for one in pages for name in names(one)] == names(page(several))
    assert {one.total for one in pages} == {5}


def test_only_deliveries_of_the_given_dags_are_counted(several: Database):
    found = page(several, dag_ids=["done", "killed", "unknown"])

    assert (names(found), found.total) == (["killed", "done"], 2)
    assert page(several, dag_ids=[]) == Page([], 0)


def test_only_deliveries_of_the_given_deployment_are_counted(several: Database):
    begin(several, "eu", State.SENT, deployment="eu")

    assert names(page(several, deployment="eu")) == ["eu"]
    assert page(several, deployment="").total == 5


@pytest.mark.parametrize(
    ("search", "found"),
    [("DOUBT", ["in_doubt"]), ("2026-01", 5), ("send", 5), ("%", []), ("_oub", []), ("nothing", [])],
)
def test_search_takes_a_part_of_an_id_as_it_is(several: Database, search: str, found: Any):
    result = page(several, search=search)
    assert (result.total if isinstance(found, int) else names(result)) == found


def test_a_database_without_a_ledger_has_no_deliveries(empty_sql_database: Database):
    assert page(empty_sql_database) == Page([], 0)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_ledger_of_an_older_version_is_shown_without_an_upgrade(empty_sql_database: Database, version: int):
    empty_sql_database.fill_as_version(version)

    found = page(empty_sql_database)
    with reading(empty_sql_database) as reader:
        decisions = [reader.decisions(one) for one in found.deliveries]

    assert {one.key.task_id for one in found.deliveries} == {"send", "done", "killed"}
    assert [one.outline for one in found.deliveries] == [None] * 3
    assert decisions == [[], [], []]
    assert empty_sql_database.query(select(sql_schema.version.c.version)) == [(version,)]


# Figures ----------------------------------------------------------------------------------------------------


def test_a_page_counts_recipients_by_state(several: Database):
    figures = {one.key.dag_id: one.recipients for one in page(several).deliveries}

    assert figures["killed"] == {State.CLAIMED: 50, State.SENT: 50}
    assert figures["failed"] == {State.REJECTED: 50, State.FAILED: 50}


def test_a_finished_delivery_has_the_figures_of_its_report(several: Database):
    (done,) = page(several, status="finished").deliveries
    assert done.recipients == {State.SENT: 50}


def test_recipients_of_the_last_minute_are_counted(sql_database: Database, sql_ledger: SqlLedger):
    sql_ledger.write([], claims(0, 1, 2))
    sql_ledger.write([settled(0, at=LONG_AGO), settled(1, at=now_iso()), settled(2, at=now_iso())], [])

    (one,) = page(sql_database).deliveries
    assert (one.recipients[State.SENT], one.recent) == (150, 100)


def test_one_delivery_is_found_with_all_its_figures(several: Database):
    numbers = {one.key.dag_id: one.id for one in page(several).deliveries}
    with reading(several) as reader:
        found, missing = reader.find(numbers["done"]), reader.find(numbers["done"] + 1_000)

    assert found is not None
    assert (found.key.dag_id, found.batches) == ("done", {State.SENT: 1})
    assert missing is None


def test_figures_are_those_since_the_last_new_start(sql_database: Database):
    begin(sql_database, "again", State.SENT, State.SENT)
    second = sql_database.ledger("second", replace(KEY, dag_id="again"))
    second.open(starts_over)
    in_state(State.REJECTED, second)

    assert page(sql_database).deliveries[0].recipients == {State.REJECTED: 50}


# Reasons and receipts ---------------------------------------------------------------------------------------


def test_equal_reasons_are_one_entry_with_the_first_of_its_batches(
    sql_database: Database, sql_ledger: SqlLedger
):
    sql_ledger.write([], claims(*range(6)))
    sql_ledger.write(
        [
            settled(0),
            settled(1, State.REJECTED, reason="400: Invalid campaign"),
            settled(2, State.UNCERTAIN, reason="read timeout"),
            settled(3, State.REJECTED, reason="400: Invalid campaign"),
            settled(4, State.FAILED, reason="connection refused"),
        ],
        [],
    )
    with reading(sql_database) as reader:
        (one,) = reader.page().deliveries
        found, first = reader.reasons(one), reader.reasons(one, limit=1)

    assert found == [
        Reason(State.REJECTED, "400: Invalid campaign", 2, 100, 1),
        Reason(State.UNCERTAIN, "read timeout", 1, 50, 2),
        Reason(State.FAILED, "connection refused", 1, 50, 4),
        Reason(State.CLAIMED, None, 1, 50, 5),
    ]
    assert first == found[:1]


def test_receipts_are_read_from_a_batch_on(sql_database: Database, sql_ledger: SqlLedger):
    sql_ledger.write([], claims(*range(4)))
    with reading(sql_database) as reader:
        (one,) = reader.page().deliveries
        assert [receipt.index for receipt in reader.receipts(one, start=2)] == [2, 3]


# Decisions --------------------------------------------------------------------------------------------------


def decide(database: Database, name: str, decision: Decision, who: str, **how: Any) -> None:
    settle(sql_engine.set_up(database.engine()), replace(KEY, dag_id=name), decision, who, **how)


def decisions(database: Database) -> list[DecisionMade]:
    with reading(database) as reader:
        (one,) = reader.page().deliveries
        return reader.decisions(one)


def test_decisions_stay_on_record_the_newest_first(sql_database: Database):
    begin(sql_database, "d", State.UNCERTAIN, State.SENT, State.UNCERTAIN, State.CLAIMED)
    decide(sql_database, "d", Decision.SENT, "ada", only=[0])
    decide(sql_database, "d", Decision.RESEND, "bob")

    newest, first = decisions(sql_database)

    assert (newest.decision, newest.decided_by, newest.batches, newest.recipients) == (
        "resend",
        "bob",
        "3-4",
        100,
    )
    assert (first.decision, first.decided_by, first.batches, first.recipients) == ("sent", "ada", "1", 50)
    assert first.decided_at <= newest.decided_at <= now_iso()


def test_a_decision_to_send_again_stays_on_record_when_the_batch_is_sent(sql_database: Database):
    ledger = begin(sql_database, "d", State.UNCERTAIN)
    decide(sql_database, "d", Decision.RESEND, "ada")
    ledger.open(goes_on)
    ledger.write([], claims(0))
    ledger.write([settled(0)], [])

    assert [(one.decision, one.decided_by) for one in decisions(sql_database)] == [("resend", "ada")]


def test_a_decision_does_not_make_a_delivery_look_as_if_it_ran(sql_database: Database):
    begin(sql_database, "d", State.UNCERTAIN, State.UNCERTAIN)
    decide(sql_database, "d", Decision.SENT, "ada", only=[0])
    decide(sql_database, "d", Decision.RESEND, "ada", only=[1])

    assert page(sql_database).deliveries[0].status == "open"


def test_decisions_from_before_a_new_start_are_not_shown(sql_database: Database):
    begin(sql_database, "d", State.UNCERTAIN)
    decide(sql_database, "d", Decision.SENT, "ada")
    sql_database.ledger("second", replace(KEY, dag_id="d")).open(starts_over)

    assert decisions(sql_database) == []


def test_a_deleted_delivery_takes_its_decisions_along(sql_database: Database):
    begin(sql_database, "d", State.UNCERTAIN)
    decide(sql_database, "d", Decision.SENT, "ada")
    sql_database.delete_rows()

    assert sql_database.query(sql_schema.decision.select()) == []


@pytest.mark.parametrize(
    ("numbers", "text"),
    [([], ""), ([4], "4"), ([1, 2, 3], "1-3"), ([1, 3, 4, 9], "1, 3-4, 9")],
)
def test_numbers_are_written_as_ranges(numbers: list[int], text: str):
    assert as_ranges(numbers) == text
