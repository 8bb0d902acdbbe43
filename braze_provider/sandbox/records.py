"""
The sandbox's memory: each request, and what each recipient received.

Each recipient is one dictionary entry, because there may be a million. All other data about a delivery is
read from the request's body when a client asks for it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NoReturn

NO_ANSWER = "no answer"


@dataclass(frozen=True)
class Send:
    """
    The send of a request.

    :param recipients: Those it names, each with its own entry of the request, by recipient key: duplicates
        have collapsed, the last one winning.
    :param content: The campaign, the Canvas, or a digest of the content. Two messages with the same value are
        the same.
    :param common: The values that the request gives to all of its recipients.
    :param campaign_id: The campaign, if it has one.
    :param canvas_id: The Canvas, if it has one.
    :param send_id: The label that its statistics go under, if it has one.
    :param notice: Why it reaches no recipient, in Braze's words. Default: it reaches them.
    :param variations: Its message variations as ``{message_variation_id: channel}``. Default: they are not
        known.
    """

    recipients: Mapping[str, Mapping[str, Any]]
    content: str
    common: Mapping[str, Any] = field(default_factory=dict)
    campaign_id: str | None = None
    canvas_id: str | None = None
    send_id: str | None = None
    notice: str | None = None
    variations: Mapping[str, str] = field(default_factory=dict)

    @property
    def broadcast(self) -> bool:
        """Whether it goes to a whole audience instead of named recipients."""
        return not self.recipients


@dataclass(slots=True)
class Receipt:
    """
    One request as the sandbox saw it.

    :param index: Its number in order of arrival, from 0.
    :param endpoint: Its endpoint's path, or its own if there is no such endpoint.
    :param name: Name of its endpoint; empty if there is none.
    :param received_at: Unix time of its arrival, by the sandbox's clock.

    The rest is filled in as it becomes known: ``accepted`` says that it was a send and that Braze took
    it, ``recipients`` how many it named and ``reached`` how many of them received something.
    """

    index: int
    endpoint: str
    name: str
    received_at: float
    status: int | None = None
    accepted: bool = False
    recipients: int = 0
    reached: int = 0
    broadcast: bool = False
    dispatch_id: str | None = None
    campaign_id: str | None = None
    canvas_id: str | None = None
    send_id: str | None = None
    content: str = ""
    fault: str | None = None
    unknown_fields: Sequence[str] = ()
    body: bytes | None = None


class Recorder:
    """
    The memory of a sandbox.

    :param now: Gives the Unix time of arrivals.
    :param send_of: Reads again what an accepted request sent, from the name of its endpoint and its body.
    :param keep_bodies: Keep the bodies of requests.
    """

    def __init__(
        self,
        now: Callable[[], float],
        send_of: Callable[[str, bytes], Send | None],
        *,
        keep_bodies: bool,
    ) -> None:
        self._now = now
        self._send_of = send_of
        self._keep_bodies = keep_bodies
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.receipts: list[Receipt] = []
        self.deliveries: dict[str, Receipt | list[Receipt]] = {}
        self._statuses: Counter[tuple[str, str]] = Counter()
        self._faults: Counter[str] = Counter()
        self._duplicates: Counter[str] = Counter()
        self._unknown_fields: Counter[str] = Counter()
        self._accepted = self._broadcasts = self._messages = 0
        self._first_accepted: float | None = None
        self._last_accepted: float | None = None
        self._second = self._in_second = self._peak = 0

    def arrive(self, endpoint: str, name: str = "") -> Receipt:
        """
        Note that a request has arrived.

        :param endpoint: Its endpoint's path, or its own.
        :param name: Name of its endpoint. Default: there is none.
        """
        now = self._now()
        receipt = Receipt(len(self.receipts), endpoint, name, now)
        self.receipts.append(receipt)
        if int(now) != self._second:
            self._second, self._in_second = int(now), 0
        self._in_second += 1
        self._peak = max(self._peak, self._in_second)
        return receipt

    def keep_body(self, receipt: Receipt, raw: bytes) -> None:
        """
        Keep the body of a request, if bodies are kept.

        :param receipt: The request.
        :param raw: Its body.
        """
        if self._keep_bodies:
            receipt.body = raw

    def accept(self, receipt: Receipt) -> None:
        """
        Note that Braze took a request that sends.

        :param receipt: The request.
        """
        receipt.accepted = True
        self._accepted += 1
        self._broadcasts += receipt.broadcast
        if self._first_accepted is None:
            self._first_accepted = receipt.received_at
        self._last_accepted = receipt.received_at

    def deliver(self, receipt: Receipt, reached: Iterable[str]) -> None:
        """
        Note the recipients that a request reached.

        :param receipt: The request.
        :param reached: The recipient keys of those who receive a message.
        """
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

        :param receipt: The request.
        :param status: The HTTP status; None when the connection closed without an answer.
        """
        receipt.status = status
        self._statuses[receipt.endpoint, NO_ANSWER if status is None else str(status)] += 1
        if receipt.fault is not None:
            self._faults[receipt.fault] += 1
        self._unknown_fields.update(receipt.unknown_fields)

    def summary(self) -> dict[str, Any]:
        """Give all figures. A *duplicate* is a recipient whom the same content reached twice."""
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
            "unknown_fields": dict(self._unknown_fields),
            "peak_requests_per_second": self._peak,
            "first_accepted_at": self._first_accepted,
            "last_accepted_at": self._last_accepted,
        }

    def _deliver_again(self, key: str, earlier: Receipt | list[Receipt], receipt: Receipt) -> None:
        # The first delivery is stored without a list: nearly all recipients have one only, and a list costs
        # 64 bytes.
        history = earlier if isinstance(earlier, list) else [earlier]
        if sum(known.content == receipt.content for known in history) == 1:
            self._duplicates[receipt.content] += 1
        self.deliveries[key] = [*history, receipt]

    def recipients(
        self, *, only: str | None = None, offset: int = 0, limit: int | None = None
    ) -> dict[str, list[dict[str, Any]]]:
        """
        Show what recipients received, by recipient key.

        :param only: A single recipient's key; the answer then has that key even if nothing reached it.
        :param offset: How many recipients to pass over.
        :param limit: How many to show. Default: all.
        """
        found: Iterable[tuple[str, Receipt | list[Receipt]]]
        if only is not None:
            found = [(only, self.deliveries.get(only, []))]
        else:
            stop = None if limit is None else offset + limit
            found = islice(self.deliveries.items(), offset, stop)
        # Each body is read once, even if it names many recipients of the page.
        sends: dict[int, Send | None] = {}

        def send_in(receipt: Receipt) -> Send | None:
            if receipt.body is None:
                return None
            if receipt.index not in sends:
                sends[receipt.index] = self._send_of(receipt.name, receipt.body)
            return sends[receipt.index]

        return {
            key: [
                _delivery(key, receipt, send_in(receipt))
                for receipt in (received if isinstance(received, list) else [received])
            ]
            for key, received in found
        }

    def requests(self, *, offset: int = 0, limit: int | None = None) -> list[dict[str, Any]]:
        """
        Show the requests in order of arrival.

        :param offset: How many to pass over.
        :param limit: How many to show. Default: all.
        """
        stop = None if limit is None else offset + limit
        return [
            {
                **{name: getattr(receipt, name) for name in _SHOWN},
                "body": _shown_body(receipt.body),
            }
            for receipt in self.receipts[offset:stop]
        ]


# The fields of a request that are shown, besides its body.
_SHOWN = (
    "index", "endpoint", "status", "accepted", "recipients", "reached", "broadcast", "dispatch_id",
    "campaign_id", "canvas_id", "send_id", "fault", "unknown_fields", "received_at",
)  # fmt: skip

# The fields of a recipient's entry that hold its own values and do not identify it.
_PERSONAL = ("trigger_properties", "context", "attributes")


def _delivery(key: str, receipt: Receipt, send: Send | None) -> dict[str, Any]:
    delivery: dict[str, Any] = {
        "request": receipt.index,
        "dispatch_id": receipt.dispatch_id,
        "endpoint": receipt.endpoint,
        "at": receipt.received_at,
        "campaign_id": receipt.campaign_id,
        "canvas_id": receipt.canvas_id,
        "send_id": receipt.send_id,
    }
    if send is not None:
        own = {name: value for name, value in send.recipients[key].items() if name in _PERSONAL}
        delivery |= _overlaid(send.common, own)
    return delivery


def _overlaid(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Merge a recipient's own values over the common ones, key by key inside objects."""
    merged = dict(common)
    for name, value in own.items():
        shared = merged.get(name)
        merged[name] = {**shared, **value} if isinstance(shared, dict) and isinstance(value, dict) else value
    return merged


def _no_json(constant: str) -> NoReturn:
    raise ValueError(constant)


def _shown_body(raw: bytes | None) -> Any:
    if raw is None:
        return None
    try:
        return json.loads(raw, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return raw.decode("utf-8", "replace")
