"""How long a copy of a task may send after one confirmation of the ledger."""

from __future__ import annotations

import threading

import pytest

from braze_provider.delivery.lease import LEASE_SECONDS, MAX_LATE, Lease
from braze_provider.delivery.stop import StopSignal


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lease(clock: Clock) -> Lease:
    lease = Lease(clock)
    lease.confirm(lease.now())
    return lease


def test_nothing_may_be_sent_before_the_first_confirmation(clock):
    assert not Lease(clock).is_valid


@pytest.mark.parametrize(
    ("seconds", "valid"),
    [(0, True), (LEASE_SECONDS, True), (LEASE_SECONDS + 1, False), (86_400, False), (-60, False)],
    ids=["now", "just in time", "too late", "a day later", "the clock was set back"],
)
def test_a_confirmation_is_good_for_a_few_seconds(lease, clock, seconds, valid):
    clock.now += seconds

    assert lease.is_valid is valid


def test_a_confirmation_counts_from_the_time_of_the_question(lease, clock):
    asked_at = lease.now()
    clock.now += LEASE_SECONDS + 1
    lease.confirm(asked_at)

    assert not lease.is_valid


def test_a_waiting_thread_asks_and_goes_on_after_the_confirmation(lease, clock):
    clock.now += 60
    stop, went_on = StopSignal(), []
    waiting = threading.Thread(target=lambda: went_on.append(lease.wait(stop)))
    waiting.start()
    while not lease.is_wanted:
        assert waiting.is_alive()

    lease.confirm(lease.now())
    waiting.join(10)

    assert went_on == [True]
    assert not lease.is_wanted


def test_a_stop_ends_the_wait(lease, clock):
    clock.now += 60
    stop = StopSignal()
    stop.request()

    assert not lease.wait(stop)


def test_a_valid_lease_needs_no_wait(lease):
    assert lease.wait(StopSignal())
    assert not lease.is_wanted


def confirm(lease: Lease, clock: Clock, *, seconds: float) -> None:
    """Confirm it as a ledger does that takes so many seconds."""
    asked_at = lease.now()
    clock.now += seconds
    lease.confirm(asked_at)


@pytest.mark.parametrize(("took", "age"), [(0.0, 4.6), (1.0, 3.6), (2.0, 2.6), (4.0, 4.0)])
def test_it_runs_out_when_a_new_confirmation_would_come_just_in_time(lease, clock, took, age):
    confirm(lease, clock, seconds=took)
    clock.now += age - took

    assert lease.is_valid
    assert lease.runs_out


@pytest.mark.parametrize(("took", "age"), [(0.0, 4.4), (1.0, 3.4), (2.0, 2.4)])
def test_it_does_not_run_out_before_that(lease, clock, took, age):
    confirm(lease, clock, seconds=took)
    clock.now += age - took

    assert not lease.runs_out


def test_it_has_run_out_without_a_confirmation(clock):
    assert Lease(clock).runs_out


def test_after_a_late_confirmation_another_one_is_wanted(lease, clock):
    lease.is_wanted = True

    confirm(lease, clock, seconds=LEASE_SECONDS + 1)

    assert lease.is_wanted


def test_several_late_confirmations_in_a_row_are_too_slow(lease, clock):
    lease.is_wanted = True
    for _ in range(MAX_LATE):
        assert not lease.is_too_slow
        confirm(lease, clock, seconds=LEASE_SECONDS + 1)

    assert lease.is_too_slow
    assert lease.took == LEASE_SECONDS + 1
    lease.is_wanted = False
    assert not lease.is_too_slow


def test_a_confirmation_in_time_resets_the_count_of_late_ones(lease, clock):
    lease.is_wanted = True
    for _ in range(MAX_LATE):
        confirm(lease, clock, seconds=LEASE_SECONDS + 1)

    confirm(lease, clock, seconds=1)

    assert (lease.late, lease.is_wanted, lease.is_too_slow) == (0, False, False)
