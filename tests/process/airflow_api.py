"""Airflow's REST API, used as by a person with the web UI. It is the same in all supported versions."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import requests

FINISHED = ("success", "failed")
PAGE = 1_000
TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class TaskInstance:
    """One task instance of a Dag run, as Airflow sees it."""

    id: str
    """Airflow's id of this try. The next try gets another id."""
    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    state: str
    """Airflow's name of it; ``none`` before it is scheduled."""
    try_number: int
    pid: int | None
    hostname: str | None


@dataclass(frozen=True)
class DagRun:
    """A Dag run and its tasks, as Airflow sees them."""

    dag_id: str
    run_id: str
    state: str
    tasks: tuple[TaskInstance, ...]

    def task(self, task_id: str, map_index: int = -1) -> TaskInstance:
        """Return one task instance; ``KeyError`` if the run does not have it."""
        for task in self.tasks:
            if (task.task_id, task.map_index) == (task_id, map_index):
                return task
        raise KeyError(f"no task instance {(task_id, map_index)} in {self}")

    def __str__(self) -> str:
        tasks = ", ".join(
            f"{task.task_id}{'' if task.map_index < 0 else f'[{task.map_index}]'} "
            f"{task.state} (try {task.try_number})"
            for task in self.tasks
        )
        return f"{self.dag_id} {self.run_id}: {self.state}; {tasks}"


class AirflowApi:
    """
    A client that may do everything.

    :param url: Where the API server serves.
    :param user: Name and password of a user. Default: the simple auth manager lets every client in.
    """

    def __init__(self, url: str, user: tuple[str, str] | None = None) -> None:
        self._url = url
        self._user = user
        self._token = ""
        self._sessions = threading.local()

    @property
    def _session(self) -> requests.Session:
        """Each thread has its own session, because sessions must not be shared."""
        if not hasattr(self._sessions, "own"):
            self._sessions.own = requests.Session()
            self._sessions.own.trust_env = (
                False  # It is on loopback: a proxy for other requests must not be used.
            )
        session: requests.Session = self._sessions.own
        session.headers["Authorization"] = f"Bearer {self._token}"
        return session

    def log_in(self) -> None:
        """Get a token. The simple auth manager gives one to every client if its settings say so."""
        where, session = f"{self._url}/auth/token", self._session
        if self._user is None:
            answer = session.get(where, timeout=TIMEOUT_SECONDS)
        else:
            name, password = self._user
            answer = session.post(
                where, json={"username": name, "password": password}, timeout=TIMEOUT_SECONDS
            )
        answer.raise_for_status()
        self._token = answer.json()["access_token"]

    def call(self, method: str, *path: str, body: Any = None, **parameters: Any) -> Any:
        """
        Make a request, and return the answer.

        :param method: The HTTP method.
        :param path: The parts of the path.
        :param body: Sent as JSON.
        :param parameters: Parameters of the query.
        :raises requests.HTTPError: With Airflow's message.
        """
        url = "/".join([self._url, "api", "v2", *(quote(part, safe="~") for part in path)])
        answer = self._session.request(method, url, json=body, params=parameters, timeout=TIMEOUT_SECONDS)
        if not answer.ok:
            raise requests.HTTPError(
                f"{answer.status_code} from {method} {url}: {answer.text}", response=answer
            )
        return answer.json() if answer.content else None

    def health(self) -> Mapping[str, str | None]:
        """The components with their state."""
        return {
            name: component["status"] for name, component in self.call("GET", "monitor", "health").items()
        }

    def dag_ids(self) -> set[str]:
        """The Dags that can be triggered."""
        return {dag["dag_id"] for dag in self.call("GET", "dags", limit=PAGE)["dags"]}

    def import_errors(self) -> list[str]:
        """The errors of Dag files."""
        return [e["stack_trace"] for e in self.call("GET", "importErrors")["import_errors"]]

    def trigger(self, dag_id: str, run_id: str, conf: Mapping[str, Any]) -> None:
        """Start a Dag run."""
        body = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf)}
        self.call("POST", "dags", dag_id, "dagRuns", body=body)

    def dag_run_state(self, dag_id: str, run_id: str) -> str:
        """The state of a Dag run."""
        return str(self.call("GET", "dags", dag_id, "dagRuns", run_id)["state"])

    def dag_run(self, dag_id: str, run_id: str) -> DagRun:
        """A Dag run with its tasks."""
        state = self.dag_run_state(dag_id, run_id)
        return DagRun(dag_id, run_id, state, tuple(self.task_instances(dag_id, run_id)))

    def task_instances(self, dag_id: str, run_id: str) -> list[TaskInstance]:
        """The task instances of a Dag run."""
        found = self.call("GET", "dags", dag_id, "dagRuns", run_id, "taskInstances", limit=PAGE)[
            "task_instances"
        ]
        return [
            TaskInstance(
                id=str(ti["id"]),
                dag_id=ti["dag_id"],
                run_id=ti["dag_run_id"],
                task_id=ti["task_id"],
                map_index=ti["map_index"],
                state=ti["state"] or "none",
                try_number=ti["try_number"],
                pid=ti["pid"],
                hostname=ti["hostname"],
            )
            for ti in found
        ]

    def xcom(self, task: TaskInstance, key: str) -> Any:
        """A value that a task pushed; ``KeyError`` if there is none."""
        try:
            entry = self.call(
                *("GET", "dags", task.dag_id, "dagRuns", task.run_id),
                *("taskInstances", task.task_id, "xcomEntries", key),
                map_index=task.map_index,
            )
        except requests.HTTPError as error:
            if error.response is not None and error.response.status_code == 404:
                raise KeyError(key) from error
            raise
        return entry["value"]

    def clear(self, dag_id: str, run_id: str, task: str | None = None, **options: Any) -> None:
        """
        Clear a Dag run or one of its tasks.

        :param task: The task's id. Default: all tasks of the run.
        :param options: Further fields of the request, such as ``reset_dag_runs``, or ``keep_task_state`` on
            Airflow 3.4. ``task_ids`` names several tasks, ``include_downstream=False`` clears only them.
        """
        if task is None:
            body = {"dry_run": False, "only_failed": False, **options}
            self.call("POST", "dags", dag_id, "dagRuns", run_id, "clear", body=body)
        else:
            body = {
                "dry_run": False,
                "dag_run_id": run_id,
                "task_ids": [task],
                "only_failed": False,
                "include_downstream": True,
                **options,
            }
            self.call("POST", "dags", dag_id, "clearTaskInstances", body=body)

    def set_variable(self, key: str, value: str) -> None:
        """Create or change a variable."""
        try:
            self.call("PATCH", "variables", key, body={"key": key, "value": value})
        except requests.HTTPError as error:
            if error.response is None or error.response.status_code != 404:
                raise
            self.call("POST", "variables", body={"key": key, "value": value})

    def add_connection(self, conn_id: str, **fields: Any) -> None:
        """
        Add a connection.

        :param fields: Fields of the request: ``conn_type``, ``host``, ``password``, ``extra`` as JSON text …
        """
        self.call("POST", "connections", body={"connection_id": conn_id, **fields})

    def add_pool(self, name: str, slots: int) -> None:
        """Add a pool."""
        self.call("POST", "pools", body={"name": name, "slots": slots})

    def delete_dag_run(self, dag_id: str, run_id: str) -> None:
        """Delete a Dag run, with everything that Airflow knows of it."""
        self.call("DELETE", "dags", dag_id, "dagRuns", run_id)

    def backfill(self, dag_id: str, begin: str, end: str, reprocess: str) -> int:
        """
        Start a backfill, and return its id.

        :param begin: First day.
        :param end: Last day.
        :param reprocess: Which runs that exist already run again: ``none``, ``failed`` or ``completed``.
        """
        body = {
            "dag_id": dag_id,
            "from_date": f"{begin}T00:00:00Z",
            "to_date": f"{end}T00:00:00Z",
            "reprocess_behavior": reprocess,
        }
        return int(self.call("POST", "backfills", body=body)["id"])

    def is_backfill_over(self, backfill_id: int) -> bool:
        """Whether all runs of a backfill have ended. Airflow checks this every half a minute."""
        return self.call("GET", "backfills", str(backfill_id))["completed_at"] is not None

    def dag_run_ids(self, dag_id: str) -> list[str]:
        """The ids of a Dag's runs, the oldest first."""
        runs = self.call("GET", "dags", dag_id, "dagRuns", order_by="run_after")["dag_runs"]
        return [run["dag_run_id"] for run in runs]

    def mark(self, task: TaskInstance, state: str) -> None:
        """Set a task's state."""
        mapped = [] if task.map_index < 0 else [str(task.map_index)]
        self.call(
            *("PATCH", "dags", task.dag_id, "dagRuns", task.run_id, "taskInstances", task.task_id, *mapped),
            body={"new_state": state},
        )
