"""What the sandbox knows of a request and of a send, and how both are shown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from braze_provider.api.endpoints import ENDPOINTS

LIVE_ACTIVITY = "messages_live_activity_start"
"""The one endpoint that sends and whose answer has no ids."""

SENDING = frozenset(row.name for row in ENDPOINTS.values() if "dispatch_id" in row.ids) | {LIVE_ACTIVITY}
"""Names of the endpoints that send."""


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

    The rest is filled in as it becomes known: ``ended`` says that it was answered or that its connection has
    closed, ``accepted`` that it was a send and that Braze took it, ``recipients`` how many it named then and
    ``reached`` how many of them received something. ``url`` is its path and query as they came, ``headers``
    are those of the request without the API key, and ``answer`` is the body of the answer. Of a send that was
    not taken, ``wanted`` has the campaign or the Canvas, and ``named`` is how many recipients it named.
    ``channels`` are those of the messages in it. ``delivered`` numbers deliveries in their order, ``day`` is
    the day of this one, and ``reaching`` are its recipients as long as the database does not have them.
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
    method: str = ""
    url: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    answer: bytes | None = None
    schedule_id: str | None = None
    ended: bool = False
    wanted: Mapping[str, str] = field(default_factory=dict)
    named: int = 0
    channels: Sequence[str] = ()
    delivered: int | None = None
    day: str | None = None
    reaching: Sequence[str] = ()

    @property
    def target(self) -> tuple[str | None, ...]:
        """What it sends, or wanted to send: content, campaign, Canvas and label."""
        if not self.accepted:
            return None, self.wanted.get("campaign_id"), self.wanted.get("canvas_id"), None
        return self.content, self.campaign_id, self.canvas_id, self.send_id


# The fields of a request that programs see, besides its body.
_SHOWN = (
    "index", "endpoint", "status", "accepted", "recipients", "reached", "broadcast", "dispatch_id",
    "campaign_id", "canvas_id", "send_id", "fault", "unknown_fields", "received_at",
)  # fmt: skip

# The fields of a recipient's entry that hold its own values and do not identify it.
_PERSONAL = ("trigger_properties", "context", "attributes")


def request_of(receipt: Receipt) -> dict[str, Any]:
    """
    Give a request as JSON.

    :param receipt: The request.
    """
    return {**{name: getattr(receipt, name) for name in _SHOWN}, "body": shown_body(receipt.body)}


def delivery_of(key: str, receipt: Receipt, send: Send | None) -> dict[str, Any]:
    """
    Give what a recipient received by one request, as JSON.

    :param key: The recipient's key.
    :param receipt: The request.
    :param send: What it sent; None if its body was not kept.
    """
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


def shown_body(raw: bytes | None) -> Any:
    """
    Give a body as it is shown: its JSON, or its text if it is none.

    :param raw: The body; None if there is none.
    """
    if raw is None:
        return None
    try:
        return json.loads(raw, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return raw.decode("utf-8", "replace")
