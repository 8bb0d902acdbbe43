"""What the SQL ledger keeps and grants, on each database that is available."""

from __future__ import annotations

import dataclasses
import gc
import sys
from typing import Any

import pytest
from ledger.sql_ledger_helpers import (
    AT,
    COUNTERS,
    KEY,
    Database,
    claims,
    goes_on,
    goes_on_as,
    in_state,
    settled,
    starts_over,
    states,
)
from sqlalchemy import event, func, insert, literal, select

from braze_provider.api.errors import BrazeError
from braze_provider.ledger import sql, sql_engine, sql_rows, sql_schema
from braze_provider.ledger.base import (
    Claim,
    Counters,
    DeliveryKey,
    Head,
    LedgerLostError,
    Opening,
    State,
)
from braze_provider.ledger.sql import SqlLedger

# Opening ----------------------------------------------------------------------------------------------------


def test_the_first_opening_finds_nothing(sql_database: Database):
    assert sql_database.ledger().open(goes_on) is None


def test_a_later_opening_finds_the_delivery_unfinished(sql_database: Database, sql_ledger: SqlLedger):
    assert sql_database.ledger("second").open(goes_on) == Head(COUNTERS, finished=False, report=None)


def test_an_opening_is_decided_by_what_is_on_record(sql_database: Database, sql_ledger: SqlLedger):
    seen = []

    def decide(head: Head | None) -> Opening:
        seen.append(head)
        return goes_on(head)

    sql_database.ledger("second").open(decide)
    sql_database.ledger("third", dataclasses.replace(KEY, map_index=7)).open(decide)
    assert seen == [Head(COUNTERS), None]


def test_the_next_opening_finds_the_notes_of_the_last_one(sql_database: Database, sql_ledger: SqlLedger):
    later = Counters(3, 4, "2026-02-01T00:00:00+00:00")
    second = sql_database.ledger("second")
    found = second.open(lambda _: Opening(later, starts_over=False, resends=("June", "Juli ü")))
    assert found == Head(COUNTERS)
    assert sql_database.ledger("third").open(goes_on_as(later)) == Head(later, ("June", "Juli ü"))


def test_the_error_of_a_refusal_is_raised_unchanged(sql_database: Database, sql_ledger: SqlLedger):
    refusal = KeyError("not this one")
    calls = []

    def refuse(head: Head | None) -> Opening:
        calls.append(head)
        raise refusal

    with pytest.raises(KeyError) as caught:
        sql_database.ledger("second").open(refuse)
    assert caught.value is refusal
    assert calls == [Head(COUNTERS)]


def test_a_refused_opening_changes_nothing(sql_database: Database, sql_ledger: SqlLedger):
    in_state(State.SENT, sql_ledger)

    def rows() -> list[Any]:
        return sql_database.query(select(sql_schema.delivery)) + sql_database.query(
            select(sql_schema.receipt)
        )

    def refuse(head: Head | None) -> Opening:
        raise BrazeError("no")

    before = rows()
    for key in (KEY, dataclasses.replace(KEY, task_id="another")):
        with pytest.raises(BrazeError, match="no"):
            sql_database.ledger("second", key).open(refuse)
    assert rows() == before
    sql_ledger.confirm()


def test_the_copy_of_an_earlier_try_does_not_take_over(sql_database: Database):
    later = sql_database.ledger("later")
    later.open(goes_on_as(dataclasses.replace(COUNTERS, try_number=2)))
    with pytest.raises(LedgerLostError, match="This try, 1, sends nothing: try 2 of this task"):
        sql_database.ledger("earlier").open(goes_on)
    later.confirm()


def test_a_dag_run_created_again_begins_with_the_first_try(sql_database: Database):
    sql_database.ledger("before").open(goes_on_as(Counters(5, 5, "2025-12-31T00:00:00+00:00")))
    after = sql_database.ledger("after")
    assert after.open(goes_on) is not None
    after.confirm()


def test_another_copy_of_the_same_try_takes_over(sql_database: Database, sql_ledger: SqlLedger):
    other = sql_database.ledger("second")
    other.open(goes_on)
    other.confirm()


def test_a_finished_delivery_is_found_with_its_report(sql_database: Database, sql_ledger: SqlLedger):
    report = {"recipients": 3, "sent": 3, "note": "übermittelt 🎉"}
    sql_ledger.finish(report)
    assert sql_database.ledger("second").open(goes_on) == Head(COUNTERS, finished=True, report=report)


def test_the_same_owner_may_open_again(sql_ledger: SqlLedger):
    sql_ledger.write([], claims(0))
    assert sql_ledger.open(goes_on) == Head(COUNTERS)
    assert list(sql_ledger.write([settled(0)], claims(1))) == [1]


def test_the_receipts_outlive_the_ledger_that_wrote_them(sql_database: Database, sql_ledger: SqlLedger):
    sql_ledger.write([], claims(0, 1))
    sql_ledger.write([settled(0)], [])
    sql_ledger.close()
    later = sql_database.ledger("second")
    later.open(goes_on)
    assert states(later) == {0: State.SENT, 1: State.CLAIMED}


@pytest.mark.parametrize(
    "other",
    [
        dataclasses.replace(KEY, dag_id="Welcome"),
        dataclasses.replace(KEY, dag_id="welcome "),
        dataclasses.replace(KEY, dag_id="welcomé"),
        dataclasses.replace(KEY, dag_id="welcome\u0301"),
        dataclasses.replace(KEY, dag_id="w" * 255),
        dataclasses.replace(KEY, dag_id="🎉" * 255, run_id="🎊" * 255, task_id="🎈" * 255),
        dataclasses.replace(KEY, run_id=KEY.run_id.lower()),
        dataclasses.replace(KEY, task_id="group.send"),
        dataclasses.replace(KEY, map_index=0),
        dataclasses.replace(KEY, deployment="production"),
        DeliveryKey("welcom", "e" + KEY.run_id, "send"),
    ],
    ids=lambda key: (
        f"{key.dag_id[:8]!a}-{key.run_id[:4]!a}-{key.task_id[:8]!a}-{key.map_index}{key.deployment}"
    ),
)
def test_task_instances_that_differ_in_any_id_share_nothing(
    sql_database: Database, sql_ledger: SqlLedger, other: DeliveryKey
):
    sql_ledger.write([], claims(0))
    another = sql_database.ledger("second", other)
    assert another.open(goes_on) is None
    assert list(another.write([], claims(0))) == [0]
    assert list(sql_ledger.write([settled(0)], claims(1))) == [1]
    assert states(another) == {0: State.CLAIMED}
    assert sql_database.ledger("third", other).open(goes_on) is not None


def test_an_id_that_is_too_long_is_refused_at_once(sql_database: Database):
    with pytest.raises(BrazeError, match="256 characters is too long"):
        sql_database.ledger(key=dataclasses.replace(KEY, task_id="t" * 256))


@pytest.mark.parametrize("owner", ["", " ", "first ", "o" * 256])
def test_an_owner_that_might_be_mistaken_for_another_is_refused(sql_database: Database, owner: str):
    with pytest.raises(ValueError, match="owner"):
        sql_database.ledger(owner)


def test_a_ledger_is_durable(sql_ledger: SqlLedger):
    assert sql_ledger.durable


def test_a_ledger_has_to_be_opened_first(sql_database: Database, sql_ledger: SqlLedger):
    with pytest.raises(RuntimeError, match="opened first"):
        sql_database.ledger("second").write([], claims(0))


# Claims -----------------------------------------------------------------------------------------------------


def test_a_batch_is_granted_once(sql_ledger: SqlLedger):
    assert list(sql_ledger.write([], claims(0, 1))) == [0, 1]
    assert list(sql_ledger.write([], claims(1, 2))) == [2]


def test_a_batch_that_an_earlier_copy_claimed_is_not_granted(sql_successor: SqlLedger):
    assert list(sql_successor.write([], claims(1, 2, 3))) == [3]


@pytest.mark.parametrize("state", [State.CLAIMED, State.UNCERTAIN, State.REJECTED])
def test_a_batch_with_a_receipt_is_granted_only_with_again(sql_ledger: SqlLedger, state: State):
    in_state(state, sql_ledger)
    assert list(sql_ledger.write([], claims(0))) == []
    assert states(sql_ledger) == {0: state}
    assert list(sql_ledger.write([], claims(0, again=True))) == [0]
    assert states(sql_ledger) == {0: State.CLAIMED}


def test_a_batch_that_was_sent_is_never_granted_again(sql_ledger: SqlLedger):
    in_state(State.SENT, sql_ledger)
    assert list(sql_ledger.write([], claims(0, again=True))) == []
    assert states(sql_ledger) == {0: State.SENT}


@pytest.mark.parametrize("again", [False, True])
def test_a_batch_that_was_certainly_not_sent_is_granted(sql_ledger: SqlLedger, again: bool):
    in_state(State.FAILED, sql_ledger)
    assert list(sql_ledger.write([], claims(0, again=again))) == [0]


def test_a_claim_with_again_needs_no_receipt(sql_ledger: SqlLedger):
    assert list(sql_ledger.write([], claims(0, again=True))) == [0]


def test_a_new_claim_keeps_nothing_of_the_receipt_it_replaces(sql_ledger: SqlLedger):
    sql_ledger.write([], claims(0))
    ids = {"dispatch_id": "abc", "schedule_id": "def"}
    sql_ledger.write([settled(0, State.UNCERTAIN, ids=ids, reason="read timeout")], [])
    sql_ledger.write([], [Claim(0, 49, "other", again=True)])
    (found,) = sql_ledger.receipts()
    assert (found.recipients, found.fingerprint, found.ids, found.reason) == (49, "other", {}, None)


def test_a_batch_may_be_settled_and_claimed_again_in_one_step(sql_ledger: SqlLedger):
    sql_ledger.write([], claims(0))
    assert list(sql_ledger.write([settled(0, State.FAILED)], claims(0))) == [0]
    assert states(sql_ledger) == {0: State.CLAIMED}


def test_a_batch_settled_as_sent_is_not_granted_in_the_same_step(sql_ledger: SqlLedger):
    sql_ledger.write([], claims(0))
    assert list(sql_ledger.write([settled(0)], claims(0, again=True))) == []


def test_a_sent_batch_that_fails_later_is_not_granted_in_the_same_step(sql_ledger: SqlLedger):
    in_state(State.SENT, sql_ledger)
    assert list(sql_ledger.write([settled(0, State.FAILED)], claims(0, again=True))) == []
    assert states(sql_ledger) == {0: State.SENT}


def test_a_large_window_is_written_at_once(sql_ledger: SqlLedger):
    many = range(2_500)
    assert len(sql_ledger.write([], claims(*many))) == 2_500
    assert len(sql_ledger.write([settled(index) for index in many], claims(*many, again=True))) == 0
    assert set(states(sql_ledger).values()) == {State.SENT}


def test_a_write_takes_three_statements_for_any_number_of_batches(sql_ledger: SqlLedger):
    sql_ledger.write([], claims(*range(20)))
    sent: list[str] = []
    event.listen(sql_ledger._engine, "before_cursor_execute", lambda *given: sent.append(given[2].split()[0]))
    sql_ledger.write([settled(index) for index in range(20)], claims(*range(20, 40)))
    assert [verb for verb in sent if verb not in ("BEGIN", "BEGIN;", "COMMIT")] == [
        "UPDATE",
        "SELECT",
        "INSERT",
    ]


# Receipts ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ids",
    [
        {},
        {"dispatch_id": "d" * 32},
        {"schedule_id": "später 🎉"},
        {"dispatch_id": "d" * 32, "schedule_id": "0b6cf1bd-52dd-4d55", "send_id": "s"},
    ],
)
def test_a_receipt_is_read_as_it_was_written(sql_ledger: SqlLedger, ids: dict[str, str]):
    written = settled(7, State.UNCERTAIN, ids=ids, reason="502: Bad Gateway – später? 🎉")
    sql_ledger.write([], claims(7))
    sql_ledger.write([written], [])
    assert list(sql_ledger.receipts()) == [written]


def test_a_claim_is_read_as_a_receipt(sql_ledger: SqlLedger):
    sql_ledger.write([], claims(7))
    (found,) = sql_ledger.receipts()
    assert dataclasses.replace(found, at=AT) == settled(7, State.CLAIMED)
    assert found.at.endswith("+00:00")


def test_receipts_come_in_the_order_of_their_batches(sql_ledger: SqlLedger):
    for index in (5, 0, 3, 10, 1):
        sql_ledger.write([], claims(index))
    assert [one.index for one in sql_ledger.receipts()] == [0, 1, 3, 5, 10]


def test_receipts_may_be_read_from_the_middle(sql_ledger: SqlLedger):
    sql_ledger.write([], claims(0, 3, 5, 10))
    assert [one.index for one in sql_ledger.receipts(4)] == [5, 10]


def test_receipts_may_be_written_while_others_are_read(
    sql_ledger: SqlLedger, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sql, "ROWS_PER_PAGE", 10)
    sql_ledger.write([], claims(*range(30)))
    for one in sql_ledger.receipts():
        sql_ledger.write([settled(one.index)], [])
    assert set(states(sql_ledger).values()) == {State.SENT}


def test_a_hundred_thousand_receipts_are_read_in_little_memory(sql_database: Database, sql_ledger: SqlLedger):
    sql_ledger.write([], claims(0))
    with sql_database.engine().begin() as connection:
        table = sql_schema.receipt
        # One database is enough: the memory is the ledger's own. The other databases only take longer.
        powers = 17 if sql_database.kind == "sqlite" else 14
        for power in range(powers):
            columns = [
                (column + literal(2**power)).label("batch_index") if column.name == "batch_index" else column
                for column in table.c
            ]
            names = [column.name for column in table.c]
            connection.execute(insert(table).from_select(names, select(*columns)))
    next(sql_ledger.receipts())  # Objects that are loaded and cached only once do not count.
    gc.collect()
    before = sys.getallocatedblocks()
    most = number = 0
    for number, _ in enumerate(sql_ledger.receipts(), 1):
        if number % 100 == 0:
            most = max(most, sys.getallocatedblocks() - before)
    assert number == 2**powers
    # A dozen objects for each row of one page, not of all pages.
    assert most < 20 * sql.ROWS_PER_PAGE


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("a\x00b", "a\ufffdb"),
        ("lone \ud83c surrogate", "lone ? surrogate"),
        ("ü" * 10_000, "ü" * sql_rows.MAX_REASON_LENGTH),
        ("", ""),
    ],
    ids=["nul", "surrogate", "long", "empty"],
)
def test_an_outcome_is_noted_with_any_text_as_its_reason(sql_ledger: SqlLedger, reason: str, kept: str):
    sql_ledger.write([], claims(0))
    sql_ledger.write([settled(0, State.REJECTED, reason=reason)], [])
    assert [one.reason for one in sql_ledger.receipts()] == [kept]


def test_a_dispatch_id_of_any_length_is_kept(sql_ledger: SqlLedger):
    sql_ledger.write([], claims(0))
    sql_ledger.write([settled(0, ids={"dispatch_id": "d" * 5_000})], [])
    assert [one.dispatch_id for one in sql_ledger.receipts()] == ["d" * 5_000]


@pytest.mark.parametrize("name", ["dispatch_id", "schedule_id"])
@pytest.mark.parametrize(("given", "kept"), [("a\x00b", "a\ufffdb"), ("\ud83c", "?")])
def test_an_id_that_a_database_refuses_is_kept_as_well_as_possible(
    sql_ledger: SqlLedger, name: str, given: str, kept: str
):
    sql_ledger.write([], claims(0))
    sql_ledger.write([settled(0, ids={name: given})], [])
    assert [one.ids for one in sql_ledger.receipts()] == [{name: kept}]


def test_settling_twice_changes_nothing(sql_ledger: SqlLedger):
    sql_ledger.write([], claims(0))
    sql_ledger.write([settled(0)], [])
    sql_ledger.write([settled(0)], [])
    assert list(sql_ledger.receipts()) == [settled(0)]


def test_a_batch_without_a_claim_can_not_be_settled(sql_ledger: SqlLedger):
    sql_ledger.write([settled(0)], [])
    assert list(sql_ledger.receipts()) == []


def test_removing_a_delivery_removes_its_receipts(sql_database: Database, sql_ledger: SqlLedger):
    sql_ledger.write([], claims(0))
    engine = sql_engine.set_up(sql_database.engine())
    with engine.begin() as connection:
        connection.execute(sql_schema.delivery.delete())
    assert sql_database.query(select(func.count()).select_from(sql_schema.receipt))[0][0] == 0
    assert sql_database.ledger("second").open(goes_on) is None


# Starting over ----------------------------------------------------------------------------------------------


def test_after_starting_over_there_is_no_receipt_and_no_end(sql_database: Database, sql_ledger: SqlLedger):
    in_state(State.SENT, sql_ledger)
    sql_ledger.finish({"sent": 1})
    assert sql_ledger.open(starts_over) is None
    assert list(sql_ledger.receipts()) == []
    assert list(sql_ledger.write([], claims(0))) == [0]
    assert sql_database.ledger("second").open(goes_on) == Head(COUNTERS, finished=False)


def test_old_receipts_stay_in_the_table(sql_database: Database, sql_ledger: SqlLedger):
    in_state(State.SENT, sql_ledger)
    sql_ledger.open(starts_over)
    sql_ledger.write([], claims(0))
    table = sql_schema.receipt
    rows = sql_database.query(select(table.c.generation, table.c.state).order_by(table.c.generation))
    assert [tuple(row) for row in rows] == [(0, "sent"), (1, "claimed")]


def test_a_later_try_goes_on_with_the_last_start(sql_database: Database, sql_ledger: SqlLedger):
    in_state(State.SENT, sql_ledger, 0)
    sql_ledger.open(starts_over)
    in_state(State.SENT, sql_ledger, 1)
    later = sql_database.ledger("second")
    later.open(goes_on)
    assert states(later) == {1: State.SENT}
