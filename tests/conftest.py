"""Fixtures of the whole suite."""

from __future__ import annotations

import airflow_harness

# First of all: Airflow reads its environment when it is imported.
AIRFLOW_HOME = airflow_harness.private_airflow_home()

import json
import os
import secrets
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

pytest_plugins = ["attack.plugin"]

POSTGRES_URL = os.environ.get("BRAZE_TEST_POSTGRES_URL", "postgresql://root@127.0.0.1:5432/test")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", action="store_true", help="make the pictures of the documentation again")


def pytest_unconfigure() -> None:
    airflow_harness.remove_airflow_home(AIRFLOW_HOME)


@pytest.fixture
def run_dag() -> Callable[..., airflow_harness.DagResult]:
    """Run a Dag with real Airflow: ``run_dag(dag, conf=…, logical_date=…)`` gives a ``DagResult``."""
    return airflow_harness.run_dag


@pytest.fixture
def serialise() -> Callable[..., dict[str, Any]]:
    return airflow_harness.serialise


@pytest.fixture
def deserialise() -> Callable[[dict[str, Any]], Any]:
    return airflow_harness.deserialise


@pytest.fixture
def postgres_dsn() -> Iterator[str]:
    """URL of a new, empty PostgreSQL database, dropped after the test."""
    psycopg2 = pytest.importorskip("psycopg2")
    try:
        server = psycopg2.connect(POSTGRES_URL, connect_timeout=3)
    except psycopg2.OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        pytest.skip(f"no PostgreSQL (set BRAZE_TEST_POSTGRES_URL to name one): {reason}")
    server.autocommit = True
    name = f"braze_provider_test_{secrets.token_hex(6)}"
    with server.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    try:
        yield urlunsplit(urlsplit(POSTGRES_URL)._replace(path=f"/{name}"))
    finally:
        with server.cursor() as cursor:
            # FORCE: a cursor that a failing test left open must not keep the database.
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
        server.close()


@pytest.fixture
def postgres_connection(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Id of an Airflow connection to the database of ``postgres_dsn``."""
    pytest.importorskip("airflow.providers.postgres")
    monkeypatch.setenv("AIRFLOW_CONN_POSTGRES_TEST", postgres_dsn)
    return "postgres_test"


@pytest.fixture(scope="session")
def _sandbox_server() -> Iterator[Any]:
    from braze_provider.sandbox import Sandbox

    with Sandbox() as server:
        yield server


@pytest.fixture
def sandbox(_sandbox_server: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A local Braze with nothing sent and no faults; the connection ``braze_default`` leads to it."""
    _sandbox_server.reset()
    connection = _sandbox_server.airflow_connection
    monkeypatch.setenv(
        "AIRFLOW_CONN_BRAZE_DEFAULT", connection if isinstance(connection, str) else json.dumps(connection)
    )
    return _sandbox_server
