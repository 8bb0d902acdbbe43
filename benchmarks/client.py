"""
The jobs of a client, each done in a process of its own: ``python -m benchmarks.client JOB OPTIONS RESULT``.

What is measured is the operator as Airflow runs it, from ``execute`` on, with a context that has just what
operators read of it. The plain jobs are what people write without the package.
"""

from __future__ import annotations

import contextlib
import json
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import count, islice, takewhile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import requests

RECIPIENTS_PER_REQUEST = 50
PATH = "/campaigns/trigger/send"
QUERY = 'SELECT id AS external_user_id, voucher AS "trigger_properties.voucher" FROM customers'


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def memory(name: str) -> float:
    """A figure of this process's memory in MiB; VmHWM is the peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1_024 for line in lines if line.startswith(f"{name}:"))


# Ours -------------------------------------------------------------------------------------------------------


def operator(
    rows: int,
    *,
    campaign: str,
    concurrency: int,
    ledger: str = "sql",
    pool: str = "default_pool",
    first: int = 0,
    on_source_change: Any = "fail",
) -> Any:
    from braze_provider.operators.campaigns import CampaignTriggerOperator
    from braze_provider.recipients import SqlRecipients

    return CampaignTriggerOperator(
        task_id=f"{campaign}-{first}",
        campaign_id=campaign,
        recipients=SqlRecipients("customers", f"{QUERY} WHERE n >= {first} ORDER BY n LIMIT {rows}"),
        concurrency=concurrency,
        ledger_conn_id="ledger" if ledger == "sql" else None,
        pool=pool,
        on_source_change=on_source_change,
    )


def run(task: Any, *, try_number: int = 1, store: Any = None) -> dict[str, Any]:
    """Run an operator to its end or until stopped; gives the report that it pushed to XCom."""
    xcoms: dict[str, Any] = {}
    ti = SimpleNamespace(
        dag_id="bench",
        run_id="bench",
        task_id=task.task_id,
        map_index=-1,
        try_number=try_number,
        max_tries=0,
        xcom_push=lambda key, value: xcoms.update({key: value}),
    )
    context = {"ti": ti, "dag_run": SimpleNamespace(start_date=None, clear_number=0)}
    if store is not None:
        context["task_state_store"] = store
    try:
        report: dict[str, Any] = task.execute(context)
    except Exception:
        report = xcoms["return_value"]
        if not report["failed"]:  # else it was stopped, as the benchmark wanted
            raise
    return report


def time_writes() -> list[tuple[float, float]]:
    """Note the moment and the seconds of each ledger write."""
    from braze_provider.ledger.memory import MemoryLedger
    from braze_provider.ledger.sql import SqlLedger
    from braze_provider.ledger.task_state import TaskStateLedger

    writes: list[tuple[float, float]] = []

    def noted(write: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*arguments: Any) -> Any:
            moment, began = time.time(), time.perf_counter()
            try:
                return write(*arguments)
            finally:
                writes.append((moment, time.perf_counter() - began))

        return wrapper

    for ledger in (MemoryLedger, SqlLedger, TaskStateLedger):
        ledger.write = noted(ledger.write)  # type: ignore[method-assign]
    return writes


def deliver(*, rows: int, concurrency: int, campaign: str, ledger: str, pool: str) -> Any:
    """Deliver to all recipients, or until stopped."""
    import airflow.sdk  # noqa: F401

    import braze_provider.operators.campaigns  # noqa: F401 - what a worker has loaded by then

    baseline = memory("VmRSS")
    task = operator(rows, campaign=campaign, concurrency=concurrency, ledger=ledger, pool=pool)
    signal.signal(signal.SIGTERM, lambda *_: task.on_kill())
    writes = time_writes()
    report = run(task)
    return {
        "report": report,
        "writes": writes,
        "memory": memory("VmHWM") - baseline,
    }


def prepare(*, rows: int) -> Any:
    """Read, validate, deduplicate and spool, beside a cursor that only reads."""
    from braze_provider._compat import BaseHook
    from braze_provider.api.requests import CampaignTriggerSend
    from braze_provider.delivery.prepare import prepare
    from braze_provider.delivery.spool import Spool

    def ours(number: int) -> None:
        with Spool() as spool:
            source = operator(number, campaign="ours", concurrency=1).recipients
            assert prepare(source, spool, CampaignTriggerSend.recipient_model).recipients == number

    def bare(number: int) -> None:
        cursor = BaseHook.get_hook("customers").get_conn().cursor()
        cursor.execute(f"{QUERY} ORDER BY n LIMIT {number}")
        assert sum(1 for _ in cursor) == number

    return {work.__name__: timed(work, rows) for work in (ours, bare)}


class Store:
    """A task state store in memory. Its values are JSON, as in Airflow's database."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def get(self, key: str, default: Any = None) -> Any:
        """Read a value."""
        return json.loads(self.values[key]) if key in self.values else default

    def set(self, key: str, value: Any, **_: Any) -> None:
        """Write a value."""
        self.values[key] = json.dumps(value)

    def delete(self, key: str) -> None:
        """Delete a value."""
        self.values.pop(key, None)


def deliver_twice(*, rows: int, concurrency: int, ledger: str, on_source_change: str) -> Any:
    """Deliver to all recipients, and then let a cleared task find out that it has nothing to do."""
    store = Store() if ledger == "task state" else None
    task = operator(
        rows, campaign="ours", concurrency=concurrency, ledger=ledger, on_source_change=on_source_change
    )
    writes = time_writes()
    report = run(task, store=store)
    began, ended = (datetime.fromisoformat(report[name]) for name in ("started_at", "finished_at"))
    began_again = time.perf_counter()
    again = run(task, store=store, try_number=2)
    sizes = [len(key) + len(value) for key, value in store.values.items()] if store else []
    return {
        "report": report,
        "again": again,
        "seconds": (ended - began).total_seconds(),
        "seconds_again": time.perf_counter() - began_again,
        "writing": sum(seconds for _, seconds in writes),
        "stored": sum(sizes),
        "values": len(sizes),
        "largest": max(sizes, default=0),
    }


def prepare_once(*, rows: int) -> Any:
    """Read, validate, deduplicate and spool, with the memory and the disk that it takes."""
    import airflow.sdk  # noqa: F401

    from braze_provider.api.requests import CampaignTriggerSend
    from braze_provider.delivery.prepare import prepare
    from braze_provider.delivery.spool import Spool

    baseline = memory("VmRSS")
    source = operator(rows, campaign="ours", concurrency=1).recipients
    before = unnamed_bytes()
    cpu, wall = cpu_seconds(), time.perf_counter()
    with Spool() as spool:
        assert prepare(source, spool, CampaignTriggerSend.recipient_model).recipients == rows
        seconds = {"cpu": cpu_seconds() - cpu, "wall": time.perf_counter() - wall}
        on_disk = unnamed_bytes() - before
        used = memory("VmHWM") - baseline
        sizes = [len(body) for _, _, body in islice(spool, 1_000)]
    return {**seconds, "spool": on_disk, "memory": used, "bytes": sum(sizes) / len(sizes)}


def unnamed_bytes() -> int:
    """Bytes in this process's open files that have no name, as those of a spool."""
    total = 0
    for one in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(one.readlink()).endswith("(deleted)"):
                total += one.stat().st_size
    return total


def timed(work: Callable[[int], None], rows: int) -> dict[str, float]:
    work(1)  # The first use loads modules, which is not part of the pace.
    cpu, wall = cpu_seconds(), time.perf_counter()
    work(rows)
    return {"cpu": rows / (cpu_seconds() - cpu), "wall": rows / (time.perf_counter() - wall)}


def cpu(*, rounds: int, per_round: int, concurrency: int, url: str, api_key: str) -> Any:
    """CPU seconds of a request. The jobs take turns, so that other work on the machine affects all alike."""
    rows = per_round * RECIPIENTS_PER_REQUEST

    def ours(number: int) -> None:
        first = number * rows
        task = operator(rows, campaign="ours", concurrency=concurrency, first=first)
        assert run(task)["sent"] == rows

    session = new_session(api_key)

    def loop(number: int) -> None:
        for body in made[number * per_round :][:per_round]:
            post(session, url, body)

    def pool(number: int) -> None:
        many_posts(url, api_key, made[number * per_round :][:per_round], threads=concurrency)

    made = list(islice(bodies("plain"), per_round * (rounds + 1)))
    spent = {"ours": 0.0, "loop": 0.0, "pool": 0.0}
    for number in range(rounds + 1):
        for work in (ours, loop, pool):
            began = cpu_seconds()
            work(number)
            if number:  # The first use loads modules, which is not part of the cost.
                spent[work.__name__] += (cpu_seconds() - began) / rounds / per_round
    return spent


# Plain ------------------------------------------------------------------------------------------------------


def bodies(campaign: str) -> Iterator[bytes]:
    for number in count():
        ids = (f"{campaign}-{number}-{n}" for n in range(RECIPIENTS_PER_REQUEST))
        recipients = [
            {"external_user_id": one, "trigger_properties": {"voucher": "BACK-12345"}} for one in ids
        ]
        yield json.dumps({"campaign_id": campaign, "recipients": recipients}).encode()


def new_session(api_key: str) -> requests.Session:
    session = requests.Session()
    session.headers.update({"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"})
    return session


def post(session: requests.Session, url: str, body: bytes) -> bool:
    response = session.post(url + PATH, data=body, timeout=60)
    return bool(response.json().get("dispatch_id"))


def many_posts(
    url: str, api_key: str, made: list[bytes], *, threads: int, over: threading.Event | None = None
) -> int:
    local = threading.local()

    def send(body: bytes) -> bool:
        if over is not None and over.is_set():
            return False
        if not hasattr(local, "session"):
            local.session = new_session(api_key)
        return post(local.session, url, body)

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(send, made))


def plain(*, url: str, api_key: str, requests: int, threads: int, campaign: str) -> Any:
    """Send prebuilt bodies as fast as it goes, in a loop or with a thread pool, until stopped."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    made = list(islice(bodies(campaign), requests))
    if threads > 1:
        return {"sent": many_posts(url, api_key, made, threads=threads, over=over)}
    session = new_session(api_key)
    return {"sent": sum(post(session, url, body) for body in takewhile(lambda _: not over.is_set(), made))}


def outsider(*, url: str, api_key: str, rate: float, campaign: str) -> Any:
    """Send at a steady rate, whatever the answers say, until stopped."""
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    local = threading.local()
    moments: list[tuple[float, bool]] = []

    def send(body: bytes) -> None:
        if not hasattr(local, "session"):
            local.session = new_session(api_key)
        moments.append((time.time(), post(local.session, url, body)))

    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        for number, body in enumerate(bodies(campaign)):
            if over.wait(max(began + number / rate - time.monotonic(), 0)):
                break
            pool.submit(send, body)
    return {"answers": moments}


JOBS: dict[str, Callable[..., Any]] = {
    job.__name__: job for job in (deliver, deliver_twice, prepare, prepare_once, cpu, plain, outsider)
}


def main() -> None:
    job, options, result = sys.argv[1:]
    found = JOBS[job](**json.loads(options))
    Path(result).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
