"""Live Activities on real Airflow: started once for each recipient, then changed and ended."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from airflow.sdk import DAG

from braze_provider.api.errors import BrazeValidationError
from braze_provider.api.requests import LiveActivityStart, LiveActivityUpdate
from braze_provider.api.validation import problems
from braze_provider.hooks.braze import BrazeHook
from braze_provider.operators.live_activities import LiveActivityStartOperator, LiveActivityUpdateOperator

pytestmark = pytest.mark.dag

MATCH: dict[str, Any] = {"app_id": "app", "activity_id": "match-7"}
ALERT = {"title": "Kick-off {{${first_name}}}", "body": "Lions - Bears"}
START: dict[str, Any] = {
    **MATCH,
    "activity_attributes_type": "Match",
    "activity_attributes": {"home": "Lions"},
    "content_state": {"score": "0:0"},
    "notification": {"alert": ALERT},
}
UPDATE: dict[str, Any] = {**MATCH, "content_state": {"score": "1:0"}}
AUDIENCE = {"push_subscription_status": {"comparison": "is", "value": "opted_in"}}
ALIAS = {"alias_name": "ada", "alias_label": "club"}


def ids(count: int) -> list[str]:
    return [f"u{number}" for number in range(count)]


def start(**changes: Any) -> DAG:
    with DAG("d", schedule=None) as dag:
        LiveActivityStartOperator(task_id="t", **{**START, **changes})
    return dag


def update(**changes: Any) -> DAG:
    with DAG("d", schedule=None) as dag:
        LiveActivityUpdateOperator(task_id="t", **{**UPDATE, **changes})
    return dag


@pytest.fixture
def ledger(tmp_path, monkeypatch) -> str:
    path = str(tmp_path / "ledger.db")
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps({"conn_type": "sqlite", "host": path}))
    return "ledger"


# The start --------------------------------------------------------------------------------------------------


def test_each_recipient_gets_the_activity_once(run_dag, sandbox):
    result = run_dag(start(external_user_ids=ids(119), user_aliases=[ALIAS]))

    assert result.state == "success", result.log
    assert sorted(request["recipients"] for request in sandbox.requests()) == [20, 50, 50]
    (activity,) = sandbox.activities()
    assert sorted(activity["users"]) == sorted([*ids(119), "alias:club:ada"])
    assert (activity["content_state"], activity["ended"]) == ({"score": "0:0"}, False)
    assert sandbox.summary()["duplicates"] == 0
    assert (result.xcom("t")["sent"], result.xcom("t", "dispatch_ids")) == (120, [])


def test_the_liquid_of_its_push_reaches_braze_byte_for_byte(run_dag, sandbox):
    assert run_dag(start(external_user_ids=["u"])).state == "success"
    assert sandbox.requests()[0]["body"]["notification"] == {"alert": ALERT}


@pytest.mark.parametrize("audience", [{"segment_id": "s"}, {"custom_audience": AUDIENCE}])
def test_an_audience_is_one_request(run_dag, sandbox, audience):
    result = run_dag(start(**audience))

    assert result.state == "success", result.log
    (request,) = sandbox.requests()
    assert request["body"] == {**START, **audience}
    assert (request["broadcast"], result.xcom("t")["sent"]) == (True, 1)


def test_a_lost_answer_is_held_and_a_retry_starts_nothing_twice(run_dag, sandbox, ledger):
    sandbox.fault("disconnect", processed=True, after=1, times=1)
    dag = start(external_user_ids=ids(120), concurrency=1, ledger_conn_id=ledger, retries=2, retry_delay=0)

    result = run_dag(dag)

    assert (result.state, result.xcom("t")["uncertain"]) == ("failed", 50)
    assert sandbox.summary()["recipients"] == 120
    assert sandbox.summary()["duplicates"] == 0


def test_a_try_that_ends_in_the_middle_is_continued(run_dag, sandbox, ledger):
    sandbox.fault("status", status=502, after=1, times=6)
    dag = start(external_user_ids=ids(120), concurrency=1, ledger_conn_id=ledger, retries=1, retry_delay=0)

    result = run_dag(dag)

    assert result.state == "success", result.log
    assert len(result.task("t").attempts) == 2
    assert sandbox.summary()["recipients"] == 120
    assert sandbox.summary()["duplicates"] == 0


def test_a_refusal_fails_the_task(run_dag, sandbox):
    sandbox.fault("status", status=400, message="Invalid app_id", times=1)

    result = run_dag(start(external_user_ids=["u"]))

    assert (result.state, result.xcom("t")["rejected"]) == ("failed", 1)
    assert "Invalid app_id" in result.log
    assert sandbox.activities() == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {},
            "reaches no recipient: give `external_user_ids`, `user_aliases`, `segment_id` or `custom_au",
        ),
        (
            {"external_user_ids": ["u"], "segment_id": "s"},
            "segment_id: is not allowed with named recipients",
        ),
        (
            {"user_aliases": [ALIAS], "custom_audience": AUDIENCE},
            "custom_audience: is not allowed with named recipients",
        ),
        ({"segment_id": "s", "activity_id": ""}, "activity_id: must not be empty"),
        ({"segment_id": "s", "content_state": [1]}, "content_state: must be an object"),
        ({"segment_id": "s", "stale_date": "soon"}, "stale_date: must be"),
        (
            {"segment_id": "s", "notification": {"alert": "Kick-off"}},
            "notification.alert: must be an object with `title` and `body`",
        ),
        (
            {"segment_id": "s", "notification": {"alert": {"body": "b"}}},
            "notification.alert.title: is required to start a Live Activity",
        ),
        (
            {"segment_id": "s", "notification": {"alert": {"title": "t"}}},
            "notification.alert.body: is required",
        ),
        (
            {"segment_id": "s", "notification": {"alert": ALERT, "sound": "goal.wav"}},
            "notification.sound: belongs into `alert`",
        ),
    ],
)
def test_a_wrong_start_is_refused_at_dag_parse(changes, reason):
    with pytest.raises(BrazeValidationError) as caught:
        start(**changes)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("field", "hint"),
    [("audience", "here it is called `custom_audience`"), ("end_activity", "only an update takes it")],
)
def test_a_field_of_another_request_is_named(field, hint):
    (problem,) = problems(LiveActivityStart, {**START, "segment_id": "s", field: True})
    assert (problem.path, problem.reason) == (field, f"unknown field; {hint}")


def test_too_many_recipients_are_refused_in_a_request_of_ones_own(sandbox):
    with pytest.raises(BrazeValidationError, match="51 in `external_user_ids` and `user_aliases`"):
        BrazeHook().messages_live_activity_start({**START, "external_user_ids": ids(51)})
    assert sandbox.requests() == []


# Updates and the end ----------------------------------------------------------------------------------------


def test_later_tasks_change_and_end_the_activity(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:
        begin = LiveActivityStartOperator(task_id="begin", external_user_ids=["u"], **START)
        goal = LiveActivityUpdateOperator(task_id="goal", **UPDATE)
        end = LiveActivityUpdateOperator(
            task_id="end",
            **{**UPDATE, "content_state": {"score": "{{ params.score }}"}},
            end_activity=True,
            dismissal_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
            params={"score": "2:1"},
        )
        begin >> goal >> end

    result = run_dag(dag)

    assert result.state == "success", result.log
    assert (result.xcom("goal"), result.xcom("end")) == ("success", "success")
    (activity,) = sandbox.activities()
    assert activity["content_state"] == {"score": "2:1"}
    assert (activity["updates"], activity["ended"], activity["users"]) == (2, True, ["u"])
    assert sandbox.requests()[2]["body"]["dismissal_date"] == "2026-01-01T00:00:00+00:00"


def test_a_lost_answer_to_an_update_is_followed_by_another_request(run_dag, sandbox):
    sandbox.fault("disconnect", processed=True, times=1)

    assert run_dag(update()).state == "success"

    assert [request["body"] for request in sandbox.requests()] == [UPDATE] * 2
    assert sandbox.activities()[0]["content_state"] == {"score": "1:0"}


def test_a_refused_update_fails_at_once(run_dag, sandbox):
    sandbox.fault("status", status=400, message="Invalid activity_id", times=1)

    result = run_dag(update(retries=3, retry_delay=0))

    assert (result.state, len(sandbox.requests())) == ("failed", 1)
    assert "Invalid activity_id" in result.log


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"app_id": ""}, "app_id: must not be empty"),
        ({"content_state": None}, "content_state: is required"),
        ({"end_activity": "yes"}, "end_activity: must be a JSON Boolean"),
        ({"dismissal_date": "later"}, "dismissal_date: must be"),
        ({"notification": {"alert": "Goal", "sound": "s"}}, "notification.sound: belongs into `alert`"),
    ],
)
def test_a_wrong_update_is_refused_at_dag_parse(changes, reason):
    with pytest.raises(BrazeValidationError) as caught:
        update(**changes)
    assert reason in str(caught.value)


def test_an_update_names_no_recipients():
    (problem,) = problems(LiveActivityUpdate, {**UPDATE, "external_user_ids": ["u"]})
    assert "`activity_id` names the activity" in problem.reason
