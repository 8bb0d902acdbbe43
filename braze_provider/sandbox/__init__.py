"""
A local Braze to develop and test Dags against.

It serves Braze's REST endpoints with their documented rules, limits, headers and error texts, by default on
loopback. It remembers what each recipient received, and fails on purpose when told to. It never sends a
message. From a shell::

    python -m braze_provider.sandbox --port 8010

and from a test::

    from braze_provider.sandbox import Sandbox

    with Sandbox(hourly_limit=1_000) as sandbox:
        sandbox.fault("disconnect", processed=True)
        ...  # run the Dag with AIRFLOW_CONN_BRAZE_DEFAULT=sandbox.airflow_connection
        assert sandbox.summary()["duplicates"] == 0

It checks requests with the models of :mod:`braze_provider.api.requests`, as leniently as Braze: fields that
the models don't know are accepted, and shown. Its own code holds what Braze *does*.

In a browser, its address shows an inbox: what was received, as each recipient sees it.

FastAPI and uvicorn (the ``sandbox`` extra) load when a sandbox starts.
"""

from __future__ import annotations

from braze_provider.sandbox.catalogs import Catalog
from braze_provider.sandbox.jobs import Integration
from braze_provider.sandbox.limits import Limit
from braze_provider.sandbox.server import Sandbox
from braze_provider.sandbox.state import SandboxConfig
from braze_provider.sandbox.workspace import Broadcast, Campaign, Canvas, Segment

__all__ = [
    "Broadcast",
    "Campaign",
    "Canvas",
    "Catalog",
    "Integration",
    "Limit",
    "Sandbox",
    "SandboxConfig",
    "Segment",
]
