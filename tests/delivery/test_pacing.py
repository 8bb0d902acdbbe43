"""The pacer under a fake clock: when requests go, and how answers change that."""

from __future__ import annotations

from email.utils import formatdate
from itertools import pairwise
from typing import Any

import pytest

from braze_provider.api.limits import RateLimitState
from braze_provider.delivery.pacing import (
    BURST_SECONDS,
    BURST_SPEED,
    DEFAULT_WAIT,
    LOOK_BACK,
    MAX_WAIT,
    Pacer,
)

NOON = 1_800_000_000.0
"""The time of the wall clock when the monotonic clock is 0."""


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def pacer_of(clock: Clock, limit: float = 10, window: float = 1, **options: Any) -> Pacer:
    """A pacer of 10 requests a second by default."""
    return Pacer(limit, window, clock=clock, wall_clock=lambda: NOON + clock.now, **options)


def admissions(pacer: Pacer, clock: Clock, count: int) -> list[float]:
    """Make requests as soon as the pacer allows; return when each of them went."""
    times: list[float] = []
    while len(times) < count:
        wait = pacer.reserve()
        if wait:
            clock.now += wait
        else:
            times.append(clock.now)
    return times


def until(pacer: Pacer, clock: Clock, end: float) -> int:
    """Make requests as soon as the pacer allows; return how many went before a moment."""
    count = 0
    while True:
        wait = pacer.reserve()
        if clock.now + wait >= end:
            clock.now = end
            return count
        clock.now += wait
        count += not wait


# By the configured limit ---------------------------------------------------------------------------------


def test_requests_are_spread_evenly_from_the_first_on(clock):
    assert admissions(pacer_of(clock), clock, 5) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def test_the_limit_is_never_exceeded_in_a_window(clock):
    pacer = pacer_of(clock, 250_000, 3_600)

    assert until(pacer, clock, 3_600) == pytest.approx(250_000, abs=1)


@pytest.mark.parametrize("share", [1, 0.5, 0.1])
def test_a_share_of_the_limit_is_that_part_of_the_pace(clock, share):
    times = admissions(pacer_of(clock, share=share), clock, 3)

    assert times == pytest.approx([0, 0.1 / share, 0.2 / share])


def test_a_wait_takes_no_turn_from_later_requests(clock):
    pacer = pacer_of(clock)
    pacer.reserve()

    assert [pacer.reserve() for _ in range(3)] == [pytest.approx(0.1)] * 3


def test_after_a_pause_it_catches_up_for_one_second_only(clock):
    pacer = pacer_of(clock)
    admissions(pacer, clock, 1)
    clock.now += 100

    times = admissions(pacer, clock, 60)

    assert times[-1] - 100 == pytest.approx(59 / 10 - BURST_SECONDS)


def test_it_catches_up_fully_after_less_than_a_second(clock):
    pacer = pacer_of(clock)
    admissions(pacer, clock, 1)
    clock.now += 0.55

    assert admissions(pacer, clock, 30)[-1] == pytest.approx(3)


def test_catching_up_makes_no_burst(clock):
    pacer = pacer_of(clock)
    admissions(pacer, clock, 1)
    clock.now += 100

    times = admissions(pacer, clock, 60)

    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert min(gaps) == pytest.approx(0.1 / BURST_SPEED)


# What is to come -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [0, 1, 7])
@pytest.mark.parametrize("share", [1, 0.3])
@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.15, 1.0, 2.5])
def test_it_tells_how_many_requests_it_will_admit(clock, before, share, seconds):
    pacer = pacer_of(clock, share=share)
    admissions(pacer, clock, before)

    said = pacer.admits(seconds)

    assert said == pytest.approx(until(pacer, clock, clock.now + seconds + 1e-9), abs=1)


def test_it_tells_how_many_more_the_answers_leave(clock):
    pacer = pacer_of(clock)
    pacer.observe(RateLimitState(remaining=10, reset=10))
    pacer.reserve()

    assert [pacer.admits(seconds) for seconds in (0.5, 1.5, 2.5)] == [0, 1, 2]


def test_it_admits_nothing_before_the_reset_and_again_from_then_on(clock):
    pacer = pacer_of(clock)
    pacer.observe(RateLimitState(remaining=0, reset=40))

    assert pacer.wait == 40
    assert [pacer.admits(seconds) for seconds in (1, 39, 40, 41)] == [0, 0, 1, 11]


def test_asking_how_many_it_will_admit_takes_no_turn(clock):
    pacer = pacer_of(clock)

    assert [pacer.wait, pacer.admits(0), pacer.wait, pacer.admits(0)] == [0, 1, 0, 1]
    assert pacer.reserve() == 0


# By the answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reset", [50, NOON + 50], ids=["seconds left", "unix time"])
def test_use_by_others_slows_this_one_down(clock, reset):
    pacer = pacer_of(clock)
    pacer.reserve()

    pacer.observe(RateLimitState(remaining=100, reset=reset))

    first, second, third = admissions(pacer, clock, 3)
    assert (second - first, third - second) == pytest.approx((0.5, 0.5))


def test_a_share_is_a_share_of_what_is_left(clock):
    pacer = pacer_of(clock, share=0.5)
    pacer.observe(RateLimitState(remaining=100, reset=50))

    first, second = admissions(pacer, clock, 2)
    assert second - first == pytest.approx(50 / 49)


def test_requests_under_way_are_not_counted_in_the_answer_yet(clock):
    pacer = pacer_of(clock)
    admissions(pacer, clock, 3)

    pacer.observe(RateLimitState(remaining=12, reset=20))

    # Two of the twelve are under way already.
    first, second = admissions(pacer, clock, 2)
    assert second - first == pytest.approx(2, abs=0.3)


def test_no_more_requests_go_than_are_left(clock):
    pacer = pacer_of(clock)
    admissions(pacer, clock, 3)

    pacer.observe(RateLimitState(remaining=2, reset=5))

    assert pacer.reserve() == pacer.closed_for == 5


def test_a_request_without_an_answer_is_not_under_way_any_more(clock):
    pacer = pacer_of(clock)
    admissions(pacer, clock, 3)
    pacer.observe(RateLimitState())
    pacer.observe(RateLimitState())

    pacer.observe(RateLimitState(remaining=2, reset=50))

    assert pacer.reserve() == pytest.approx(25)


def test_the_pace_stays_within_the_limit_even_if_much_is_left(clock):
    pacer = pacer_of(clock)
    pacer.observe(RateLimitState(remaining=1_000_000, reset=10))

    assert admissions(pacer, clock, 3) == pytest.approx([0, 0.1, 0.2])


def test_it_uses_what_is_left_up_to_the_reset_and_no_more(clock):
    pacer = pacer_of(clock, 3_600, 3_600)
    left = 100
    while clock.now < 1_000:
        if wait := pacer.reserve():
            clock.now += wait
        else:
            left -= 1
            assert left >= 0
            pacer.observe(RateLimitState(remaining=left, reset=max(1_000 - clock.now, 1)))

    assert left <= 1


@pytest.mark.parametrize(
    "state",
    [RateLimitState(), RateLimitState(remaining=5), RateLimitState(reset=50), RateLimitState(limit=3)],
    ids=["nothing", "no reset", "no remaining", "the limit alone"],
)
def test_an_answer_without_remaining_or_reset_changes_nothing(clock, state):
    pacer = pacer_of(clock)
    pacer.observe(RateLimitState(remaining=100, reset=50))

    pacer.observe(state)

    first, second = admissions(pacer, clock, 2)
    assert second - first == pytest.approx(50 / 99)


@pytest.mark.parametrize("reset", [30, NOON + 30], ids=["seconds left", "unix time"])
def test_nothing_left_closes_until_the_reset(clock, reset):
    pacer = pacer_of(clock)

    pacer.observe(RateLimitState(remaining=0, reset=reset))

    assert pacer.reserve() == 30
    clock.now = 29.5
    assert pacer.reserve() == 0.5
    clock.now = 30
    assert pacer.reserve() == 0


def test_an_empty_window_that_is_over_closes_nothing(clock):
    pacer = pacer_of(clock)

    pacer.observe(RateLimitState(remaining=0, reset=NOON - 5))

    assert pacer.reserve() == 0


@pytest.mark.parametrize("share", [1, 0.01])
def test_a_new_window_has_its_full_pace(clock, share):
    pacer = pacer_of(clock, share=share)
    pacer.observe(RateLimitState(remaining=1, reset=60))
    pacer.reserve()

    clock.now += pacer.reserve()

    assert clock.now == 60
    first, second, third = admissions(pacer, clock, 3)
    assert (second - first, third - second) == pytest.approx((0.1 / share, 0.1 / share))


@pytest.mark.parametrize("share", [1, 0.5])
def test_the_pace_is_even_while_others_use_a_steady_part(clock, share):
    """Others use 4 of 10 requests a second. The task with the rest of the share is as busy as this one."""
    pacer = pacer_of(clock, 600, 60, share=share)
    times: list[float] = []
    while clock.now < 60:
        if wait := pacer.reserve():
            clock.now += wait
        else:
            times.append(clock.now)
            left = 600 - len(times) / share - 4 * clock.now
            assert left > -2
            pacer.observe(RateLimitState(remaining=max(round(left), 0), reset=NOON + 60))

    for begin in (10, 20, 30, 40, 50):
        assert sum(begin <= time < begin + 10 for time in times) == pytest.approx(60 * share, abs=3)


def test_past_use_by_others_is_forgotten(clock):
    pacer = pacer_of(clock, 36_000, 3_600)
    for remaining in (36_000, 30_000):
        pacer.observe(RateLimitState(remaining=remaining, reset=NOON + 3_600))
        clock.now += 1
    assert pacer.rate < 5

    for _ in range(5):
        clock.now += LOOK_BACK
        pacer.observe(RateLimitState(remaining=30_000, reset=NOON + 3_600))

    assert pacer.rate == pytest.approx(30_000 / 3_600, rel=0.05)


def test_expected_use_by_others_does_not_stop_requests(clock):
    pacer = pacer_of(clock, 36_000, 3_600)
    for remaining in (36_000, 30_000):
        pacer.observe(RateLimitState(remaining=remaining, reset=NOON + 3_600))
        clock.now += 1

    assert pacer.reserve() < 1


@pytest.mark.parametrize("window", [1, 5, 60])
def test_a_small_share_gets_requests_in_every_window(clock, window):
    pacer = pacer_of(clock, 70 * window, window, share=0.01)
    count = 0
    while clock.now < 300:
        if wait := pacer.reserve():
            clock.now += wait
        else:
            count += 1
            pacer.observe(RateLimitState(remaining=20, reset=NOON + window * (clock.now // window + 1)))

    assert count > 0.3 * 300 / window


# 429 -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "state",
    [
        RateLimitState(remaining=0, reset=40),
        RateLimitState(remaining=0, reset=NOON + 40),
        RateLimitState(retry_after=40),
        RateLimitState(retry_after=40, remaining=0, reset=5),
        # Headers of another bucket, say: the refusal is what counts.
        RateLimitState(remaining=17, reset=40),
    ],
)
def test_a_429_closes_until_the_reset(clock, state):
    pacer = pacer_of(clock)

    pacer.observe(state, refused=True)

    assert pacer.reserve() == 40
    assert admissions(pacer, clock, 1) == [40]


def test_a_429_without_a_time_closes_for_a_while(clock):
    pacer = pacer_of(clock)

    pacer.observe(RateLimitState(), refused=True)

    assert pacer.reserve() == DEFAULT_WAIT


@pytest.mark.parametrize("state", [RateLimitState(reset=0), RateLimitState(reset=NOON - 7)])
def test_a_429_always_closes_for_a_moment(clock, state):
    pacer = pacer_of(clock)

    pacer.observe(state, refused=True)

    assert 0 < pacer.reserve() < 1


def test_late_answers_do_not_reopen_what_a_429_closed(clock):
    pacer = pacer_of(clock)
    pacer.observe(RateLimitState(remaining=0, reset=40), refused=True)

    pacer.observe(RateLimitState(remaining=3, reset=40))
    pacer.observe(RateLimitState(remaining=0, reset=10), refused=True)
    pacer.observe(RateLimitState())

    assert pacer.reserve() == 40


@pytest.mark.parametrize("refused", [True, False])
def test_no_answer_closes_for_longer_than_the_longest_window(clock, refused):
    pacer = pacer_of(clock)

    pacer.observe(RateLimitState(remaining=0, reset=NOON + 1e9), refused=refused)

    assert pacer.reserve() == MAX_WAIT


@pytest.mark.parametrize(
    ("limit", "refused", "pace"),
    [(250, True, 1), (10, True, 1), (36_000, True, 10), (None, True, 10), (250, False, 10)],
)
def test_a_429_of_another_limit_slows_down_for_good(clock, limit, refused, pace):
    """A pacer of 10 requests a second, which a 429 of the limits 250 and 10 slows down to one."""
    pacer = pacer_of(clock, 36_000, 3_600, after_refusal={250: 1.0, 10: 1.0})

    pacer.observe(RateLimitState(limit=limit, reset=5), refused=refused)

    clock.now = 100
    assert pacer.rate == pytest.approx(pace)


# Clocks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("skew", [-600, 0, 600])
def test_a_wrong_local_clock_does_not_matter_if_answers_have_dates(clock, skew):
    here = NOON + skew
    pacer = Pacer(10, 1, clock=clock, wall_clock=lambda: here)

    date = formatdate(NOON, usegmt=True)
    pacer.observe(RateLimitState(remaining=0, reset=NOON + 30, date=date))

    assert pacer.reserve() == 30


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_the_local_clock_is_used_if_no_date_can_be_read(clock, date):
    pacer = pacer_of(clock)
    clock.now = 10

    pacer.observe(RateLimitState(remaining=0, reset=NOON + 30, date=date))

    assert pacer.reserve() == 20


def test_the_exact_time_is_read_from_many_dates_of_whole_seconds(clock):
    """The window ends in 30.4 s, and Braze's clock is some minutes ahead."""
    pacer = pacer_of(clock, 1_000)
    for _ in range(70):
        clock.now += 0.03
        date = formatdate(int(NOON + 300.6 + clock.now), usegmt=True)
        pacer.observe(RateLimitState(remaining=100, reset=NOON + 331, date=date))

    pacer.observe(RateLimitState(remaining=0, reset=NOON + 331))

    assert clock.now + pacer.reserve() == pytest.approx(30.4, abs=0.03)


def test_a_single_date_far_ahead_is_not_believed_for_long(clock):
    pacer = pacer_of(clock)
    for ahead in (600, 0):
        date = formatdate(NOON + clock.now + ahead, usegmt=True)
        pacer.observe(RateLimitState(remaining=0, reset=NOON + 900, date=date))
        clock.now += pacer.reserve()

    assert clock.now == 900


def test_a_late_answer_of_the_last_window_does_not_close_the_new_one(clock):
    pacer = pacer_of(clock)
    date = formatdate(NOON, usegmt=True)
    pacer.observe(RateLimitState(remaining=0, reset=NOON + 30, date=date))
    clock.now = 30
    pacer.reserve()

    clock.now = 30.1
    pacer.observe(RateLimitState(remaining=0, reset=NOON + 30, date=formatdate(NOON + 29, usegmt=True)))

    assert pacer.reserve() < 1
