"""Connections to what is attacked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Define an Airflow connection: ``connect("ledger", conn_type="sqlite", host=…)``."""

    def connect(conn_id: str, **fields: Any) -> None:
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))

    return connect


@pytest.fixture
def sqlite_ledger(tmp_path: Any, connect: Callable[..., None]) -> str:
    """Id of a connection to an empty ledger."""
    connect("ledger", conn_type="sqlite", host=str(tmp_path / "ledger.db"))
    return "ledger"
