"""Collect the reasons why batches were not sent, and tell when it is pointless to go on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from braze_provider.api.errors import BrazeRequestError

MAX_REASONS = 5
MIN_BATCHES = 3
"""The delivery is given up only after at least so many batches were refused for the same reason."""


@dataclass
class _Reason:
    first: str
    batches: int = 1


@dataclass
class Refusals:
    """
    Counts reasons, and tells when to stop.

    :param concurrency: Requests under way at the same time. At least so many batches must be refused before
        the delivery is given up.
    :param max_rejected: The delivery stops if more recipients than this are rejected. Default: no limit.
    """

    concurrency: int
    max_rejected: float | None = None
    _reasons: dict[str, _Reason] = field(default_factory=dict)
    _is_accepted: bool = False
    _rejected: int = 0

    def accepted(self) -> None:
        """Note that Braze has accepted a batch, or may have: it does not refuse the whole delivery."""
        self._is_accepted = True

    def note(self, error: BrazeRequestError) -> bool:
        """
        Note why a batch was not sent.

        :param error: The error of its last request.
        :return: Whether the reason is new and should be logged.
        """
        text = str(error.args[0])
        known = self._reasons.get(text)
        if known is not None:
            known.batches += 1
        else:
            self._reasons[text] = _Reason(str(error))
        return known is None

    def rejected(self, recipients: int) -> None:
        """
        Note that recipients were rejected.

        :param recipients: How many; 1 for a broadcast.
        """
        self._rejected += recipients

    @property
    def verdict(self) -> str | None:
        """Why the delivery must stop; None if it goes on."""
        if self.max_rejected is not None and self._rejected > self.max_rejected:
            return f"{self._rejected:,} were rejected, and max_rejected allows {self.max_rejected:,.0f}"
        if self._is_accepted or len(self._reasons) != 1:
            return None
        (reason,) = self._reasons.values()
        if reason.batches < max(MIN_BATCHES, self.concurrency):
            return None
        return f"The first {reason.batches:,} batches were all refused for the same reason"

    def told(self) -> Iterator[str]:
        """Give the first reasons, each with the number of its batches."""
        for reason in list(self._reasons.values())[:MAX_REASONS]:
            others = reason.batches - 1
            more = f" (and {others:,} more batch{'es' if others > 1 else ''})" if others else ""
            yield reason.first + more
        if (left := len(self._reasons) - MAX_REASONS) > 0:
            yield f"{left:,} more reason{'s' if left > 1 else ''}: the ledger has all of them"
