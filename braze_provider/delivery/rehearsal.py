"""A dry run: say what a delivery would do, and ask Braze whether the API key and the campaign are good."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from braze_provider.api.endpoints import Endpoint
from braze_provider.api.errors import BrazeError, BrazePermissionError
from braze_provider.delivery.batches import Batch, Envelope
from braze_provider.delivery.report import DeliveryReport, counted, plural
from braze_provider.delivery.target import CAMPAIGN, CANVAS, Target, state_of

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

    from braze_provider.hooks.braze import BrazeHook


def rehearse(
    hook: BrazeHook,
    endpoint: Endpoint,
    envelope: Envelope,
    batches: Iterator[Batch],
    report: DeliveryReport,
    rate: float,
    log: Logger,
) -> None:
    """
    Do everything except send.

    :param hook: Reads from Braze; nothing is sent.
    :param endpoint: Where the requests would go.
    :param envelope: The part of the requests that all of them share.
    :param batches: The batches that would be sent.
    :param report: The report, with the number of recipients.
    :param rate: Requests a second that the rate limit leaves.
    :param log: The task's log.
    :raises BrazeError: If Braze does not know the API key, or the campaign would send to no recipient.
    """
    first = next(batches, None)
    if first is None:
        log.info("Dry run: there are no %s", plural(report.noun))
    else:
        log.info("Dry run: the first request would be %s %s", endpoint, _example(envelope, first))
    is_good, said = hook.test_connection()
    if not is_good:
        raise BrazeError(f"Dry run: {said}")
    log.info("Dry run: %s", said)
    for target in (CAMPAIGN, CANVAS):
        if target.field in envelope.given:
            _check(hook, target, envelope.given[target.field], log)
    requests = sum(1 for _ in batches) + (first is not None)
    whom = "a broadcast" if report.recipients is None else counted(report.recipients, report.noun)
    log.info(
        "Dry run: %s in %s, which take at least %.0f s by the rate limit",
        whom,
        counted(requests, "request"),
        requests / rate,
    )


def _example(envelope: Envelope, batch: Batch) -> str:
    # Only the shared fields are shown: a row may hold a recipient's values.
    return json.dumps({**envelope.given, **envelope.counts(batch)}, indent=2)


def _check(hook: BrazeHook, target: Target, id: str, log: Logger) -> None:  # noqa: A002 - what Braze calls it
    try:
        details = hook.call(target.details, params={target.field: id}).body
    except BrazePermissionError as error:
        log.warning("Dry run: the %s can't be checked: %s", target.noun, error)
        return
    if state := state_of(details):
        raise BrazeError(f"Dry run: {target.noun} {id} ({details.get('name')}) is {state}")
    log.info("Dry run: %s %s is %r", target.noun, id, details.get("name"))
