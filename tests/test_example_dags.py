"""The example Dags load without error on every supported Airflow, and do what they say."""

from __future__ import annotations

import importlib.util
import json
import re
import sqlite3
import zipfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow_harness import AIRFLOW_VERSION

from braze_provider.hooks.braze import BrazeHook
from braze_provider.sandbox import Integration, Sandbox, Segment

pytestmark = pytest.mark.dag

FOLDER = Path(__file__).resolve().parent.parent / "example_dags"
NEEDS = {"approved_broadcast": (3, 1)}
"""The first Airflow that has what the Dag uses."""
DAG_IDS = sorted(
    path.stem for path in FOLDER.glob("*.py") if NEEDS.get(path.stem, AIRFLOW_VERSION) <= AIRFLOW_VERSION
)
MARKS = r"\[START (\w+)\]"
NOW = datetime.now(timezone.utc)


def load(dag_id: str) -> DAG:
    spec = importlib.util.spec_from_file_location(f"example_dags_{dag_id}", FOLDER / f"{dag_id}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    dag = next(value for value in vars(module).values() if isinstance(value, DAG))
    for task in dag.tasks:  # The sandbox is faster than Braze, and limits the requests as Braze does.
        for pause in {"poke_interval", "poll_interval"} & vars(task).keys():
            setattr(task, pause, 0.5)
    return dag


@pytest.fixture
def customers(tmp_path, monkeypatch) -> Path:
    """The connection and tables that the Dags use: 60 customers, every third of them away for long."""
    path = tmp_path / "customers.db"
    days = [day_before(NOW, back) for back in range(5)]
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE customers (customer_id, voucher, days_away, tier, risen_on)")
        db.executemany(
            "INSERT INTO customers VALUES (?, ?, ?, ?, ?)",
            [(f"c{n}", f"V{n}", 100 if n % 3 == 0 else 10, "gold", days[n % 5]) for n in range(60)],
        )
        key = "PRIMARY KEY (date, canvas_id)"
        db.execute(f"CREATE TABLE canvas_days (date, canvas_id, entries, conversions, {key})")
        db.execute("CREATE TABLE orders (day, customer_id, price)")
        db.executemany(
            "INSERT INTO orders VALUES (?, ?, ?)", [(d, f"c{n}", n) for d in days for n in (1, 2, 2)]
        )
        db.execute("CREATE TABLE products (sku, name, price, stock)")
        db.executemany(
            "INSERT INTO products VALUES (?, ?, ?, ?)", [(f"p{n}", f"P{n}", n, n % 4) for n in range(80)]
        )
        db.execute("CREATE TABLE totals (day, customer_id, spent)")
        db.execute("CREATE TABLE signed_up (customer_id, crm_id, email)")
        db.executemany(
            "INSERT INTO signed_up VALUES (?, ?, ?)", [(f"c{n}", f"crm{n}", f"c{n}@x.com") for n in range(5)]
        )
        db.execute("CREATE TABLE erasure_requests (customer_id)")
        db.execute("INSERT INTO erasure_requests VALUES ('c4')")
        db.execute("CREATE TABLE objections (email)")
        db.execute("INSERT INTO objections VALUES ('c1@x.com')")
    monkeypatch.setenv("AIRFLOW_CONN_CUSTOMERS", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    monkeypatch.setenv("AIRFLOW_VAR_EXPORT_FOLDER", str(tmp_path / "exports"))
    return path


def day_before(day: datetime, back: int) -> str:
    return (day - timedelta(days=back)).date().isoformat()


def read(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(path) as db:
        return db.execute(sql).fetchall()


def test_the_documentation_includes_all_marked_parts_of_the_dags_and_no_others():
    marked = {
        (path.name, mark) for path in FOLDER.glob("*.py") for mark in re.findall(MARKS, path.read_text())
    }
    pages = "".join(path.read_text() for path in (FOLDER.parent / "docs").rglob("*.rst"))

    included = re.findall(
        rf"literalinclude:: [./]*example_dags/(\S+)\n(?:   .*\n)*?   :start-after: {MARKS}", pages
    )
    assert set(included) == marked


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
    result = run_dag(load(dag_id), dated=False, answers={"approve": "Approve"})

    assert result.state == "success", result.log
    answers = sandbox.summary()["by_endpoint"].values()
    assert {status[0] for statuses in answers for status in statuses} == {"2"}
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


def test_tier_journey_lets_those_enter_who_reached_a_tier_the_day_before(run_dag, sandbox, customers):
    assert run_dag(load("tier_journey"), logical_date=NOW).state == "success"

    risen = {f"c{n}" for n in range(1, 60, 5)}
    assert set(sandbox.recipients()) == risen
    assert sandbox.recipients()["c1"][0]["context"] == {"tier": "gold", "run": day_before(NOW, 0)}
    assert {sandbox.profile(one)["attributes"]["tier"] for one in risen} == {"gold"}


def test_tier_journey_replaces_the_figures_of_an_earlier_run(run_dag, sandbox, customers):
    for days in (1, 2):  # The statistics of these runs are those of today too.
        assert run_dag(load("tier_journey"), logical_date=NOW + timedelta(days=days)).state == "success"

    entries = read(
        customers, "SELECT canvas_id, SUM(entries), COUNT(*) > 6 FROM canvas_days GROUP BY canvas_id"
    )
    assert entries == [(load("tier_journey").params["canvas_id"], 12, True)]


def test_measured_send_waits_for_and_reads_its_own_send(run_dag, sandbox, customers):
    BrazeHook().campaigns_trigger_send(
        {
            "campaign_id": load("measured_send").params["campaign_id"],
            "recipients": [{"external_user_id": "c1"}],
        }
    )

    result = run_dag(load("measured_send"), logical_date=NOW)

    assert result.state == "success", result.log
    assert result.xcom("settled") == {"sent": 60}
    rows = result.xcom("figures")
    assert {row["send_id"] for row in rows} == {result.xcom("register")}
    assert sum(row["sent"] or 0 for row in rows) == 60


@pytest.mark.parametrize(
    ("days_late", "state", "reached"), [(0, "success", {"c1", "c2"}), (3, "skipped", set())]
)
def test_timely_digest_counts_every_day_and_tells_only_about_the_last(
    run_dag, sandbox, customers, days_late, state, reached
):
    result = run_dag(load("timely_digest"), logical_date=NOW - timedelta(days=days_late))

    assert (result.state, result.task("digest").state) == ("success", state), result.log
    assert set(sandbox.recipients()) == reached
    day = day_before(NOW, days_late + 1)
    assert read(customers, "SELECT * FROM totals") == [(day, "c1", 1), (day, "c2", 4)]


@pytest.mark.parametrize(("ends", "state", "reached"), [("success", "success", 20), ("partial", "failed", 0)])
def test_synced_campaign_is_sent_only_after_a_whole_sync(
    run_dag, monkeypatch, customers, ends, state, reached
):
    dag = load("synced_campaign")
    integration = Integration(id=dag.params["integration_id"], ends=ends, rows_failed=3)
    with Sandbox(integrations=[integration], job_seconds=0.1) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", sandbox.airflow_connection)

        assert run_dag(dag).state == state

        assert [sync["job_status"] for sync in sandbox.jobs()["syncs"]] == [ends]
        assert len(sandbox.recipients()) == reached


def test_fresh_catalog_holds_exactly_what_is_on_sale(run_dag, sandbox, customers):
    before = [{"id": "p0", "name": "P0"}, {"id": "p1", "name": "Old"}]
    BrazeHook().catalogs_items_replace({"catalog_name": "products", "items": before})

    assert run_dag(load("fresh_catalog")).state == "success"

    items = sandbox.catalog("products")
    assert items.keys() == {f"p{n}" for n in range(80) if n % 4}
    assert items["p1"] == {"id": "p1", "name": "P1", "price": 1}


def test_order_receipts_are_sent_once_each_although_an_answer_is_lost(run_dag, sandbox, customers):
    sandbox.fault("disconnect", processed=True, after=1, times=1)

    assert run_dag(load("order_receipts"), logical_date=NOW).state == "success"

    received = {one: len(messages) for one, messages in sandbox.recipients().items()}
    assert received == {"c1": 1, "c2": 1}
    assert sandbox.recipients()["c2"][0]["trigger_properties"] == {"spent": 4}


def test_tidy_profiles_identifies_new_customers_and_deletes_those_who_ask(run_dag, sandbox, customers):
    BrazeHook().users_track({"attributes": [{"email": "c2@x.com", "tier": "gold"}, {"external_id": "c4"}]})

    assert run_dag(load("tidy_profiles")).state == "success"

    assert sandbox.profile("c2")["attributes"]["tier"] == "gold"
    assert sandbox.requests()[-1]["body"] == {"external_ids": ["c4"]}


def test_newsletter_objections_leave_the_group(run_dag, sandbox, customers):
    dag = load("newsletter_objections")

    assert run_dag(dag).state == "success"

    body = sandbox.requests()[-1]["body"]
    assert body["subscription_group_id"] == dag.params["subscription_group_id"]
    assert (body["subscription_state"], body["email"]) == ("unsubscribed", ["c1@x.com"])


def test_segment_export_copies_the_archive_of_the_week(run_dag, sandbox, customers):
    BrazeHook().campaigns_trigger_send({"campaign_id": "c", "recipients": [{"external_user_id": "c1"}]})

    assert run_dag(load("segment_export")).state == "success"

    (archive,) = (customers.parent / "exports").glob("members-*.zip")
    assert zipfile.is_zipfile(archive)


def test_monthly_copy_sends_the_copy_and_not_the_original(run_dag, sandbox, customers):
    dag = load("monthly_copy")

    result = run_dag(dag)

    sent = {message["campaign_id"] for messages in sandbox.recipients().values() for message in messages}
    assert sent == {result.xcom("copy")}
    assert dag.params["campaign_id"] not in sent


@pytest.mark.skipif(AIRFLOW_VERSION < (3, 1), reason="is refused there")
@pytest.mark.parametrize(("answer", "state", "sent"), [("Approve", "success", 1), ("Reject", "skipped", 0)])
def test_approved_broadcast_is_sent_only_if_a_person_approves(run_dag, monkeypatch, answer, state, sent):
    dag = load("approved_broadcast")
    segment = Segment(id=dag.params["segment_id"], size=250_000)
    with Sandbox(segments=[segment]) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", sandbox.airflow_connection)

        result = run_dag(dag, answers={"approve": answer})

        assert (result.state, result.task("broadcast").state) == ("success", state), result.log
        assert result.task("approve").rendered["subject"] == "Send to 250,000 users?"
        assert sandbox.summary()["broadcasts"] == sent


@pytest.mark.skipif(AIRFLOW_VERSION >= (3, 1), reason="has what the Dag uses")
def test_approved_broadcast_says_that_it_needs_a_newer_airflow():
    with pytest.raises(Exception, match=r"Human in the loop functionality needs Airflow 3\.1"):
        load("approved_broadcast")
