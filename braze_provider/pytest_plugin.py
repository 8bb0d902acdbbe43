"""
A plugin for pytest: the fixture ``braze_sandbox``, a local Braze for tests of Dags.

pytest finds it through an entry point. It loads the sandbox only for the first test that uses the fixture.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from braze_provider.sandbox import Sandbox

TIMEOUT = 3.0
"""Seconds for which a task waits for an answer: ``fail_next("read_timeout")`` makes a test last so long."""


@pytest.fixture(scope="session")
def _running_braze_sandbox() -> Iterator[Sandbox]:
    from braze_provider.sandbox import Sandbox

    sandbox = Sandbox()
    try:
        sandbox.start()
    except ImportError as error:
        pytest.fail(f"The fixture braze_sandbox can't be used. {error}", pytrace=False)
    yield sandbox
    sandbox.stop()


@pytest.fixture
def braze_sandbox(_running_braze_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """A local Braze that has received nothing. The Airflow connection braze_default leads to it."""
    _running_braze_sandbox.reset()
    connection = json.loads(_running_braze_sandbox.airflow_connection)
    connection["extra"] = {"timeout": TIMEOUT}
    monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", json.dumps(connection))
    return _running_braze_sandbox
