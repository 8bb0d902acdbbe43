"""What the inbox shows: sends and schedules, one of them in full, and its messages recipient by recipient."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import unquote

from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.sandbox.answers import RefusedError, as_braze_reads
from braze_provider.sandbox.endpoints import named_by, send_of, served_paths
from braze_provider.sandbox.faults import KINDS
from braze_provider.sandbox.previews import Frames, preview, variables
from braze_provider.sandbox.records import Receipt, Send, delivery_of, shown_body
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
# A larger body is not read just to tell its channels in a list.
_QUICK_BYTES = 64_000

_SENDING = frozenset(row.name for row in ENDPOINTS.values() if "dispatch_id" in row.ids)

_KINDS: Mapping[str, Callable[[Receipt], bool]] = {
    "sends": lambda receipt: receipt.name in _SENDING,
    "scheduled": lambda receipt: receipt.schedule_id is not None,
    "failed": lambda receipt: receipt.status is None or receipt.status >= 400 or receipt.fault is not None,
    "all": lambda receipt: True,
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

        :param kind: ``sends``, ``scheduled``, ``failed`` or ``all``.
        :param query: What to look for: a recipient's key, or a part of an id, a name or a task.
        :param before: Show older requests than this one. Default: begin with the newest.
        :param limit: Requests on the page.
        """
        receipts = self._state.recorder.receipts
        start = len(receipts) if before is None else min(before, len(receipts))
        fits = self._fits(query.strip())
        wanted = _KINDS[kind]
        found = (
            receipts[index]
            for index in range(start - 1, -1, -1)
            if wanted(receipts[index]) and fits(receipts[index])
        )
        page = list(islice(found, limit + 1))
        more = len(page) > limit
        return {
            "entries": [self._entry(receipt) for receipt in page[:limit]],
            "next": page[limit - 1].index if more else None,
        }

    def opened(self, number: int) -> dict[str, Any] | None:
        """
        Give one request in full; None if there is no such request.

        :param number: Its number.
        """
        receipt = self._receipt(number)
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
        receipt = self._receipt(number)
        if receipt is None:
            return None
        send = self._send(receipt)
        keys = [] if send is None else list(islice(send.recipients, offset, offset + limit))
        return {
            "total": 0 if send is None else len(send.recipients),
            "recipients": [{"key": key, "reached": self._reached(key, receipt)} for key in keys],
        }

    def message(self, number: int, key: str, *, remote: bool) -> dict[str, Any] | None:
        """
        Give the messages of a request as one recipient would see them; None if there is no such request.

        :param number: Number of the request.
        :param key: The recipient's key; empty for one of a broadcast.
        :param remote: Whether e-mails may load what they link to.
        """
        receipt = self._receipt(number)
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
        receipt = self._receipt(number)
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
        for receipt in list(self._state.recorder.receipts):
            shown = {
                **self._entry(receipt, quick=False),
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
        profiles = list(self._state.workspace.profiles)
        return {
            "total": len(profiles),
            "profiles": [profile.shown() for profile in profiles[offset : offset + limit]],
        }

    def _receipt(self, number: int) -> Receipt | None:
        receipts = self._state.recorder.receipts
        return receipts[number] if 0 <= number < len(receipts) else None

    def _fits(self, query: str) -> Callable[[Receipt], bool]:
        if not query:
            return lambda receipt: True
        state = self._state
        numbers: set[int] = set()
        for key in (query, f"email:{query}", f"braze_id:{query}"):
            received = state.recorder.deliveries.get(key, [])
            numbers.update(one.index for one in (received if isinstance(received, list) else [received]))
            numbers.update(receipt.index for receipt in state.schedules.made_by_requests_for(key))
        part = query.lower()
        named = {
            known
            for known, name in (
                *((campaign.id, campaign.name) for campaign in state.workspace.campaigns),
                *((canvas.id, canvas.name) for canvas in state.workspace.canvases),
            )
            if part in name.lower()
        }

        def fits(receipt: Receipt) -> bool:
            if receipt.index in numbers or receipt.campaign_id in named or receipt.canvas_id in named:
                return True
            ids = (
                receipt.dispatch_id,
                receipt.campaign_id,
                receipt.canvas_id,
                receipt.send_id,
                receipt.schedule_id,
            )
            return any(one and part in one.lower() for one in ids) or any(
                part in unquote(value).lower()
                for name, value in receipt.headers
                if name.startswith("x-airflow-")
            )

        return fits

    def _entry(self, receipt: Receipt, *, quick: bool = True) -> dict[str, Any]:
        schedule = None
        if receipt.schedule_id is not None and (one := self._state.schedules.get(receipt.schedule_id)):
            schedule = {"id": receipt.schedule_id, "kind": one.kind, "time": one.time, "state": one.state}
        headers = dict(receipt.headers)
        asked = {} if receipt.accepted else self._asked(receipt)
        campaign_id = receipt.campaign_id or asked.get("campaign_id")
        canvas_id = receipt.canvas_id or asked.get("canvas_id")
        names = self._names(campaign_id, canvas_id)
        return {
            "number": receipt.index,
            "at": receipt.received_at,
            "endpoint": receipt.endpoint,
            "name": receipt.name,
            "status": receipt.status,
            "accepted": receipt.accepted,
            "recipients": receipt.recipients or asked.get("recipients", 0),
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
            "channels": list(self._messages(receipt, quick=quick)),
        }

    def _asked(self, receipt: Receipt) -> dict[str, Any]:
        """Give what a request wanted that Braze did not take."""
        if receipt.name not in _SENDING or not receipt.body or len(receipt.body) > _QUICK_BYTES:
            return {}
        body = shown_body(receipt.body)
        if not isinstance(body, dict):
            return {}
        asked: dict[str, Any] = {
            name: body[name] for name in ("campaign_id", "canvas_id") if isinstance(body.get(name), str)
        }
        return {**asked, "recipients": len(named_by(body))}

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

    def _messages(self, receipt: Receipt, *, quick: bool = False) -> dict[str, Mapping[str, Any]]:
        """Give the messages of a request by channel: its own, or those of its campaign or Canvas."""
        found: Any = None
        workspace = self._state.workspace
        if receipt.name.startswith("messages_") and receipt.body:
            if not (quick and len(receipt.body) > _QUICK_BYTES):
                body = shown_body(receipt.body)
                found = body.get("messages") if isinstance(body, dict) else None
        elif receipt.campaign_id is not None:
            found = {one.id: one.messages for one in workspace.campaigns}.get(receipt.campaign_id)
        elif receipt.canvas_id is not None:
            found = {one.id: one.messages for one in workspace.canvases}.get(receipt.canvas_id)
        if not isinstance(found, Mapping):
            return {}
        return {channel: message for channel, message in found.items() if isinstance(message, Mapping)}

    def _send(self, receipt: Receipt) -> Send | None:
        if receipt.name not in _SENDING or receipt.body is None:
            return None
        try:
            if receipt.accepted:
                return send_of(receipt.name, receipt.body)
            # It broke a rule or was never taken, but it may have named recipients.
            body = shown_body(receipt.body)
            return Send(named_by(as_braze_reads(body)), "") if isinstance(body, dict) else None
        except (RefusedError, ValueError, TypeError, AttributeError, KeyError):
            return None

    def _reached(self, key: str, receipt: Receipt) -> bool:
        received = self._state.recorder.deliveries.get(key, [])
        return any(one is receipt for one in (received if isinstance(received, list) else [received]))

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


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else raw.decode("utf-8", "replace")


def _simple_type(schema: Mapping[str, Any]) -> str | None:
    """Give the kind of input for a field; None if it holds more than one value."""
    types = {schema.get("type"), *(one.get("type") for one in schema.get("anyOf", ()))} - {None, "null"}
    names = {"integer": "number", "number": "number", "string": "text", "boolean": "switch"}
    return names.get(str(types.pop())) if len(types) == 1 else None
