"""A request to stop, which a signal handler may make, and the error of a stop before the first send."""

from __future__ import annotations

import time

from braze_provider.api.errors import BrazeError

SLICE_SECONDS = 0.2


class StoppedError(BrazeError):
    """The task was stopped before its first request."""

    def __init__(self) -> None:
        super().__init__("The task was stopped while it read its recipients; nothing was sent")


class StopSignal:
    """
    Tells every wait of a delivery to end.

    A plain flag that waits look at, since Airflow runs ``on_kill`` inside a signal handler: an event's lock
    might be held by the very thread that the handler interrupts.
    """

    def __init__(self) -> None:
        self.requested = False

    def request(self) -> None:
        """Make every wait end within a fraction of a second. May be called from a signal handler."""
        self.requested = True

    def wait(self, seconds: float) -> bool:
        """
        Sleep, unless a stop is requested.

        :param seconds: How long.
        :return: Whether a stop is requested.
        """
        until = time.monotonic() + seconds
        while not self.requested and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, SLICE_SECONDS))
        return self.requested
