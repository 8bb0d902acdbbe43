"""The main job on real Airflow: recipients from a source, through an operator, to Braze."""

from __future__ import annotations

import json
import sqlite3

import pytest
from airflow.sdk import DAG, task

from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.operators.messages import MessagesSendOperator
from braze_provider.recipients import FileRecipients, SqlRecipients
from braze_provider.templating import ContentFile

pytestmark = pytest.mark.dag

SQL = 'SELECT id AS external_user_id, voucher AS "trigger_properties.voucher" FROM customers ORDER BY id'
PUSH = {"apple_push": {"alert": "Hello {{${first_name}}}"}}


@pytest.fixture
def customers(tmp_path, monkeypatch) -> str:
    """Id of an Airflow connection to a SQLite database with a table of 120 customers."""
    path = tmp_path / "customers.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, voucher TEXT)")
        db.executemany("INSERT INTO customers VALUES (?, ?)", [(n, f"V{n}") for n in range(1, 121)])
    monkeypatch.setenv("AIRFLOW_CONN_CUSTOMERS", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    return "customers"


def recipients(count: int) -> list[dict]:
    return [{"external_user_id": f"u{number}"} for number in range(count)]


def sent_bodies(sandbox) -> list[dict]:
    return [request["body"] for request in sandbox.requests() if request["status"] == 201]


def test_each_row_of_a_table_gets_the_campaign_with_its_properties(run_dag, sandbox, customers):
    with DAG("d", schedule=None) as dag:
        CampaignTriggerOperator(task_id="t", campaign_id="c", recipients=SqlRecipients(customers, SQL))

    assert run_dag(dag).state == "success"

    received = sandbox.recipients()
    assert len(received) == 120
    assert all(len(messages) == 1 for messages in received.values())
    properties = {
        row["external_user_id"]: row["trigger_properties"]
        for body in sent_bodies(sandbox)
        for row in body["recipients"]
    }
    assert properties == {str(number): {"voucher": f"V{number}"} for number in range(1, 121)}


def test_the_report_and_the_dispatch_ids_go_to_xcom(run_dag, sandbox, customers):
    with DAG("d", schedule=None) as dag:
        CampaignTriggerOperator(task_id="t", campaign_id="c", recipients=SqlRecipients(customers, SQL))

    result = run_dag(dag)

    report = result.xcom("t")
    assert report.pop("started_at") <= report.pop("finished_at")
    assert report == {
        "recipients": 120,
        "requests": 3,
        "sent": 120,
        "rejected": 0,
        "uncertain": 0,
        "failed": 0,
        "invalid": 0,
        "duplicates_dropped": 0,
        "already_sent": 0,
    }
    in_batch_order = sorted(sandbox.requests(), key=lambda request: min(ids_of(request["body"])))
    assert result.xcom("t", key="dispatch_ids") == [request["dispatch_id"] for request in in_batch_order]


def ids_of(body: dict) -> list[int]:
    return [int(row["external_user_id"]) for row in body["recipients"]]


def test_airflow_stores_the_number_of_recipients_and_not_their_data(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:

        @task
        def find() -> list[dict]:
            return recipients(60)

        CampaignTriggerOperator(task_id="t", campaign_id="c", recipients=find())

    result = run_dag(dag)

    assert result.task("t").rendered["recipients"] == "60 recipients"
    assert "u59" not in json.dumps(result.task("t").rendered)
    assert "u59" not in result.task("t").log


def test_airflow_stores_the_number_of_ids_and_aliases_too(run_dag, sandbox):
    aliases = [{"alias_name": "secret-name", "alias_label": "shop"}]
    with DAG("d", schedule=None) as dag:
        MessagesSendOperator(
            task_id="t", messages=PUSH, external_user_ids=["secret-id"], user_aliases=aliases
        )

    result = run_dag(dag)

    assert result.state == "success"
    assert "secret" not in json.dumps(result.task("t").rendered)
    assert "secret" not in result.task("t").log


def test_each_mapped_task_sends_to_its_own_recipients(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:

        @task
        def regions() -> list[list[dict]]:
            return [[{"external_user_id": f"{region}{n}"} for n in range(60)] for region in "abc"]

        CampaignTriggerOperator.partial(
            task_id="t", campaign_id="{{ params.c }}", trigger_properties={"day": "{{ ds_nodash }}"}
        ).expand(recipients=regions())
    dag.params["c"] = "from-params"

    result = run_dag(dag)

    assert result.state == "success"
    assert [mapped.rendered["recipients"] for mapped in result.mapped("t")] == ["60 recipients"] * 3
    assert len(sandbox.recipients()) == 180
    assert {body["campaign_id"] for body in sent_bodies(sandbox)} == {"from-params"}
    assert len(result.xcom("t", key="dispatch_ids", map_index=2)) == 2


def test_a_mapped_task_without_recipients_sends_nothing_and_succeeds(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:

        @task
        def regions() -> list[list[dict]]:
            return [recipients(1), []]

        CampaignTriggerOperator.partial(task_id="t", campaign_id="c").expand(recipients=regions())

    result = run_dag(dag)

    assert result.state == "success"
    assert result.xcom("t", map_index=1)["recipients"] == 0
    assert result.xcom("t", key="dispatch_ids", map_index=1) == []


def test_recipients_from_xcom_are_never_rendered(run_dag, sandbox):
    text = "{{ ds }} {{ 1 / 0 }}"
    with DAG("d", schedule=None) as dag:

        @task
        def find() -> list[dict]:
            return [{"external_user_id": text, "trigger_properties": {"x": text}}]

        CampaignTriggerOperator(task_id="t", campaign_id="c", recipients=find())

    assert run_dag(dag).state == "success"
    assert sent_bodies(sandbox)[0]["recipients"] == [
        {"external_user_id": text, "trigger_properties": {"x": text}}
    ]


@pytest.mark.parametrize("native", [False, True], ids=["as text", "natively"])
def test_ids_stay_text(run_dag, sandbox, native):
    ids = ["00123", "1e5", "True", "[1]", "{{ params.id }}"]
    with DAG("d", schedule=None, params={"id": "1e6"}, render_template_as_native_obj=native) as dag:
        MessagesSendOperator(task_id="ids", messages=PUSH, external_user_ids=ids)
        CampaignTriggerOperator(
            task_id="rows", campaign_id="{{ params.id }}", recipients=[{"external_user_id": i} for i in ids]
        )

    assert run_dag(dag).state == "success"

    expected = [*ids[:-1], "1e6"]
    by_endpoint = {request["endpoint"]: request["body"] for request in sandbox.requests()}
    assert by_endpoint["/messages/send"]["external_user_ids"] == expected
    assert by_endpoint["/campaigns/trigger/send"]["campaign_id"] == "1e6"
    rows = by_endpoint["/campaigns/trigger/send"]["recipients"]
    assert [row["external_user_id"] for row in rows] == expected


def test_native_rendering_of_trigger_properties_is_that_of_airflow(run_dag, sandbox):
    with DAG("d", schedule=None, params={"n": 5}, render_template_as_native_obj=True) as dag:
        CampaignTriggerOperator(
            task_id="t",
            campaign_id="c",
            recipients=recipients(1),
            trigger_properties={"n": "{{ params.n }}", "all": "{{ params.n + 1 }}"},
        )

    assert run_dag(dag).state == "success"
    assert sent_bodies(sandbox)[0]["trigger_properties"] == {"n": 5, "all": 6}


def test_liquid_reaches_braze_byte_for_byte_beside_airflows_values(run_dag, sandbox, tmp_path):
    text = "{% if {{custom_attribute.${vip}}} %}{{ params.x }}{% endif %}\r\n{{${first_name} | upcase}}\n"
    (tmp_path / "body.html").write_bytes(text.encode())
    with DAG(
        "d",
        schedule=None,
        params={"x": "X"},
        template_searchpath=[str(tmp_path)],
        user_defined_macros={"shout": lambda word: word + "!"},
    ) as dag:
        MessagesSendOperator(
            task_id="t",
            external_user_ids=["u"],
            messages={
                "email": {
                    "app_id": "a",
                    "from": "F <f@example.com>",
                    "subject": "{{ shout('Hi') }} {{${first_name}}}",
                    "body": ContentFile("body.html"),
                }
            },
        )

    assert run_dag(dag).state == "success"
    email = sent_bodies(sandbox)[0]["messages"]["email"]
    assert email["body"] == text.replace("{{ params.x }}", "X")
    assert email["subject"] == "Hi! {{${first_name}}}"


def test_a_source_is_rendered_for_each_task_that_shares_it(run_dag, sandbox, tmp_path):
    (tmp_path / "a.jsonl").write_text('{"external_user_id": "from-a"}\n')
    (tmp_path / "b.jsonl").write_text('{"external_user_id": "from-b"}\n')
    source = FileRecipients(f"{tmp_path}/{{{{ task.task_id }}}}.jsonl")
    with DAG("d", schedule=None) as dag:
        for task_id in "ab":
            CampaignTriggerOperator(task_id=task_id, campaign_id="c", recipients=source)

    assert run_dag(dag).state == "success"
    assert sorted(body["recipients"][0]["external_user_id"] for body in sent_bodies(sandbox)) == [
        "from-a",
        "from-b",
    ]


def test_a_query_can_come_from_a_file(run_dag, sandbox, customers, tmp_path):
    (tmp_path / "customers.sql").write_text(SQL.replace("ORDER BY", "WHERE id <= {{ params.last }} ORDER BY"))
    with DAG("d", schedule=None, params={"last": 3}, template_searchpath=[str(tmp_path)]) as dag:
        CampaignTriggerOperator(
            task_id="t", campaign_id="c", recipients=SqlRecipients(customers, "customers.sql")
        )

    result = run_dag(dag)

    assert result.state == "success"
    assert result.xcom("t")["sent"] == 3


def test_a_broadcast_is_one_request_without_a_number_of_recipients(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:
        CampaignTriggerOperator(task_id="t", campaign_id="c", broadcast=True)

    result = run_dag(dag)

    assert result.xcom("t")["recipients"] is None
    assert (result.xcom("t")["requests"], result.xcom("t")["sent"]) == (1, 1)
    assert sent_bodies(sandbox) == [{"campaign_id": "c", "broadcast": True}]


def test_ids_of_every_kind_that_braze_gave_go_to_xcom(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:
        CampaignTriggerOperator(task_id="t", campaign_id="c", broadcast=True)

    result = run_dag(dag)

    (request,) = sandbox.requests()
    assert result.xcom("t", key="dispatch_ids") == [request["dispatch_id"]]
    assert result.xcom("t", key="send_ids") == [request["send_id"]]
    assert ("t", -1, "schedule_ids") not in result.xcoms
