"""Braze's instances."""

from __future__ import annotations

import pytest

from braze_provider.api.clusters import CLUSTERS, dashboard_url, rest_host


@pytest.mark.parametrize(
    ("name", "host", "dashboard"),
    [
        *((f"US-0{n}", f"rest.iad-0{n}.braze.com", f"https://dashboard-0{n}.braze.com") for n in range(1, 9)),
        ("US-10", "rest.us-10.braze.com", "https://dashboard.us-10.braze.com"),
        ("EU-01", "rest.fra-01.braze.eu", "https://dashboard-01.braze.eu"),
        ("EU-02", "rest.fra-02.braze.eu", "https://dashboard-02.braze.eu"),
        ("AU-01", "rest.au-01.braze.com", "https://dashboard.au-01.braze.com"),
        ("ID-01", "rest.id-01.braze.com", "https://dashboard.id-01.braze.com"),
        ("JP-01", "rest.jp-01.braze.com", "https://dashboard.jp-01.braze.com"),
        ("KR-01", "rest.kr-01.braze.com", "https://dashboard.kr-01.braze.com"),
    ],
)
def test_each_instance_has_its_rest_endpoint_and_its_dashboard(name, host, dashboard):
    assert CLUSTERS[host].name == name
    assert dashboard_url(host) == dashboard


def test_each_dashboard_leads_back_to_its_rest_endpoint():
    dashboards = {host: cluster.dashboard_url.removeprefix("https://") for host, cluster in CLUSTERS.items()}
    assert {host: rest_host(dashboard) for host, dashboard in dashboards.items()} == {
        h: h for h in dashboards
    }


@pytest.mark.parametrize("host", ["dashboard-09.braze.com", "rest.iad-01.braze.com", ""])
def test_an_unknown_dashboard_has_no_rest_endpoint(host):
    assert rest_host(host) is None


def test_there_are_fifteen_of_them():
    assert len(CLUSTERS) == len({cluster.dashboard_url for cluster in CLUSTERS.values()}) == 15


def test_the_host_s_case_does_not_matter():
    assert dashboard_url("REST.iad-01.Braze.com") == "https://dashboard-01.braze.com"
    assert rest_host("Dashboard-01.Braze.com") == "rest.iad-01.braze.com"


@pytest.mark.parametrize("host", ["rest.iad-09.braze.com", "rest.fra-01.braze.com", "127.0.0.1", ""])
def test_a_host_that_is_not_listed_has_no_dashboard(host):
    assert dashboard_url(host) is None
