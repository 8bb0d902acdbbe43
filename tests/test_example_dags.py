"""The example Dags load without error on every supported Airflow, and do what they say."""

from __future__ import annotations

import importlib.util
import json
import re
import sqlite3
from pathlib import Path

import pytest
from airflow.sdk import DAG

pytestmark = pytest.mark.dag

FOLDER = Path(__file__).resolve().parent.parent / "example_dags"
DAG_IDS = sorted(path.stem for path in FOLDER.glob("*.py"))


def load(dag_id: str) -> DAG:
    spec = importlib.util.spec_from_file_location(f"example_dags_{dag_id}", FOLDER / f"{dag_id}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return next(value for value in vars(module).values() if isinstance(value, DAG))


@pytest.fixture
def customers(tmp_path, monkeypatch) -> None:
    """The connection and table that the Dags read: 60 customers, every third of them away for long."""
    path = tmp_path / "customers.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE customers (customer_id TEXT, voucher TEXT, days_away INTEGER)")
        db.executemany(
            "INSERT INTO customers VALUES (?, ?, ?)",
            [(f"c{n}", f"V{n}", 100 if n % 3 == 0 else 10) for n in range(60)],
        )
    monkeypatch.setenv("AIRFLOW_CONN_CUSTOMERS", json.dumps({"conn_type": "sqlite", "host": str(path)}))


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_it_has_its_files_name_and_says_what_it_does(dag_id):
    dag = load(dag_id)
    assert dag.dag_id == dag_id
    assert dag.doc_md


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_airflow_can_store_it_and_read_it_back(serialise, deserialise, dag_id):
    assert set(deserialise(serialise(load(dag_id))).task_dict) == set(load(dag_id).task_dict)


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_what_airflow_stores_of_it_is_the_same_at_every_parse(serialise, dag_id):
    first, second = (json.dumps(serialise(load(dag_id)), sort_keys=True, default=str) for _ in range(2))
    assert first == second
    assert " object at 0x" not in first


@pytest.mark.parametrize("dag_id", DAG_IDS)
def test_it_runs_when_triggered_without_a_logical_date(run_dag, sandbox, customers, dag_id):
    result = run_dag(load(dag_id), dated=False)

    assert result.state == "success", result.log
    sandbox.advance(hours=3)
    assert sandbox.recipients()
    assert "None" not in json.dumps([request["body"] for request in sandbox.requests()])


@pytest.mark.parametrize(
    ("dag_id", "upstream", "person"),
    [("welcome_messages", "signed_up", "new-customer-7"), ("mapped_regions", "regions", "north-7")],
)
def test_what_a_task_returns_for_the_next_is_in_no_log(run_dag, sandbox, dag_id, upstream, person):
    result = run_dag(load(dag_id))

    assert person in json.dumps(result.xcom(upstream))
    assert person not in result.log


def test_win_back_campaign_reaches_those_who_were_away_for_long(run_dag, sandbox, customers):
    assert run_dag(load("win_back_campaign")).state == "success"
    assert set(sandbox.recipients()) == {f"c{n}" for n in range(0, 60, 3)}


def test_loyalty_points_tells_those_who_have_enough(run_dag, sandbox):
    result = run_dag(load("loyalty_points"))

    assert result.state == "success", result.log
    reached = result.xcom("points")["sent"]
    assert reached == len(sandbox.recipients()) == len([n for n in range(1_000) if n * 37 % 500 >= 400])


def test_loyalty_points_tells_those_on_call_if_it_fails(run_dag, sandbox):
    sandbox.fault("status", status=403, times=1)

    assert run_dag(load("loyalty_points")).state == "failed"

    messages = sandbox.requests()[-1]["body"]
    assert messages["external_user_ids"] == ["on-call-1", "on-call-2"]
    assert messages["messages"]["apple_push"]["alert"].startswith("points of manual__")
    assert messages["messages"]["apple_push"]["alert"].endswith(" has failed, {{${first_name}}}")


@pytest.mark.parametrize(
    ("stock", "reached", "states"), [(100, 60, ["waiting"] * 2), (0, 0, ["cancelled"] * 2)]
)
def test_scheduled_sale_is_sent_unless_it_is_called_off(run_dag, sandbox, customers, stock, reached, states):
    assert run_dag(load("scheduled_sale"), conf={"stock": stock}).state == "success"

    assert [one["state"] for one in sandbox.schedules()] == states

    assert sandbox.recipients() == {}
    sandbox.advance(hours=3)
    assert len(sandbox.recipients()) == reached


def test_welcome_messages_keeps_liquid_and_renders_airflows_values(run_dag, sandbox):
    assert run_dag(load("welcome_messages")).state == "success"

    assert len(sandbox.recipients()) == 120
    messages = sandbox.requests()[0]["body"]["messages"]
    assert messages["email"]["subject"] == "Welcome, {{${first_name} | default: 'friend'}}!"
    assert "Welcome to Example Shop, {{${first_name} | default: 'friend'}}!" in messages["email"]["body"]
    assert "{% if {{custom_attribute.${vip}}} %}" in messages["email"]["body"]
    assert "@media screen{#greeting{color:#333}}" in messages["email"]["body"]
    assert "{{ macros" not in messages["email"]["body"]
    assert re.search(r"free delivery from 20\d\d-\d\d-\d\d on", messages["email"]["body"])


def test_mapped_regions_are_called_by_their_names_in_the_ui(run_dag, sandbox):
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import select

    run_id = run_dag(load("mapped_regions")).run_id

    with create_session() as session:
        labels = select(TaskInstance.rendered_map_index).where(
            TaskInstance.run_id == run_id, TaskInstance.task_id == "announce"
        )
        assert set(session.scalars(labels)) == {"north", "south", "west"}


def test_mapped_regions_send_each_its_own_voucher(run_dag, sandbox):
    result = run_dag(load("mapped_regions"))

    assert result.state == "success"
    assert [result.xcom("announce", map_index=index)["sent"] for index in range(3)] == [75, 75, 75]
    assert sandbox.recipients()["south-1"][0]["trigger_properties"]["voucher"] == "SUN"


def test_live_match_ends_with_the_final_score(run_dag, sandbox):
    assert run_dag(load("live_match")).state == "success"

    (activity,) = sandbox.activities()
    assert (activity["users"], activity["ended"]) == (["u1", "u2"], True)
    assert activity["content_state"] == {"score": "2:1", "minute": 90}
