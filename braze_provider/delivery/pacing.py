"""Set the pace of requests: a share of Braze's limit, spread evenly, and slower when others use it too."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import lru_cache
from types import MappingProxyType

from braze_provider.api.limits import RateLimitState

BURST_SECONDS = 1.0
"""After a pause, requests catch up for at most so many seconds of it."""
BURST_SPEED = 1.5
"""To catch up, requests go so many times faster than the pace."""
MAX_WAIT = 3_600.0
MIN_WAIT = 0.05
DEFAULT_WAIT = 5.0
MAX_CLOCK_ERROR = 2.0
LOOK_BACK = 30.0
"""The use by others is measured over so many seconds, and at most over twice as many."""
MIN_LOOK = 0.2
MIN_PART = 0.25
"""Part of its share of the remaining requests that a task uses, even if others are expected to use more."""
_EPOCH = 1e9
_NEVER = (-math.inf, -1, 0)


class Pacer:
    """
    Spreads requests evenly over the window of a rate limit. Threads share one.

    Braze's headers override the configured figures. They say how many requests are left in the window. The
    pacer subtracts the requests that others will make, takes its share of the rest, and subtracts its own
    requests that are under way and not counted yet. It spreads the result over the time that is left. So it
    slows down when other pipelines use the workspace, before a 429 does, and it uses what they leave, up to
    its share.

    Every request that was admitted must be observed, whatever its outcome.

    :param limit: Requests that the workspace may make in each window.
    :param window: Length of the window in seconds.
    :param share: The part of the workspace's limit that this task may use, above 0 and up to 1. Default 1.
    :param after_refusal: Requests a second after a 429, by the ``X-RateLimit-Limit`` that the 429 names.
        Default: a 429 changes the pace of its own window only.
    :param clock: Monotonic clock in seconds; for tests.
    :param wall_clock: Epoch clock in seconds, used only if an answer has no date; for tests.
    """

    def __init__(
        self,
        limit: float,
        window: float,
        *,
        share: float = 1.0,
        after_refusal: Mapping[int, float] = MappingProxyType({}),
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._share = share
        self._full_rate = limit * share / window
        self._after_refusal = after_refusal
        self._clock = clock
        self._wall_clock = wall_clock
        self._lock = threading.Lock()
        self._due = clock()
        self._last = self._closed_until = self._ahead = -math.inf
        self._left = self._window_ends = math.inf
        self._under_way = self._answered = 0
        self._long_ago = self._lately = _NEVER

    @property
    def rate(self) -> float:
        """Requests a second that are admitted at the moment, on average."""
        with self._lock:
            return min(self._full_rate, self._fastest(self._now()))

    @property
    def wait(self) -> float:
        """Seconds until the next request is admitted; 0 if it is admitted now."""
        with self._lock:
            return self._wait(self._now())

    def admits(self, seconds: float) -> int:
        """
        Tell how many requests will be admitted at the usual pace, as far as is known now.

        :param seconds: From now on.
        """
        with self._lock:
            now = self._now()
            wait = self._wait(now)
            if wait > seconds:
                return 0
            # This ignores catching up after a pause, and a new window that begins meanwhile.
            pace = min(self._full_rate, self._fastest(now)) if self._left >= 1 else self._full_rate
            return 1 + int((seconds - wait) * pace)

    @property
    def closed_for(self) -> float:
        """Seconds until requests are admitted again after the limit was used up; 0 if they are admitted."""
        with self._lock:
            return self._closed_for(self._now())

    def reserve(self) -> float:
        """
        Take the next free moment for a request.

        :return: Seconds to wait; 0 to go now. A moment is taken only if 0 is returned. After a wait, call
            this again: other answers may have changed the pace.
        """
        with self._lock:
            now = self._now()
            if wait := self._wait(now):
                return wait
            self._due = max(self._due, now - BURST_SECONDS) + 1.0 / self._full_rate
            self._last = now
            self._left -= 1
            self._under_way += 1
            return 0.0

    def observe(self, state: RateLimitState, *, refused: bool = False) -> None:
        """
        Adapt the pace to the rate-limit headers of an answer.

        :param state: The answer's rate-limit headers; empty if there was no answer.
        :param refused: Whether it was a 429: then no request goes before the window's end.
        """
        with self._lock:
            now = self._now()
            self._under_way = max(self._under_way - 1, 0)
            self._answered += 1
            seconds = self._seconds_left(state, now)
            if refused:
                if state.limit is not None:
                    self._full_rate = min(self._full_rate, self._after_refusal.get(state.limit, math.inf))
                wait = DEFAULT_WAIT if seconds is None else max(seconds, MIN_WAIT)
                self._closed_until = max(self._closed_until, now + wait)
                self._due = max(self._due, self._closed_until)
                if seconds is not None:
                    self._window_ends = self._closed_until
            elif state.remaining is not None and seconds:
                # Other answers come from an edge server, which does not know the limit, or from a window that
                # is over. Resets are whole seconds, rounded up: the earliest one is nearest to the truth.
                self._window_ends = min(self._window_ends, now + seconds)
                others = self._use_by_others(now, state.remaining) * (self._window_ends - now)
                free = max(state.remaining - others, state.remaining * MIN_PART)
                self._left = free * self._share - self._under_way

    def _now(self) -> float:
        """Tell the time, and forget the window if it is over."""
        now = self._clock()
        if now >= self._window_ends:
            # Its remaining requests do not count in the next window, and there is nothing to catch up with.
            self._due = max(self._due, self._window_ends)
            self._left = self._window_ends = math.inf
            self._long_ago = self._lately = _NEVER
        return now

    def _wait(self, now: float) -> float:
        """Tell how long the next request has to wait."""
        if closed_for := self._closed_for(now):
            return closed_for
        moment = max(self._due, self._last + 1.0 / self._fastest(now))
        return min(moment, self._window_ends) - now if moment > now else 0.0

    def _closed_for(self, now: float) -> float:
        if now < self._closed_until:
            return self._closed_until - now
        return self._window_ends - now if self._left < 1 else 0.0

    def _fastest(self, now: float) -> float:
        """Tell how fast the next request may follow the last one, in requests a second."""
        fastest = self._full_rate * BURST_SPEED
        if self._window_ends < math.inf:
            fastest = min(fastest, self._left / (self._window_ends - now))
        return max(fastest, 1.0 / MAX_WAIT)

    def _use_by_others(self, now: float, remaining: int) -> float:
        """
        Tell how many requests a second come from clients that do not use the shares.

        The tasks with the other shares are assumed to be as busy as this one: each makes as many requests as
        this task, in proportion to its share.
        """
        here = (now, remaining, self._answered)
        if remaining > self._long_ago[1]:
            self._long_ago = self._lately = here  # a new window
        elif now - self._lately[0] > LOOK_BACK:
            self._long_ago, self._lately = self._lately, here
        since, remained, answered = self._long_ago
        if now - since < MIN_LOOK:
            return 0.0
        accounted_for = (self._answered - answered) / self._share
        return max(remained - remaining - accounted_for, 0.0) / (now - since)

    def _seconds_left(self, state: RateLimitState, now: float) -> float | None:
        if state.retry_after is not None:
            return min(state.retry_after, MAX_WAIT)
        if state.reset is None:
            return None
        if state.reset < _EPOCH:
            return min(state.reset, MAX_WAIT)
        # Compare Braze's reset with Braze's clock: this machine's clock may be minutes off.
        return min(max(state.reset - self._braze_time(state, now), 0.0), MAX_WAIT)

    def _braze_time(self, state: RateLimitState, now: float) -> float:
        if state.date:
            try:
                ahead = _epoch(state.date) - now
            except (ValueError, OverflowError):
                return self._wall_clock()
            # Dates are whole seconds, rounded down, and arrive late. So of all dates that fit one clock, the
            # one furthest ahead is nearest to the truth.
            if not ahead <= self._ahead <= ahead + MAX_CLOCK_ERROR:
                self._ahead = ahead
            return now + self._ahead
        return self._wall_clock()


@lru_cache(maxsize=4)
def _epoch(date: str) -> float:
    """Read an HTTP date. It is cached, because all answers within a second have the same date."""
    return parsedate_to_datetime(date).timestamp()
