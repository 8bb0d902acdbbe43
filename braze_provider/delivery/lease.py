"""How long a copy of a task may take itself for the owner of its delivery without asking the ledger."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from braze_provider.api.errors import BrazeError
from braze_provider.delivery.stop import StopSignal

LEASE_SECONDS = 5.0
"""Far below the time after which Airflow starts another copy of a task that it has not heard of."""
LOOK_SECONDS = 0.02
RENEWAL_SECONDS = 0.5
"""How long before it runs out a new confirmation should be there."""
MAX_LATE = 3


class LedgerTooSlowError(BrazeError):
    """The ledger's confirmations come later than they are good for, so that nothing can be sent."""


class Lease:
    """
    What the ledger has confirmed lately: that nobody else delivers for this task instance.

    A machine that slept, or was cut off, wakes up with batches in its queue that it had claimed before, and
    Airflow may have started another copy of the task since. So no request is made on a confirmation that is
    older than a few seconds: whoever is about to make one asks for a new one and waits.

    The thread that keeps the ledger confirms, the threads that send ask.

    :param clock: The time in seconds; for tests. The wall clock, since the monotonic one stands still while a
        virtual machine does. Where it is set back, the lease has run out.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._confirmed = -math.inf
        self.is_wanted = False
        """Whether somebody waits for a confirmation."""
        self.took = 0.0
        """Seconds that the last confirmation took."""
        self.late = 0
        """How many confirmations in a row were too old when they came."""

    def now(self) -> float:
        """Tell the time, to be noted before the ledger is asked: its answer may be old when it comes."""
        return self._clock()

    def confirm(self, asked_at: float) -> None:
        """
        Note that the ledger named this copy the owner.

        :param asked_at: What :meth:`now` was before it was asked.
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
        """Whether a confirmation that is asked for now comes just in time, as long as the last one took."""
        age = self._clock() - self._confirmed
        return not 0 <= age + self.took + RENEWAL_SECONDS <= LEASE_SECONDS

    @property
    def is_too_slow(self) -> bool:
        """Whether somebody waits for a confirmation, and the last ones all came too late."""
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
