"""The tests' side of the Dags in ``dags/attacks.py``: their recipients and their results."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_harness import AIRFLOW_VERSION
from process.airflow_api import FINISHED, TaskInstance
from process.airflow_cluster import AirflowCluster, TaskProcess
from process.deliveries import Inbox, Received
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

LEDGERS = ["sql", "task_state"] if AIRFLOW_VERSION >= (3, 3) else ["sql"]
"""The tasks of ``attacked``, named after their ledgers."""

KEEPING: dict[str, Any] = {"keep_task_state": True} if AIRFLOW_VERSION >= (3, 4) else {}
"""On Airflow 3.4, a clear empties the task state store unless an option says no."""


HELD_OPEN = ("attacked_while_open", "attacked_mapped")
"""Dags with runs that never end."""


def names(count: int, group: str = "person") -> list[str]:
    """Make names for so many recipients."""
    return [f"{group}-{number:05}" for number in range(count)]


class SqlLedgerDatabase:
    """
    The ledger's database, for a user with all rights.

    :param connection: Airflow's connection to it: a PostgreSQL URL, or JSON with the path of a SQLite file.
    """

    def __init__(self, connection: str) -> None:
        is_sqlite = connection.startswith("{")
        url = (
            f"sqlite:///{json.loads(connection)['host']}"
            if is_sqlite
            else connection.replace("postgres:", "postgresql+psycopg2:", 1)
        )
        self._engine = create_engine(url, poolclass=NullPool)
        self._first = "PRAGMA foreign_keys = ON" if is_sqlite else "SELECT 1"

    def forget(self, run_id: str) -> None:
        """Delete the records of a Dag run."""
        with self._engine.begin() as connection:
            connection.execute(text(self._first))
            connection.execute(text("DELETE FROM braze_delivery WHERE run_id = :run_id"), {"run_id": run_id})


@dataclass(frozen=True)
class Outcome:
    """The result of one task of an attacked run."""

    state: str
    log: str
    report: Mapping[str, int]
    received: Received

    @property
    def messages(self) -> int:
        """How many messages there were in all."""
        return self.received.messages.total()

    @property
    def error(self) -> str:
        """The error of the last try, with its cause; empty if the try succeeded."""
        last_try = self.log.rpartition("--- attempt=")[2].splitlines()
        entries = [json.loads(line) for line in last_try if line.startswith("{")]
        details = [detail for entry in entries for detail in entry.get("error_detail") or ()]
        return "\n".join(str(detail["exc_value"]) for detail in details)

    @property
    def uncertain(self) -> int:
        """How many recipients are in doubt by the report."""
        return self.report.get("uncertain", 0)

    def more_than(self, times: int) -> int:
        """How many recipients got more messages than that."""
        return sum(count > times for count in self.received.messages.values())


class AttackedRun:
    """
    One run of a Dag, and everything that a user or the machine may do to it.

    :param cluster: The Airflow.
    :param inbox: The requests that the sandbox received.
    :param people: The database with the recipients, in the table ``people``.
    :param dag_id: The Dag.
    :param tasks: Ids of the tasks that send.
    """

    def __init__(
        self, cluster: AirflowCluster, inbox: Inbox, people: Path, dag_id: str, tasks: Iterable[str]
    ) -> None:
        self.run_id = f"attack-{secrets.token_hex(4)}"
        self.dag_id = dag_id
        self.tasks = list(tasks)
        self._cluster = cluster
        self._inbox = inbox
        self._people = people

    def begin(self) -> None:
        """Start it, or a new run with the same id."""
        self._cluster.trigger(self.dag_id, run_id=self.run_id)

    def send_to(self, recipients: Iterable[str]) -> None:
        """Replace the recipients in its source by these."""
        with sqlite3.connect(self._people, timeout=60) as db:
            db.execute("DELETE FROM people WHERE run_id = ?", (self.run_id,))
            db.executemany("INSERT INTO people VALUES (?, ?)", ((self.run_id, name) for name in recipients))

    def tell(self, **variables: str) -> None:
        """Set variables of this run: ``resend``, ``ledger``, ``groups``, ``campaign``."""
        for name, value in variables.items():
            self._cluster.set_variable(f"{name}_{self.run_id}", value)

    def clear(self, *tasks: str, **options: Any) -> None:
        """Clear tasks and no others. Default: the tasks that send."""
        chosen = {"task_ids": list(tasks or self.tasks), "include_downstream": False}
        self._cluster.clear(self.dag_id, self.run_id, "chosen", **{**KEEPING, **chosen, **options})

    def delete(self) -> None:
        """Delete it."""
        self._cluster.wait(self.dag_id, self.run_id)
        self._cluster.api.delete_dag_run(self.dag_id, self.run_id)

    def process(self, task: str, **options: Any) -> TaskProcess:
        """Wait until a task runs, and return its process."""
        return self._cluster.task_process(self.dag_id, self.run_id, task, **options)

    def wait_for(self, state: str) -> None:
        """Wait until all tasks that send are in a state."""
        for task in self.tasks:
            self._cluster.wait_for_task(self.dag_id, self.run_id, task, state)

    def wait_for_requests(self, count: int, task: str) -> None:
        """Wait until Braze has accepted so many requests of a task."""
        self._cluster.eventually(lambda: self.received(task).requests >= count, f"{task} has sent {count}")

    def received(self, task: str) -> Received:
        """The messages that were received from a task up to now."""
        return self._inbox.of(f"{self.run_id}/{task}")

    def wait(self) -> dict[str, Outcome]:
        """Wait until all tasks that send have ended, and return their outcomes."""
        return {one.task_id: self.outcome(one) for one in self.instances()}

    def instances(self) -> list[TaskInstance]:
        """Wait until all instances of the tasks that send have ended."""

        def ended() -> list[TaskInstance] | None:
            run = self._cluster.run(self.dag_id, self.run_id)
            found = [one for one in run.tasks if one.task_id in self.tasks]
            return found if found and all(one.state in _ENDED for one in found) else None

        found = self._cluster.eventually(
            ended,
            f"the tasks of {self.dag_id} have ended",
            describe=lambda: self._cluster.describe(self.dag_id, self.run_id),
        )
        if (
            self.dag_id not in HELD_OPEN
        ):  # Airflow does not run a task that is cleared just before its run ends.
            self._cluster.wait(self.dag_id, self.run_id)
        return found

    def outcome(self, task: TaskInstance) -> Outcome:
        """Return the outcome of a task that has ended."""
        try:
            report = self._cluster.api.xcom(task, "return_value")
        except KeyError:
            report = {}
        log = self._cluster.task_log(self.dag_id, self.run_id, task.task_id, task.map_index)
        return Outcome(task.state, log, report, self.received(task.task_id))


_ENDED = (*FINISHED, "upstream_failed", "skipped")
