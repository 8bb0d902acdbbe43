"""Tries of a delivery whose repeat does no harm: it needs no ledger, and a clear writes everything again."""

from __future__ import annotations

import logging
from itertools import count
from typing import Any

import pytest
from delivery.tries import CLEARED, FIRST, RETRY

from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.delivery.delivery import Delivery
from braze_provider.delivery.failure import DeliveryError
from braze_provider.delivery.opening import LedgerGoneError, Try
from braze_provider.delivery.options import DeliveryOptions
from braze_provider.delivery.resume import SourceChangedError
from braze_provider.delivery.sender import MAX_ATTEMPTS, Sender
from braze_provider.hooks.braze import BrazeHook
from braze_provider.ledger.base import DeliveryKey
from braze_provider.ledger.sql import SqlLedger
from braze_provider.recipients.inline import InlineRecipients

sqlalchemy = pytest.importorskip("sqlalchemy")

PLAIN = [{"attributes": {"external_id": f"u{number}", "tier": "gold"}} for number in range(100)]
EVENTS = [
    {"events": {"external_id": f"u{number}", "name": "visit", "time": "2026-11-20T08:00:00Z"}}
    for number in range(100)
]


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch) -> None:
    """Let the attempts of a batch follow each other without a wait."""
    monkeypatch.setitem(Sender.__init__.__kwdefaults__, "first_backoff", 0.001)


@pytest.fixture(params=["a ledger", "no ledger"])
def has_ledger(request) -> bool:
    return bool(request.param == "a ledger")


@pytest.fixture
def run_try(sandbox, tmp_path, has_ledger):
    """Run a try of one task instance, and return its delivery."""
    owners = (f"owner-{number}" for number in count())

    def run(which: Try, rows: list[dict[str, Any]]) -> Delivery:
        engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'ledger.db'}")
        ledger = SqlLedger(engine, DeliveryKey("d", "r", "t"), next(owners)) if has_ledger else None
        delivery = Delivery(
            hook=BrazeHook(),
            endpoint=ENDPOINTS["users_track"],
            options=DeliveryOptions(concurrency=1, allow_duplicates=True),
            log=logging.getLogger("test.harmless"),
            ledger=ledger,
            this_try=which,
        )
        try:
            delivery.run({}, InlineRecipients(rows))
        except DeliveryError:
            assert delivery.may_be_retried
        finally:
            delivery.close()
        return delivery

    return run


def fail_after_the_first_request(sandbox) -> None:
    sandbox.fault("status", status=500, after=1, times=MAX_ATTEMPTS)


def test_a_clear_writes_everything_again(sandbox, run_try):
    run_try(FIRST, PLAIN)
    run_try(CLEARED, PLAIN)

    assert len(sandbox.requests()) == 4


def test_a_clear_after_a_failure_writes_everything_again(sandbox, run_try):
    fail_after_the_first_request(sandbox)
    run_try(FIRST, PLAIN)

    assert run_try(CLEARED, PLAIN).report.sent == 100


@pytest.mark.parametrize("has_ledger", [True])
def test_a_retry_goes_on_where_the_last_try_stopped(sandbox, run_try):
    fail_after_the_first_request(sandbox)
    run_try(FIRST, PLAIN)

    report = run_try(RETRY, PLAIN).report

    assert (report.already_sent, report.sent) == (75, 25)


@pytest.mark.parametrize("has_ledger", [False])
def test_a_retry_without_a_ledger_writes_everything_again(sandbox, run_try):
    fail_after_the_first_request(sandbox)
    run_try(FIRST, PLAIN)

    assert run_try(RETRY, PLAIN).report.sent == 100


def test_a_changed_value_writes_everything_again(sandbox, run_try):
    fail_after_the_first_request(sandbox)
    run_try(FIRST, PLAIN)

    changed = [{"attributes": {**row["attributes"], "tier": "silver"}} for row in PLAIN]

    assert run_try(RETRY, changed).report.sent == 100
    assert {sandbox.profile(f"u{number}")["attributes"]["tier"] for number in range(100)} == {"silver"}


def test_a_source_that_is_empty_now_is_no_error(sandbox, run_try):
    fail_after_the_first_request(sandbox)
    run_try(FIRST, PLAIN)

    assert run_try(RETRY, []).report.recipients == 0


@pytest.mark.parametrize("has_ledger", [True])
def test_what_would_count_twice_is_not_written_again_by_a_clear(sandbox, run_try):
    run_try(FIRST, EVENTS)
    run_try(CLEARED, EVENTS)

    assert len(sandbox.requests()) == 2


@pytest.mark.parametrize("has_ledger", [True])
def test_one_row_that_would_count_twice_makes_the_whole_delivery_careful(sandbox, run_try):
    def increment(by: int) -> dict[str, Any]:
        return {"attributes": {"external_id": "u", "visits": {"inc": by}}}

    fail_after_the_first_request(sandbox)
    run_try(FIRST, [increment(1), *PLAIN])

    with pytest.raises(SourceChangedError):
        run_try(RETRY, [increment(2), *PLAIN])


@pytest.mark.parametrize("has_ledger", [False])
def test_a_retry_of_what_would_count_twice_needs_a_ledger(sandbox, run_try):
    run_try(FIRST, EVENTS)

    with pytest.raises(LedgerGoneError, match="this is a retry"):
        run_try(RETRY, EVENTS)

    assert len(sandbox.requests()) == 2
