"""
A local Braze to develop and test Dags against.

It serves Braze's REST endpoints with their documented rules, limits, headers and error texts, on
loopback unless told otherwise. It remembers what each recipient received, and fails on purpose when told
to. Nothing is ever sent to anybody. From a shell::

    python -m braze_provider.sandbox --port 8010

and from a test::

    from braze_provider.sandbox import Sandbox

    with Sandbox(hourly_limit=1_000) as sandbox:
        sandbox.fault("disconnect", processed=True)
        ...  # run the Dag with AIRFLOW_CONN_BRAZE_DEFAULT=sandbox.airflow_connection
        assert sandbox.summary()["duplicates"] == 0

The sandbox judges requests by its own reading of Braze's documentation and shares no code with the
client: a mistake made in one of them shows as a disagreement between the two. Where Braze is said to be
lenient or nothing is said, the sandbox takes the strict side, so that a request which passes here is not
refused there: unknown fields are errors, and so is a ``"false"`` where a boolean belongs.

Importing this package is cheap; FastAPI and uvicorn (the ``sandbox`` extra) load when a sandbox starts.
"""

from __future__ import annotations

from braze_provider.sandbox.config import SandboxConfig
from braze_provider.sandbox.limits import Limit
from braze_provider.sandbox.server import Sandbox
from braze_provider.sandbox.workspace import Campaign

__all__ = ["Campaign", "Limit", "Sandbox", "SandboxConfig"]
