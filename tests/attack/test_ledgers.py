"""Attacks by receipts and ledgers: a file that can't be written, and slow, hanging or shared databases."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from airflow.sdk import DAG
from attack.servers import FreezingProxy
from attack.tasks import Try
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool
from structlog.testing import capture_logs

from braze_provider.ledger import sql_transactions
from braze_provider.operators.campaigns import CampaignTriggerOperator

RECIPIENTS = 220


@pytest.mark.attack("11", "receipts_path can't be written", before="100 held, 120 not sent")
@pytest.mark.parametrize("obstacle", ["a folder in its place", "a file in place of its folder"])
def test_a_receipts_file_that_cannot_be_written_stops_nothing(
    sandbox, sqlite_ledger, tmp_path, attack, caplog, obstacle
):
    if obstacle == "a folder in its place":
        path = tmp_path / "receipts.jsonl"
        path.mkdir()
    else:
        (tmp_path / "folder").write_text("")
        path = tmp_path / "folder" / "receipts.jsonl"

    with capture_logs() as events:  # Airflow 3.0 logs through the standard library.
        only = Try(RECIPIENTS, ledger_conn_id=sqlite_ledger, receipts_path=str(path)).run()
    reached = len(sandbox.recipient_keys())
    again = Try(RECIPIENTS, ledger_conn_id=sqlite_ledger, try_number=2, max_tries=3).run()

    duplicates = sandbox.summary()["duplicates"]
    note = obstacle if reached == RECIPIENTS else f"{obstacle}: {reached} sent"
    attack.record(recipients=RECIPIENTS, duplicates=duplicates, held=again.report["uncertain"], note=note)
    assert (only.error, only.report["sent"], reached) == (None, RECIPIENTS, RECIPIENTS)
    assert (again.error, again.report["already_sent"], duplicates) == (None, RECIPIENTS, 0)
    warnings = [str(one) for one in events if one["log_level"] == "warning"]
    warnings += [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert [one for one in warnings if path.name in one]


# Slow and hanging databases ---------------------------------------------------------------------------------


@pytest.fixture
def slow_ledger(postgres_connection: str, sandbox: Any) -> Iterator[Callable[[float], str]]:
    """Make each transaction with the ledger's database take so many seconds longer: ``slow_ledger(3)``."""
    Try(1, ledger_conn_id=postgres_connection).run()  # The tables exist already.
    sandbox.reset()
    engine = create_engine(_sqlalchemy_url(postgres_connection), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM braze_delivery"))
    delay = 0.0

    def wait(connection: Any) -> None:
        if connection.dialect.name == "postgresql":
            time.sleep(delay)

    def slow_down(seconds: float) -> str:
        nonlocal delay
        delay = seconds
        event.listen(Engine, "begin", wait)
        return postgres_connection

    yield slow_down
    event.remove(Engine, "begin", wait)


def _sqlalchemy_url(conn_id: str) -> str:
    return os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"].replace("postgresql:", "postgresql+psycopg2:", 1)


@pytest.mark.postgres
@pytest.mark.attack("12", "each transaction with the ledger takes 6 s", before="never ended, 0 sent")
def test_a_ledger_that_is_too_slow_ends_the_task_and_is_named(sandbox, slow_ledger, attack):
    only = Try(RECIPIENTS, ledger_conn_id=slow_ledger(6.0))

    ended = only.run_for(75)

    reached = len(sandbox.recipient_keys())
    how = "ended by itself" if ended else "never ended"
    attack.record(
        recipients=RECIPIENTS,
        duplicates=sandbox.summary()["duplicates"],
        held=only.report.get("uncertain", 0),
        note=f"{how}, {reached} sent",
    )
    assert ended
    assert re.search(r"ledger", str(only.error), re.IGNORECASE)
    assert re.search(r"\d s\b|seconds", str(only.error))


@pytest.mark.postgres
@pytest.mark.attack("12", "each transaction with the ledger takes 3 s", before="30 s")
def test_with_a_slow_ledger_everything_is_sent(sandbox, slow_ledger, attack):
    only = Try(RECIPIENTS, ledger_conn_id=slow_ledger(3.0))

    ended = only.run_for(120)

    reached = len(sandbox.recipient_keys())
    attack.record(
        recipients=RECIPIENTS,
        duplicates=sandbox.summary()["duplicates"],
        held=only.report.get("uncertain", 0),
        note=f"{only.seconds:.0f} s, {reached} sent",
    )
    assert (ended, only.error, reached) == (True, None, RECIPIENTS)


@pytest.mark.dag
@pytest.mark.postgres
@pytest.mark.attack(
    "13",
    "the ledger's database hangs for 40 s; execution_timeout is 12 s",
    before="ended after 40 s, with the database",
)
def test_a_database_that_hangs_does_not_outlive_the_execution_timeout(
    run_dag, sandbox, postgres_dsn, connect, attack
):
    slowly = {"rate_limits": {"default": {"limit": 10, "window": 10}}}
    connect("braze_default", **{**json.loads(sandbox.airflow_connection), "extra": slowly})
    server = urlsplit(postgres_dsn)
    with FreezingProxy(str(server.hostname), server.port or 5432) as proxy:
        connect(
            "ledger",
            conn_type="postgres",
            host="127.0.0.1",
            port=proxy.port,
            login=server.username,
            schema=server.path.strip("/"),
        )

        frozen = []

        def freeze() -> None:
            while sandbox.summary()["requests"] < 3:
                time.sleep(0.05)
            proxy.freeze(40)
            frozen.append(time.monotonic())

        with DAG("hangs", schedule=None) as dag:
            CampaignTriggerOperator(
                task_id="send",
                campaign_id="c",
                recipients=[{"external_user_id": f"p{number:05}"} for number in range(1_500)],
                ledger_conn_id="ledger",
                concurrency=1,
                execution_timeout=timedelta(seconds=12),
                on_execute_callback=lambda context: threading.Thread(target=freeze, daemon=True).start(),
            )
        result = run_dag(dag)
        seconds = time.monotonic() - frozen[0]

    attack.record(
        recipients=1_500,
        duplicates=sandbox.summary()["duplicates"],
        held=result.xcom("send")["uncertain"],
        note=f"ended {seconds:.0f} s after that",
    )
    assert result.state == "failed"
    assert seconds < 25


@pytest.mark.attack(
    "13", "another session holds the lock of the delivery's row", before="10 s, and does not say so"
)
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_the_error_names_a_held_lock_and_the_time_waited(
    sandbox, connect, tmp_path, attack, request, kind, monkeypatch
):
    monkeypatch.setattr(sql_transactions, "FIRST_PATIENCE", 1.0)
    monkeypatch.setattr(sql_transactions, "PATIENCE", 1.0)
    connect("ledger", **_shared_database(kind, request, tmp_path))
    Try(50, ledger_conn_id="ledger").run()
    with _lock_held(kind, request, tmp_path):
        second = Try(50, ledger_conn_id="ledger", try_number=2, max_tries=3)
        ended = second.run_for(90)

    note = f"{kind}, {second.seconds:.0f} s: {type(second.error).__name__}"
    attack.record(recipients=50, duplicates=sandbox.summary()["duplicates"], note=note)
    assert ended
    assert re.search(r"\block", str(second.error))
    assert re.search(r"\d+(\.\d+)? s\b|\d+ seconds", str(second.error))


@contextlib.contextmanager
def _lock_held(kind: str, request: Any, tmp_path: Any) -> Iterator[None]:
    """Hold the lock that is needed to open the delivery, as a worker that has vanished does."""
    if kind == "sqlite":
        with contextlib.closing(sqlite3.connect(tmp_path / "shared.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
        return
    dsn = request.getfixturevalue("postgres_dsn").replace("postgresql:", "postgresql+psycopg2:", 1)
    with create_engine(dsn, poolclass=NullPool).begin() as other:
        other.execute(text("SELECT id FROM braze_delivery FOR UPDATE"))
        yield


# A ledger that is shared ------------------------------------------------------------------------------------


@pytest.mark.attack(
    "10",
    "two deployments with the same ids share a database, each with braze_deployment",
    before="100 skipped, green; PostgreSQL: the option is refused",
)
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_deployments_with_names_can_share_a_database(sandbox, connect, tmp_path, attack, request, kind):
    shared = _shared_database(kind, request, tmp_path)
    for deployment in ("a", "b"):
        connect(f"ledger_{deployment}", **shared, extra={"braze_deployment": deployment})

    tries = {
        deployment: Try(_recipients(deployment), ledger_conn_id=f"ledger_{deployment}").run()
        for deployment in ("a", "b")
    }

    reached = len(sandbox.recipient_keys())
    green = [deployment for deployment, one in tries.items() if one.error is None]
    lost = 100 * len(green) - reached
    attack.record(recipients=200, duplicates=sandbox.summary()["duplicates"], lost=max(lost, 0), note=kind)
    assert {deployment: one.error for deployment, one in tries.items()} == {"a": None, "b": None}
    assert reached == 200


@pytest.mark.attack(
    "10",
    "two deployments with the same ids share a database, and neither has a name",
    before="100 skipped, green",
)
def test_deployments_without_names_do_not_skip_each_others_recipients(sandbox, sqlite_ledger, attack):
    Try(_recipients("a"), ledger_conn_id=sqlite_ledger).run()
    second = Try(_recipients("b"), ledger_conn_id=sqlite_ledger).run()

    reached = len(sandbox.recipient_keys())
    lost = 200 - reached if second.error is None else 0
    attack.record(recipients=200, duplicates=sandbox.summary()["duplicates"], lost=lost)
    assert reached == 100
    assert second.error is not None


def _recipients(deployment: str) -> list[dict[str, str]]:
    return [{"external_user_id": f"{deployment}-{number:03}"} for number in range(100)]


def _shared_database(kind: str, request: Any, tmp_path: Any) -> dict[str, Any]:
    if kind == "sqlite":
        return {"conn_type": "sqlite", "host": str(tmp_path / "shared.db")}
    server = urlsplit(request.getfixturevalue("postgres_dsn"))
    return {
        "conn_type": "postgres",
        "host": server.hostname,
        "port": server.port,
        "login": server.username,
        "schema": server.path.strip("/"),
    }
