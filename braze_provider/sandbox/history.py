"""What the sandbox remembers, in the form in which it is shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, NoReturn

from braze_provider.sandbox.calls import Call, Send
from braze_provider.sandbox.endpoints import BY_PATH
from braze_provider.sandbox.records import Receipt, Recorder
from braze_provider.sandbox.workspace import Workspace

# The fields of a recipient's own entry that tell what it was sent, not who it is.
_PERSONAL = ("trigger_properties", "context", "attributes")


def recipients(
    recorder: Recorder, *, only: str | None = None, offset: int = 0, limit: int | None = None
) -> dict[str, list[dict[str, Any]]]:
    """
    What recipients received, by recipient key.

    :param recorder: the sandbox's memory.
    :param only: a single recipient's key (str); the answer then has that key even if nothing reached it.
    :param offset: how many recipients (int) to pass over.
    :param limit: how many (int) to show; ``None`` for all.
    """
    found: Iterable[tuple[str, Receipt | list[Receipt]]]
    if only is not None:
        found = [(only, recorder.deliveries.get(only, []))]
    else:
        stop = None if limit is None else offset + limit
        found = islice(recorder.deliveries.items(), offset, stop)
    reader = _BodyReader()
    return {
        key: [
            _delivery(key, receipt, reader)
            for receipt in (received if isinstance(received, list) else [received])
        ]
        for key, received in found
    }


def requests(recorder: Recorder, *, offset: int = 0, limit: int | None = None) -> list[dict[str, Any]]:
    """
    The requests in order of arrival.

    :param recorder: the sandbox's memory.
    :param offset: how many (int) to pass over.
    :param limit: how many (int) to show; ``None`` for all.
    """
    stop = None if limit is None else offset + limit
    return [
        {
            "index": receipt.index,
            "endpoint": receipt.endpoint,
            "status": receipt.status,
            "accepted": receipt.accepted,
            "recipients": receipt.recipients,
            "reached": receipt.reached,
            "broadcast": receipt.broadcast,
            "dispatch_id": receipt.dispatch_id,
            "campaign_id": receipt.campaign_id,
            "send_id": receipt.send_id,
            "fault": receipt.fault,
            "received_at": receipt.received_at,
            "body": _shown_body(receipt.body),
        }
        for receipt in recorder.receipts[offset:stop]
    ]


class _BodyReader:
    """Reads each body once, however many of a page's recipients were named in it."""

    def __init__(self) -> None:
        self._sends: dict[int, Send | None] = {}

    def send(self, receipt: Receipt) -> Send | None:
        if receipt.index not in self._sends:
            self._sends[receipt.index] = self._read(receipt)
        return self._sends[receipt.index]

    @staticmethod
    def _read(receipt: Receipt) -> Send | None:
        if receipt.body is None:
            return None
        # The rule accepted this very body before; a workspace that knows everything lets it do so again.
        call = Call(Workspace(), json.loads(receipt.body))
        return BY_PATH[receipt.endpoint].rule(call).send


def _delivery(key: str, receipt: Receipt, reader: _BodyReader) -> dict[str, Any]:
    delivery: dict[str, Any] = {
        "request": receipt.index,
        "dispatch_id": receipt.dispatch_id,
        "endpoint": receipt.endpoint,
        "at": receipt.received_at,
        "campaign_id": receipt.campaign_id,
        "send_id": receipt.send_id,
    }
    send = reader.send(receipt)
    if send is not None:
        own = {name: value for name, value in send.recipients[key].items() if name in _PERSONAL}
        delivery |= _overlaid(send.common, own)
    return delivery


def _overlaid(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """What a request gives to all, with one recipient's own over it, key by key within objects."""
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
