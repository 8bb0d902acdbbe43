"""A sandbox whose jobs end soon, and tasks that die in the middle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import airflow_harness
import pytest

from braze_provider.hooks.braze import BrazeHook
from braze_provider.sandbox import Sandbox
from braze_provider.tasks.jobs import JobNotes

JOB_SECONDS = 1.0


@pytest.fixture
def braze(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Sandbox]]:
    """Start a sandbox with options. The connection ``braze_default`` leads to it."""
    started: list[Sandbox] = []

    def start(**options: Any) -> Sandbox:
        sandbox = Sandbox(**{"job_seconds": JOB_SECONDS, **options})
        sandbox.start()
        started.append(sandbox)
        monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", sandbox.airflow_connection)
        return sandbox

    yield start
    for sandbox in started:
        sandbox.stop()


@pytest.fixture
def dies_after(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the task die once, right after Braze has answered a request to an endpoint."""
    real = BrazeHook.call

    def arrange(name: str, *, requests: int = 1) -> None:
        seen = 0

        def call(self: Any, endpoint: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal seen
            answer = real(self, endpoint, *args, **kwargs)
            if getattr(endpoint, "name", None) == name:
                seen += 1
                if seen == requests:
                    raise RuntimeError("killed")
            return answer

        monkeypatch.setattr(BrazeHook, "call", call)

    return arrange


@pytest.fixture(params=["task state store", "nothing"])
def notes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where a task keeps the note of its job: as on Airflow 3.3 and newer, and as before."""
    if request.param == "nothing":
        monkeypatch.setattr(JobNotes, "__init__", lambda self, context: setattr(self, "_cells", None))
    elif airflow_harness.AIRFLOW_VERSION < (3, 3):
        pytest.skip("Airflow has a task state store from 3.3 on")
    return request.param
