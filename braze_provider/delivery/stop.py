"""A request to stop, which a signal handler may make, and the error of a stop before the first request."""

from __future__ import annotations

import time

from braze_provider.api.errors import BrazeError

SLICE_SECONDS = 0.2


class StoppedError(BrazeError):
    """The task was stopped before its first request."""

    def __init__(self) -> None:
        super().__init__("Nothing was sent: the task was stopped while it read its recipients")


class StopSignal:
    """
    Tells every wait of a delivery to end.

    It is a plain flag, and every wait looks at it. An event would not do: Airflow runs ``on_kill`` inside a
    signal handler, and the handler may interrupt the very thread that holds the event's lock.
    """

    def __init__(self) -> None:
        self.requested = False

    def request(self) -> None:
        """Make every wait end within a fraction of a second. May be called from a signal handler."""
        self.requested = True

    def wait(self, seconds: float) -> bool:
        """
        Sleep until the time is over or a stop is requested.

        :param seconds: How long to sleep.
        :return: Whether a stop is requested.
        """
        until = time.monotonic() + seconds
        while not self.requested and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, SLICE_SECONDS))
        return self.requested
