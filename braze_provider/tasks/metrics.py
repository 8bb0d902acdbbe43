"""The counters of a delivery in Airflow's metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braze_provider._compat import Stats

if TYPE_CHECKING:
    from braze_provider.api.endpoints import Endpoint
    from braze_provider.delivery.delivery import Delivery

METRICS = ("recipients", "requests", "sent", "rejected", "uncertain", "failed")
"""Figures of the report that become counters ``braze.<figure>``. Two more counters are not in the report:
``braze.rate_limited`` (refused requests) and ``braze.minor_errors``."""


def count(delivery: Delivery, endpoint: Endpoint) -> None:
    """
    Add the figures of this try to the counters, tagged with the endpoint.

    :param delivery: The delivery, after its end.
    :param endpoint: The endpoint that it called.
    """
    tags = {"endpoint": endpoint.name}
    figures = {name: getattr(delivery.report, name) for name in METRICS}
    figures |= {"rate_limited": delivery.rate_limited, "minor_errors": delivery.minor_errors}
    for name, figure in figures.items():
        if figure:
            Stats.incr(f"braze.{name}", figure, tags=tags)
