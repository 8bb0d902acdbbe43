"""What Braze tells of a campaign or a Canvas: whether it can send, and through which channels."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from braze_provider.api.endpoints import CAMPAIGNS_DETAILS, CANVAS_DETAILS, Endpoint
from braze_provider.delivery.report import counted

_OTHER_STARTS = {"time_based": "at a time", "action_based": "by what users do"}
"""How Braze calls the other ways to start one. No page lists the values, so any other value may be right."""

_ADDRESSES = {"email": "email", "sms": "phone", "whats_app": "phone", "whatsapp": "phone"}
"""By channel: the attribute without which it reaches nobody."""

_NAMED_BY_EMAIL = b'{"email":'
_MAY_BE_NEW = b'"send_to_existing_only":false'


@dataclass(frozen=True)
class Target:
    """
    A kind of thing that the dashboard holds, and that a request triggers.

    :param field: The field of requests that holds its id.
    :param noun: What to call it.
    :param details: The endpoint that describes it. Its query has the same field.
    """

    field: str
    noun: str
    details: Endpoint


CAMPAIGN = Target("campaign_id", "campaign", CAMPAIGNS_DETAILS)
CANVAS = Target("canvas_id", "Canvas", CANVAS_DETAILS)


def state_of(details: Mapping[str, Any]) -> str | None:
    """
    Tell the state in which it sends nothing.

    :param details: What Braze tells of it.
    :return: The state; None if it may send.
    """
    if details.get("archived"):
        return "archived"
    if details.get("draft"):
        return "a draft"
    return "stopped" if details.get("enabled") is False else None


def other_start(details: Mapping[str, Any]) -> str | None:
    """
    Tell how it starts, if it is certainly not triggered through the API.

    :param details: What Braze tells of it.
    """
    start = details.get("schedule_type")
    how = _OTHER_STARTS.get(start) if isinstance(start, str) else None
    return how and f"{how} (schedule_type {start!r})"


def channels_of(details: Mapping[str, Any]) -> tuple[str, ...]:
    """
    Give its channels; none if Braze does not tell them.

    :param details: What Braze tells of it.
    """
    channels = details.get("channels")
    return tuple(filter(None, map(str, channels))) if isinstance(channels, list) else ()


def doubts_about(recipients: Iterable[bytes], channels: Collection[str]) -> list[str]:
    """
    Find recipients whom the channels may not reach.

    Only Braze knows the profiles, so none of this is certainly a mistake.

    :param recipients: The recipients as JSON, as their models write them.
    :param channels: The channels of what is triggered.
    :return: A sentence for each kind of doubt. It holds a number and no recipient's data.
    """
    wanted = {_ADDRESSES.get(channel) for channel in channels}
    addresses = sorted(filter(None, wanted)) if None not in wanted else []
    by_email = without_address = 0
    for recipient in recipients:
        by_email += recipient.startswith(_NAMED_BY_EMAIL)
        if addresses and _MAY_BE_NEW in recipient:
            fields = json.loads(recipient)
            given = {*(fields.get("attributes") or ()), *(("email",) if "email" in fields else ())}
            without_address += fields.get("send_to_existing_only") is False and not given & {*addresses}
    doubts = []
    if by_email and channels and "email" not in channels:
        doubts.append(f"{counted(by_email, 'recipient')} named by `email`, but it sends no e-mail")
    if without_address:
        needed = " or ".join(f"`attributes.{name}`" for name in addresses)
        doubts.append(f"{counted(without_address, 'recipient')} may be created without {needed}")
    return doubts
