"""How fast requests may go: a share of Braze's limit, spread evenly, and slower when others use it too."""

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
"""How much of a pause is caught up with."""
BURST_SPEED = 1.5
"""How many times faster than the pace that is done."""
MAX_WAIT = 3_600.0
MIN_WAIT = 0.05
DEFAULT_WAIT = 5.0
MAX_CLOCK_ERROR = 2.0
LOOK_BACK = 30.0
"""Over how many seconds, up to twice that, the use by others is measured."""
MIN_LOOK = 0.2
MIN_PART = 0.25
"""What is taken at least of the share of what is left, however much others are expected to use."""
_EPOCH = 1e9
_NEVER = (-math.inf, -1, 0)


class Pacer:
    """
    Spreads requests evenly over the window of a rate limit. Threads share one.

    Braze's headers rule over the configured figures: the share of what they say is left, less what others
    will use of it and what is under way and not counted there yet, is spread over the time that is left. So
    other pipelines' use of the workspace slows this one down before a 429 does, and what they leave is used
    as far as the share goes.

    Every request that was admitted has to be observed, whatever became of it.

    :param limit: Requests in each window that the workspace may make.
    :param window: Length of the window in seconds.
    :param share: The part of the workspace's limit that this is, above 0 and up to 1. Default 1.
    :param after_refusal: Requests a second from a 429 on, by the ``X-RateLimit-Limit`` that the 429 names.
        Default: a 429 changes the pace of its window alone.
    :param clock: Monotonic clock in seconds; for tests.
    :param wall_clock: Epoch clock in seconds, used only where an answer bears no date; for tests.
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
        """Seconds until the next request is admitted; 0 if it is now."""
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
            # What a pause left to catch up with is left out, and so is a window that begins meanwhile.
            pace = min(self._full_rate, self._fastest(now)) if self._left >= 1 else self._full_rate
            return 1 + int((seconds - wait) * pace)

    @property
    def closed_for(self) -> float:
        """Seconds until requests are admitted again, after the limit was used up; 0 if they are."""
        with self._lock:
            return self._closed_for(self._now())

    def reserve(self) -> float:
        """
        Take the next free moment for a request.

        :return: Seconds to wait until it; 0 to go now. After a wait it is to be asked again, since the
            answers of others may have changed the pace: a moment is taken only when 0 is returned.
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
        Follow what an answer says of the limit.

        :param state: The answer's rate-limit headers; nothing, where there was no answer.
        :param refused: Whether it was a 429, after which nobody goes on before the window's end.
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
                # Else it is of an edge server, which knows nothing of the limit, or of a window that is over.
                # Resets are whole seconds, rounded up: the earliest is the nearest to the truth.
                self._window_ends = min(self._window_ends, now + seconds)
                others = self._use_by_others(now, state.remaining) * (self._window_ends - now)
                free = max(state.remaining - others, state.remaining * MIN_PART)
                self._left = free * self._share - self._under_way

    def _now(self) -> float:
        """Tell the time, and leave the window behind that is over by then."""
        now = self._clock()
        if now >= self._window_ends:
            # What the answers said was left of it says nothing of the next one, which has nothing to catch up
            # with either.
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
        """Tell how close upon the last request the next one may follow, in requests a second."""
        fastest = self._full_rate * BURST_SPEED
        if self._window_ends < math.inf:
            fastest = min(fastest, self._left / (self._window_ends - now))
        return max(fastest, 1.0 / MAX_WAIT)

    def _use_by_others(self, now: float, remaining: int) -> float:
        """
        Tell how many requests a second others make, who know nothing of the shares.

        Those that have the other shares are taken to make as many requests as this task, each for its share.
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
        # Braze's reset is read by Braze's clock: this machine's may be minutes off.
        return min(max(state.reset - self._braze_time(state, now), 0.0), MAX_WAIT)

    def _braze_time(self, state: RateLimitState, now: float) -> float:
        if state.date:
            try:
                ahead = _epoch(state.date) - now
            except (ValueError, OverflowError):
                return self._wall_clock()
            # Dates are whole seconds, rounded down, and take a while to get here: of those that can be one
            # clock's, the one furthest ahead is the nearest to the truth.
            if not ahead <= self._ahead <= ahead + MAX_CLOCK_ERROR:
                self._ahead = ahead
            return now + self._ahead
        return self._wall_clock()


@lru_cache(maxsize=4)
def _epoch(date: str) -> float:
    """Read a date as HTTP has it; all answers of a second bear the same one."""
    return parsedate_to_datetime(date).timestamp()
