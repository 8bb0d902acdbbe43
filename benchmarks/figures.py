"""The figures: each measured for the package, for a plain ``requests`` loop and for a plain thread pool."""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.client import RECIPIENTS_PER_REQUEST
from benchmarks.processes import LATENCY, ROOT, Arrival, Braze, Client, clients, wait_for_requests
from braze_provider.get_provider_info import get_provider_info

CONNECTIONS = 64
DEFAULT_CONCURRENCY = 8
RATE, WINDOW = 70, 10
LIMIT = (RATE * WINDOW, WINDOW)
"""Seconds of a fixed window. Braze's are longer; these are short, so that a minute holds several."""
OUTSIDE = 0.2
SPARE_SECONDS = 12
"""Extra work for clients, so that they are still busy while they wait for each other."""
EVEN = "  most in 100 ms (even: 7)"
PROCESSES = 4


@dataclass(frozen=True)
class Scale:
    """How much is measured."""

    seconds: float
    plain_seconds: float
    requests: int
    loop_requests: int
    rounds: int
    per_round: int
    rows: int
    few_rows: int
    parses: int
    sends: int


FULL = Scale(60, 10, 6_000, 80, 4, 1_000, 1_000_000, 10_000, 10, 100_000)
QUICK = Scale(10, 10, 800, 20, 1, 200, 50_000, 5_000, 2, 1_000)


@dataclass(frozen=True)
class Figure:
    """One line of the table; ``plain`` is the figure of the plain loop and of the plain pool."""

    name: str
    ours: float
    unit: str = ""
    plain: tuple[float | None, float | None] = (None, None)
    least: float | None = None
    most: float | None = None
    digits: int = 1
    note: str = ""

    @property
    def reached(self) -> bool:
        """Whether the target was reached, if there is one."""
        return (self.least is None or self.ours >= self.least) and (
            self.most is None or self.ours <= self.most
        )


class Bench:
    """
    Measures.

    :param scale: How much.
    :param customers: A database of enough customers.
    """

    def __init__(self, scale: Scale, customers: Path) -> None:
        self.scale = scale
        self._customers = json.dumps({"conn_type": "sqlite", "host": str(customers)})

    def _delivery(self, braze: Braze, requests: float, **options: Any) -> Client:
        environment = {
            "AIRFLOW_CONN_CUSTOMERS": self._customers,
            "AIRFLOW_CONN_BRAZE_DEFAULT": braze.connection(options.pop("pools", None)),
        }
        rows = options.pop("rows", round(requests) * RECIPIENTS_PER_REQUEST)
        defaults = {"campaign": "ours", "ledger": "sql", "pool": "default_pool"}
        return Client("deliver", environment, rows=rows, **{**defaults, **options})

    def _plain(self, braze: Braze, requests: float, threads: int, campaign: str = "plain") -> Client:
        return Client(
            "plain",
            url=braze.url,
            api_key=braze.api_key,
            requests=round(requests),
            threads=threads,
            campaign=campaign,
        )

    # Pacing -------------------------------------------------------------------------------------------------

    def pacing(self) -> Iterator[Figure]:
        """One task that has the whole limit."""
        seconds = self.scale.seconds
        with Braze.run(LIMIT) as braze:
            ours = self._delivery(braze, RATE * (seconds + SPARE_SECONDS), concurrency=DEFAULT_CONCURRENCY)
            seen = _watch(braze, seconds, [ours])
            result = ours.result()
        loop, pool = (self._plain_pacing(1, threads, outside=False) for threads in (1, DEFAULT_CONCURRENCY))
        name = f"share of {RATE} requests/s, one task"
        yield Figure(name, seen.share, "%", (loop.share, pool.share), least=99)
        yield Figure("  refused", seen.refused, "", (loop.refused, pool.refused), most=0, digits=0)
        yield Figure(EVEN, seen.peak, "", (loop.peak, pool.peak), digits=0)
        yield _writes("  time in ledger writes, SQLite", result, seen)

    def shared_pacing(self) -> Iterator[Figure]:
        """Four tasks with a quarter of the limit each, and an outsider who does not know of them."""
        seconds = self.scale.seconds
        with Braze.run(LIMIT) as braze:
            ours = [
                self._delivery(
                    braze,
                    RATE / PROCESSES * (seconds + 2 * SPARE_SECONDS),
                    concurrency=DEFAULT_CONCURRENCY,
                    pools={"braze": {"slots": PROCESSES, "bucket": "default"}},
                    pool="braze",
                    campaign=f"ours-{number}",
                )
                for number in range(PROCESSES)
            ]
            seen = _watch(braze, seconds, ours, self._outsider(braze))
            for client in ours:
                client.result()
        loop, pool = (
            self._plain_pacing(PROCESSES, threads, outside=True) for threads in (1, DEFAULT_CONCURRENCY)
        )
        name = f"the same, {PROCESSES} processes and an outsider with {OUTSIDE:.0%}"
        yield Figure(name, seen.share, "%", (loop.share, pool.share), least=95)
        refused = (loop.refused_share, pool.refused_share)
        yield Figure("  refused, of ours", seen.refused_share, "%", refused, most=0.1, digits=2)
        outside = (loop.outside, pool.outside)
        yield Figure("  refused, of the outsider's", seen.outside, "%", outside, digits=2)
        yield Figure(EVEN, seen.peak, "", (loop.peak, pool.peak), digits=0)
        slowest, fastest = (loop.slowest, pool.slowest), f"the fastest {seen.fastest:.1f}/s"
        yield Figure("  slowest process", seen.slowest, "/s", slowest, note=fastest)

    def _plain_pacing(self, processes: int, threads: int, *, outside: bool) -> _Seen:
        seconds = self.scale.plain_seconds
        with Braze.run(LIMIT) as braze:
            requests = threads * 10 * (seconds + SPARE_SECONDS)
            tasks = [self._plain(braze, requests, threads, f"plain-{number}") for number in range(processes)]
            seen = _watch(braze, seconds, tasks, self._outsider(braze) if outside else None)
            for task in tasks:
                task.result()
            return seen

    def _outsider(self, braze: Braze) -> Client:
        return Client(
            "outsider", url=braze.url, api_key=braze.api_key, rate=OUTSIDE * RATE, campaign="outsider"
        )

    # Throughput and CPU -------------------------------------------------------------------------------------

    def throughput(self) -> Iterator[Figure]:
        """As fast as it goes."""
        scale = self.scale
        with Braze.run() as braze:
            delivery = self._delivery(braze, scale.requests, concurrency=CONNECTIONS, ledger="memory")
            result = delivery.result()
            seen = _Seen.between(braze.arrivals(), 0, 1e12)
        ours = result["report"]["requests"] / seen.seconds
        plain = {}
        for threads, requests in ((1, scale.loop_requests), (CONNECTIONS, scale.requests)):
            with Braze.run() as braze:
                self._plain(braze, requests, threads).result()
                plain[threads] = requests / _Seen.between(braze.arrivals(), 0, 1e12).seconds
        loop, pool = plain[1], plain[CONNECTIONS]
        name, note = (
            f"requests/s, {CONNECTIONS} connections",
            f"{ours * RECIPIENTS_PER_REQUEST:,.0f} recipients/s",
        )
        yield Figure(name, ours, "/s", (loop, pool), least=500, digits=0, note=note)
        yield Figure("  over the plain thread pool's", ours / pool, "×", least=0.9, digits=2)
        yield _writes("  time in ledger writes, memory", result, seen)

    def cpu(self) -> Iterator[Figure]:
        """The CPU time of a request, including its preparation."""
        with Braze.run(latency=0) as braze:
            environment = {
                "AIRFLOW_CONN_CUSTOMERS": self._customers,
                "AIRFLOW_CONN_BRAZE_DEFAULT": braze.connection(),
            }
            spent = Client(
                "cpu",
                environment,
                rounds=self.scale.rounds,
                per_round=self.scale.per_round,
                concurrency=DEFAULT_CONCURRENCY,
                url=braze.url,
                api_key=braze.api_key,
            ).result()
        ours, loop, pool = (1_000 * spent[name] for name in ("ours", "loop", "pool"))
        yield Figure("CPU of a request", ours, "ms", (loop, pool), digits=2)
        yield Figure("  over the plain session's", ours / loop, "×", most=1.3, digits=2)

    # Memory and preparation ---------------------------------------------------------------------------------

    def memory(self) -> Iterator[Figure]:
        """The memory that a delivery needs in addition to Airflow and the operator."""
        peaks = {}
        for rows in (self.scale.rows, self.scale.few_rows):
            with Braze.run() as braze:
                result = self._delivery(braze, 0, rows=rows, concurrency=CONNECTIONS).result()
                peaks[rows] = result["memory"]
                if result["report"]["sent"] != rows:
                    raise RuntimeError(f"Some recipients were not sent to: {result['report']}")
        many, few = peaks.values()
        yield Figure(f"peak memory above Airflow, {self.scale.rows:,}", many, "MiB", most=60)
        name, there = f"  above that at {self.scale.few_rows:,}", f"{few:.1f} MiB there"
        yield Figure(name, many - few, "MiB", most=15, note=there)

    def parsing(self) -> Iterator[Figure]:
        """The import of all classes in a fresh Python, beside that of Airflow's SDK alone."""
        sdk = "from airflow.sdk import DAG, BaseOperator, BaseSensorOperator"
        alone, all_classes = [], []
        for _ in range(self.scale.parses):  # In turns: a busy moment then hits both.
            alone.append(_seconds_of(sdk))
            all_classes.append(_seconds_of(f"{sdk}; {';'.join(f'import {name}' for name in _modules())}"))
        # The fastest of several: whatever else runs here only ever adds to the time.
        ours, plain = min(all_classes), min(alone)
        yield Figure(
            "Importing all operators and sensors", 1_000 * ours, "ms", (1_000 * plain, None), digits=0
        )

    def preparing(self) -> Iterator[Figure]:
        """Read, validate, deduplicate and spool."""
        environment = {"AIRFLOW_CONN_CUSTOMERS": self._customers}
        result = Client("prepare", environment, rows=self.scale.rows).result()
        ours, bare = result["ours"], result["bare"]
        name = f"rows/s prepared on one core, {self.scale.rows:,}"
        note = f"by the clock {ours['wall']:,.0f}/s; a bare cursor {bare['cpu']:,.0f}/s"
        yield Figure(name, ours["cpu"], "/s", least=200_000, digits=0, note=note)


FIGURES: dict[str, Callable[[Bench], Iterable[Figure]]] = {
    "pacing": Bench.pacing,
    "shared": Bench.shared_pacing,
    "throughput": Bench.throughput,
    "cpu": Bench.cpu,
    "memory": Bench.memory,
    "preparing": Bench.preparing,
    "parsing": Bench.parsing,
}


def _modules() -> list[str]:
    """All modules that hold operators and sensors."""
    info = get_provider_info()
    return [name for kind in ("operators", "sensors") for one in info[kind] for name in one["python-modules"]]


def _seconds_of(code: str) -> float:
    """Seconds that some code takes in a Python of its own, with all that Python itself needs to start."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    return time.perf_counter() - began


@contextlib.contextmanager
def customers(number: int) -> Iterator[Path]:
    """A table of customers, each with a voucher."""
    with tempfile.TemporaryDirectory(prefix="braze-bench-") as folder:
        path = Path(folder) / "customers.db"
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute("CREATE TABLE customers (n INTEGER PRIMARY KEY, id TEXT, voucher TEXT)")
            db.executemany(
                "INSERT INTO customers VALUES (?, ?, ?)",
                ((n, f"customer-{n:07}", f"BACK-{n * 7919 % 100_000:05}") for n in range(number)),
            )
        yield path


@dataclass(frozen=True)
class _Seen:
    """The requests that the local Braze saw in a period."""

    began: float
    seconds: float
    share: float
    refused: int
    refused_share: float
    peak: int
    slowest: float
    fastest: float
    outside: float = 0.0

    @classmethod
    def between(cls, arrivals: list[Arrival], began: float, ended: float, outside_refused: int = 0) -> _Seen:
        seen = [arrival for arrival in arrivals if began <= arrival.at < ended]
        if began == 0:
            began, ended = seen[0].at, seen[-1].at
        seconds = ended - began
        accepted = Counter(arrival.sender for arrival in seen if arrival.accepted)
        refused = sum(not arrival.accepted for arrival in seen) - outside_refused
        outside = accepted.pop("outsider", 0)
        ours = accepted.total()
        return cls(
            began=began,
            seconds=seconds,
            share=100 * (ours + outside) / seconds / RATE,
            refused=refused,
            refused_share=100 * refused / (ours + refused),
            peak=max(Counter(int(arrival.at * 10) for arrival in seen).values()),
            slowest=min(accepted.values()) / seconds,
            fastest=max(accepted.values()) / seconds,
            outside=100 * outside_refused / (outside + outside_refused) if outside else 0.0,
        )


def _watch(braze: Braze, seconds: float, tasks: list[Client], outsider: Client | None = None) -> _Seen:
    """Watch whole windows once all clients have begun; then stop all clients."""
    all_clients = [*tasks, outsider] if outsider else tasks
    with clients(*all_clients):
        window = braze.limit[1]
        began = math.ceil(wait_for_requests(braze, all_clients) / window) * window
        time.sleep(max(began + seconds - time.time(), 0))
        arrivals = braze.arrivals()
        for client in all_clients:
            client.stop()
        answers = outsider.result()["answers"] if outsider else []
    # The outsider notes when the answers came, which is the latency later.
    refused = sum(not accepted for at, accepted in answers if began <= at - LATENCY < began + seconds)
    return _Seen.between(arrivals, began, began + seconds, refused)


def _writes(name: str, result: dict[str, Any], seen: _Seen) -> Figure:
    """The part of the time that ledger writes took while requests came, without the beginning and the end."""
    margin = min(2.0, seen.seconds / 4)
    began, ended = seen.began + margin, seen.began + seen.seconds - margin
    seconds = [seconds for moment, seconds in result["writes"] if began <= moment < ended]
    note = f"{len(seconds) / (ended - began):.1f} writes/s"
    return Figure(name, 100 * sum(seconds) / (ended - began), "%", most=5, note=note)
