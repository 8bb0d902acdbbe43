"""The sandbox's idea of now."""

from __future__ import annotations

import time
from email.utils import formatdate


class Clock:
    """
    A wall clock that can be wrong on purpose.

    :param offset: Seconds by which it runs ahead of this machine; negative runs behind. Default 0.
    """

    def __init__(self, offset: float = 0.0) -> None:
        self._offset = self._first_offset = offset
        self._second = -1
        self._date = ""

    def now(self) -> float:
        """Give the Unix time in seconds."""
        return time.time() + self._offset

    @property
    def ahead(self) -> float:
        """By how many seconds it runs ahead of this machine."""
        return self._offset

    def reset(self) -> None:
        """Return to the first offset."""
        self._offset = self._first_offset

    def advance(self, seconds: float) -> None:
        """
        Move the clock forward.

        :param seconds: By how much.
        """
        self._offset += seconds

    def http_date(self) -> str:
        """Give the time in the form of a ``Date`` header."""
        second = int(self.now())
        if second != self._second:
            # Formatting takes longer than all other headers together, so it is done once a second.
            self._second, self._date = second, formatdate(second, usegmt=True)
        return self._date
