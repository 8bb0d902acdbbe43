"""
``make matrix``: each class on a real scheduler: run, refused, killed with SIGKILL in the middle, and cleared.

The sandbox counts what was done twice, and what was not done although the task is green.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import pendulum
from matrix.cases import CAMPAIGN, CASES, Case
from process.airflow_api import DagRun
from process.airflow_cluster import AirflowCluster

from braze_provider.sandbox import Broadcast, Sandbox

AT_A_TIME = 3
LATENCY = 0.05
HELD_BACK = 120
WIDTHS = (30, 14, 14, 26, 14, 7, 6, 9)
HEADER = ("class", "success", "refused", "killed, then retried", "cleared", "twice", "lost", "in doubt")


@dataclass
class Cell:
    """How one run of a task ended."""

    state: str
    done: int = 0
    twice: int = 0
    lost: int = 0
    in_doubt: int = 0

    def __str__(self) -> str:
        return f"{self.state} {self.done}" if self.done else self.state


class Player:
    """
    Plays the runs of one class.

    :param case: The class.
    :param cluster: The Airflow.
    :param sandbox: A Braze for this class alone.
    """

    def __init__(self, case: Case, cluster: AirflowCluster, sandbox: Sandbox) -> None:
        self._case = case
        self._cluster = cluster
        self._sandbox = sandbox
        self._dag_id = f"matrix_{case.name}"

    def play(self) -> list[Cell]:
        """Let the task succeed, be refused, be killed and be cleared."""
        run_id, conf = self._begin()
        success = self._cell(run_id, conf)
        refused = self._refused()
        killed = self._killed()
        self._cluster.clear(self._dag_id, run_id, "t", include_downstream=False)
        cleared = self._cell(run_id, conf)
        if self._case.starts_anew:
            cleared.twice = max(0, cleared.twice - self._case.expected)
        return [success, refused, killed, cleared]

    def _begin(self) -> tuple[str, Mapping[str, Any]]:
        conf = self._case.prepare(self._sandbox)
        return self._cluster.trigger(self._dag_id, conf=conf), conf

    def _refused(self) -> Cell:
        # Braze refuses all requests of the endpoint, so the task is not to be blamed for what is missing.
        self._sandbox.fault("status", status=400, message="Refused", endpoint=self._case.path, times=None)
        run_id, conf = self._begin()
        cell = self._cell(run_id, conf)
        self._sandbox.clear_faults()
        return cell

    def _killed(self) -> Cell:
        """Kill the task while Braze has a request of it and has not answered."""
        self._sandbox.fault(
            "read_timeout", delay=HELD_BACK, endpoint=self._case.path, after=self._case.kill_at, times=1
        )
        run_id, conf = self._begin()
        before = self._requests()
        process = self._cluster.task_process(self._dag_id, run_id, "t", try_number=1)
        while self._requests() <= before + self._case.kill_at and process.is_running:
            time.sleep(0.02)
        time.sleep(LATENCY)
        process.kill()
        self._sandbox.clear_faults()
        return self._cell(run_id, conf)

    def _requests(self) -> int:
        return sum(request["endpoint"] == self._case.path for request in self._sandbox.requests())

    def _cell(self, run_id: str, conf: Mapping[str, Any]) -> Cell:
        run = self._cluster.wait(self._dag_id, run_id)
        effects: Counter[str] = self._case.effects(self._sandbox, run_id, conf)
        report = self._report(run)
        missing = self._case.expected - len(effects)
        open_ones = sum(report.get(name, 0) for name in ("uncertain", "failed", "rejected"))
        told = open_ones if report else missing
        return Cell(
            run.task("t").state,
            done=len(effects),
            twice=sum(count - 1 for count in effects.values()),
            lost=max(0, missing - (told if run.state == "failed" else 0)),
            in_doubt=report.get("uncertain", 0),
        )

    def _report(self, run: DagRun) -> dict[str, int]:
        try:
            found = self._cluster.api.xcom(run.task("t"), "return_value")
        except KeyError:
            return {}
        return found if isinstance(found, dict) and "uncertain" in found else {}


def line(cells: tuple[str, ...] | list[str]) -> str:
    return "".join(f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


def main() -> int:
    parser = argparse.ArgumentParser(prog="make matrix", description=__doc__)
    parser.add_argument("--only", action="append", choices=[case.name for case in CASES])
    chosen = parser.parse_args().only
    cases = [case for case in CASES if not chosen or case.name in chosen]
    with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="braze-matrix-") as folder:
        ledger = {"conn_type": "sqlite", "host": f"{folder}/ledger.db"}
        env = {"AIRFLOW_CONN_LEDGER": json.dumps(ledger)}
        tomorrow = Broadcast(campaign_id=CAMPAIGN, next_send_time=pendulum.now("UTC").add(days=1).isoformat())
        boxes = {
            case.name: stack.enter_context(Sandbox(latency=LATENCY, scheduled_broadcasts=[tomorrow]))
            for case in cases
        }
        for name, sandbox in boxes.items():
            env[f"AIRFLOW_CONN_MATRIX_{name.upper().replace('.', '_')}"] = sandbox.airflow_connection
        cluster = stack.enter_context(AirflowCluster(Path(__file__).parent / "dags", env=env))
        print(f"{line(HEADER)}\n{line(['-' * (width - 2) for width in WIDTHS])}", flush=True)
        bad = 0
        with ThreadPoolExecutor(AT_A_TIME) as threads:
            for case, cells in zip(
                cases, threads.map(lambda c: Player(c, cluster, boxes[c.name]).play(), cases), strict=True
            ):
                sums = [sum(getattr(cell, name) for cell in cells) for name in ("twice", "lost", "in_doubt")]
                print(line([case.name, *map(str, cells), *map(str, sums)]), flush=True)
                bad += sums[0] + sums[1]
    result = f"{bad} done twice or lost" if bad else "nothing twice, nothing lost"
    print(f"{len(cases)} classes: {result}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
