"""The JSON of deliveries and batches, as the routes answer it."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from braze_provider.ledger.base import Receipt, State
from braze_provider.ledger.show_sql import RECENTLY, Delivery, Reason

UNDER_WAY = "under_way"
IN_DOUBT = "in_doubt"


def of_delivery(one: Delivery) -> dict[str, Any]:
    """
    Give a delivery with its figures.

    :param one: The delivery.
    """
    key, outline = one.key, one.outline
    recipients = _by_name(one, one.recipients)
    settled = sum(recipients[name] for name in ("sent", "rejected", IN_DOUBT))
    total = None if outline is None else outline.total
    if one.status == "finished" and total is not None:
        total = max(total, settled)
    left = None if total is None else max(0, total - settled)
    rate = _rate(one)
    # A list knows a finished delivery by its report, which has no figures of batches.
    is_counted = one.batches or one.status != "finished"
    return {
        "id": one.id,
        "dag_id": key.dag_id,
        "run_id": key.run_id,
        "task_id": key.task_id,
        "map_index": key.map_index,
        "state": _state(one),
        "begun_at": one.begun_at,
        "written_at": one.written_at,
        "started_over": one.generation,
        "try_number": None if one.head.counters is None else one.head.counters.try_number,
        "endpoint": None if outline is None else outline.endpoint,
        "target": {} if outline is None else dict(outline.target),
        "recipients": {"total": total, **recipients, "left": left},
        "batches": _by_name(one, one.batches) if is_counted else None,
        "rate": rate,
        "seconds_left": round(left / rate) if rate and left is not None else None,
    }


def of_batch(receipt: Receipt, *, running: bool) -> dict[str, Any]:
    """
    Give a batch.

    :param receipt: Its receipt.
    :param running: Whether its delivery is running: then a claim is under way, and not in doubt.
    """
    return {
        "number": receipt.index + 1,
        "state": _name(receipt.state, running=running),
        "recipients": receipt.recipients,
        "noted_at": receipt.at,
        "ids": dict(receipt.ids),
        "reason": receipt.reason,
    }


def states_named(name: str, *, running: bool) -> list[State]:
    """
    Give the states of the ledger that a name of :func:`of_batch` stands for.

    :param name: The name.
    :param running: Whether the delivery is running.
    """
    return [state for state in State if _name(state, running=running) == name]


def of_reason(one: Reason, *, running: bool) -> dict[str, Any]:
    """
    Give a reason.

    :param one: The reason.
    :param running: Whether the delivery is running.
    """
    return {
        "state": _name(one.state, running=running),
        "reason": one.reason,
        "batches": one.batches,
        "recipients": one.recipients,
        "first_batch": one.first + 1,
    }


def _name(state: State, *, running: bool) -> str:
    if state is State.CLAIMED:
        return UNDER_WAY if running else IN_DOUBT
    return IN_DOUBT if state is State.UNCERTAIN else state.value


def _by_name(one: Delivery, figures: dict[State, int]) -> dict[str, int]:
    found = dict.fromkeys(("sent", "rejected", IN_DOUBT, UNDER_WAY, "failed"), 0)
    for state, figure in figures.items():
        found[_name(state, running=one.status == "running")] += figure
    return found


def _state(one: Delivery) -> str:
    """Give the state: in doubt, if a person has to decide and no try is running."""
    in_doubt = one.batches.get(State.UNCERTAIN, 0) + one.batches.get(State.CLAIMED, 0)
    return IN_DOUBT if one.status == "open" and in_doubt else one.status


def _rate(one: Delivery) -> float | None:
    """Give the recipients per second in the last minute, or since the delivery began if that is less."""
    if one.status != "running" or not one.recent:
        return None
    age = (datetime.now(timezone.utc) - datetime.fromisoformat(one.begun_at)).total_seconds()
    return round(one.recent / min(RECENTLY.total_seconds(), max(age, 1.0)), 2)
