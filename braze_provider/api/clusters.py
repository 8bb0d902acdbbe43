"""
Braze's instances: which dashboard belongs to which REST endpoint.

Braze names its hosts in three ways, so the dashboard can't be derived from the REST endpoint's name and comes
from this table. A REST endpoint that is not in the table still works, because new instances appear faster
than releases of this package.

.. seealso:: https://www.braze.com/docs/api/basics
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Cluster:
    """
    One Braze instance.

    :param name: Braze's name of the instance, such as ``US-01``.
    :param rest_host: Host of its REST endpoint.
    :param dashboard_url: Base URL of its dashboard.
    """

    name: str
    rest_host: str
    dashboard_url: str


CLUSTERS: Mapping[str, Cluster] = MappingProxyType(
    {
        rest_host: Cluster(name, rest_host, f"https://{dashboard_host}")
        for name, rest_host, dashboard_host in (
            ("US-01", "rest.iad-01.braze.com", "dashboard-01.braze.com"),
            ("US-02", "rest.iad-02.braze.com", "dashboard-02.braze.com"),
            ("US-03", "rest.iad-03.braze.com", "dashboard-03.braze.com"),
            ("US-04", "rest.iad-04.braze.com", "dashboard-04.braze.com"),
            ("US-05", "rest.iad-05.braze.com", "dashboard-05.braze.com"),
            ("US-06", "rest.iad-06.braze.com", "dashboard-06.braze.com"),
            ("US-07", "rest.iad-07.braze.com", "dashboard-07.braze.com"),
            ("US-08", "rest.iad-08.braze.com", "dashboard-08.braze.com"),
            ("US-10", "rest.us-10.braze.com", "dashboard.us-10.braze.com"),
            ("EU-01", "rest.fra-01.braze.eu", "dashboard-01.braze.eu"),
            ("EU-02", "rest.fra-02.braze.eu", "dashboard-02.braze.eu"),
            ("AU-01", "rest.au-01.braze.com", "dashboard.au-01.braze.com"),
            ("ID-01", "rest.id-01.braze.com", "dashboard.id-01.braze.com"),
            ("JP-01", "rest.jp-01.braze.com", "dashboard.jp-01.braze.com"),
            ("KR-01", "rest.kr-01.braze.com", "dashboard.kr-01.braze.com"),
        )
    }
)
"""Clusters by the host of their REST endpoint."""


def dashboard_url(rest_host: str) -> str | None:
    """
    Give the dashboard that belongs to a REST endpoint.

    :param rest_host: Host of the REST endpoint, without scheme or port.
    :return: Base URL of the dashboard, or None for a host that is not in the table.
    """
    cluster = CLUSTERS.get(rest_host.lower())
    return cluster.dashboard_url if cluster else None


def rest_host(dashboard_host: str) -> str | None:
    """
    Give the REST endpoint that belongs to a dashboard.

    :param dashboard_host: Host of the dashboard, without scheme or port.
    :return: Host of the REST endpoint, or None for a dashboard that is not in the table.
    """
    url = f"https://{dashboard_host.lower()}"
    return next((host for host, cluster in CLUSTERS.items() if cluster.dashboard_url == url), None)
