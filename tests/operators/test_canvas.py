"""Canvases on real Airflow."""

from __future__ import annotations

import pytest
from airflow.sdk import DAG

from braze_provider.operators.canvas import CanvasTriggerOperator
from braze_provider.sandbox import Sandbox
from braze_provider.sandbox.workspace import Canvas

pytestmark = pytest.mark.dag

CONTEXT = {"run": "{{ run_id }}"}


def test_each_recipient_enters_once_with_a_context_of_its_own(run_dag, sandbox):
    recipients = [{"external_user_id": f"u{n}", "context": {"n": n}} for n in range(120)]
    with DAG("d", schedule=None) as dag:
        CanvasTriggerOperator(
            task_id="t", canvas_id="c", recipients=recipients, context={"run": "{{ run_id }}"}
        )

    result = run_dag(dag)

    assert result.state == "success", result.log
    received = sandbox.recipients()
    assert len(received) == 120
    assert received["u7"][0]["context"] == {"n": 7, "run": result.run_id}


@pytest.mark.parametrize(("state", "notice"), [("paused", "is paused"), ("archived", "is archived")])
def test_a_paused_or_archived_canvas_fails_the_task(run_dag, monkeypatch, state, notice):
    with Sandbox(canvases=[Canvas(id="c", **{state: True})]) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", sandbox.airflow_connection)
        with DAG("d", schedule=None) as dag:
            CanvasTriggerOperator(task_id="t", canvas_id="c", recipients=[{"external_user_id": "u"}])
        result = run_dag(dag)

        assert result.state == "failed"
        assert notice in result.log
        assert result.xcom("t")["rejected"] == 1
        assert sandbox.recipients() == {}
