"""Run Dags with real Airflow inside a test, and look at what came of them.

The only module of the tests that knows how Airflow's insides differ between the supported versions.
It imports Airflow lazily, because ``private_airflow_home`` has to come first.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.metadata
import json
import logging
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock
from urllib.parse import quote

import structlog

if TYPE_CHECKING:
    from airflow.sdk import DAG

AIRFLOW_VERSION = tuple(int(part) for part in importlib.metadata.version("apache-airflow").split(".")[:2])

# The bundle that Airflow configures by itself for the Dags folder: on 3.1 and newer, ``dag.test()`` looks the
# Dag up in the database and walks the configured bundles for it.
BUNDLE = "dags-folder"


# Airflow's home ---------------------------------------------------------------------------------------------


def private_airflow_home() -> Path:
    """Point Airflow at a new, empty home of its own. Must run before Airflow is first imported."""
    for name in [name for name in os.environ if name.startswith(("AIRFLOW_", "_AIRFLOW_"))]:
        del os.environ[name]
    home = Path(tempfile.mkdtemp(prefix="airflow-home-"))
    dags = home / "dags"
    dags.mkdir()
    os.environ.update(
        {
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            # A Dag of the same id is stored anew for the next test, not half a minute later.
            "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",
            "AIRFLOW__DATABASE__LOAD_DEFAULT_CONNECTIONS": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "DO_NOT_TRACK": "1",
            "SCARF_ANALYTICS": "false",
            # The sandbox is on loopback, whatever proxy the developer's machine sends the rest through.
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
        }
    )
    return home


def remove_airflow_home(home: Path) -> None:
    """Remove what ``private_airflow_home`` made."""
    if settings := sys.modules.get("airflow.settings"):
        # Airflow 3.4 closes its asynchronous engine at exit outside any event loop, and logs a page about it
        # to a stream that pytest has closed. The process ends and the database goes: nothing needs closing.
        atexit.unregister(settings.dispose_orm)
    shutil.rmtree(home, ignore_errors=True)


@functools.cache
def initialise_database() -> None:
    """Create Airflow's metadata tables, once for each test session that needs them."""
    from airflow.utils.db import initdb

    initdb()


# Serialisation ----------------------------------------------------------------------------------------------


def _serialiser() -> Any:
    from airflow.serialization import serialized_objects

    # Airflow 3.2 split the serialiser from the class that it makes.
    return getattr(serialized_objects, "DagSerialization", None) or serialized_objects.SerializedDAG


def serialise(dag: DAG) -> dict[str, Any]:
    """Serialise a Dag as the Dag processor does, down to the JSON that is stored, and read that back."""
    data: dict[str, Any] = json.loads(json.dumps(_serialiser().to_dict(dag)))
    return data


def deserialise(data: dict[str, Any]) -> Any:
    """Return the scheduler's view of a Dag made by :func:`serialise`."""
    return _serialiser().from_dict(data)


# Running ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Attempt:
    """One run of a task's code: its end state, what it raised, what it logged."""

    state: str
    error: BaseException | None
    log: str


@dataclass(frozen=True)
class TaskResult:
    """One task instance after the run."""

    task_id: str
    map_index: int
    state: str
    try_number: int
    rendered: Mapping[str, Any]
    """The template fields as Airflow stored them for its UI."""
    attempts: tuple[Attempt, ...] = ()
    """One for each start of the task's code: the first, each retry, each return from a deferral."""

    @property
    def error(self) -> BaseException | None:
        """What the last attempt raised."""
        return self.attempts[-1].error if self.attempts else None

    @property
    def log(self) -> str:
        """What all attempts logged, tracebacks included."""
        return "".join(attempt.log for attempt in self.attempts)


@dataclass(frozen=True)
class DagResult:
    """A Dag run and all that Airflow's database holds of it."""

    dag_id: str
    run_id: str
    state: str
    tasks: tuple[TaskResult, ...]
    xcoms: Mapping[tuple[str, int, str], Any] = field(repr=False)

    def task(self, task_id: str, map_index: int = -1) -> TaskResult:
        """Return one task instance; ``KeyError`` when the run has none such."""
        for task in self.tasks:
            if (task.task_id, task.map_index) == (task_id, map_index):
                return task
        known = [(task.task_id, task.map_index) for task in self.tasks]
        raise KeyError(f"no task instance {(task_id, map_index)}; the run has {known}")

    def mapped(self, task_id: str) -> list[TaskResult]:
        """Return the instances of a mapped task, by map index."""
        return sorted(
            (task for task in self.tasks if task.task_id == task_id and task.map_index >= 0),
            key=lambda task: task.map_index,
        )

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return a value that a task pushed; ``KeyError`` when it pushed none."""
        return self.xcoms[task_id, map_index, key]

    @property
    def log(self) -> str:
        """What all tasks logged."""
        return "".join(task.log for task in self.tasks)


def run_dag(
    dag: DAG,
    *,
    conf: dict[str, Any] | None = None,
    logical_date: datetime | None = None,
    dated: bool = True,
    answers: Mapping[str, str] | None = None,
) -> DagResult:
    """Run a Dag from start to end with ``dag.test()``, as the Dag processor would have handed it over.

    A task that fails does not raise: look at ``result.state`` and ``result.task(…).error``. Give tasks with
    retries a ``retry_delay`` of zero. The same ``logical_date`` a second time replaces the first run. With
    ``dated=False`` the run has no logical date, as one that an asset or the command line triggers.
    ``answers`` holds, by task id, the option that a person chooses when the task asks.
    """
    initialise_database()
    _hand_over(dag)
    attempts: dict[tuple[str, int], list[Attempt]] = {}
    with _person(answers or {}), _recording(attempts):
        # The run's id comes from logical_date on 3.0 and from run_after since.
        dates = {} if logical_date is None else {"logical_date": logical_date, "run_after": logical_date}
        dag_run = dag.test(run_conf=conf, **(dates if dated else {"logical_date": None}))
    return _collect(dag, dag_run.run_id, attempts)


def _hand_over(dag: DAG) -> None:
    """Store a Dag as parsing its file would: checks, policies and template files included."""
    serialise(dag)  # Storing it turns an error into a row of import errors; this raises it.
    if AIRFLOW_VERSION >= (3, 2):
        from airflow.dag_processing.dagbag import DagBag, sync_bag_to_db
    elif AIRFLOW_VERSION >= (3, 1):
        from airflow.models.dagbag import DagBag, sync_bag_to_db
    else:
        from airflow.models.dagbag import DagBag

        sync_bag_to_db = DagBag.sync_to_db
    from airflow.dag_processing.bundles.manager import DagBundlesManager

    DagBundlesManager().sync_bundles_to_db()
    dag.relative_fileloc = Path(dag.fileloc).name  # set by the import of a Dag file, which this stands for
    bag = DagBag(dag_folder=os.devnull)
    bag.bag_dag(dag)
    sync_bag_to_db(bag, BUNDLE, None)


@contextlib.contextmanager
def _recording(attempts: dict[tuple[str, int], list[Attempt]]) -> Iterator[None]:
    """Keep what ``dag.test()`` lets go: the exception and the log of each attempt."""
    from airflow.sdk.execution_time import supervisor

    run_task_in_process = supervisor.run_task_in_process

    def run_and_record(*, ti: Any, **kwargs: Any) -> Any:
        with _TaskLog() as log:
            outcome = run_task_in_process(ti=ti, **kwargs)
        attempt = Attempt(_value(outcome.state), outcome.error, log.text())
        attempts.setdefault((ti.task_id, ti.map_index), []).append(attempt)
        return outcome

    with (
        mock.patch.object(supervisor, "run_task_in_process", run_and_record),
        # Before 3.3, Airflow builds its execution API anew for each task, at a second each.
        mock.patch.object(supervisor, "in_process_api_server", _api_server()),
    ):
        yield


@contextlib.contextmanager
def _person(answers: Mapping[str, str]) -> Iterator[None]:
    """Answer the tasks that ask a person, as Airflow's UI does it: with a call of its REST API."""
    if not answers or AIRFLOW_VERSION < (3, 1):
        yield
        return
    from airflow.models.dagrun import DagRun
    from airflow.sdk.definitions import dag
    from airflow.triggers.base import TriggerEvent

    run_trigger, update_state = dag._run_inline_trigger, DagRun.update_state

    def answer(ti: Any) -> dict[str, Any]:
        path = f"{ti.dag_id}/dagRuns/{quote(ti.run_id)}/taskInstances/{ti.task_id}/{ti.map_index}/hitlDetails"
        chosen = {"chosen_options": [answers[ti.task_id]], "params_input": {}}
        response = _rest_api().patch(f"/api/v2/dags/{path}", json=chosen)
        response.raise_for_status()
        by = response.json()["responded_by"]
        return {**chosen, "responded_by_user": by, "responded_at": datetime.now(timezone.utc)}

    def answer_a_trigger(trigger: Any, ti: Any) -> Any:
        """Before Airflow 3.3, a trigger asks for the answer, but nothing in ``dag.test()`` gives it to it."""
        return TriggerEvent(answer(ti)) if ti.task_id in answers else run_trigger(trigger, ti)

    def answer_a_task(dag_run: Any, *args: Any, **kwargs: Any) -> Any:
        """Since Airflow 3.3, the task waits without a trigger, and the answer itself lets it go on."""
        for ti in dag_run.get_task_instances():
            if _value(ti.state) == "awaiting_input" and ti.task_id in answers:
                answer(ti)
        return update_state(dag_run, *args, **kwargs)

    with (
        # The API then lets every caller do everything.
        mock.patch.dict(os.environ, {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True"}),
        mock.patch.object(dag, "_run_inline_trigger", answer_a_trigger),
        mock.patch.object(DagRun, "update_state", answer_a_task),
    ):
        yield


@functools.cache
def _rest_api() -> Any:
    from airflow.api_fastapi.app import create_app
    from fastapi.testclient import TestClient

    client = TestClient(create_app(apps="core"))
    client.headers["Authorization"] = f"Bearer {client.get('/auth/token').json()['access_token']}"
    return client


@functools.cache
def _api_server() -> Callable[[], Any]:
    from airflow.sdk.execution_time import supervisor

    return functools.cache(supervisor.in_process_api_server)


class _TaskLog(logging.Handler):
    """Collects what a task logs at INFO and above, with Airflow's masking of secrets.

    Operators and hooks log through the standard library on Airflow 3.0 and through structlog since; other
    libraries through the standard library on all versions.
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: list[str] = []
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s - %(message)s"))

    def text(self) -> str:
        if AIRFLOW_VERSION >= (3, 1):
            from airflow.sdk.log import redact
        else:
            from airflow.sdk.execution_time.secrets_masker import redact
        return str(redact("".join(line + "\n" for line in self._lines)))

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(self.format(record))

    def process(self, logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
        """Take a look at an event on its way through structlog's processors."""
        if method not in ("debug", "notset"):
            line = f"{method.upper()} {event.get('logger', '-')} - {event.get('event')}"
            if error := event.get("exc_info"):
                exception = error if isinstance(error, BaseException) else sys.exc_info()[1]
                line += "\n" + "".join(traceback.format_exception(exception)).rstrip("\n")
            self._lines.append(line)
        return event

    def __enter__(self) -> _TaskLog:
        logging.getLogger().addHandler(self)
        # In place, as structlog.testing does it: loggers made earlier hold on to this very list.
        structlog.get_config()["processors"].insert(0, self.process)
        return self

    def __exit__(self, *exc_info: object) -> None:
        structlog.get_config()["processors"].remove(self.process)
        logging.getLogger().removeHandler(self)


def _collect(dag: DAG, run_id: str, attempts: Mapping[tuple[str, int], list[Attempt]]) -> DagResult:
    from airflow.models.dagrun import DagRun
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.models.xcom import XComModel
    from airflow.sdk.bases.xcom import BaseXCom
    from airflow.utils.session import create_session
    from sqlalchemy import select

    with create_session() as session:
        dag_run = session.scalars(
            select(DagRun).where(DagRun.dag_id == dag.dag_id, DagRun.run_id == run_id)
        ).one()
        tasks = tuple(
            TaskResult(
                task_id=ti.task_id,
                map_index=ti.map_index,
                state=_value(ti.state),
                try_number=ti.try_number,
                rendered=RenderedTaskInstanceFields.get_templated_fields(ti, session=session) or {},
                attempts=tuple(attempts.get((ti.task_id, ti.map_index), ())),
            )
            for ti in dag_run.get_task_instances(session=session)
        )
        xcoms = {
            (task.task_id, task.map_index, row.key): BaseXCom.deserialize_value(row)
            for task in tasks
            for row in _rows(
                XComModel.get_many(
                    dag_ids=dag.dag_id, run_id=run_id, task_ids=task.task_id, map_indexes=task.map_index
                ),
                session,
            )
        }
        return DagResult(dag.dag_id, run_id, _value(dag_run.state), tasks, xcoms)


def _rows(query: Any, session: Any) -> Any:
    """Run what ``XComModel.get_many`` returned: a bound query on Airflow 3.0, a statement since."""
    return query.all() if AIRFLOW_VERSION < (3, 1) else session.scalars(query).all()


def _value(state: Any) -> str:
    """Return a state as text, which Airflow gives as an enum or as text, depending on where it comes from."""
    return str(getattr(state, "value", state))
