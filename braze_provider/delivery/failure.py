"""Describe in short lines how a delivery failed, and what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from braze_provider.api.errors import BrazeError
from braze_provider.delivery.engine import Engine
from braze_provider.delivery.report import RECIPIENT, DeliveryReport, counted, is_sent, plural

WIDTH = 118
"""Airflow's view of a log does not wrap lines."""


class DeliveryError(BrazeError):
    """
    The delivery did not send to all of its recipients.

    :param message: What happened, with figures and the first reasons.
    :param report: The delivery's report.
    :param retry_in: Seconds after which a retry may succeed. Default: not known.
    """

    def __init__(self, message: str, report: DeliveryReport, retry_in: float | None = None) -> None:
        super().__init__(message)
        self.report = report
        self.retry_in = retry_in


def describe(engine: Engine, *, durable: bool, stopped: bool, where: str | None = None) -> str:
    """
    Describe what happened, with the failure itself in the first line.

    :param engine: The engine that has delivered.
    :param durable: Whether a later try finds the receipts again.
    :param stopped: Whether the task was told to stop.
    :param where: A sentence that says where these recipients are listed. Default: none.
    """
    return "\n".join(
        line
        for text in _texts(engine, durable=durable, stopped=stopped, where=where)
        for line in textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    )


def _texts(engine: Engine, *, durable: bool, stopped: bool, where: str | None) -> Iterator[str]:
    report, fatal = engine.report, engine.fatal
    noun = report.noun
    send, sends = ("send to", "sends to") if noun == RECIPIENT else ("send", "sends")
    yield _headline(report)
    yield str(report)
    if engine.given_up is not None:
        yield f"{engine.given_up}: nothing more was sent. Correct the cause, then clear the task."
    elif stopped and fatal is None:
        yield "The task was stopped before the end."
    if fatal is not None and not isinstance(fatal, BrazeError):
        yield f"The delivery was stopped before the end by {type(fatal).__name__}."
    if where:
        yield where
    if report.uncertain:
        yield "In doubt means that Braze may have accepted the batch: it is held and not sent again."
    if report.uncertain and durable:
        where_to_look = "Braze's Message Activity Log" if noun == RECIPIENT else "Braze"
        yield (
            f"To settle it, look up the {plural(noun)} in {where_to_look}. Then clear the task with "
            f"on_uncertain='accept' to count them as sent, or with 'resend' to {send} them again."
        )
    if report.failed and durable:
        yield f"A retry, or clearing the task, {sends} the {plural(noun)} that were not {is_sent(noun)}."
    if not durable:
        yield (
            f"Without a ledger there is no retry, and clearing the task {sends} all {plural(noun)} again: "
            "ledger_conn_id makes retries possible."
        )
    if reasons := list(engine.refusals.told()):
        yield "First reasons:"
        yield from (f"- {reason}" for reason in reasons)


def _headline(report: DeliveryReport) -> str:
    what = "request" if report.recipients is None else report.noun
    parts = [
        f"{counted(number, what)} {verb}"
        for number, verb in (
            (report.uncertain, "in doubt"),
            (report.rejected, "rejected"),
            (report.failed, "not sent"),
        )
        if number
    ]
    return ", ".join(parts) or "The delivery did not reach its end"
