"""The processes of a benchmark: a local Braze, and clients whose time and memory are theirs alone."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parent.parent
PAGE = 1_000
PATIENCE = 60.0
LATENCY = 0.1
NO_LIMIT = (1_000_000_000, 3_600)


@dataclass(frozen=True)
class Arrival:
    """One request as the local Braze saw it."""

    at: float
    accepted: bool
    sender: str | None


@dataclass
class Braze:
    """A local Braze in a process of its own."""

    url: str
    api_key: str
    limit: tuple[int, int]
    process: subprocess.Popen[str] = field(repr=False)

    @classmethod
    @contextlib.contextmanager
    def run(
        cls,
        limit: tuple[int, int] = NO_LIMIT,
        latency: float = LATENCY,
        options: Sequence[str] = ("--no-bodies",),
    ) -> Iterator[Braze]:
        """Run one on any free port; ``limit`` is requests and seconds, ``latency`` what an answer takes."""
        choices = ["--port", "0", "--latency", str(latency), "--limit", f"default={limit[0]}/{limit[1]}"]
        process = subprocess.Popen(
            [sys.executable, "-m", "braze_provider.sandbox", *choices, *options],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        try:
            said = [process.stdout.readline().split() for _ in range(2)] if process.stdout else []
            yield cls(said[0][-1], said[1][-1], limit, process)
        finally:
            process.kill()
            process.wait()

    def arrivals(self) -> list[Arrival]:
        """All requests in order of arrival, those that wait for their answer included."""
        found: list[Arrival] = []
        with requests.Session() as session:
            while True:
                query = {"offset": len(found), "limit": PAGE}
                page = session.get(f"{self.url}/_sandbox/requests", params=query, timeout=PATIENCE).json()
                found += (
                    Arrival(one["received_at"], one["accepted"], one["campaign_id"])
                    for one in page["requests"]
                )
                if len(page["requests"]) < PAGE:
                    return found

    def connection(self, pools: dict[str, Any] | None = None) -> str:
        """The Airflow connection that leads here, with the limit as a user would write it down."""
        count, window = self.limit
        extra = {"rate_limits": {"default": {"limit": count, "window": window}}, "pools": pools or {}}
        settings = {"conn_type": "braze", "host": self.url, "password": self.api_key, "extra": extra}
        return json.dumps(settings)


class Client:
    """
    A process that does one of the jobs of :mod:`benchmarks.client`.

    :param job: Name of the job.
    :param environment: What it has in its environment besides.
    :param options: The job's arguments.
    """

    def __init__(self, job: str, environment: dict[str, str] | None = None, **options: Any) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="braze-bench-")
        folder = Path(self._folder.name)
        self._result = folder / "result.json"
        self._log = folder / "log"
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AIRFLOW_", "_AIRFLOW_")) and not name.lower().endswith("_proxy")
        }
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.client", job, json.dumps(options), str(self._result)],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={
                    **inherited,
                    "AIRFLOW_HOME": str(folder / "airflow"),
                    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                    "AIRFLOW_CONN_LEDGER": json.dumps(
                        {"conn_type": "sqlite", "host": str(folder / "ledger.db")}
                    ),
                    # Connections come from the environment, not from a worker's supervisor.
                    "_AIRFLOW_PROCESS_CONTEXT": "server",
                    **(environment or {}),
                },
            )

    def stop(self) -> None:
        """Ask it to stop as Airflow does: it waits for requests under way."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def check(self) -> None:
        """Raise an error if it has failed."""
        if self._process.poll():
            raise RuntimeError(f"A client failed:\n{self._log.read_text()[-4_000:]}")

    def result(self) -> dict[str, Any]:
        """Wait for the job's result."""
        try:
            self._process.wait()
            self.check()
            result: dict[str, Any] = json.loads(self._result.read_text())
            return result
        finally:
            self._folder.cleanup()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()


@contextlib.contextmanager
def clients(*started: Client) -> Iterator[None]:
    """End all clients when the block ends."""
    try:
        yield
    except BaseException:
        for client in started:
            client.kill()
        raise


def wait_for_requests(braze: Braze, senders: Sequence[Client]) -> float:
    """Wait for the first request of each client; gives the moment when the last client began."""
    until = time.monotonic() + 2 * PATIENCE
    while time.monotonic() < until:
        first: dict[str, float] = {}
        for arrival in braze.arrivals():
            if arrival.sender is not None:
                first.setdefault(arrival.sender, arrival.at)
        if len(first) >= len(senders):
            return max(first.values())
        for client in senders:
            client.check()
        time.sleep(0.2)
    raise RuntimeError("The clients have not begun to send")
