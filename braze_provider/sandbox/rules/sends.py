"""The endpoints that send: ``/messages/send`` and ``/campaigns/trigger/send``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from braze_provider.sandbox.calls import Accepted, Call, Send
from braze_provider.sandbox.refusals import NO_RECIPIENTS, refuse
from braze_provider.sandbox.rules.audience import connected_audience
from braze_provider.sandbox.rules.checks import Check, boolean, choice, filled, properties
from braze_provider.sandbox.rules.content import attachments
from braze_provider.sandbox.rules.messages import check_messages
from braze_provider.sandbox.rules.recipients import is_small, named_users, recipient_objects

MAX_SEND_ID = 64


def _send_id(value: object, path: str) -> None:
    filled(value, path)
    if isinstance(value, str) and (len(value) > MAX_SEND_ID or not value.isascii()):
        refuse(f"{path} must be ASCII of at most {MAX_SEND_ID} characters")


def _checked_elsewhere(value: object, path: str) -> None:
    """Known, and looked at by a function of its own."""


_MESSAGES_SEND: Mapping[str, Check] = {
    "broadcast": boolean,
    "external_user_ids": _checked_elsewhere,
    "user_aliases": _checked_elsewhere,
    "segment_id": filled,
    "audience": connected_audience,
    "campaign_id": filled,
    "send_id": _send_id,
    "override_frequency_capping": boolean,
    "recipient_subscription_state": choice("opted_in", "subscribed", "all"),
    "messages": _checked_elsewhere,
}

_CAMPAIGNS_TRIGGER_SEND: Mapping[str, Check] = {
    "campaign_id": filled,
    "send_id": _send_id,
    "trigger_properties": properties,
    "broadcast": boolean,
    "audience": connected_audience,
    "recipients": _checked_elsewhere,
    "attachments": attachments,
}


def messages_send(call: Call) -> Accepted:
    """
    Judge ``POST /messages/send``: content given here, for existing users or an audience.

    :param call: the request.
    :raises RefusedError: when it breaks a rule.
    """
    body = call.body
    _check_fields(body, _MESSAGES_SEND)
    users = named_users(body)
    broadcast = body.get("broadcast", False)
    if not (users or "segment_id" in body or "audience" in body):
        refuse(NO_RECIPIENTS)
    if broadcast and users:
        refuse("broadcast cannot be true when external_user_ids or user_aliases are given")
    if not broadcast and not users:
        refuse("broadcast must be true when neither external_user_ids nor user_aliases are given")
    if "segment_id" in body:
        call.workspace.require("segment", body["segment_id"])
    campaign_id = body.get("campaign_id")
    campaign = None if campaign_id is None else call.workspace.campaign(campaign_id)
    messages = check_messages(body.get("messages"), of_campaign=campaign_id is not None, campaign=campaign)
    return _accepted(
        body,
        recipients=users,
        content=f"content:{_digest(messages)}" if campaign_id is None else f"campaign:{campaign_id}",
        common={"channels": list(messages)},
    )


def campaigns_trigger_send(call: Call) -> Accepted:
    """
    Judge ``POST /campaigns/trigger/send``: a campaign kept in Braze, for named people or an audience.

    An ``audience`` alone is accepted with ``broadcast`` false as well: Braze's pages contradict each
    other on it, and the newest of them shows such a request.

    :param call: the request.
    :raises RefusedError: when it breaks a rule.
    """
    body = call.body
    _check_fields(body, _CAMPAIGNS_TRIGGER_SEND)
    if "campaign_id" not in body:
        refuse("campaign_id is required")
    call.workspace.campaign(body["campaign_id"])
    recipients: Mapping[str, Any] = {}
    if body.get("broadcast"):
        if "recipients" in body:
            refuse("broadcast cannot be true when recipients are given")
        if "attachments" in body:
            refuse("attachments cannot be given when broadcast is true")
    elif "recipients" in body or "audience" not in body:
        recipients = recipient_objects(body, properties_field="trigger_properties", small=is_small(call.size))
    return _accepted(
        body,
        recipients=recipients,
        content=f"campaign:{body['campaign_id']}",
        common={"trigger_properties": body.get("trigger_properties", {})},
    )


def _check_fields(body: Mapping[str, Any], fields: Mapping[str, Check]) -> None:
    for name, value in body.items():
        if name not in fields:
            refuse(f"{name} is not a known field")
        fields[name](value, name)


def _accepted(
    body: Mapping[str, Any],
    *,
    recipients: Mapping[str, Mapping[str, Any]],
    content: str,
    common: Mapping[str, Any],
) -> Accepted:
    return Accepted(
        send=Send(
            recipients=recipients,
            content=content,
            common=common,
            campaign_id=body.get("campaign_id"),
            send_id=body.get("send_id"),
            broadcast=not recipients,
        )
    )


def _digest(messages: Mapping[str, Any]) -> str:
    canonical = json.dumps(messages, sort_keys=True).encode()
    return hashlib.sha256(canonical).hexdigest()[:16]
