"""The harness itself: what the other Dag tests take for granted, on the Airflow that is installed."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta, timezone

import pytest
from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import DAG, BaseOperator, task

try:
    from airflow.sdk import BaseHook
except ImportError:  # Airflow 3.0
    from airflow.hooks.base import BaseHook

pytestmark = pytest.mark.dag


class Echo(BaseOperator):
    """Returns its rendered fields and logs on its own logger and on a library's."""

    template_fields = ("value",)

    def __init__(self, *, value, **kwargs):
        super().__init__(**kwargs)
        self.value = value

    def execute(self, context):
        self.log.info("own logger: %s", self.value)
        logging.getLogger("some.library").info("library logger: %s", self.value)
        return {"value": self.value, "type": type(self.value).__name__}


class FailsUntil(BaseOperator):
    def __init__(self, *, tries, **kwargs):
        super().__init__(**kwargs)
        self.tries = tries

    def execute(self, context):
        if context["ti"].try_number < self.tries:
            raise ValueError(f"try {context['ti'].try_number}")
        return "done"


def test_template_fields_are_rendered_and_stored(run_dag):
    with DAG("templated", user_defined_macros={"shout": str.upper}) as dag:
        Echo(task_id="echo", value="{{ ds }} {{ dag_run.conf['who'] }} {{ shout('x') }}")

    result = run_dag(dag, conf={"who": "you"}, logical_date=datetime(2025, 3, 1, tzinfo=timezone.utc))

    assert result.state == "success"
    assert result.xcom("echo") == {"value": "2025-03-01 you X", "type": "str"}
    echo = result.task("echo")
    assert echo.state == "success"
    assert echo.rendered["value"] == "2025-03-01 you X"
    assert "own logger: 2025-03-01 you X" in echo.log
    assert "library logger: 2025-03-01 you X" in echo.log


def test_values_travel_through_xcom(run_dag):
    with DAG("xcom") as dag:

        @task
        def audience():
            return [{"id": "00123"}, {"id": "1e5"}]

        @task(multiple_outputs=True)
        def several():
            return {"one": 1, "two": [2]}

        Echo(task_id="echo", value=audience())
        several()

    result = run_dag(dag)

    assert result.xcom("echo") == {"value": [{"id": "00123"}, {"id": "1e5"}], "type": "list"}
    assert result.xcom("several", "two") == [2]
    with pytest.raises(KeyError):
        result.xcom("echo", "nothing")


def test_mapped_tasks_are_told_apart(run_dag):
    with DAG("mapped") as dag:

        @task
        def regions():
            return ["eu", "us", "apac"]

        Echo.partial(task_id="echo").expand(value=regions())

    result = run_dag(dag)

    assert [task.state for task in result.mapped("echo")] == ["success"] * 3
    assert [task.rendered["value"] for task in result.mapped("echo")] == ["eu", "us", "apac"]
    assert [result.xcom("echo", map_index=index)["value"] for index in range(3)] == ["eu", "us", "apac"]
    assert "us" in result.task("echo", 1).log
    assert "eu" not in result.task("echo", 1).log
    with pytest.raises(KeyError, match="no task instance"):
        result.task("echo")


def test_a_failure_is_reported_not_raised(run_dag):
    with DAG("failing") as dag:
        FailsUntil(task_id="fails", tries=2) >> Echo(task_id="never", value="x")

    result = run_dag(dag)

    assert result.state == "failed"
    fails = result.task("fails")
    assert fails.state == "failed"
    assert isinstance(fails.error, ValueError)
    assert "ValueError: try 1" in fails.log
    assert result.task("never").state == "upstream_failed"
    assert result.task("never").attempts == ()


def test_retries_run_within_the_same_dag_run(run_dag):
    with DAG("retried") as dag:
        FailsUntil(task_id="fails", tries=3, retries=2, retry_delay=timedelta(0))

    result = run_dag(dag)

    fails = result.task("fails")
    assert (result.state, fails.state, fails.try_number) == ("success", "success", 3)
    assert [attempt.state for attempt in fails.attempts] == ["up_for_retry", "up_for_retry", "success"]
    assert [str(attempt.error) for attempt in fails.attempts] == ["try 1", "try 2", "None"]
    assert result.xcom("fails") == "done"


def test_a_deferred_task_comes_back(run_dag):
    class Defers(BaseOperator):
        def execute(self, context):
            self.log.info("before")
            self.defer(
                trigger=DateTimeTrigger(datetime.now(timezone.utc)), method_name="resume", kwargs={"kept": 1}
            )

        def resume(self, context, event=None, kept=None):
            self.log.info("after")
            return str(event)

    with DAG("deferred") as dag:
        Defers(task_id="defers")

    result = run_dag(dag)

    defers = result.task("defers")
    assert (result.state, defers.state, defers.try_number) == ("success", "success", 1)
    assert [attempt.state for attempt in defers.attempts] == ["deferred", "success"]
    assert "after" in defers.attempts[1].log
    assert result.xcom("defers")


def test_native_rendering(run_dag):
    with DAG("native", render_template_as_native_obj=True, params={"n": 7}) as dag:
        Echo(task_id="echo", value="{{ params.n }}")

    assert run_dag(dag).xcom("echo") == {"value": 7, "type": "int"}


def test_connections_come_from_the_environment(run_dag, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_ELSEWHERE", "http://user:secret@elsewhere.test/")
    with DAG("connection") as dag:

        @task
        def host():
            connection = BaseHook.get_connection("elsewhere")
            logging.getLogger("some.library").info("it is %s", connection.password)
            return connection.host

        host()

    result = run_dag(dag)

    assert result.xcom("host") == "elsewhere.test"
    assert "it is ***" in result.log


def test_a_run_of_the_same_date_replaces_the_first(run_dag):
    date = datetime(2025, 3, 2, tzinfo=timezone.utc)
    with DAG("replaced") as dag:
        Echo(task_id="echo", value="{{ dag_run.conf['n'] }}")

    first = run_dag(dag, conf={"n": "1"}, logical_date=date)
    second = run_dag(dag, conf={"n": "2"}, logical_date=date)

    assert first.run_id == second.run_id
    assert (first.xcom("echo")["value"], second.xcom("echo")["value"]) == ("1", "2")


def test_serialisation_round_trip(serialise, deserialise):
    with DAG("serialised") as dag:
        Echo(task_id="one", value="{{ ds }}") >> Echo.partial(task_id="many").expand(value=["a", "b"])

    data = serialise(dag)
    back = deserialise(data)

    assert back.task_dict.keys() == {"one", "many"}
    assert back.get_task("one").downstream_task_ids == {"many"}
    assert serialise(dag) == data


def test_what_the_import_of_its_file_would_refuse_is_refused(run_dag):
    with DAG("cyclic") as dag:
        one = Echo(task_id="one", value="x")
        one >> Echo(task_id="two", value="x") >> one

    with pytest.raises(Exception, match="Cycle"):
        run_dag(dag)


@pytest.mark.postgres
def test_a_postgres_of_one_s_own(postgres_connection, run_dag):
    with DAG("postgres") as dag:

        @task
        def tables():
            from airflow.providers.postgres.hooks.postgres import PostgresHook

            hook = PostgresHook(postgres_connection)
            hook.run("CREATE TABLE customers (id text)")
            return hook.get_first("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")[0]

        tables()

    assert run_dag(dag).xcom("tables") == 1


def test_a_sandbox_behind_the_default_connection(sandbox, run_dag):
    with DAG("sandbox") as dag:

        @task
        def answer():
            from braze_provider.hooks.braze import BrazeHook

            return BrazeHook().test_connection()

        answer()

    result = run_dag(dag)

    assert result.xcom("answer")[0] is True
    assert sandbox.api_key not in result.log
