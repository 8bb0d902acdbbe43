"""
The tests' side of the Dags in ``dags/deliveries.py``: the messages that the sandbox received for each run.

Tests compare this count with the operator's report.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from braze_provider.sandbox import Limit

CUSTOMERS = 2_000
"""How many each Dag run sends to."""

PER_REQUEST = 50
REQUESTS = CUSTOMERS // PER_REQUEST
CONCURRENCY = 2
LATENCY = 0.25
"""Seconds that the sandbox takes to answer: a task must have time to be killed."""
LIMIT = Limit(200, 10)
"""Requests that the limited sandbox admits in ten seconds."""


@dataclass
class Received:
    """The messages of one Dag run, whose customers are named ``<run id>/<number>``."""

    requests: int = 0
    """The requests that Braze accepted."""
    messages: Counter[str] = field(default_factory=Counter)
    """How many messages each customer got."""
    customers_by_dispatch_id: dict[str, list[str]] = field(default_factory=dict)

    @property
    def duplicates(self) -> dict[str, int]:
        """Customers who got more than one message, with how many."""
        return {customer: count for customer, count in self.messages.items() if count > 1}

    def under(self, dispatch_ids: Iterable[str]) -> int:
        """How many customers were sent to under these dispatch ids; ``KeyError`` if Braze gave no such id."""
        return sum(len(self.customers_by_dispatch_id[dispatch_id]) for dispatch_id in dispatch_ids)


class Inbox:
    """
    Sorts what a sandbox receives. May be asked from many threads.

    :param sandbox: The sandbox.
    """

    def __init__(self, sandbox: Any) -> None:
        self._sandbox = sandbox
        self._lock = threading.Lock()
        self._next = 0
        self._unsettled: list[int] = []
        self._by_run: dict[str, Received] = {}

    def of(self, run_id: str) -> Received:
        """The messages that were received for a Dag run up to now."""
        with self._lock:
            pages = [self._sandbox.requests(offset=index, limit=1) for index in self._unsettled]
            pages.append(self._sandbox.requests(offset=self._next))
            self._unsettled.clear()
            for request in itertools.chain.from_iterable(pages):
                self._next = max(self._next, request["index"] + 1)
                self._sort(request)
            return self._by_run.setdefault(run_id, Received())

    def _sort(self, request: dict[str, Any]) -> None:
        if request["accepted"]:
            customers = [recipient["external_user_id"] for recipient in request["body"]["recipients"]]
            received = self._by_run.setdefault(customers[0].rpartition("/")[0], Received())
            received.requests += 1
            received.messages.update(customers)
            received.customers_by_dispatch_id[request["dispatch_id"]] = customers
        elif request["status"] is None:  # The request was not read to its end yet, or its sender died.
            self._unsettled.append(request["index"])
