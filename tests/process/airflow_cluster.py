"""
A whole Airflow for tests: scheduler, Dag processor, API server, triggerer and, with Celery, workers.

    with AirflowCluster(dags_folder, env={"AIRFLOW_CONN_BRAZE_DEFAULT": …}) as cluster:
        run_id = cluster.trigger("some_dag", conf={…})
        cluster.task_process("some_dag", run_id, "some_task").kill()
        run = cluster.wait("some_dag", run_id)
        assert run.task("some_task").try_number == 2
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import psutil
import requests
from process import services
from process.airflow_api import FINISHED, AirflowApi, DagRun, TaskInstance
from process.reaper import Reaper

_T = TypeVar("_T")

POLL_SECONDS = 0.2
# No test measures time: these only say when to stop waiting on a busy machine.
START_SECONDS = 180.0
PATIENCE_SECONDS = 180.0

HEARTBEAT_TIMEOUT_SECONDS = 10
"""Airflow takes a task for dead if it has had no heartbeat for so many seconds."""

CELERY_WORKERS = 2

# These settings make Airflow start and notice faster. All other settings are Airflow's defaults.
_SETTINGS = {
    "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
    "CORE__FERNET_KEY": "",
    "CORE__LOAD_EXAMPLES": "False",
    "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
    # The files don't change. (The threshold: else a Dag that only callbacks load would become stale.)
    "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
    "DAG_PROCESSOR__PARSING_PROCESSES": "1",
    "DAG_PROCESSOR__STALE_DAG_THRESHOLD": "7200",
    "DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
    "API__WORKERS": "1",
    "SCHEDULER__JOB_HEARTBEAT_SEC": "1",
    "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": "1",
    "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": str(HEARTBEAT_TIMEOUT_SECONDS),
    "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "1",
    "TRIGGERER__JOB_HEARTBEAT_SEC": "1",
    "USAGE_DATA_COLLECTION__ENABLED": "False",
    "WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
}

_ACCESS = ("INFO:     127.0.0.1", "[http.access]")
"""The pattern of the API server's log of requests."""


@dataclass(frozen=True)
class TaskProcess:
    """A running task has two processes: one runs its code; its parent, the supervisor, talks to Airflow."""

    task: psutil.Process
    supervisor: psutil.Process

    def kill(self) -> None:
        """Kill the task's own process, as the kernel does if memory runs out. The supervisor reports it."""
        self.task.kill()

    def terminate(self) -> None:
        """Send SIGTERM to the task's own process, which runs ``on_kill``."""
        self.task.terminate()

    def vanish(self) -> None:
        """Kill both, as if the machine were lost. Airflow notices the missing heartbeats after a while."""
        self.supervisor.suspend()  # Else it could report the death of the other process before its own.
        self.task.kill()
        self.supervisor.kill()

    def freeze(self) -> None:
        """Stop both. To Airflow this looks like a machine that has no network or sleeps."""
        self.supervisor.suspend()
        self.task.suspend()

    def thaw(self) -> None:
        """Continue both."""
        self.task.resume()
        self.supervisor.resume()

    @property
    def is_running(self) -> bool:
        """Whether the task's own process is alive."""
        return self.task.is_running() and self.task.status() != psutil.STATUS_ZOMBIE


class AirflowCluster:
    """
    A separate Airflow with its own home, database, port and processes. A context manager.

    The metadata database is a new one on PostgreSQL if a server answers, else SQLite.

    :param dags_folder: The folder with its Dags. They are not paused.
    :param env: Environment variables of all its processes, such as connections.
    :param executor: ``LocalExecutor``, or ``CeleryExecutor`` with two workers, on Redis and PostgreSQL.
    :param parallelism: How many tasks run at the same time.
    :param user: Name and password of the user that :attr:`api` logs in. Default: every client is let in.
    :raises ServiceMissingError: If a server that the executor needs does not answer.
    """

    def __init__(
        self,
        dags_folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        executor: str = "LocalExecutor",
        parallelism: int = 8,
        user: tuple[str, str] | None = None,
    ) -> None:
        self.home = Path(tempfile.gettempdir(), f"airflow-cluster-{secrets.token_hex(6)}")
        self._dags_folder = dags_folder
        self._own_env = dict(env or {})
        self._executor = executor
        self._parallelism = parallelism
        self._port = _free_port()
        self._reaper: Reaper | None = None
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._environment: dict[str, str] = {}
        self.runs_at_a_time = 5
        """How many Dag runs a test should have at the same time. On SQLite, writers wait for each other."""
        self.url = f"http://127.0.0.1:{self._port}"
        self.api = AirflowApi(self.url, user)

    # Beginning and end ------------------------------------------------------------------------------------

    def __enter__(self) -> AirflowCluster:
        self._reaper = Reaper()
        try:
            self._start(self._reaper)
        except BaseException:
            self._reaper.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._reaper is not None:
            self._reaper.stop()
        for process in self._processes.values():
            process.wait()

    def _start(self, reaper: Reaper) -> None:
        self.home.mkdir(mode=0o700)
        reaper.folder(self.home)
        self._environment = {
            # The Airflow of the test suite itself is another one.
            **{name: v for name, v in os.environ.items() if not name.startswith(("AIRFLOW_", "_AIRFLOW_"))},
            **self._settings(reaper),
            **self._own_env,
        }
        self._run("db", "migrate")
        # On loopback only: every client that reaches it may do everything.
        self._launch("api-server", "--host", "127.0.0.1", "--port", str(self._port))
        self._launch("scheduler", "--skip-serve-logs")
        self._launch("dag-processor")
        self._launch("triggerer", "--skip-serve-logs")
        if self._executor == "CeleryExecutor":
            for number in range(1, CELERY_WORKERS + 1):
                self._launch_celery_worker(f"worker-{number}")
        self.eventually(self._is_up, "Airflow is up", timeout=START_SECONDS)

    def _settings(self, reaper: Reaper) -> dict[str, str]:
        settings = _SETTINGS | {
            "API__BASE_URL": self.url,
            "API__SECRET_KEY": secrets.token_hex(16),
            "API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "CORE__DAGS_FOLDER": str(self._dags_folder),
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "CORE__EXECUTOR": self._executor,
            "CORE__PARALLELISM": str(self._parallelism),
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.home / "passwords.json"),
            "LOGGING__BASE_LOG_FOLDER": str(self.home / "logs"),
            **self._database(reaper),
        }
        return {
            **{f"AIRFLOW__{name}": value for name, value in settings.items()},
            "AIRFLOW_HOME": str(self.home),
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "DO_NOT_TRACK": "1",
            "SCARF_ANALYTICS": "false",
        }

    def _database(self, reaper: Reaper) -> dict[str, str]:
        try:
            name = services.create_database()
        except services.ServiceMissingError:
            if self._executor == "CeleryExecutor":
                raise
            self.runs_at_a_time = 2
            return {"DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{self.home / 'airflow.db'}?timeout=60"}
        reaper.database(services.POSTGRES_URL, name)
        settings = {"DATABASE__SQL_ALCHEMY_CONN": services.database_url(name, "postgresql+psycopg2")}
        if self._executor == "CeleryExecutor":
            reaper.redis_keys(services.REDIS_URL, name)
            settings |= {
                "CELERY__BROKER_URL": services.REDIS_URL,
                "CELERY__RESULT_BACKEND": services.database_url(name, "db+postgresql"),
                "CELERY__SYNC_PARALLELISM": "1",
                "CELERY__WORKER_CONCURRENCY": str(self._parallelism // CELERY_WORKERS),
                "CELERY__WORKER_PREFETCH_MULTIPLIER": "1",
                "CELERY_BROKER_TRANSPORT_OPTIONS__GLOBAL_KEYPREFIX": name,
                "OPERATORS__DEFAULT_QUEUE": name,
            }
        return settings

    def _run(self, *command: str) -> None:
        if self._spawn(command[0], command).wait() != 0:
            raise RuntimeError(f"airflow {' '.join(command)} failed:\n{self.component_log(command[0])}")

    def _launch(self, *command: str) -> None:
        self._processes[command[0]] = self._spawn(command[0], command)

    def _launch_celery_worker(self, name: str) -> None:
        own = ("--celery-hostname", f"{name}@%h", "--pid", str(self.home / f"{name}.pid"))
        quick = ("--skip-serve-logs", "--without-gossip", "--without-mingle")
        self._processes[name] = self._spawn(name, ("celery", "worker", *own, *quick))

    def _spawn(self, name: str, command: tuple[str, ...]) -> subprocess.Popen[bytes]:
        if self._reaper is None:
            raise RuntimeError("The cluster has not been started")
        with (self.home / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "airflow", *command],
                env=self._environment,
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._reaper.session(process.pid)
        return process

    def _is_up(self) -> bool:
        try:
            self.api.log_in()
            health = self.api.health()
        except requests.RequestException:
            return False
        return all(
            health.get(name) == "healthy"
            for name in ("metadatabase", "scheduler", "dag_processor", "triggerer")
        )

    # Actions of a user ------------------------------------------------------------------------------------

    def trigger(
        self, dag_id: str, *, conf: Mapping[str, Any] | None = None, run_id: str | None = None
    ) -> str:
        """Start a Dag run as soon as Airflow knows its Dag, and return the run's id."""
        self._wait_for_dag(dag_id)
        run_id = run_id or f"run-{secrets.token_hex(4)}"
        self.api.trigger(dag_id, run_id, conf or {})
        return run_id

    def kill_triggerer(self) -> None:
        """Kill the triggerer as if its machine were lost, and start another one."""
        lost = self._processes["triggerer"]
        os.killpg(lost.pid, signal.SIGKILL)
        lost.wait()
        self._launch("triggerer", "--skip-serve-logs")

    def set_pool(self, name: str, slots: int) -> None:
        """Make a pool."""
        self._run("pools", "set", name, str(slots), "for a test")

    def clear(self, dag_id: str, run_id: str, task_id: str | None = None, **options: Any) -> None:
        """Clear a task and its downstream tasks, or by default the whole run, as the UI does."""
        self.api.clear(dag_id, run_id, task_id, **options)

    def mark_failed(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> None:
        """Mark a task as failed, as the UI does."""
        self.api.mark(self.run(dag_id, run_id).task(task_id, map_index), "failed")

    def set_variable(self, key: str, value: str) -> None:
        """Set a variable."""
        self.api.set_variable(key, value)

    def backfill(
        self, dag_ids: Sequence[str], begin: str, end: str, *, reprocess: str = "none"
    ) -> list[DagRun]:
        """Run a backfill from the first to the last day, and return all of its runs at the end."""
        for dag_id in dag_ids:
            self._wait_for_dag(dag_id)
        for backfill_id in [self.api.backfill(dag_id, begin, end, reprocess) for dag_id in dag_ids]:
            self.eventually(
                lambda: self.api.is_backfill_over(backfill_id),  # noqa: B023 - called at once
                f"the backfill of {dag_ids} has ended",
            )
        return [self.run(dag_id, run_id) for dag_id in dag_ids for run_id in self.api.dag_run_ids(dag_id)]

    # What a user sees -------------------------------------------------------------------------------------

    def run(self, dag_id: str, run_id: str) -> DagRun:
        """Return a Dag run as it is now."""
        return self.api.dag_run(dag_id, run_id)

    def wait(self, dag_id: str, run_id: str, timeout: float = PATIENCE_SECONDS) -> DagRun:
        """Wait for the end of a Dag run."""
        self.eventually(
            lambda: self.api.dag_run_state(dag_id, run_id) in FINISHED,
            f"{dag_id} {run_id} has ended",
            timeout,
            describe=lambda: self.describe(dag_id, run_id),
        )
        return self.run(dag_id, run_id)

    def wait_for_task(
        self, dag_id: str, run_id: str, task_id: str, state: str, map_index: int = -1
    ) -> TaskInstance:
        """Wait until a task instance is in a state."""

        def there() -> TaskInstance | None:
            task = self.run(dag_id, run_id).task(task_id, map_index)
            return task if task.state == state else None

        return self.eventually(
            there, f"{dag_id}.{task_id} is {state}", describe=lambda: self.describe(dag_id, run_id)
        )

    def task_process(
        self, dag_id: str, run_id: str, task_id: str, *, try_number: int | None = None, map_index: int = -1
    ) -> TaskProcess:
        """
        Wait until a task runs, in a certain try if one is given, and return its processes.

        :raises ProcessLookupError: If the Dag run ends without it.
        """

        def running() -> TaskProcess | None:
            run = self.run(dag_id, run_id)
            task = run.task(task_id, map_index)
            if task.state == "running" and try_number in (None, task.try_number):
                with contextlib.suppress(psutil.NoSuchProcess):
                    return _process_of(task)
            if run.state in FINISHED:
                raise ProcessLookupError(f"{run} has ended")
            return None

        return self.eventually(
            running, f"{dag_id}.{task_id} runs", describe=lambda: self.describe(dag_id, run_id)
        )

    def xcom(
        self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1
    ) -> Any:
        """Return the XCom that a task pushed; ``KeyError`` if it pushed none."""
        return self.api.xcom(self.run(dag_id, run_id).task(task_id, map_index), key)

    def task_log(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> str:
        """Return the logs of all tries of a task."""
        mapped = "" if map_index < 0 else f"map_index={map_index}/"
        pattern = f"dag_id={dag_id}/run_id={run_id}/task_id={task_id}/{mapped}attempt=*.log*"
        return "".join(
            f"--- {path.name}\n{path.read_text(errors='replace')}"
            for path in sorted((self.home / "logs").glob(pattern))
        )

    def component_log(self, name: str, lines: int = 40) -> str:
        """Return the last lines that one of Airflow's processes wrote."""
        written = (self.home / f"{name}.log").read_text(errors="replace").splitlines()
        return "\n".join(
            [line[:500] for line in written if not any(mark in line for mark in _ACCESS)][-lines:]
        )

    def describe(self, dag_id: str, run_id: str) -> str:
        """Describe a Dag run in full."""
        run = self.run(dag_id, run_id)
        logs = {
            task.task_id: self.task_log(dag_id, run_id, task.task_id, task.map_index) for task in run.tasks
        }
        return "\n".join([str(run), *(f"=== log of {name}\n{log}" for name, log in logs.items())])

    def logs(self) -> str:
        """Return the last lines of all of Airflow's processes."""
        return "\n".join(
            f"=== {path.stem}\n{self.component_log(path.stem)}" for path in sorted(self.home.glob("*.log"))
        )

    def eventually(
        self,
        look: Callable[[], _T | None],
        what: str,
        timeout: float = PATIENCE_SECONDS,
        *,
        describe: Callable[[], str] | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> _T:
        """
        Look again and again, until there is a result.

        :raises AssertionError: If it takes too long, or one of Airflow's processes has died.
        """
        deadline = time.monotonic() + timeout
        while not (seen := look()):
            self._check_processes()
            if time.monotonic() > deadline:
                details = describe() if describe else self.logs()
                raise AssertionError(f"After {timeout:.0f} s it is still not so that {what}\n{details}")
            if on_wait is not None:
                on_wait()
            time.sleep(POLL_SECONDS)
        return seen

    def _wait_for_dag(self, dag_id: str) -> None:
        self.eventually(
            lambda: dag_id in self.api.dag_ids(), f"the Dag {dag_id} is known", on_wait=self._check_imports
        )

    def _check_processes(self) -> None:
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise AssertionError(f"{name} ended with {process.returncode}:\n{self.component_log(name)}")

    def _check_imports(self) -> None:
        if errors := self.api.import_errors():
            raise AssertionError("A Dag file can't be imported:\n" + "\n".join(errors))


def _process_of(task: TaskInstance) -> TaskProcess:
    own = psutil.Process(task.pid)
    supervisor = own.parent()
    if supervisor is None:
        raise psutil.NoSuchProcess(own.pid)
    return TaskProcess(own, supervisor)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
