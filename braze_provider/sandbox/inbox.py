"""What the inbox shows: sends and schedules, one of them in full, and its messages recipient by recipient."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any
from urllib.parse import unquote

from braze_provider.sandbox.answers import RefusedError, as_braze_reads
from braze_provider.sandbox.endpoints import named_by, send_of, served_paths
from braze_provider.sandbox.faults import KINDS
from braze_provider.sandbox.previews import Frames, preview, variables
from braze_provider.sandbox.records import LIVE_ACTIVITY, SENDING, Receipt, Send, delivery_of, shown_body
from braze_provider.sandbox.state import SandboxState

KEY = "$BRAZE_API_KEY"
"""What stands in each text in place of an API key."""

_SHORTEST_KEY = 6
_TASK_HEADERS: Mapping[str, str] = {
    "dag_id": "x-airflow-dag-id",
    "run_id": "x-airflow-run-id",
    "task_id": "x-airflow-task-id",
    "try_number": "x-airflow-try-number",
}


class Inbox:
    """
    Reads a sandbox's memory for the page.

    :param state: The sandbox's state.
    """

    def __init__(self, state: SandboxState) -> None:
        self._state = state
        self.frames = Frames()
        self._keys = [key for key in state.config.keys if len(key) >= _SHORTEST_KEY]

    def ways_to_fail(self) -> dict[str, Any]:
        """Give the kinds of fault, each with its simple fields, and the endpoints that can fail."""
        kinds = [
            {
                "kind": kind,
                "does": (fault.__doc__ or "").strip().partition("\n")[0],
                "fields": [
                    {"name": name, "type": known, "default": schema.get("default")}
                    for name, schema in fault.model_json_schema()["properties"].items()
                    if (known := _simple_type(schema)) and name not in ("endpoint", "after", "times")
                ],
            }
            for kind, fault in KINDS.items()
        ]
        return {"kinds": kinds, "endpoints": served_paths()}

    def live(self) -> dict[str, Any]:
        """Give everything that the page shows of the present."""
        state = self._state
        return {
            "summary": state.recorder.summary(),
            "limits": state.limiter.shown(),
            "faults": state.faults.shown(),
            "ahead": round(state.clock.ahead, 1),
        }

    def entries(self, kind: str, query: str, before: int | None, limit: int) -> dict[str, Any]:
        """
        Give a page of requests, the newest first.

        :param kind: One of :data:`~braze_provider.sandbox.search.KINDS`.
        :param query: What to look for: see :func:`~braze_provider.sandbox.search.find`.
        :param before: Show older requests than this one. Default: begin with the newest.
        :param limit: Requests on the page.
        """
        query = query.strip()
        workspace = self._state.workspace
        part = query.lower()
        named = [one.id for one in workspace.campaigns if part in one.name.lower()]
        named += [one.id for one in workspace.canvases if part in one.name.lower()]
        found = self._state.recorder.found(kind, query, named, before, limit + 1)
        page = found[:limit]
        return {
            "entries": [self._entry(receipt) for receipt in page],
            "next": page[-1].index if len(found) > limit else None,
        }

    def opened(self, number: int) -> dict[str, Any] | None:
        """
        Give one request in full; None if there is no such request.

        :param number: Its number.
        """
        receipt = self._state.recorder.receipt(number)
        if receipt is None:
            return None
        send = self._send(receipt)
        messages = self._messages(receipt)
        return {
            **self._entry(receipt),
            "method": receipt.method,
            "url": receipt.url,
            "headers": dict(receipt.headers),
            "body": _text(receipt.body),
            "answer": _text(receipt.answer),
            "unknown_fields": list(receipt.unknown_fields),
            "named": 0 if send is None else len(send.recipients),
            "has_messages": bool(messages),
            "kept": receipt.body is not None,
        }

    def recipients(self, number: int, offset: int, limit: int) -> dict[str, Any] | None:
        """
        Give a page of the recipients that a request names; None if there is no such request.

        :param number: Its number.
        :param offset: How many to pass over.
        :param limit: Recipients on the page.
        """
        receipt = self._state.recorder.receipt(number)
        if receipt is None:
            return None
        send = self._send(receipt)
        keys = [] if send is None else list(islice(send.recipients, offset, offset + limit))
        reached = self._state.recorder.reached(number, keys)
        return {
            "total": 0 if send is None else len(send.recipients),
            "recipients": [{"key": key, "reached": key in reached} for key in keys],
        }

    def message(self, number: int, key: str, *, remote: bool) -> dict[str, Any] | None:
        """
        Give the messages of a request as one recipient would see them; None if there is no such request.

        :param number: Number of the request.
        :param key: The recipient's key; empty for one of a broadcast.
        :param remote: Whether e-mails may load what they link to.
        """
        receipt = self._state.recorder.receipt(number)
        if receipt is None:
            return None
        send = self._send(receipt)
        delivery: dict[str, Any] = {}
        if send is not None:
            delivery = dict(send.common) if key not in send.recipients else delivery_of(key, receipt, send)
        profile = self._state.workspace.profiles.find(key)
        attributes = {} if profile is None else profile.attributes
        values = variables(
            key, receipt, self._names(receipt.campaign_id, receipt.canvas_id), delivery, attributes
        )
        shown = []
        for channel, message in self._messages(receipt).items():
            told, html = preview(channel, message, values)
            if html:
                told["frame"] = self.frames.add(self._without_keys(html), remote=remote)
            shown.append(told)
        carried = {
            name: delivery[name]
            for name in ("trigger_properties", "context", "attributes")
            if delivery.get(name)
        }
        return {
            "recipient": key,
            "values": {**carried, **({"profile": attributes} if attributes else {})},
            "messages": shown,
        }

    def curl(self, number: int, base_url: str) -> str | None:
        """
        Give a request as a command for a shell; None if there is no such request.

        :param number: Its number.
        :param base_url: Address of the sandbox, as the user's browser knows it.
        """
        receipt = self._state.recorder.receipt(number)
        if receipt is None or not receipt.method:
            return None
        words = [f"curl -X {receipt.method} {shlex.quote(base_url + receipt.url)}"]
        words.append(f'-H "Authorization: Bearer {KEY}"')
        for name, value in receipt.headers:
            if name == "content-type":
                words.append(f"-H {shlex.quote(f'Content-Type: {value}')}")
        if receipt.body:
            words.append(f"--data-raw {shlex.quote(receipt.body.decode('utf-8', 'replace'))}")
        return self._without_keys(" \\\n  ".join(words))

    def exported(self) -> Iterator[bytes]:
        """Give what was received as JSON lines, one for each request."""
        for receipt in self._state.recorder.receipts():
            shown = {
                **self._entry(receipt),
                "method": receipt.method,
                "url": receipt.url,
                "headers": dict(receipt.headers),
                "body": shown_body(receipt.body),
                "answer": shown_body(receipt.answer),
            }
            yield json.dumps(self.hidden(shown)).encode() + b"\n"

    def profiles(self, offset: int, limit: int) -> dict[str, Any]:
        """
        Give a page of the profiles that requests have written.

        :param offset: How many to pass over.
        :param limit: Profiles on the page.
        """
        profiles = self._state.workspace.profiles
        return {
            "total": len(profiles),
            "profiles": [profile.shown() for profile in islice(profiles, offset, offset + limit)],
        }

    def know(self, profiles: Sequence[Mapping[str, Any]]) -> None:
        """
        Write the profiles of users, who exist from now on.

        :param profiles: An object for each, as ``/users/track`` takes it among its attributes.
        """
        self._state.workspace.know(profiles)

    def _entry(self, receipt: Receipt) -> dict[str, Any]:
        schedule = None
        if receipt.schedule_id is not None and (one := self._state.schedules.get(receipt.schedule_id)):
            schedule = {"id": receipt.schedule_id, "kind": one.kind, "time": one.time, "state": one.state}
        headers = dict(receipt.headers)
        campaign_id = receipt.campaign_id or receipt.wanted.get("campaign_id")
        canvas_id = receipt.canvas_id or receipt.wanted.get("canvas_id")
        names = self._names(campaign_id, canvas_id)
        return {
            "number": receipt.index,
            "at": receipt.received_at,
            "endpoint": receipt.endpoint,
            "name": receipt.name,
            "ended": receipt.ended,
            "status": receipt.status,
            "accepted": receipt.accepted,
            "recipients": receipt.recipients or receipt.named,
            "reached": receipt.reached,
            "broadcast": receipt.broadcast,
            "dispatch_id": receipt.dispatch_id,
            "send_id": receipt.send_id,
            "campaign_id": campaign_id,
            "campaign": names.get("campaign"),
            "canvas_id": canvas_id,
            "canvas": names.get("canvas"),
            "fault": receipt.fault,
            "schedule": schedule,
            "task": {
                name: unquote(headers[header]) for name, header in _TASK_HEADERS.items() if header in headers
            },
            "channels": list(receipt.channels or self._messages_of(campaign_id, canvas_id)),
        }

    def _names(self, campaign_id: str | None, canvas_id: str | None) -> dict[str, str]:
        workspace = self._state.workspace
        names = {}
        for campaign in workspace.campaigns:
            if campaign.id == campaign_id:
                names["campaign"] = campaign.name
        for canvas in workspace.canvases:
            if canvas.id == canvas_id and canvas.name:
                names["canvas"] = canvas.name
        return names

    def _messages(self, receipt: Receipt) -> dict[str, Mapping[str, Any]]:
        """Give the messages of a request by channel: its own, or those of its campaign or Canvas."""
        if not receipt.name.startswith("messages_"):
            return self._messages_of(receipt.campaign_id, receipt.canvas_id)
        body = shown_body(receipt.body)
        if not isinstance(body, dict):
            return {}
        if receipt.name == LIVE_ACTIVITY:
            shown = ("content_state", "activity_attributes", "notification")
            return {"live_activity": {name: body[name] for name in shown if name in body}}
        return _by_channel(body.get("messages"))

    def _messages_of(self, campaign_id: str | None, canvas_id: str | None) -> dict[str, Mapping[str, Any]]:
        workspace = self._state.workspace
        if campaign_id is not None:
            return _by_channel({one.id: one.messages for one in workspace.campaigns}.get(campaign_id))
        return _by_channel({one.id: one.messages for one in workspace.canvases}.get(canvas_id or ""))

    def _send(self, receipt: Receipt) -> Send | None:
        if receipt.name not in SENDING or receipt.body is None:
            return None
        try:
            if receipt.accepted:
                return send_of(receipt.name, receipt.body)
            # It broke a rule or was never taken, but it may have named recipients.
            body = shown_body(receipt.body)
            return Send(named_by(as_braze_reads(body)), "") if isinstance(body, dict) else None
        except (RefusedError, ValueError, TypeError, AttributeError, KeyError):
            return None

    def hidden(self, shown: Any) -> Any:
        """
        Give JSON without API keys, which a careless request may hold anywhere.

        :param shown: The JSON.
        """
        if isinstance(shown, str):
            return self._without_keys(shown)
        if isinstance(shown, list):
            return [self.hidden(each) for each in shown]
        if isinstance(shown, dict):
            return {self.hidden(name): self.hidden(value) for name, value in shown.items()}
        return shown

    def _without_keys(self, text: str) -> str:
        for key in self._keys:
            text = text.replace(key, KEY)
        return text


def _by_channel(messages: Any) -> dict[str, Mapping[str, Any]]:
    given = messages if isinstance(messages, Mapping) else {}
    return {channel: message for channel, message in given.items() if isinstance(message, Mapping)}


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("utf-8", "replace")


def _simple_type(schema: Mapping[str, Any]) -> str | None:
    """Give the kind of input for a field; None if it holds more than one value."""
    types = {schema.get("type"), *(one.get("type") for one in schema.get("anyOf", ()))} - {None, "null"}
    names = {"integer": "number", "number": "number", "string": "text", "boolean": "switch"}
    return names.get(str(types.pop())) if len(types) == 1 else None
