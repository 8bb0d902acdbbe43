"""The types of the shared arguments are complete, and the UI shows each field with a renderer that fits."""

from __future__ import annotations

import inspect
import json
import sqlite3
from typing import Any

import airflow_harness
import pytest
from airflow.sdk import DAG, BaseOperator

from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.operators.messages import MessagesSendOperator
from braze_provider.recipients import SqlRecipients
from braze_provider.tasks.arguments import (
    OperatorArguments,
    ScheduleArguments,
    SendArguments,
    StartArguments,
    TriggerArguments,
)
from braze_provider.tasks.schedule import BrazeScheduleOperator
from braze_provider.tasks.send import BrazeSendOperator
from braze_provider.tasks.start import BrazeStartOperator
from braze_provider.tasks.trigger import BrazeTriggerOperator


def arguments_of(operator: type) -> set[str]:
    return set(inspect.signature(inspect.unwrap(operator.__init__)).parameters) - {"self", "kwargs"}


@pytest.mark.parametrize(
    ("types", "base"), [(SendArguments, BrazeSendOperator), (StartArguments, BrazeStartOperator)]
)
def test_the_types_have_every_argument_that_operators_share(types, base):
    own = set(types.__annotations__) - set(OperatorArguments.__annotations__)
    assert own == arguments_of(base)


@pytest.mark.parametrize(
    ("types", "operator"),
    [(TriggerArguments, BrazeTriggerOperator), (ScheduleArguments, BrazeScheduleOperator)],
)
def test_the_types_have_every_argument_of_a_base_of_some_of_them(types, operator):
    assert set(types.__annotations__) - set(SendArguments.__annotations__) == arguments_of(operator)


def test_the_types_have_every_argument_of_airflows_operators():
    assert arguments_of(BaseOperator) <= set(OperatorArguments.__annotations__)


@pytest.mark.parametrize("operator", [CampaignTriggerOperator, MessagesSendOperator])
def test_every_field_except_ids_has_a_renderer_in_the_ui(operator):
    rendered = {path.partition(".")[0] for path in operator.template_fields_renderers}
    lists_of_ids = {"external_user_ids", "user_aliases"}

    assert rendered | lists_of_ids | set(operator.text_fields) >= set(operator.template_fields)


@pytest.mark.dag
@pytest.mark.skipif(
    airflow_harness.AIRFLOW_VERSION < (3, 1), reason="Airflow stores parts of a field separately from 3.1 on"
)
def test_the_ui_shows_the_sql_and_the_html_separately(run_dag, sandbox, tmp_path, monkeypatch):
    path = tmp_path / "customers.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE customers (id TEXT)")
        db.execute("INSERT INTO customers VALUES ('ada')")
    monkeypatch.setenv("AIRFLOW_CONN_CUSTOMERS", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    sql = "SELECT id AS external_user_id\nFROM customers -- {{ run_id }}"
    email: dict[str, Any] = {
        "app_id": "a",
        "from": "F <f@example.com>",
        "subject": "s",
        "body": "<p>{{ run_id }}</p>",
    }
    with DAG("d", schedule=None) as dag:
        MessagesSendOperator(
            task_id="t", messages={"email": email}, recipients=SqlRecipients("customers", sql)
        )

    result = run_dag(dag)

    assert result.state == "success", result.log
    rendered = result.task("t").rendered
    assert rendered["recipients.sql"] == sql.replace("{{ run_id }}", result.run_id)
    assert rendered["messages.email.body"] == f"<p>{result.run_id}</p>"
