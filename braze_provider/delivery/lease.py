"""How long a copy of a task may rely on the ledger's last confirmation that it owns the delivery."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from braze_provider.api.errors import BrazeError
from braze_provider.delivery.stop import StopSignal

LEASE_SECONDS = 5.0
"""Far below the time after which Airflow starts another copy of a task whose heartbeats have stopped."""
LOOK_SECONDS = 0.02
RENEWAL_SECONDS = 0.5
"""A new confirmation should come so many seconds before the lease runs out."""
MAX_LATE = 3


class LedgerTooSlowError(BrazeError):
    """The ledger's confirmations have run out by the time they come, so nothing can be sent."""


class Lease:
    """
    The ledger's last confirmation that no other copy delivers for this task instance.

    A machine that slept or was cut off may wake up with claimed batches in its queue, while Airflow has
    started another copy of the task. So no request is made if the last confirmation is older than a few
    seconds: the thread that wants to make the request asks for a new confirmation and waits.

    The thread that keeps the ledger confirms; the threads that send ask.

    :param clock: The time in seconds; for tests. The default is the wall clock, because the monotonic clock
        stops while a virtual machine sleeps. If the wall clock is set back, the lease has run out.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._confirmed = -math.inf
        self.is_wanted = False
        """Whether a thread waits for a confirmation."""
        self.took = 0.0
        """Seconds that the last confirmation took."""
        self.late = 0
        """How many confirmations in a row were too old when they came."""

    def now(self) -> float:
        """Tell the time. Note it before the ledger is asked: its answer may be old when it comes."""
        return self._clock()

    def confirm(self, asked_at: float) -> None:
        """
        Note that the ledger has confirmed this copy as the owner.

        :param asked_at: The time by :meth:`now` before the ledger was asked.
        """
        self._confirmed = asked_at
        self.took = self._clock() - asked_at
        self.late = 0 if self.is_valid else self.late + 1
        self.is_wanted = self.is_wanted and not self.is_valid

    @property
    def is_valid(self) -> bool:
        """Whether a request may be made now."""
        return 0 <= self._clock() - self._confirmed <= LEASE_SECONDS

    @property
    def runs_out(self) -> bool:
        """Whether a new confirmation would come just in time if it takes as long as the last one."""
        age = self._clock() - self._confirmed
        return not 0 <= age + self.took + RENEWAL_SECONDS <= LEASE_SECONDS

    @property
    def is_too_slow(self) -> bool:
        """Whether a thread waits for a confirmation, and the last ones all came too late."""
        return self.is_wanted and self.late >= MAX_LATE

    def wait(self, stop: StopSignal) -> bool:
        """
        Wait until a request may be made.

        :param stop: Ends the wait.
        :return: Whether a request may be made.
        """
        while not self.is_valid:
            self.is_wanted = True
            if stop.wait(LOOK_SECONDS):
                return False
        return True
