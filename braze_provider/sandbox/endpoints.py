"""
One small function for each endpoint that the sandbox serves. It does with a request what Braze does.

An endpoint of :data:`braze_provider.api.endpoints.ENDPOINTS` is served if a function here has
``@serves("its_name")``. The function gets only requests that the model of the endpoint's row accepts. It
returns what should happen and changes nothing itself.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias
from urllib.parse import unquote

import pendulum

from braze_provider.api.endpoints import ENDPOINTS, Endpoint
from braze_provider.api.instants import iso_8601
from braze_provider.api.limits import DAY
from braze_provider.api.reasons import kind
from braze_provider.sandbox.answers import (
    INVALID_MESSAGE_VARIANT,
    MISMATCHED_MESSAGE_TYPE,
    as_braze_reads,
    refuse,
)
from braze_provider.sandbox.records import Send
from braze_provider.sandbox.workspace import Campaign, Canvas, Workspace

PAGE_SIZE = 100

_NOTHING: Mapping[str, Any] = {}


@dataclass
class Call:
    """
    A request with a valid key that follows the rules.

    :param workspace: The workspace that the request goes to.
    :param body: Its JSON object; empty for a ``GET``.
    :param query: Its query parameters.
    :param path: The parameters in its path.
    :param schedules: What is scheduled.
    :param now: The time by the sandbox's clock.
    :param jobs: What goes on after requests were answered.
    :param base_url: Scheme, host and port of the request.
    """

    workspace: Workspace
    body: dict[str, Any] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    path: Mapping[str, str] = field(default_factory=dict)
    schedules: Any = None
    now: float = 0.0
    jobs: Any = None
    base_url: str = ""


@dataclass(frozen=True)
class Accepted:
    """
    The effect of a request that is accepted.

    :param status: HTTP status.
    :param answer: The endpoint's own keys of the answer.
    :param send: The send, for an endpoint that sends; the answer then carries a ``dispatch_id``.
    :param at: When it is sent, in Unix time; the answer then carries a ``schedule_id``. Default: now.
    :param kind: What is scheduled.
    :param change: A function with all other effects of the request. Default: nothing.
    :param link: The ``Link`` header, for a list with cursors. Default: there is no other page.
    """

    status: int = 201
    answer: Mapping[str, Any] = field(default_factory=dict)
    send: Send | None = None
    at: float | None = None
    kind: str = ""
    change: Callable[[], None] | None = None
    link: str = ""


Handler: TypeAlias = Callable[[Call], Accepted]
"""Returns the effect of a call, or raises :class:`RefusedError`."""

HANDLERS: dict[str, Handler] = {}
"""The functions, by the name of the endpoint that they serve."""


def serves(name: str) -> Callable[[Handler], Handler]:
    """
    Let a function serve an endpoint.

    :param name: Name of the endpoint, as its row has it.
    """

    def register(handler: Handler) -> Handler:
        HANDLERS[name] = handler
        return handler

    return register


def served_paths() -> list[str]:
    """Give the paths of the endpoints that are served."""
    return list(dict.fromkeys(ENDPOINTS[name].path for name in HANDLERS))


class Routes:
    """Finds the endpoint of a request. Paths are looked up; paths with parameters are tried one by one."""

    def __init__(self) -> None:
        rows = ENDPOINTS.values()
        self._fixed = {(row.method, row.path): row for row in rows if "{" not in row.path}
        self._with_parameters = [
            (row, re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", row.path)))
            for row in rows
            if "{" in row.path
        ]

    def find(self, method: str, path: str) -> tuple[Endpoint, dict[str, str]] | None:
        """
        Give the endpoint of a request and the parameters in its path; None if it is not served.

        :param method: HTTP method.
        :param path: The path as it came over the wire, percent-encoded.
        """
        row = self._fixed.get((method, path))
        found: dict[str, str] = {}
        if row is None:
            for other, pattern in self._with_parameters:
                if other.method == method and (match := pattern.fullmatch(path)):
                    row = other
                    found = {name: unquote(value) for name, value in match.groupdict().items()}
                    break
        return (row, found) if row is not None and row.name in HANDLERS else None

    def has(self, path: str) -> bool:
        """Tell whether there is an endpoint with a path and any method."""
        return any(path == known for _, known in self._fixed)


def key_of(entry: Mapping[str, Any]) -> str | None:
    """
    Give the recipient key of the recipient that an object names.

    It is the external id itself, ``alias:<label>:<name>``, ``email:<address>`` or ``braze_id:<id>``.

    :param entry: The object, which may be invalid.
    """
    if (external_id := entry.get("external_user_id")) is not None:
        return str(external_id)
    if isinstance(alias := entry.get("user_alias"), dict):
        return f"alias:{alias.get('alias_label', '')}:{alias.get('alias_name', '')}"
    for name in ("email", "braze_id"):
        if entry.get(name) is not None:
            return f"{name}:{entry[name]}"
    return None


def named_by(body: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """
    Give the recipients that a request names, by key, each with its own entry.

    :param body: The request's body, which may be invalid.
    """
    named: dict[str, Mapping[str, Any]] = {}
    for external_id in _array(body, "external_user_ids"):
        named[str(external_id)] = _NOTHING
    entries = [{"user_alias": alias} for alias in _array(body, "user_aliases")]
    # A transactional e-mail has a single recipient.
    for entry in [*entries, *_array(body, "recipients"), body.get("recipient")]:
        if isinstance(entry, dict) and (key := key_of(entry)) is not None:
            named[key] = entry
    return named


def send_of(name: str, body: bytes) -> Send | None:
    """
    Read again what an accepted request sent.

    :param name: Name of its endpoint.
    :param body: Its body.
    """
    # A workspace without a list takes every id, so it accepts the request again.
    return HANDLERS[name](Call(Workspace(), as_braze_reads(json.loads(body)))).send


@serves("messages_send")
def messages_send(call: Call) -> Accepted:
    """Send the request's messages to existing users or an audience."""
    body = call.body
    if "segment_id" in body:
        call.workspace.require("segment", body["segment_id"])
    messages = {name: message for name, message in body["messages"].items() if message is not None}
    text = messages.get("webhook", {}).get("body")
    if text is not None and not isinstance(text, str):  # the model turns it into text, Braze does not
        refuse(f"messages.webhook.body: must be text, not {kind(text)}")
    campaign_id = body.get("campaign_id")
    content = f"campaign:{campaign_id}"
    if campaign_id is None:
        content = f"content:{hashlib.sha256(json.dumps(messages, sort_keys=True).encode()).hexdigest()[:16]}"
    else:
        _check_variations(messages, call.workspace.campaign(campaign_id))
    variations = {
        str(message.get("message_variation_id", channel)): channel
        for channel, message in messages.items()
        if isinstance(message, dict)
    }
    return _sent(body, content, {"channels": list(messages)}, variations=variations)


@serves("campaigns_trigger_send")
def campaigns_trigger_send(call: Call) -> Accepted:
    """
    Trigger a campaign that is kept in Braze, for named recipients or an audience.

    An ``audience`` alone is also accepted if ``broadcast`` is false. Braze's pages contradict each other on
    this, and the newest page shows such a request.
    """
    body = call.body
    campaign = call.workspace.campaign(body["campaign_id"])
    common = {"trigger_properties": body.get("trigger_properties", {})}
    variations = (campaign.variations if campaign else None) or {}
    return _sent(body, f"campaign:{body['campaign_id']}", common, variations=variations)


@serves("canvas_trigger_send")
def canvas_trigger_send(call: Call) -> Accepted:
    """Let named recipients or an audience enter a Canvas that is neither paused nor archived."""
    body = call.body
    canvas = call.workspace.canvas(body["canvas_id"])
    common = {"context": body.get("context", {})}
    return _sent(body, f"canvas:{body['canvas_id']}", common, notice=canvas.notice if canvas else None)


@serves("transactional_send")
def transactional_send(call: Call) -> Accepted:
    """Send an e-mail to one recipient, unless its reference was given within 24 hours."""
    body = call.body
    campaign_id, reference = body.get("campaign_id", ""), body.get("external_send_id")
    campaign = call.workspace.campaign(campaign_id)
    if campaign is not None and campaign.archived:
        refuse(
            "The campaign is archived. Unarchive the campaign in order for trigger requests to take effect."
        )
    references = call.workspace.references
    if reference is not None and call.now < references.get(reference, 0.0):
        refuse("The external reference has been queued.  Please retry to obtain send_id.")

    def remember() -> None:
        if reference is not None:
            references[reference] = call.now + DAY

    common = {"trigger_properties": body.get("trigger_properties", {})}
    variations = (campaign.variations if campaign else None) or {}
    return replace(
        _sent(body, f"campaign:{campaign_id}", common, variations=variations),
        answer={"status": "sent", "metadata": {"external_send_id": reference}},
        change=remember,
    )


@serves("sends_id_create")
def sends_id_create(call: Call) -> Accepted:
    """Register a send identifier, or make one."""
    call.workspace.campaign(call.body["campaign_id"])
    return Accepted(answer={"send_id": call.body.get("send_id") or secrets.token_hex(12)})


@serves("campaigns_list")
def campaigns_list(call: Call) -> Accepted:
    """List the workspace's campaigns, in the order of their creation."""
    return Accepted(status=200, answer={"campaigns": edited(call.query, call.workspace.campaigns)})


@serves("campaigns_details")
def campaigns_details(call: Call) -> Accepted:
    """Give what the workspace knows of one campaign."""
    campaign_id = call.query.get("campaign_id", "")
    if not campaign_id:
        refuse("campaign_id is required")
    known = {campaign.id: campaign for campaign in call.workspace.campaigns}
    campaign = call.workspace.campaign(campaign_id) or known.get(campaign_id)
    if campaign is None:  # One that only the real workspace knows.
        campaign = Campaign(id=campaign_id, name=campaign_id)
    sent = call.workspace.sent.get(campaign_id)
    # Braze tells the hour.
    hours = [] if sent is None else [pendulum.from_timestamp(at).start_of("hour") for at in sent]
    told = {
        name: hour.to_iso8601_string() for name, hour in zip(("first_sent", "last_sent"), hours, strict=False)
    }
    return Accepted(status=200, answer={**campaign.described(), **told})


def _sent(
    body: Mapping[str, Any],
    content: str,
    common: Mapping[str, Any],
    notice: str | None = None,
    variations: Mapping[str, str] = _NOTHING,
) -> Accepted:
    return Accepted(
        send=Send(
            recipients=named_by(body),
            content=content,
            common=common,
            campaign_id=body.get("campaign_id"),
            canvas_id=body.get("canvas_id"),
            send_id=body.get("send_id"),
            notice=notice,
            variations=variations,
        )
    )


def _check_variations(messages: Mapping[str, Any], campaign: Campaign | None) -> None:
    if campaign is None or campaign.variations is None:
        return
    for channel, message in messages.items():
        variation = message.get("message_variation_id", "") if isinstance(message, dict) else ""
        if variation not in campaign.variations:
            refuse(INVALID_MESSAGE_VARIANT)
        if campaign.variations[variation] != channel:
            refuse(MISMATCHED_MESSAGE_TYPE)


def edited(query: Mapping[str, str], items: Sequence[Campaign] | Sequence[Canvas]) -> list[dict[str, Any]]:
    """
    Give a page of campaigns or Canvases, as the query asks for it.

    :param query: The query parameters.
    :param items: All of them, in the order of their creation.
    """
    with_archived = choice(query, "include_archived", "false", "true")
    edited_after = query.get("last_edit.time[gt]", "")
    if edited_after and iso_8601(edited_after) is None:
        refuse("last_edit.time[gt] must be an ISO 8601 datetime")
    found = [
        item.listed()
        for item in items
        if (with_archived == "true" or not item.archived)
        # Both are ISO 8601 in UTC: the first nineteen characters sort as the times do.
        and item.last_edited[:19] > edited_after[:19]
    ]
    return page_of(query, found, PAGE_SIZE)


def page_of(query: Mapping[str, str], items: list[Any], size: int) -> list[Any]:
    """
    Give the page of a list that the query asks for.

    :param query: The query parameters.
    :param items: The whole list.
    :param size: Items on a page.
    """
    page = query.get("page", "0")
    if not re.fullmatch(r"[0-9]{1,9}", page):
        refuse("page must be a whole number, zero or more")
    if choice(query, "sort_direction", "asc", "desc") == "desc":
        items = items[::-1]
    start = int(page) * size
    return items[start : start + size]


def choice(query: Mapping[str, str], name: str, *options: str) -> str:
    """
    Give a query parameter that has a few values.

    :param query: The query parameters.
    :param name: Its name.
    :param options: The values. The first is its default.
    """
    value = query.get(name, options[0])
    if value not in options:
        refuse(f"{name} must be one of {', '.join(options)}")
    return value


def _array(body: Mapping[str, Any], name: str) -> list[Any]:
    value = body.get(name)
    return value if isinstance(value, list) else []
