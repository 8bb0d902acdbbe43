"""One cluster for all process tests. If a test fails, its report has the cluster's logs."""

from __future__ import annotations

import functools
import json
import sqlite3
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from process import services
from process.airflow_cluster import AirflowCluster
from process.deliveries import CONCURRENCY, CUSTOMERS, LATENCY, LIMIT, Inbox
from process.journal import Journals
from process.reaper import Reaper

from braze_provider.sandbox import Sandbox

DAGS = Path(__file__).parent / "dags"


@pytest.fixture(scope="session")
def journals(tmp_path_factory: pytest.TempPathFactory) -> Journals:
    return Journals(tmp_path_factory.mktemp("journals"))


@pytest.fixture(scope="session")
def braze() -> Iterator[Sandbox]:
    """A local Braze in this process, which tasks reach over loopback."""
    with Sandbox(latency=LATENCY) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def limited_braze() -> Iterator[Sandbox]:
    """Another local Braze, with a low rate limit in windows of ten seconds."""
    with Sandbox(limits={"default": LIMIT}) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def inbox(braze: Sandbox) -> Inbox:
    return Inbox(braze)


@pytest.fixture(scope="session")
def customers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database with the customers."""
    path = tmp_path_factory.mktemp("customers") / "customers.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE customers (customer_id INTEGER PRIMARY KEY)")
        db.executemany("INSERT INTO customers VALUES (?)", ((n,) for n in range(1, CUSTOMERS + 1)))
    return path


@pytest.fixture(scope="session")
def ledger_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An Airflow connection to an empty database for ledgers: on PostgreSQL if it answers, else SQLite."""
    try:
        name = services.create_database()
    except services.ServiceMissingError:
        path = tmp_path_factory.mktemp("ledger") / "ledger.db"
        yield json.dumps({"conn_type": "sqlite", "host": str(path)})
        return
    with Reaper() as reaper:
        reaper.database(services.POSTGRES_URL, name)
        yield services.database_url(name, "postgres")


@pytest.fixture(scope="session")
def connections(braze: Sandbox, limited_braze: Sandbox, customers: Path, ledger_uri: str) -> dict[str, str]:
    """Airflow's connections to all these."""
    budget = {
        "rate_limits": {"default": {"limit": LIMIT.requests, "window": int(LIMIT.seconds)}},
        "pools": {"braze": {"slots": 8, "bucket": "default"}},
    }
    return {
        "AIRFLOW_CONN_BRAZE_LIMITED": json.dumps(
            {**json.loads(limited_braze.airflow_connection), "extra": budget}
        ),
        "AIRFLOW_CONN_BRAZE_DEFAULT": braze.airflow_connection,
        "AIRFLOW_CONN_CUSTOMERS": json.dumps({"conn_type": "sqlite", "host": str(customers)}),
        "AIRFLOW_CONN_LEDGER": ledger_uri,
    }


@pytest.fixture(scope="session")
def new_cluster(journals: Journals, connections: dict[str, str]) -> Callable[..., AirflowCluster]:
    """Make a cluster with the Dags and the connections. It starts as a context manager."""
    env = {"TEST_JOURNALS": str(journals.folder), "TEST_CONCURRENCY": str(CONCURRENCY), **connections}
    return functools.partial(AirflowCluster, DAGS, env=env)


@pytest.fixture(scope="session")
def cluster(new_cluster: Callable[..., AirflowCluster]) -> Iterator[AirflowCluster]:
    with new_cluster() as cluster:
        yield cluster


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed and report.when == "call":
        clusters = [c for c in _fixtures(item).values() if isinstance(c, AirflowCluster)]
        report.sections.extend(("Airflow's processes", cluster.logs()) for cluster in clusters)
    return report


def _fixtures(item: pytest.Item) -> dict[str, Any]:
    found: dict[str, Any] = getattr(item, "funcargs", {})
    return found
