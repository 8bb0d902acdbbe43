"""
This release continues a delivery that an older release left unfinished: no recipient is sent to twice, and
none is left out.

The task was killed when the fifth of nine batches of 50 was the last one with an outcome. The releases are
those of commit 73eac76 (version 1) and a6e80a5 (version 2). Version 3 of the SQL ledger is version 2 after
the step of commit 474f7ca.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

import pytest
from ledger.sql_ledger_helpers import AT, KEY, Database, goes_on
from ledger.task_state_ledger_helpers import Store, opening
from sqlalchemy import update

from braze_provider.api.endpoints import CAMPAIGNS_TRIGGER_SEND
from braze_provider.api.errors import BrazeError
from braze_provider.delivery.delivery import Delivery
from braze_provider.delivery.failure import DeliveryError
from braze_provider.delivery.opening import Try
from braze_provider.delivery.options import DeliveryOptions
from braze_provider.hooks.braze import BrazeHook
from braze_provider.ledger import sql_schema, task_state
from braze_provider.ledger.base import Ledger
from braze_provider.ledger.task_state import TaskStateLedger
from braze_provider.recipients import InlineRecipients

KILLED = dataclasses.replace(KEY, task_id="killed")
SENT, REJECTED, UNCERTAIN, FAILED, CLAIMED, NEVER_CLAIMED = [0, 4], [1], [2], [3], [5, 6], [7, 8]

Ledgers = Callable[[str], Ledger]


@pytest.fixture(params=[1, 2, 3], ids="version {}".format)
def sql_ledgers(empty_sql_database: Database, request: pytest.FixtureRequest) -> Ledgers:
    empty_sql_database.fill_as_version(request.param)
    return lambda owner: empty_sql_database.ledger(owner, KILLED)


@pytest.fixture(params=[1, 2], ids="format {}".format)
def task_state_ledgers(task_state_store: Store, request: pytest.FixtureRequest) -> Ledgers:
    task_state_store.fill_as_format(request.param, "killed")
    return lambda owner: TaskStateLedger(task_state_store, owner)


def delivery(ledger: Ledger, try_number: int, **options: Any) -> Delivery:
    return Delivery(
        BrazeHook(),
        CAMPAIGNS_TRIGGER_SEND,
        DeliveryOptions(**options),
        logging.getLogger("test.upgrades"),
        ledger,
        Try(try_number, max_tries=2, retries=2, run_started_at=AT),
    )


def recipients(*batches: int) -> list[str]:
    return [f"p{number}" for batch in batches for number in range(50 * batch, 50 * batch + 50)]


def assert_is_continued_and_sends_nothing_twice(sandbox: Any, ledgers: Ledgers) -> None:
    source = InlineRecipients(recipients(*range(9)), key="external_user_id")
    second = delivery(ledgers("second"), 2)
    with pytest.raises(DeliveryError):
        second.run({"campaign_id": "c"}, source)
    second.close()

    received = [name for one in sandbox.requests() for name in one["body"]["recipients"]]
    assert sorted(one["external_user_id"] for one in received) == sorted(
        recipients(*FAILED, *REJECTED, *NEVER_CLAIMED)
    )
    assert second.report.already_sent == 50 * len(SENT)
    assert second.report.uncertain == 50 * len(UNCERTAIN + CLAIMED)

    third = delivery(ledgers("third"), 3, on_uncertain="accept")
    report = third.run({"campaign_id": "c"}, source)
    new = {one["dispatch_id"] for one in sandbox.requests()}
    (ids, total) = third.ids(10)["dispatch_id"]
    third.close()

    assert sandbox.summary()["requests"] == len(new)
    assert report.already_sent + report.sent == report.recipients == 450
    assert total == len(new) + len(SENT)
    assert set(ids) == new | {f"{index:032x}" for index in SENT}


def test_a_delivery_in_a_sql_ledger(sandbox, sql_ledgers: Ledgers):
    assert_is_continued_and_sends_nothing_twice(sandbox, sql_ledgers)


def test_a_delivery_in_task_state(sandbox, task_state_ledgers: Ledgers):
    assert_is_continued_and_sends_nothing_twice(sandbox, task_state_ledgers)


def assert_is_refused_before_anything_is_sent(sandbox: Any, ledger: Ledger) -> None:
    with pytest.raises(BrazeError, match=r"version \d.*update|newer release.*upgrade"):
        delivery(ledger, 2).run({"campaign_id": "c"}, InlineRecipients(recipients(0), key="external_user_id"))
    assert sandbox.requests() == []


def test_a_sql_ledger_of_a_newer_release_is_refused(sandbox, empty_sql_database: Database):
    empty_sql_database.ledger("first", KILLED).open(goes_on)
    empty_sql_database.query(update(sql_schema.version).values(version=sql_schema.SCHEMA_VERSION + 1))

    assert_is_refused_before_anything_is_sent(sandbox, empty_sql_database.ledger("second", KILLED))


def test_task_state_of_a_newer_release_is_refused(sandbox, task_state_store: Store, monkeypatch):
    with monkeypatch.context() as newer:
        newer.setattr(task_state, "FORMAT", task_state.FORMAT + 1)
        TaskStateLedger(task_state_store, "first").open(opening())

    assert_is_refused_before_anything_is_sent(sandbox, TaskStateLedger(task_state_store, "second"))
