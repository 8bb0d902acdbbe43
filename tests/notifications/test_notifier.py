"""Notifications from Airflow's callbacks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow_harness import AIRFLOW_VERSION

from braze_provider.api.errors import BrazeError, BrazeValidationError
from braze_provider.notifications.braze import BrazeNotifier
from braze_provider.templating import ContentFile

ON_CALL = {"external_user_id": "on-call"}
EMAIL = {
    "app_id": "a",
    "from": "Airflow <a@example.com>",
    "subject": "Late",
    "body": "Hello {{${first_name}}}",
}
CAMPAIGN: dict[str, Any] = {"campaign_id": "c", "recipients": [ON_CALL]}
MESSAGE: dict[str, Any] = {"messages": {"email": EMAIL}, "recipients": [ON_CALL]}


class Fails(BaseOperator):
    def execute(self, context: Any) -> None:
        raise RuntimeError("the warehouse is closed")


class Succeeds(BaseOperator):
    def execute(self, context: Any) -> None:
        pass


def bodies(sandbox) -> list[dict]:
    return [request["body"] for request in sandbox.requests()]


# What is sent -----------------------------------------------------------------------------------------------


@pytest.mark.dag
def test_a_failed_task_triggers_a_campaign(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:
        Fails(
            task_id="t",
            on_failure_callback=BrazeNotifier(
                campaign_id="{{ params.campaign }}",
                recipients=[ON_CALL, {"external_user_id": "{{ params.owner }}"}],
                trigger_properties={"task": "{{ ti.task_id }}"},
            ),
        )
    dag.params.update({"campaign": "c", "owner": "ada"})

    assert run_dag(dag).state == "failed"

    assert bodies(sandbox) == [
        {
            "campaign_id": "c",
            "recipients": [ON_CALL, {"external_user_id": "ada"}],
            "trigger_properties": {"task": "t"},
        }
    ]


@pytest.mark.dag
def test_a_message_keeps_its_liquid_and_gets_airflow_s_values(run_dag, sandbox):
    alias = {"alias_name": "desk", "alias_label": "team"}
    with DAG("d", schedule=None) as dag:
        Succeeds(
            task_id="t",
            on_success_callback=BrazeNotifier(
                messages={
                    "email": {**EMAIL, "subject": "{{ run_id }} of {{ campaign_id }} for {{${first_name}}}"}
                },
                recipients=[{"user_alias": alias}, {"external_user_id": 7}],
            ),
        )

    result = run_dag(dag)

    (body,) = bodies(sandbox)
    assert body["external_user_ids"] == ["7"]
    assert body["user_aliases"] == [alias]
    # A field's name is no name of templates: Liquid may mean something else by it.
    assert (
        body["messages"]["email"]["subject"]
        == f"{result.run_id} of {{{{ campaign_id }}}} for {{{{${{first_name}}}}}}"
    )


@pytest.mark.dag
def test_one_notifier_serves_many_tasks(run_dag, sandbox):
    notifier = BrazeNotifier(**CAMPAIGN, trigger_properties={"task": "{{ ti.task_id }}"})
    with DAG("d", schedule=None, default_args={"on_success_callback": notifier}) as dag:
        Succeeds(task_id="a") >> Succeeds(task_id="b")

    run_dag(dag)

    assert [body["trigger_properties"]["task"] for body in bodies(sandbox)] == ["a", "b"]


def test_it_renders_names_that_only_callbacks_have(sandbox):
    notifier = BrazeNotifier(messages={"email": {**EMAIL, "body": "{{ reason }}"}}, recipients=[ON_CALL])

    notifier({"dag": DAG("d", schedule=None), "reason": "task_failure"})

    assert bodies(sandbox)[0]["messages"]["email"]["body"] == "task_failure"


def test_content_comes_from_a_file_beside_the_dag(sandbox, tmp_path):
    (tmp_path / "late.json").write_text(
        '{"email": {"app_id": "a", "from": "A <a@example.com>", "body": "{{${x}}}"}}'
    )
    dag = DAG("d", schedule=None, template_searchpath=[str(tmp_path)])

    BrazeNotifier(messages=ContentFile("late.json"), recipients=[ON_CALL])({"dag": dag})

    assert bodies(sandbox)[0]["messages"]["email"]["body"] == "{{${x}}}"


# Failures ---------------------------------------------------------------------------------------------------


@pytest.mark.dag
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({"kind": "disconnect", "processed": True}, "Braze may have accepted it"),
        ({"kind": "status", "status": 504}, "may have been accepted"),
        ({"kind": "status", "status": 400, "message": "Invalid Campaign ID"}, "Invalid Campaign ID"),
        ({"kind": "rate_limited", "reset_after": 600}, "rate"),
    ],
    ids=["a lost answer", "a gateway's timeout", "a refusal", "a limit that is closed for long"],
)
def test_what_can_not_be_repeated_now_is_one_request_and_a_line_in_the_log(run_dag, sandbox, fault, told):
    sandbox.fault(**fault)
    with DAG("d", schedule=None) as dag:
        Succeeds(task_id="t", on_success_callback=BrazeNotifier(**CAMPAIGN))

    result = run_dag(dag)

    assert result.state == "success"
    assert len(sandbox.requests()) == 1
    assert told in result.log


@pytest.mark.dag
def test_what_braze_did_not_take_is_repeated(run_dag, sandbox):
    sandbox.fault("status", status=503, times=1)
    with DAG("d", schedule=None) as dag:
        Succeeds(task_id="t", on_success_callback=BrazeNotifier(**CAMPAIGN))

    run_dag(dag)

    assert len(sandbox.requests()) == 2
    assert list(sandbox.recipients()) == ["on-call"]


def test_a_deadline_that_would_run_it_in_the_triggerer_is_told_what_to_use(sandbox):
    notifier = BrazeNotifier(messages={"email": {**EMAIL, "body": "{{ ds }}"}}, recipients=[ON_CALL])

    async def run() -> None:
        await notifier

    notifier.context = {}
    with pytest.raises(BrazeError, match=r"does not run in the triggerer.* Use SyncCallback"):
        asyncio.run(run())
    assert sandbox.requests() == []


@pytest.mark.skipif(AIRFLOW_VERSION < (3, 2), reason="there is no SyncCallback that runs before Airflow 3.2")
def test_a_deadline_notifies_from_an_executor(sandbox):
    import structlog
    from airflow.sdk import SyncCallback
    from airflow.sdk.execution_time.callback_supervisor import execute_callback

    callback = SyncCallback(
        BrazeNotifier, {**CAMPAIGN, "trigger_properties": {"run": "{{ dag_run.run_id }}"}}
    )
    context = {"dag_run": {"run_id": "r"}, "deadline": {"id": "1"}}

    assert _executed(execute_callback, callback.path, {**callback.kwargs, "context": context}, structlog)

    assert bodies(sandbox)[0]["trigger_properties"] == {"run": "r"}


def _executed(execute_callback: Any, path: str, kwargs: dict[str, Any], structlog: Any) -> bool:
    import inspect

    known = inspect.signature(execute_callback).parameters
    rest = {name: None for name in ("dag_rel_path", "bundle_path") if name in known}
    ok, error = execute_callback(path, kwargs, log=structlog.get_logger(), **rest)
    assert error is None
    return bool(ok)


# Bad arguments ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"recipients": [ON_CALL]}, "campaign_id: is required"),
        ({"campaign_id": "", "recipients": [ON_CALL]}, "campaign_id: "),
        ({"campaign_id": "c", "recipients": []}, "recipients: must be a list of recipient objects"),
        ({"campaign_id": "c", "recipients": "on-call"}, "recipients: must be a list of recipient objects"),
        (
            {"campaign_id": "c", "recipients": ["on-call"]},
            "recipients: must be a list of objects, not of ids",
        ),
        (
            {"campaign_id": "c", "recipients": [ON_CALL] * 51},
            "recipients: 51 recipients, and one request takes 50",
        ),
        ({"campaign_id": "c", "recipients": [ON_CALL, {"id": 1}]}, r"recipients\[1\].id: "),
        ({**CAMPAIGN, "trigger_properties": 3}, "trigger_properties: "),
        ({**MESSAGE, "messages": {"email": {"body": "x"}}}, "messages.email.app_id: is required"),
        ({**MESSAGE, "messages": {"mail": EMAIL}}, "messages.mail: "),
        ({**MESSAGE, "recipients": [{"email": "a@example.com"}]}, r"recipients\[0\].email: "),
        ({**MESSAGE, "trigger_properties": {"x": 1}}, "trigger_properties: .*campaigns"),
        (
            {**MESSAGE, "messages": {"email": {**EMAIL, "body": "x"}}, "campaign_id": "c"},
            "messages.email.message_variation_id: is required",
        ),
    ],
)
def test_a_bad_argument_is_named_when_the_dag_is_parsed(arguments, told):
    with pytest.raises(BrazeValidationError, match=told):
        BrazeNotifier(**arguments)


def test_a_template_that_renders_to_something_bad_is_named_and_nothing_is_sent(sandbox):
    notifier = BrazeNotifier(
        campaign_id="{{ params.c }}", recipients=[{"external_user_id": "{{ params.c }}"}]
    )
    context: Any = {"dag": DAG("d", schedule=None), "params": {"c": ""}}
    notifier.render_template_fields(context)

    with pytest.raises(BrazeValidationError, match=r"(?s)campaign_id: must not be empty.*recipients\[0\]"):
        notifier.notify(context)

    assert sandbox.requests() == []
