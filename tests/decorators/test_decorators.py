"""Functions that yield recipients, as tasks that send to them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from airflow.exceptions import AirflowSkipException
from airflow.sdk import DAG, Asset, get_current_context, task

from braze_provider.api.errors import BrazeValidationError
from braze_provider.recipients import FileRecipients

pytestmark = pytest.mark.dag

PUSH = {"apple_push": {"alert": "Hello {{${first_name}}} on {{ ds }}"}}


@pytest.fixture
def ledger(tmp_path, monkeypatch) -> str:
    path = str(tmp_path / "ledger.db")
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps({"conn_type": "sqlite", "host": path}))
    return "ledger"


def bodies(sandbox) -> list[dict]:
    return [request["body"] for request in sandbox.requests()]


# What the function gives ------------------------------------------------------------------------------------


def test_a_campaign_goes_to_all_recipients_that_a_function_yields(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:

        @task.braze_campaign(campaign_id="{{ params.c }}", trigger_properties={"run": "{{ run_id }}"})
        def win_back() -> Iterator[dict[str, Any]]:
            """Customers who left."""
            for number in range(120):
                yield {"external_user_id": f"u{number}", "trigger_properties": {"n": number}}

        win_back()
    dag.params["c"] = "c"

    result = run_dag(dag)

    assert result.state == "success", result.log
    assert (result.xcom("win_back")["sent"], len(result.xcom("win_back", "dispatch_ids"))) == (120, 3)
    assert len(sandbox.recipients()) == 120
    first = min(bodies(sandbox), key=lambda body: body["recipients"][0]["trigger_properties"]["n"])
    assert first["campaign_id"] == "c"
    assert first["trigger_properties"] == {"run": result.run_id}
    assert first["recipients"][7] == {"external_user_id": "u7", "trigger_properties": {"n": 7}}
    assert dag.get_task("win_back").doc_md == "Customers who left."


def test_messages_go_to_the_ids_and_aliases_that_a_function_yields(run_dag, sandbox):
    alias = {"alias_name": "ada", "alias_label": "crm"}
    with DAG("d", schedule=None) as dag:

        @task.braze_messages(messages=PUSH, segment_id="{{ params.s }}")
        def hello() -> Iterator[Any]:
            yield "u1"
            yield 2
            yield {"user_alias": alias}

        hello()
    dag.params["s"] = "s"

    result = run_dag(dag)

    assert result.state == "success", result.log
    (body,) = bodies(sandbox)
    assert (body["external_user_ids"], body["user_aliases"], body["segment_id"]) == (
        ["u1", "2"],
        [alias],
        "s",
    )
    assert body["messages"]["apple_push"]["alert"].startswith("Hello {{${first_name}}} on 2")


def in_a_file(folder: Any) -> FileRecipients:
    (folder / "r.csv").write_text("external_user_id\nu0\nu1\n")
    return FileRecipients(str(folder / "r.csv"))


@pytest.mark.parametrize(
    "give",
    [
        lambda folder: [{"external_user_id": "u0"}, {"external_user_id": "u1"}],
        lambda folder: ("u0", "u1"),
        lambda folder: map("u{}".format, range(2)),
        in_a_file,
    ],
    ids=["a list", "ids alone", "an iterator", "another source"],
)
def test_a_function_may_return_its_recipients(run_dag, sandbox, tmp_path, give):
    with DAG("d", schedule=None) as dag:

        @task.braze_campaign(campaign_id="c")
        def f() -> Any:
            return give(tmp_path)

        f()

    result = run_dag(dag)

    assert result.state == "success", result.log
    assert sorted(sandbox.recipients()) == ["u0", "u1"]


def test_recipients_are_a_stream_so_that_a_function_without_an_end_meets_the_brake(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:

        @task.braze_campaign(campaign_id="c", max_recipients=5_000)
        def endless() -> Iterator[str]:
            yield from map("u{}".format, count())

        endless()

    result = run_dag(dag)

    assert result.state == "failed"
    assert "endless() has more than 5,000 recipients (max_recipients); nothing was sent" in result.log
    assert sandbox.requests() == []


# What the function gets -------------------------------------------------------------------------------------


def test_a_function_gets_its_arguments_rendered_and_airflow_s_values_by_name(run_dag, sandbox):
    got: dict[str, Any] = {}
    with DAG("d", schedule=None) as dag:

        @task
        def regions() -> list[str]:
            return ["eu", "us"]

        @task.braze_campaign(campaign_id="c")
        def f(where, day, *, limit=5, run_id=None, ti=None, **context) -> Iterator[str]:
            got.update(where=where, day=day, limit=limit, run_id=run_id, task=ti.task_id)
            got.update(dag=context["dag"].dag_id, same=get_current_context()["ti"] is ti)
            yield from where

        f(regions(), day="{{ logical_date.year }}-{{ params.x }}")
    dag.params["x"] = "y"

    result = run_dag(dag)

    assert result.state == "success", result.log
    year = got.pop("day").removesuffix("-y")
    assert year.isdigit()
    assert got == {
        "where": ["eu", "us"],
        "limit": 5,
        "run_id": result.run_id,
        "task": "f",
        "dag": "d",
        "same": True,
    }


def test_airflow_stores_nothing_of_the_recipients_that_a_function_gets(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:

        @task
        def find() -> list[str]:
            return ["secret-1", "secret-2"]

        @task.braze_campaign(campaign_id="c")
        def f(users, by_region, day) -> Iterator[str]:
            yield from users
            yield from by_region["eu"]

        f(find(), by_region={"eu": find.override(task_id="find_too")()}, day="{{ run_id }}")

    result = run_dag(dag)

    rendered = result.task("f").rendered
    assert result.state == "success", result.log
    assert "secret" not in json.dumps(rendered)
    assert "list of 2" in str(rendered["op_args"])
    assert "dict of 1" in str(rendered["op_kwargs"])
    assert result.run_id in str(rendered["op_kwargs"])
    assert "secret" not in result.task("f").log


def test_an_asset_that_a_function_gets_is_an_inlet(run_dag, sandbox):
    inlets: list[Any] = []
    asset = Asset("warehouse")
    with DAG("d", schedule=None) as dag:

        @task.braze_campaign(campaign_id="c")
        def f(table, inlet_events=None) -> Iterator[str]:
            inlets.extend(get_current_context()["ti"].task.inlets)
            yield "u"

        f(asset)

    result = run_dag(dag)

    assert result.state == "success", result.log
    assert inlets == [asset]


# Many tasks from one function -------------------------------------------------------------------------------


def test_a_mapped_function_makes_a_task_for_each_argument(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:

        @task
        def regions() -> list[str]:
            return ["eu", "us"]

        @task.braze_campaign(campaign_id="c")
        def f(region, number_of, ti=None) -> Iterator[str]:
            yield from (f"{region}-{ti.map_index}-{number}" for number in range(number_of))

        f.partial(number_of=60).expand(region=regions())

    result = run_dag(dag)

    assert result.state == "success", result.log
    assert [result.xcom("f", map_index=index)["sent"] for index in (0, 1)] == [60, 60]
    assert {"eu-0-59", "us-1-59"} <= sandbox.recipients().keys()


def test_one_function_may_be_used_for_several_tasks(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:

        @task.braze_campaign(campaign_id="c")
        def f(name) -> Iterator[str]:
            yield name

        f("a") >> f.override(task_id="second", campaign_id="other")("b")

    assert run_dag(dag).state == "success"

    assert [(body["campaign_id"], len(body["recipients"])) for body in bodies(sandbox)] == [
        ("c", 1),
        ("other", 1),
    ]


# Tries and failures -----------------------------------------------------------------------------------------


def test_a_retry_sends_the_rest_and_nothing_twice(run_dag, sandbox, ledger):
    sandbox.fault("status", status=503, after=1, times=6)
    with DAG("d", schedule=None) as dag:

        @task.braze_campaign(campaign_id="c", ledger_conn_id=ledger, concurrency=1, retries=1, retry_delay=0)
        def f() -> Iterator[str]:
            yield from map("u{}".format, range(100))

        f()

    result = run_dag(dag)

    assert result.state == "success", result.log
    assert result.xcom("f")["already_sent"] == 50
    assert sandbox.summary()["duplicates"] == 0
    assert len(sandbox.recipients()) == 100


def test_a_function_is_called_again_after_a_wait_for_the_rate_limit(run_dag, sandbox, ledger):
    sandbox.fault("rate_limited", reset_after=3, after=1, times=1)
    with DAG("d", schedule=None) as dag:

        @task.braze_campaign(
            campaign_id="c", ledger_conn_id=ledger, concurrency=1, deferrable=True, max_slot_wait=0.5
        )
        def f(number_of, ti=None) -> Iterator[str]:
            yield from (f"{ti.task_id}-{number}" for number in range(number_of))

        f(100)

    result = run_dag(dag)

    assert result.state == "success", result.log
    assert "gives its slot back" in result.log
    assert sandbox.summary()["duplicates"] == 0
    assert len(sandbox.recipients()) == 100


def test_a_retry_that_yields_others_sends_nothing(run_dag, sandbox, ledger):
    tries: list[int] = []
    sandbox.fault("status", status=503, after=1, times=6)
    with DAG("d", schedule=None) as dag:

        @task.braze_campaign(campaign_id="c", ledger_conn_id=ledger, concurrency=1, retries=2, retry_delay=0)
        def f() -> Iterator[str]:
            tries.append(1)
            yield from (f"try-{len(tries)}-{number}" for number in range(100))

        f()

    result = run_dag(dag)

    assert result.state == "failed"
    assert len(tries) == 2
    assert len(sandbox.recipients()) == 50


def test_a_function_that_fails_sends_nothing(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:

        @task.braze_campaign(campaign_id="c")
        def f() -> Iterator[str]:
            yield from map("u{}".format, range(100))
            raise OSError("the warehouse is closed")

        f()

    result = run_dag(dag)

    assert result.state == "failed"
    assert "the warehouse is closed" in result.log
    assert sandbox.requests() == []


def test_a_function_may_skip_its_task(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:

        @task.braze_campaign(campaign_id="c")
        def f() -> Iterator[str]:
            yield "u"
            raise AirflowSkipException("a holiday")

        f()

    result = run_dag(dag)

    assert result.task("f").state == "skipped"
    assert sandbox.requests() == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (None, r"f\(\): must be a list, a table or a source of recipients, not None"),
        ("u1", r"f\(\): must be a list, a table or a source of recipients, not text"),
        ({"external_user_id": "u"}, r"f\(\): must be a list.* not dict"),
        ([{"external_user_id": "u"}, 1.5], r"row 2.* must be an object, such as a dict, not float"),
        ([{"user": "u"}], r"row 1.*user"),
    ],
)
def test_what_is_no_recipient_is_named_before_the_first_request(run_dag, sandbox, given, told):
    with DAG("d", schedule=None) as dag:

        @task.braze_campaign(campaign_id="c", retries=1, retry_delay=0)
        def f() -> Any:
            return given

        f()

    result = run_dag(dag)

    assert result.state == "failed"
    assert re.search(told, result.log, re.DOTALL), result.log
    assert sandbox.requests() == []


def nobody() -> list[str]:
    return []


async def coroutine() -> list[str]:
    return ["u"]


@pytest.mark.parametrize(
    ("decorated", "told"),
    [
        (lambda: task.braze_campaign(campaign_id="")(nobody)(), "campaign_id: must not be empty"),
        (
            lambda: task.braze_campaign(campaign_id="c", on_invalid="ignore")(nobody)(),
            "on_invalid: must be one of",
        ),
        (lambda: task.braze_campaign(campaign_id="c", broadcast=True)(nobody)(), "broadcast"),
        (
            lambda: task.braze_campaign(campaign_id="c", recipients=["u"])(nobody)(),
            r"(?s)@task.braze_campaign.*recipients: must be left out: the function gives the recipients",
        ),
        (
            lambda: task.braze_messages(messages=PUSH, user_aliases=[])(nobody)(),
            r"(?s)@task.braze_messages.*user_aliases: must be left out",
        ),
        (lambda: task.braze_messages(messages={"mail": {}})(nobody)(), "messages.mail: "),
        (lambda: task.braze_campaign(campaign_id="c")(coroutine)(), "must not be an async function"),
    ],
)
def test_a_bad_argument_is_named_at_dag_parse(decorated, told):
    with DAG("d", schedule=None), pytest.raises(BrazeValidationError, match=told):
        decorated()


def test_a_missing_argument_is_named_at_dag_parse():
    with DAG("d", schedule=None), pytest.raises(TypeError, match="campaign_id"):
        task.braze_campaign(nobody)()
