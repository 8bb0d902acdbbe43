"""What a later try does with the receipts of an earlier one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from braze_provider.delivery.batches import Batch
from braze_provider.delivery.resume import Past, Planned, SourceChangedError, plan, tally, verify
from braze_provider.ledger.base import Receipt, State


def batches(count: int) -> Iterator[Batch]:
    return (Batch(index, (b"{}",) * 50, f"print {index}") for index in range(count))


def receipts(*states: State | None, fingerprint: str = "print {}") -> Iterator[Receipt]:
    """A receipt for each batch; None where there is none."""
    return (
        Receipt(index, 50, fingerprint.format(index), state, "2026-11-21T00:00:00+00:00")
        for index, state in enumerate(states)
        if state is not None
    )


def planned(on_uncertain: str, *states: State | None) -> list[tuple[int, bool, bool, bool]]:
    some = plan(batches(len(states)), receipts(*states), lambda batch, receipt: on_uncertain)
    found: list[Planned] = list(some)
    return [(item.batch.index, item.again, item.in_doubt_since is not None, item.accept) for item in found]


def test_without_an_earlier_try_all_batches_are_planned():
    assert verify(batches(3), receipts()) == Past(0, 0)
    assert planned("hold", None, None) == [(0, False, False, False), (1, False, False, False)]


def test_sent_batches_are_counted_and_never_planned_again():
    assert verify(batches(3), receipts(State.SENT, None, State.SENT)) == Past(sent=100, in_doubt=0)
    for on_uncertain in ("hold", "resend", "accept"):
        assert [item[0] for item in planned(on_uncertain, State.SENT, None, State.SENT)] == [1]


@pytest.mark.parametrize("state", [State.FAILED, State.REJECTED])
def test_batches_that_were_not_sent_are_planned_again(state):
    assert planned("hold", state) == [(0, True, False, False)]


@pytest.mark.parametrize("state", [State.CLAIMED, State.UNCERTAIN])
def test_batches_in_doubt_wait_for_the_users_decision(state):
    assert verify(batches(1), receipts(state)) == Past(sent=0, in_doubt=50)
    assert planned("hold", state) == []
    assert planned("resend", state) == [(0, True, True, False)]
    assert planned("accept", state) == [(0, True, True, True)]


@pytest.mark.parametrize("state", [State.SENT, State.CLAIMED, State.UNCERTAIN])
def test_a_changed_batch_that_was_sent_or_in_doubt_stops_everything(state):
    others = [*receipts(State.SENT), *receipts(None, state, fingerprint="other")]

    with pytest.raises(SourceChangedError, match="Batch 2 is not the one of an earlier try"):
        verify(batches(3), iter(others))


@pytest.mark.parametrize("state", [State.FAILED, State.REJECTED])
def test_a_changed_batch_that_was_not_sent_stops_nothing(state):
    assert verify(batches(3), receipts(state, state, fingerprint="other")) == Past()
    assert verify(batches(1), receipts(State.SENT, state)) == Past(sent=50)


def test_fewer_recipients_than_were_sent_to_stop_everything():
    with pytest.raises(SourceChangedError, match="Batch 3 of an earlier try does not exist any more"):
        verify(batches(2), receipts(State.SENT, State.SENT, State.SENT))


def test_a_changed_source_is_told_in_figures():
    error = SourceChangedError("Batch 7 is not the one of an earlier try")
    error.add_figures(1_000, 300, 0)
    assert "names 1,000 recipients now; 300 were sent to." in str(error)

    error.add_figures(1_000, 300, 50)
    assert "300 were sent to and 50 in doubt." in str(error)


def test_receipts_are_counted_without_regard_to_the_source():
    states = (State.SENT, State.UNCERTAIN, State.CLAIMED, State.FAILED, None, State.REJECTED)

    assert tally(receipts(*states)) == (Past(sent=50, in_doubt=100), 6)
    assert tally(receipts()) == (Past(), 0)


def test_recipients_added_since_an_earlier_try_are_sent_to():
    assert verify(batches(3), receipts(State.SENT)) == Past(sent=50, in_doubt=0)
    assert [item[0] for item in planned("hold", State.SENT, None, None)] == [1, 2]
