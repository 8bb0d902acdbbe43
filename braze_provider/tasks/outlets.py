"""What a send tells the assets that it updates."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

if TYPE_CHECKING:
    from braze_provider._compat import Context
    from braze_provider.delivery.report import DeliveryReport

FIGURES = ("recipients", "sent", "already_sent", "rejected", "uncertain", "invalid")
IDS = ("campaign_id", "canvas_id", "segment_id", "send_id")


def ids_of(task: Any) -> dict[str, str]:
    """
    Give the ids that say what a task sends, such as its ``campaign_id``.

    :param task: The task, with its fields rendered.
    """
    return {name: value for name in IDS if (value := getattr(task, name, None)) is not None}


def tell_outlets(
    context: Context, outlets: Collection[Any], report: DeliveryReport, ids: dict[str, str]
) -> None:
    """
    Put a delivery's figures into the ``extra`` of the events of its outlet assets. Braze's ids are there too,
    and nothing of the recipients. What the Dag has put there itself stays.

    :param context: Airflow's context of the task.
    :param outlets: The task's outlets.
    :param report: The figures.
    :param ids: The ids that say what was sent.
    """
    figures = {**ids, **{name: getattr(report, name) for name in FIGURES}}
    for outlet in outlets:
        if isinstance(outlet, Asset):
            event = context["outlet_events"][outlet]
            event.extra = {**figures, **event.extra}
