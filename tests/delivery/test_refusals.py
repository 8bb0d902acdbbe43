"""When a delivery is given up, and how its reasons are told."""

from __future__ import annotations

import pytest

from braze_provider.api.errors import BrazeRejectedError
from braze_provider.api.outcomes import Outcome
from braze_provider.delivery.refusals import Refusals


def refused(reason: str, batch: int = 1) -> BrazeRejectedError:
    error = BrazeRejectedError(reason, outcome=Outcome.REJECTED)
    error.batch = f"batch {batch}"
    return error


@pytest.mark.parametrize(("concurrency", "needed"), [(1, 3), (3, 3), (8, 8)])
def test_it_is_given_up_if_the_first_batches_meet_the_same_refusal(concurrency, needed):
    refusals = Refusals(concurrency)

    for batch in range(1, needed):
        refusals.note(refused("no such campaign", batch))
    assert refusals.verdict is None
    refusals.note(refused("no such campaign", needed))

    assert refusals.verdict == f"The first {needed} batches were all refused for the same reason"


def test_two_reasons_do_not_refuse_the_whole_delivery():
    refusals = Refusals(1)
    for batch in range(10):
        refusals.note(refused(f"reason {batch % 2}"))

    assert refusals.verdict is None


def test_after_an_accepted_batch_it_is_not_given_up():
    refusals = Refusals(1)
    refusals.accepted()
    for _ in range(10):
        refusals.note(refused("a bad row"))

    assert refusals.verdict is None


@pytest.mark.parametrize(("limit", "stops"), [(99, True), (100, False), (0, True), (None, False)])
def test_more_rejected_recipients_than_allowed_stop_it(limit, stops):
    refusals = Refusals(1, limit)
    refusals.accepted()
    refusals.rejected(50)
    refusals.rejected(50)

    assert (refusals.verdict is not None) is stops


def test_each_reason_is_told_once_with_first_batch_and_count():
    refusals = Refusals(1)
    new = [refusals.note(refused(reason, batch)) for batch, reason in enumerate("aabac", start=1)]

    assert new == [True, False, True, False, True]
    assert list(refusals.told()) == ["batch 1: a (and 2 more batches)", "batch 3: b", "batch 5: c"]


def test_no_more_than_five_reasons_are_told():
    refusals = Refusals(1)
    for batch, reason in enumerate("abcdefg"):
        refusals.note(refused(reason, batch))

    *told, last = refusals.told()
    assert len(told) == 5
    assert last == "2 more reasons: the ledger has all of them"
