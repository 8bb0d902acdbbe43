"""
Figures for very large sends: ``make bench ARGS='--only scale'``. They need some minutes and 2 GB of disk.

They say what one recipient costs in the spool and what one batch costs in each ledger. What 10 million and
100 million recipients need is computed from that in ``docs/scaling.rst``.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.client import RECIPIENTS_PER_REQUEST
from benchmarks.figures import CONNECTIONS, Figure, customers
from benchmarks.processes import Braze, Client

POSTGRES_URL = os.environ.get("BRAZE_TEST_POSTGRES_URL", "postgresql://root@127.0.0.1:5432/test")
DATABASE = "braze_bench_scale"

PREPARED, DELIVERED = 10_000_000, 1_000_000
FEW_PREPARED, FEW_DELIVERED = 200_000, 50_000


@dataclass(frozen=True)
class Place:
    """
    A place for a ledger.

    :param connection: The Airflow connection that leads to it; None if none does.
    :param size: Tells the bytes that it takes on disk. None: the client tells.
    """

    connection: Mapping[str, Any] | None
    size: Callable[[], int] | None


def scale(*, quick: bool) -> Iterator[Figure]:
    """
    Measure.

    :param quick: A few seconds, to see that it works.
    """
    prepared, delivered = (FEW_PREPARED, FEW_DELIVERED) if quick else (PREPARED, DELIVERED)
    with customers(prepared) as path:
        source = {"AIRFLOW_CONN_CUSTOMERS": json.dumps({"conn_type": "sqlite", "host": str(path)})}
        yield from _preparing(source, prepared)
        for name, place in (("SQLite", _sqlite), ("PostgreSQL", _postgres), ("task state store", _store)):
            if place is _postgres and (reason := _missing_postgres()):
                print(f"No PostgreSQL (BRAZE_TEST_POSTGRES_URL says where it is): {reason}", flush=True)
                continue
            for note, on_source_change in (("", "fail"), (", send_rest", "send_rest")):
                if place is _store and on_source_change == "send_rest":
                    continue  # It needs a ledger in SQL.
                with place() as there:
                    yield from _delivering(f"{name}{note}", there, source, delivered, on_source_change)


def _preparing(environment: dict[str, str], rows: int) -> Iterator[Figure]:
    found = Client("prepare_once", environment, rows=rows).result()
    note = f"{found['cpu']:,.1f} s of CPU time; {rows / found['wall']:,.0f} recipients/s"
    yield Figure(f"{rows:,} recipients prepared", found["wall"], "s", note=note)
    yield Figure("  peak memory above Airflow", found["memory"], "MiB")
    spool = found["spool"]
    note = f"{spool / 1_000_000:,.0f} MB; each recipient is {found['bytes']:.1f} bytes of JSON"
    yield Figure("  spool, of each recipient", spool / rows, "bytes", note=note)


def _delivering(
    name: str, place: Place, source: dict[str, str], rows: int, on_source_change: str
) -> Iterator[Figure]:
    batches = rows // RECIPIENTS_PER_REQUEST
    with Braze.run() as braze:
        environment = {**source, "AIRFLOW_CONN_BRAZE_DEFAULT": braze.connection()}
        if place.connection is not None:
            environment["AIRFLOW_CONN_LEDGER"] = json.dumps(place.connection)
        found = Client(
            "deliver_twice",
            environment,
            rows=rows,
            concurrency=CONNECTIONS,
            ledger="task state" if place.connection is None else "sql",
            on_source_change=on_source_change,
        ).result()
        if found["report"]["sent"] != rows or found["again"]["already_sent"] != rows:
            raise RuntimeError(f"Some recipients were not sent to: {found['report']}, {found['again']}")
    size = found["stored"] if place.size is None else place.size()
    share = 100 * found["writing"] / found["seconds"]
    note = f"{share:.1f} % of the time in ledger writes"
    yield Figure(f"requests/s, {name}", batches / found["seconds"], "/s", digits=0, note=note)
    note = f"{size / 1_000_000:,.1f} MB for {batches:,} batches"
    if found["values"]:
        note += f", {found['values']:,} values, the largest {found['largest']:,} bytes"
    yield Figure("  stored, of each batch", size / batches, "bytes", digits=0, note=note)
    note = f"{rows:,} recipients, prepared and compared"
    yield Figure("  a cleared task compares", found["seconds_again"], "s", note=note)


@contextlib.contextmanager
def _sqlite() -> Iterator[Place]:
    with tempfile.TemporaryDirectory(prefix="braze-bench-") as folder:
        path = Path(folder) / "ledger.db"
        yield Place({"conn_type": "sqlite", "host": str(path)}, lambda: path.stat().st_size)


@contextlib.contextmanager
def _store() -> Iterator[Place]:
    yield Place(None, None)


def _missing_postgres() -> str:
    """Say why PostgreSQL can't be used; empty if it can."""
    import psycopg2

    try:
        psycopg2.connect(POSTGRES_URL).close()
    except psycopg2.Error as error:
        return str(error).strip()
    return ""


@contextlib.contextmanager
def _postgres() -> Iterator[Place]:
    """A database of its own. Its size is that of the tables and indexes, with what updates left behind."""
    import psycopg2

    def run(url: str, *statements: str) -> Any:
        with contextlib.closing(psycopg2.connect(url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchone() if cursor.description else None

    parts = urlsplit(POSTGRES_URL)
    url = parts._replace(path=f"/{DATABASE}").geturl()
    run(POSTGRES_URL, f"DROP DATABASE IF EXISTS {DATABASE}", f"CREATE DATABASE {DATABASE}")
    try:
        connection = {"conn_type": "postgres", "host": parts.hostname, "schema": DATABASE}
        connection |= {"port": parts.port, "login": parts.username, "password": parts.password}
        size = "SELECT pg_total_relation_size('braze_receipt') + pg_total_relation_size('braze_delivery')"
        yield Place(connection, lambda: int(run(url, size)[0]))
    finally:
        run(POSTGRES_URL, f"DROP DATABASE {DATABASE}")
