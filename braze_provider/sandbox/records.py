"""
What the sandbox remembers: each request, and what each recipient received.

A million recipients are one dictionary entry each: whatever else there is to say about a delivery is
read from the request's body when somebody asks.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from braze_provider.sandbox.clock import Clock

NO_ANSWER = "no answer"


@dataclass(slots=True)
class Receipt:
    """
    One request as the sandbox saw it.

    :param index: its number (int) in order of arrival, from 0.
    :param endpoint: its path (str).
    :param received_at: Unix time (float) of its arrival, by the sandbox's clock.

    The rest is filled in as it becomes known: ``accepted`` says that it was a send and that Braze took
    it, ``recipients`` how many it named and ``reached`` how many of them received something.
    """

    index: int
    endpoint: str
    received_at: float
    status: int | None = None
    accepted: bool = False
    recipients: int = 0
    reached: int = 0
    broadcast: bool = False
    dispatch_id: str | None = None
    campaign_id: str | None = None
    send_id: str | None = None
    content: str = ""
    fault: str | None = None
    body: bytes | None = None


class Recorder:
    """
    The memory of a sandbox.

    :param clock: the clock (:class:`Clock`) that arrivals are noted by.
    :param keep_bodies: keep what requests said (bool).
    """

    def __init__(self, clock: Clock, *, keep_bodies: bool) -> None:
        self._clock = clock
        self._keep_bodies = keep_bodies
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.receipts: list[Receipt] = []
        self.deliveries: dict[str, Receipt | list[Receipt]] = {}
        self._statuses: Counter[tuple[str, str]] = Counter()
        self._faults: Counter[str] = Counter()
        self._duplicates: Counter[str] = Counter()
        self._accepted = self._broadcasts = self._messages = 0
        self._first_accepted: float | None = None
        self._last_accepted: float | None = None
        self._second = self._in_second = self._peak = 0

    def arrive(self, endpoint: str) -> Receipt:
        """
        Note that a request has arrived.

        :param endpoint: its path (str).
        """
        now = self._clock.now()
        receipt = Receipt(len(self.receipts), endpoint, now)
        self.receipts.append(receipt)
        if int(now) != self._second:
            self._second, self._in_second = int(now), 0
        self._in_second += 1
        self._peak = max(self._peak, self._in_second)
        return receipt

    def keep_body(self, receipt: Receipt, raw: bytes) -> None:
        """
        Keep what a request said, if bodies are kept.

        :param receipt: the request.
        :param raw: its body (bytes).
        """
        if self._keep_bodies:
            receipt.body = raw

    def accept(self, receipt: Receipt, reached: Iterable[str]) -> None:
        """
        Note that Braze took a request, and whom it reached.

        :param receipt: the request.
        :param reached: the recipient keys of those who receive a message.
        """
        receipt.accepted = True
        self._accepted += 1
        self._broadcasts += receipt.broadcast
        if self._first_accepted is None:
            self._first_accepted = receipt.received_at
        self._last_accepted = receipt.received_at
        deliveries = self.deliveries
        count = 0
        for key in reached:
            count += 1
            earlier = deliveries.setdefault(key, receipt)
            if earlier is not receipt:
                self._deliver_again(key, earlier, receipt)
        receipt.reached = count
        self._messages += count

    def answer(self, receipt: Receipt, status: int | None) -> None:
        """
        Note how a request was answered.

        :param receipt: the request.
        :param status: the HTTP status (int), or ``None`` when the connection closed without an answer.
        """
        receipt.status = status
        self._statuses[receipt.endpoint, NO_ANSWER if status is None else str(status)] += 1
        if receipt.fault is not None:
            self._faults[receipt.fault] += 1

    def summary(self) -> dict[str, Any]:
        """Everything in figures. A *duplicate* is a person whom the same content reached twice or more."""
        by_endpoint: dict[str, dict[str, int]] = {}
        for (endpoint, status), count in self._statuses.items():
            by_endpoint.setdefault(endpoint, {})[status] = count
        return {
            "requests": len(self.receipts),
            "by_endpoint": by_endpoint,
            "accepted": self._accepted,
            "broadcasts": self._broadcasts,
            "recipients": len(self.deliveries),
            "messages": self._messages,
            "duplicates": self._duplicates.total(),
            "duplicates_by_content": dict(self._duplicates),
            "faults": dict(self._faults),
            "peak_requests_per_second": self._peak,
            "first_accepted_at": self._first_accepted,
            "last_accepted_at": self._last_accepted,
        }

    def _deliver_again(self, key: str, earlier: Receipt | list[Receipt], receipt: Receipt) -> None:
        # The first delivery is stored bare: nearly everybody has but one, and a list costs 64 bytes.
        history = earlier if isinstance(earlier, list) else [earlier]
        if sum(known.content == receipt.content for known in history) == 1:
            self._duplicates[receipt.content] += 1
        self.deliveries[key] = [*history, receipt]
