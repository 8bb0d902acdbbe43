"""Helpers for the tests of the engine: a delivery to the sandbox, and its result."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from braze_provider.api.endpoints import CAMPAIGNS_TRIGGER_SEND
from braze_provider.api.requests import CampaignTriggerSend
from braze_provider.delivery.batches import Batch, Envelope, Line
from braze_provider.delivery.engine import Engine
from braze_provider.delivery.pacing import Pacer
from braze_provider.delivery.report import DeliveryReport
from braze_provider.delivery.resume import plan
from braze_provider.delivery.sender import Sender
from braze_provider.delivery.stop import StopSignal
from braze_provider.hooks.braze import BrazeHook
from braze_provider.ledger.base import Receipt
from braze_provider.ledger.memory import MemoryLedger

LOG = logging.getLogger("test.engine")


def people(count: int) -> list[Line]:
    return [(number + 1, b"p%d" % number, b'{"external_user_id":"p%d"}' % number) for number in range(count)]


class Job:
    """
    A delivery of a campaign to the recipients p0, p1 and so on, in batches of fifty.

    It makes one request at a time, so that a fault hits the batch that a test means. It hardly backs off.
    """

    def __init__(
        self, count: int = 120, hook: Any = None, ledger: MemoryLedger | None = None, **options: Any
    ) -> None:
        self.ledger = ledger or MemoryLedger()
        self.hook = hook or BrazeHook()
        self.envelope = Envelope(CampaignTriggerSend.validate_envelope({"campaign_id": "c1"}))
        self.batches: Iterator[Batch] = self.envelope.cut(people(count))
        self.stop = StopSignal()
        engine_options = {"recipients": count, "concurrency": 1}
        engine_options |= {
            name: options.pop(name)
            for name in ("recipients", "concurrency", "copy", "max_rejected")
            if name in options
        }
        self.sender = Sender(
            **{
                "hook": self.hook,
                "endpoint": CAMPAIGNS_TRIGGER_SEND,
                "envelope": self.envelope,
                "pacer": Pacer(1_000_000, 1),
                "stop": self.stop,
                "first_backoff": 0.001,
                **options,
            }
        )
        self.engine = Engine(
            sender=self.sender,
            ledger=self.ledger,
            stop=self.stop,
            log=LOG,
            accept_uncertain=options.get("on_uncertain") == "accept",
            **engine_options,
        )

    def run(self) -> DeliveryReport:
        try:
            return self.engine.run(plan(self.batches, iter(()), lambda batch, receipt: "hold"))
        finally:
            self.hook.close()

    @property
    def receipts(self) -> list[Receipt]:
        return list(self.ledger.receipts())

    @property
    def states(self) -> list[str]:
        return [receipt.state.value for receipt in self.receipts]


def figures(report: DeliveryReport) -> dict[str, int]:
    """The outcomes that are not zero. All outcomes together must add up to all recipients."""
    names = ("sent", "rejected", "uncertain", "failed")
    assert sum(getattr(report, name) for name in names) == report.recipients
    return {name: getattr(report, name) for name in names if getattr(report, name)}


def names_of(*numbers: int) -> set[str]:
    return {f"p{number}" for number in numbers}


def reached(sandbox: Any) -> set[str]:
    return set(sandbox.recipient_keys())
