"""How far ahead batches are claimed, and how often the ledger is written."""

from __future__ import annotations

import pytest

from braze_provider.delivery.pacing import Pacer
from braze_provider.delivery.window import MAX_AHEAD, MAX_SECONDS, WRITES, Window

CONCURRENCY = 8
LATENCY = 0.1
PER_BATCH = 50


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def window_of(clock: Clock, cost: float, limit: float = 250_000, seconds: float = 3_600) -> Window:
    """A window whose writes take ``cost`` seconds, by default at Braze's default limit."""
    window = Window(CONCURRENCY, Pacer(limit, seconds, clock=clock).admits, clock)
    for _ in range(WRITES):
        window.wrote(cost)
    return window


def ahead(window: Window, seconds: float | None = None) -> int:
    """Number of batches that may wait while all threads are busy."""
    return window.starts(window.seconds if seconds is None else seconds, idle=0, busy_seconds=LATENCY)


def pause(window: Window, clock: Clock) -> float:
    """Seconds from one write to the next."""
    while not window.is_over:
        clock.now += 0.001
    return clock.now


@pytest.mark.parametrize(
    ("cost", "recipients"),
    [(0.0005, 1_000), (0.003, 1_000), (0.01, 1_000), (0.02, 1_100), (0.04, 1_200), (0.2, 3_500)],
)
def test_a_faster_ledger_has_fewer_recipients_ahead_and_under_way(clock, cost, recipients):
    assert (ahead(window_of(clock, cost)) + CONCURRENCY) * PER_BATCH <= recipients


@pytest.mark.parametrize("cost", [1.0, 10.0])
def test_a_very_slow_ledger_has_the_work_of_a_second_claimed_ahead(clock, cost):
    window = window_of(clock, cost)

    assert window.seconds == MAX_SECONDS
    assert ahead(window) == 70


@pytest.mark.parametrize("cost", [0.0005, 0.003, 0.005])
def test_a_fast_ledger_is_written_a_twentieth_of_the_time_at_most(clock, cost):
    assert cost / (cost + pause(window_of(clock, cost), clock)) <= 0.05


@pytest.mark.parametrize("cost", [0.04, 0.2, 1.0, 10.0])
def test_a_slow_ledger_is_written_half_of_the_time_at_most(clock, cost):
    assert pause(window_of(clock, cost), clock) >= cost


@pytest.mark.parametrize("cost", [0.0005, 0.003, 0.02, 0.04, 0.2])
def test_claims_last_until_the_next_write_is_done(clock, cost):
    window = window_of(clock, cost)

    assert window.seconds >= 2 * cost + pause(window, clock)
    assert window.notice > cost


def test_a_single_slow_write_does_not_widen_the_window(clock):
    window = window_of(clock, 0.003)
    before = window.seconds

    window.wrote(2.0)

    assert window.seconds == before


def test_a_ledger_that_became_slow_widens_the_window(clock):
    window = window_of(clock, 0.003)
    before = window.seconds
    for _ in range(WRITES):
        window.wrote(0.2)

    assert window.seconds > before


def test_before_a_batch_was_answered_each_thread_gets_one(clock):
    assert window_of(clock, 0, 1e9, 1).starts(1.0, idle=5, busy_seconds=0) == 5


def test_without_a_limit_the_threads_get_as_much_as_they_can_do(clock):
    window = window_of(clock, 0.003, 1e9, 1)

    assert window.starts(0.5, idle=2, busy_seconds=LATENCY) == 2 + 5 * CONCURRENCY
    assert window.starts(0.5, idle=2, busy_seconds=1e-9) == MAX_AHEAD


def test_a_pace_below_the_next_write_claims_nothing(clock):
    pacer = Pacer(10, 60, clock=clock)
    window = Window(CONCURRENCY, pacer.admits, clock)
    assert ahead(window) == 1

    pacer.reserve()
    assert ahead(window) == 0

    clock.now = 5.95
    assert ahead(window) == 1
