"""How many batches are claimed ahead, and when the ledger is written: as late as the ledger is fast."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from statistics import median

LOOK_SECONDS = 0.02
"""How often the engine looks whether there is anything to do."""
PAUSE = 0.1
"""
Seconds between two writes, if a write does not take longer itself.

A write of 5 ms takes a twentieth of the time then. A shorter pause would cost more than it spares: what is
under way at the same time is in doubt anyway.
"""
MAX_SECONDS = 1.0
"""How far ahead is claimed at most, however slow the ledger is."""
MAX_AHEAD = 1_000
WRITES = 5
"""How many writes the cost of one is told from: a single slow one changes nothing."""


class Window:
    """
    What is claimed ahead is in doubt after a kill, and so is what is not settled yet. So batches are claimed
    for no longer than until the next write is done, and a write follows soon upon the last one: by a short
    pause, or by as long as a write takes, so that writing takes half of the time at most.

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
        """For how long a write has to claim: until the next one is done."""
        return min(self._pause + 2 * self._cost + LOOK_SECONDS, MAX_SECONDS)

    @property
    def notice(self) -> float:
        """For how long the claims must last still, or else a write begins too late for the next ones."""
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
