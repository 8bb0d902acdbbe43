"""Questions to the SQL ledger: the recipients of batches, and batches that were sent elsewhere."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import pytest
from ledger.sql_ledger_helpers import (
    KEY,
    Database,
    claims,
    goes_on,
    in_state,
    settled,
    starts_over,
)
from sqlalchemy import select, update

from braze_provider.api.errors import BrazeError
from braze_provider.ledger import sql, sql_schema
from braze_provider.ledger.base import AuditLedger, Claim, DeliveryKey, State
from braze_provider.ledger.sql import SqlLedger

LATER = "2100-01-01T00:00:00+00:00"


def identity(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()


def of_people(index: int, *numbers: int) -> Claim:
    return Claim(index, len(numbers), f"fingerprint-{index}", who=tuple(map(identity, numbers)))


@pytest.fixture
def keeper(sql_database: Database) -> SqlLedger:
    """A ledger that keeps the recipients of each batch, opened for the first time."""
    opened = sql_database.ledger(keeps_recipients=True)
    assert opened.open(goes_on) is None
    return opened


# Recipients -------------------------------------------------------------------------------------------------


def test_a_sql_ledger_can_be_asked(keeper: SqlLedger):
    assert isinstance(keeper, AuditLedger)
    assert keeper.keeps_recipients


def test_recipients_that_are_sent_or_in_doubt_are_listed(keeper: SqlLedger):
    states = [State.SENT, State.CLAIMED, State.UNCERTAIN, State.REJECTED, State.FAILED]
    keeper.write([], [of_people(index, 2 * index, 2 * index + 1) for index in range(5)])
    keeper.write([settled(i, state) for i, state in enumerate(states) if state is not State.CLAIMED], [])
    assert list(keeper.settled_recipients()) == [keeper.keyed(identity(number)) for number in range(6)]


def test_recipients_are_listed_page_by_page(keeper: SqlLedger, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sql, "ROWS_PER_PAGE", 3)
    keeper.write([], [of_people(index, index) for index in range(9)])
    assert len(set(keeper.settled_recipients())) == 9


def test_recipients_from_before_a_start_over_are_not_listed(keeper: SqlLedger):
    keeper.write([], [of_people(0, 1)])
    keeper.open(starts_over)
    keeper.write([], [of_people(0, 2)])
    assert list(keeper.settled_recipients()) == [keeper.keyed(identity(2))]


def test_recipients_of_a_batch_claimed_again_are_the_new_ones(keeper: SqlLedger):
    keeper.write([], [of_people(0, 1)])
    keeper.write([], [dataclasses.replace(of_people(0, 2, 3), again=True)])
    assert list(keeper.settled_recipients()) == [keeper.keyed(identity(2)), keeper.keyed(identity(3))]


def test_a_later_try_finds_the_recipients_again(sql_database: Database, keeper: SqlLedger):
    keeper.write([], [of_people(0, 1)])
    later = sql_database.ledger("later", keeps_recipients=True)
    later.open(goes_on)
    assert list(later.settled_recipients()) == [later.keyed(identity(1))]


def test_a_broadcast_has_no_recipients(keeper: SqlLedger):
    keeper.write([], [Claim(0, 0, "fingerprint-0")])
    assert list(keeper.settled_recipients()) == []


def test_a_batch_without_its_recipients_is_named(sql_database: Database, keeper: SqlLedger):
    keeper.write([], [of_people(0, 1)])
    other = sql_database.ledger("other")
    other.open(goes_on)
    other.write([], [of_people(7, 1)])
    with pytest.raises(BrazeError, match="has not kept the recipients of batch 8"):
        list(other.settled_recipients())


def test_a_ledger_keeps_no_recipients_by_default(sql_database: Database, sql_ledger: SqlLedger):
    sql_ledger.write([], [of_people(0, 1)])
    assert sql_database.query(select(sql_schema.receipt.c.who)) == [(None,)]


def test_a_digest_is_useless_without_the_ledger_s_secret(empty_sql_database: Database, keeper: SqlLedger):
    keeper.write([], [of_people(0, 1)])
    ((kept,),) = empty_sql_database.query(select(sql_schema.receipt.c.who))
    assert bytes(kept) == keeper.keyed(identity(1))
    assert len(bytes(kept)) == 16
    assert bytes(kept) not in (identity(1)[:16], hashlib.blake2b(identity(1), digest_size=16).digest())
    empty_sql_database.query(update(sql_schema.version).values(secret=b"s" * 32))
    another = empty_sql_database.ledger("another")
    another.open(goes_on)
    assert another.keyed(identity(1)) != keeper.keyed(identity(1))


def test_a_digest_needs_an_opened_ledger(sql_database: Database):
    with pytest.raises(RuntimeError, match="opened first"):
        sql_database.ledger().keyed(b"x")


# Elsewhere --------------------------------------------------------------------------------------------------


MAPPED = dataclasses.replace(KEY, map_index=0)


def opened(database: Database, **changes: Any) -> SqlLedger:
    ledger = database.ledger(f"copy-{len(database.ledgers)}", dataclasses.replace(MAPPED, **changes))
    ledger.open(goes_on)
    return ledger


@pytest.mark.parametrize("state", [State.SENT, State.CLAIMED, State.UNCERTAIN])
def test_a_batch_is_found_at_another_map_index(sql_database: Database, state: State):
    in_state(state, opened(sql_database, map_index=3), 5)
    here = opened(sql_database)
    assert here.found_elsewhere("fingerprint-5", before=LATER, clear_number=0) == 3
    assert here.found_elsewhere("fingerprint-4", before=LATER, clear_number=0) is None


@pytest.mark.parametrize("state", [State.REJECTED, State.FAILED])
def test_a_batch_that_was_not_sent_elsewhere_is_not_found(sql_database: Database, state: State):
    in_state(state, opened(sql_database, map_index=3), 5)
    assert opened(sql_database).found_elsewhere("fingerprint-5", before=LATER, clear_number=0) is None


@pytest.mark.parametrize(
    "other",
    [
        MAPPED,
        DeliveryKey("another", KEY.run_id, KEY.task_id, 3),
        DeliveryKey(KEY.dag_id + " ", KEY.run_id, KEY.task_id, 3),
        DeliveryKey(KEY.dag_id, "another", KEY.task_id, 3),
        DeliveryKey(KEY.dag_id, KEY.run_id, "another", 3),
        dataclasses.replace(MAPPED, map_index=3, deployment="production"),
    ],
    ids=["itself", "dag", "space", "run", "task", "deployment"],
)
def test_a_batch_of_another_task_is_not_found(sql_database: Database, other: DeliveryKey):
    there = sql_database.ledger("there", other)
    there.open(goes_on)
    there.write([], claims(5))
    assert opened(sql_database).found_elsewhere("fingerprint-5", before=LATER, clear_number=0) is None


def test_a_batch_is_found_within_the_same_deployment(sql_database: Database):
    opened(sql_database, map_index=3, deployment="production").write([], claims(5))
    here = opened(sql_database, deployment="production")
    assert here.found_elsewhere("fingerprint-5", before=LATER, clear_number=0) == 3


def test_a_batch_from_before_a_start_over_is_not_found(sql_database: Database):
    there = opened(sql_database, map_index=3)
    there.write([], claims(5))
    there.open(starts_over)
    assert opened(sql_database).found_elsewhere("fingerprint-5", before=LATER, clear_number=0) is None


def test_a_delivery_that_began_before_a_clear_of_the_run_is_found(sql_database: Database):
    opened(sql_database, map_index=3).write([], claims(5))
    here = opened(sql_database)
    long_ago = "2000-01-01T00:00:00+00:00"
    assert here.found_elsewhere("fingerprint-5", before=long_ago, clear_number=1) == 3
    assert here.found_elsewhere("fingerprint-5", before=long_ago, clear_number=0) is None


@pytest.mark.parametrize(
    ("before", "found"),
    [
        ("2026-05-01T12:00:00.001+00:00", 3),
        ("2026-05-01T12:00:00.000+00:00", None),
        ("2026-05-01T12:00:01Z", 3),
        ("2026-05-01T13:59:59+02:00", None),
        ("2026-05-01T11:00:00.500000-02:00", 3),
    ],
)
def test_a_delivery_that_began_too_late_is_not_searched(
    sql_database: Database, before: str, found: int | None
):
    opened(sql_database, map_index=3).write([], claims(5))
    sql_database.query(update(sql_schema.delivery).values(created_at="2026-05-01T12:00:00.000+00:00"))
    assert opened(sql_database).found_elsewhere("fingerprint-5", before=before, clear_number=0) == found
