"""Canvases on real Airflow."""

from __future__ import annotations

import json
from typing import Any

import pytest
from airflow.sdk import DAG

from braze_provider.api.errors import BrazeValidationError
from braze_provider.api.objects.recipients import CanvasRecipient
from braze_provider.api.requests import CanvasTriggerSend
from braze_provider.api.rows import RowWriter
from braze_provider.api.validation import problems, validate
from braze_provider.delivery.batches import Envelope
from braze_provider.hooks.braze import BrazeHook
from braze_provider.operators.canvas import CanvasTriggerOperator
from braze_provider.operators.schedules import CanvasScheduleOperator
from braze_provider.recipients import FileRecipients
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


# The older name of `context` --------------------------------------------------------------------------------

OLDER = "canvas_entry_properties"
each_operator = pytest.mark.parametrize(
    ("operator", "more"),
    [(CanvasTriggerOperator, {}), (CanvasScheduleOperator, {"time": "2099-01-01T00:00:00Z"})],
)


@pytest.fixture
def file(tmp_path):
    """Writes a row to a file, as a source with columns."""

    def write(row: dict[str, Any]) -> FileRecipients:
        (tmp_path / "rows.jsonl").write_text(json.dumps(row))
        return FileRecipients(str(tmp_path / "rows.jsonl"))

    return write


@each_operator
@pytest.mark.parametrize("is_column", [False, True])
def test_braze_gets_context_where_the_older_name_was_given(run_dag, sandbox, file, operator, more, is_column):
    row = {"external_user_id": "u", **({f"{OLDER}.n": 1} if is_column else {OLDER: {"n": 1}})}
    recipients = file(row) if is_column else [row]
    with DAG("d", schedule=None) as dag:
        operator(
            task_id="t",
            canvas_id="c",
            canvas_entry_properties={"run": "{{ run_id }}"},
            recipients=recipients,
            **more,
        )

    result = run_dag(dag)

    assert result.state == "success", result.log
    body = sandbox.requests()[0]["body"]
    assert body["context"] == {"run": result.run_id}
    assert body["recipients"] == [{"external_user_id": "u", "context": {"n": 1}}]
    assert OLDER not in body


def test_a_retry_with_the_other_name_goes_on_with_the_same_delivery():
    given = {"canvas_id": "c", "broadcast": True}
    today, older = (
        Envelope(validate(CanvasTriggerSend, {**given, name: {"x": 1}})) for name in ("context", OLDER)
    )
    assert (today.purpose, today.body(today.whole())) == (older.purpose, older.body(older.whole()))


@each_operator
def test_both_names_are_refused_at_dag_parse(operator, more):
    with pytest.raises(BrazeValidationError) as caught:
        operator(task_id="t", canvas_id="c", broadcast=True, context={}, canvas_entry_properties={}, **more)
    assert str(caught.value.problems[0]) == f"{OLDER}: is the older name of `context`: give only one of them"


@pytest.mark.parametrize("second", ["context", "context.offer"])
def test_both_names_in_a_row_are_refused_before_anything_is_sent(run_dag, sandbox, file, second):
    row = {"external_user_id": "u", f"{OLDER}.n": "1", second: {"x": 1}}
    with DAG("d", schedule=None) as dag:
        CanvasTriggerOperator(task_id="t", canvas_id="c", recipients=file(row))

    result = run_dag(dag)

    assert result.state == "failed"
    assert f"row 1: {OLDER}: is the older name of `context`: give only one of them" in result.log
    assert sandbox.requests() == []


@pytest.mark.parametrize("value", ["no object", None, {"x": object()}])
def test_a_mistake_is_named_as_it_was_given(value):
    (problem,) = problems(CanvasTriggerSend, {"canvas_id": "c", "broadcast": True, OLDER: value})
    assert problem.path.startswith(OLDER)


def test_a_template_under_the_older_name_waits_for_its_rendering():
    made = CanvasTriggerOperator(
        task_id="t", canvas_id="c", broadcast=True, canvas_entry_properties="{{ params.context }}"
    )
    assert OLDER in made.template_fields


def test_the_hook_takes_the_older_name(sandbox):
    BrazeHook().canvas_trigger_send({"canvas_id": "c", "broadcast": True, OLDER: {"x": 1}})
    assert sandbox.requests()[0]["body"] == {"canvas_id": "c", "broadcast": True, "context": {"x": 1}}


def test_a_column_of_the_older_name_is_checked_as_a_whole():
    places = (("external_user_id",), (OLDER, "n"))
    columns = [[f"u{number}" for number in range(20)], list(range(20))]
    (written,) = RowWriter(CanvasRecipient, 10_000).write(places, columns)
    assert written.bodies[7] == b'{"external_user_id":"u7","context":{"n":7}}'
