"""``check=True`` looks at the campaign or the Canvas before anything is sent, on real Airflow."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import DAG

from braze_provider.api.errors import BrazeValidationError
from braze_provider.delivery.target import doubts_about
from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.operators.canvas import CanvasTriggerOperator
from braze_provider.operators.schedules import CampaignScheduleOperator, CanvasScheduleOperator
from braze_provider.sandbox import Sandbox
from braze_provider.sandbox.workspace import Campaign, Canvas
from braze_provider.tasks import calls

pytestmark = pytest.mark.dag

LATER = {"time": "2099-01-01T00:00:00Z"}
CAMPAIGNS: list[tuple[Any, dict[str, Any]]] = [
    (CampaignTriggerOperator, {}),
    (CampaignScheduleOperator, LATER),
]
CANVASES: list[tuple[Any, dict[str, Any]]] = [(CanvasTriggerOperator, {}), (CanvasScheduleOperator, LATER)]
each = pytest.mark.parametrize(
    ("operator", "more", "owner", "permission"),
    [
        *((operator, more, {"campaign_id": "c"}, "campaigns.details") for operator, more in CAMPAIGNS),
        *((operator, more, {"canvas_id": "c"}, "canvas.details") for operator, more in CANVASES),
    ],
    ids=["campaign", "scheduled campaign", "canvas", "scheduled canvas"],
)


def recipients(count: int) -> list[dict[str, Any]]:
    return [{"external_user_id": f"u{number}"} for number in range(count)]


def dag_of(operator: Any = CampaignTriggerOperator, **arguments: Any) -> DAG:
    owner = "canvas_id" if operator in (CanvasTriggerOperator, CanvasScheduleOperator) else "campaign_id"
    with DAG("d", schedule=None) as dag:
        operator(
            task_id="t",
            **{
                owner: "c",
                "recipients": recipients(120),
                "check": True,
                "retry_delay": timedelta(0),
                **arguments,
            },
        )
    return dag


@pytest.fixture
def workspace(monkeypatch):
    """A function that starts a sandbox with a workspace, to which the connection leads."""
    running: list[Sandbox] = []

    def start(**options: Any) -> Sandbox:
        sandbox = Sandbox(**options)
        sandbox.start()
        running.append(sandbox)
        monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", sandbox.airflow_connection)
        return sandbox

    yield start
    for sandbox in running:
        sandbox.stop()


def endpoints(sandbox: Sandbox) -> list[str]:
    return [request["endpoint"] for request in sandbox.requests()]


@each
def test_a_right_one_is_read_once_and_then_sent_to(run_dag, sandbox, operator, more, owner, permission):
    result = run_dag(dag_of(operator, **more))

    assert result.state == "success", result.log
    first, *others = endpoints(sandbox)
    assert first == "/" + permission.replace(".", "/")
    assert (len(others), first in others) == (3, False)
    assert "may send" in result.log


@each
def test_without_it_nothing_is_read(run_dag, sandbox, operator, more, owner, permission):
    assert run_dag(dag_of(operator, check=False, **more)).state == "success"
    assert len(endpoints(sandbox)) == 3


@pytest.mark.parametrize(("operator", "more"), CAMPAIGNS)
@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"archived": True}, "the campaign 'Win back' is archived"),
        ({"draft": True}, "the campaign 'Win back' is a draft"),
        ({"stopped": True}, "the campaign 'Win back' is stopped"),
        (
            {"schedule_type": "time_based"},
            "the campaign 'Win back' is not API-triggered: it starts at a time",
        ),
        ({"schedule_type": "action_based"}, "not API-triggered: it starts by what users do"),
    ],
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_a_campaign_that_can_not_send_is_refused_first(
    run_dag, workspace, operator, more, state, said, dry_run
):
    sandbox = workspace(campaigns=[Campaign(id="c", name="Win back", **state)])

    result = run_dag(dag_of(operator, dry_run=dry_run, **more))

    assert result.state == "failed"
    assert "campaign_id: the campaign 'Win back' is" in result.log
    assert said in result.log
    assert endpoints(sandbox) == ["/campaigns/details"]


@pytest.mark.parametrize(("operator", "more"), CANVASES)
@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"archived": True}, "is archived"),
        ({"draft": True}, "is a draft"),
        ({"paused": True}, "is stopped"),
        ({"schedule_type": "time_based"}, "is not API-triggered"),
    ],
)
def test_a_canvas_that_lets_nobody_enter_is_refused_first(run_dag, workspace, operator, more, state, said):
    sandbox = workspace(canvases=[Canvas(id="c", **state)])

    result = run_dag(dag_of(operator, **more))

    assert result.state == "failed"
    assert f"canvas_id: the Canvas 'c' {said}" in result.log
    assert endpoints(sandbox) == ["/canvas/details"]


def test_all_mistakes_are_in_one_error(run_dag, workspace):
    workspace(
        campaigns=[Campaign(id="c", name="n", draft=True, schedule_type="time_based", channels=["sms"])]
    )
    attachments = [{"file_name": "f", "url": "https://example.com/f.pdf"}]

    error = str(run_dag(dag_of(attachments=attachments)).task("t").error)

    assert "3 mistakes, nothing was sent" in error
    assert "campaign_id: the campaign 'n' is a draft" in error
    assert "campaign_id: the campaign 'n' is not API-triggered" in error
    assert "attachments: the campaign 'n' sends no e-mail: its channels are sms" in error


def test_an_unknown_campaign_is_refused_with_brazes_text(run_dag, workspace):
    sandbox = workspace(campaigns=[Campaign(id="other", name="n")])

    result = run_dag(dag_of())

    assert "campaign_id: Braze does not describe this campaign: " in result.log
    assert "Invalid Campaign ID" in result.log
    assert endpoints(sandbox) == ["/campaigns/details"]


@each
def test_a_key_without_the_permission_gives_one_line_and_the_task_goes_on(
    run_dag, workspace, monkeypatch, operator, more, owner, permission
):
    sandbox = workspace(api_keys={"narrow": [operator.endpoint.permission]})
    connection = json.loads(sandbox.airflow_connection)
    monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", json.dumps({**connection, "password": "narrow"}))

    result = run_dag(dag_of(operator, **more))

    assert result.state == "success", result.log
    assert result.log.count("Not checked: ") == 1
    assert f"lacks the permission {permission}" in result.log


def test_a_failure_that_may_pass_is_waited_for(run_dag, sandbox, monkeypatch):
    monkeypatch.setattr(calls, "FIRST_BACKOFF", 0.001)
    sandbox.fault("status", status=502, times=2)

    assert run_dag(dag_of()).state == "success"

    assert endpoints(sandbox).count("/campaigns/details") == 3
    assert sandbox.summary()["recipients"] == 120


def test_if_braze_can_not_be_asked_nothing_is_sent_and_a_retry_asks_again(
    run_dag, sandbox, monkeypatch, tmp_path
):
    monkeypatch.setattr(calls, "FIRST_BACKOFF", 0.001)
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "ledger.db")}
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps(connection))
    sandbox.fault("status", status=502, times=calls.MAX_ATTEMPTS)

    result = run_dag(dag_of(retries=1, ledger_conn_id="ledger"))

    assert (result.state, result.task("t").try_number) == ("success", 2)
    assert endpoints(sandbox)[:7] == ["/campaigns/details"] * 7
    assert sandbox.summary()["duplicates"] == 0


def test_a_wrong_key_fails_before_anything_is_sent(run_dag, sandbox):
    sandbox.fault("status", status=401, message="Unauthorized", times=1)

    result = run_dag(dag_of())

    assert result.state == "failed"
    assert endpoints(sandbox) == ["/campaigns/details"]


def test_the_id_is_checked_as_it_is_rendered(run_dag, workspace):
    sandbox = workspace(campaigns=[Campaign(id="c-7", name="n")])

    assert run_dag(dag_of(campaign_id="c-{{ params.n }}", params={"n": 7})).state == "success"
    assert len(sandbox.recipients()) == 120


def test_the_log_warns_of_recipients_whom_the_channels_may_not_reach(run_dag, workspace):
    workspace(campaigns=[Campaign(id="c", name="n", channels=["sms"])])
    named = {"email": "ada@example.com", "prioritization": ["identified"]}
    new = {"external_user_id": "u", "send_to_existing_only": False, "attributes": {"first_name": "Ada"}}

    result = run_dag(dag_of(recipients=[named, new]))

    assert result.state == "success", result.log
    assert "Check: 1 recipient named by `email`, but it sends no e-mail (channels of the campaign: sms)" in (
        result.log
    )
    assert "Check: 1 recipient may be created without `attributes.phone`" in result.log
    assert "ada@example.com" not in result.log


@pytest.mark.parametrize(
    ("recipient", "channels", "is_doubtful"),
    [
        ({"email": "a@b.c"}, ["email"], False),
        ({"email": "a@b.c"}, ["email", "sms"], False),
        ({"email": "a@b.c"}, ["ios_push"], True),
        ({"email": "a@b.c"}, [], False),
        ({"external_user_id": "u", "attributes": {"email": "a@b.c"}}, ["sms"], False),
        ({"external_user_id": "u", "send_to_existing_only": False, "attributes": {"x": 1}}, ["email"], True),
        (
            {"external_user_id": "u", "send_to_existing_only": False, "attributes": {"email": "a"}},
            ["email"],
            False,
        ),
        (
            {"external_user_id": "u", "send_to_existing_only": False, "attributes": {"phone": "1"}},
            ["email", "whats_app"],
            False,
        ),
        # A push needs no attribute.
        (
            {"external_user_id": "u", "send_to_existing_only": False, "attributes": {"x": 1}},
            ["email", "ios_push"],
            False,
        ),
        ({"external_user_id": "u", "send_to_existing_only": True}, ["email"], False),
    ],
)
def test_only_what_the_channels_need_is_doubtful(recipient, channels, is_doubtful):
    row = json.dumps(recipient, separators=(",", ":")).encode()
    assert bool(doubts_about([row], channels)) == is_doubtful


def test_the_option_is_checked_at_dag_parse():
    with pytest.raises(BrazeValidationError, match="check: must be a Boolean, not 1"):
        dag_of(check=1)
