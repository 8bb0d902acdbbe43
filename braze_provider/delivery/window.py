"""How many batches are claimed ahead, and when the ledger is written. A fast ledger is written later."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from statistics import median

LOOK_SECONDS = 0.02
"""Seconds after which the engine looks again whether there is anything to do."""
PAUSE = 0.1
"""
Seconds between two writes. If a write takes longer than this, the pause is as long as the write.

A write of 5 ms then takes a twentieth of the time. A shorter pause would cost more than it saves: batches
under way are in doubt after a kill anyway.
"""
MAX_SECONDS = 1.0
"""Seconds for which batches are claimed ahead at most, even if the ledger is slow."""
MAX_AHEAD = 1_000
WRITES = 5
"""Number of writes whose median is the cost of a write. A single slow write changes nothing."""


class Window:
    """
    After a kill, all batches that are claimed and not settled are in doubt. To keep them few, batches are
    claimed only until the next write is done, and the next write comes soon. Between two writes is a short
    pause, at least as long as a write takes, so that writing takes half of the time at most.

    :param concurrency: Requests under way at the same time.
    :param admits: Tells how many requests the rate limit admits in so many seconds.
    :param clock: Monotonic clock in seconds; for tests.
    """

    def __init__(
        self, concurrency: int, admits: Callable[[float], int], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._concurrency = concurrency
        self._admits = admits
        self._clock = clock
        self._costs: deque[float] = deque(maxlen=WRITES)
        self._written = -math.inf

    def wrote(self, seconds: float) -> None:
        """
        Note that the ledger has been written.

        :param seconds: How long that took.
        """
        self._costs.append(seconds)
        self._written = self._clock()

    @property
    def is_over(self) -> bool:
        """Whether the pause since the last write is over."""
        return self._clock() - self._written >= self._pause

    @property
    def seconds(self) -> float:
        """Seconds for which a write has to claim batches: until the next write is done."""
        return min(self._pause + 2 * self._cost + LOOK_SECONDS, MAX_SECONDS)

    @property
    def notice(self) -> float:
        """Seconds for which the claims must still last. If they last less, a write must begin now."""
        return self._cost + LOOK_SECONDS

    def starts(self, seconds: float, *, idle: int, busy_seconds: float) -> int:
        """
        Tell how many batches can start.

        :param seconds: From now on.
        :param idle: Number of threads that have nothing under way.
        :param busy_seconds: How long a batch keeps a thread busy; 0 if that is not known yet.
        """
        turns = math.ceil(self._concurrency * seconds / busy_seconds) if busy_seconds else 0
        return min(self._admits(seconds), idle + turns, MAX_AHEAD)

    @property
    def _cost(self) -> float:
        return median(self._costs) if self._costs else 0.0

    @property
    def _pause(self) -> float:
        return max(PAUSE, self._cost)
