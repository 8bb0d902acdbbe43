"""What a task does when not everything goes well, on real Airflow."""

from __future__ import annotations

import json
from datetime import timedelta

import airflow_harness
import pendulum
import pytest
from airflow.sdk import DAG, task
from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.recipients import FileRecipients, SqlRecipients

pytestmark = pytest.mark.dag


def recipients(count: int) -> list[dict]:
    return [{"external_user_id": f"u{number}"} for number in range(count)]


def campaign_dag(**arguments) -> DAG:
    with DAG("d", schedule=None, params={"c": "re"}) as dag:
        CampaignTriggerOperator(
            task_id="t", **{"campaign_id": "c", "recipients": recipients(120), "concurrency": 1, **arguments}
        )
    return dag


def failure_of(result) -> str:
    assert result.state == "failed"
    return f"{type(result.task('t').error).__name__}: {result.task('t').error}"


def test_a_rejected_request_fails_the_task_after_the_rest_is_sent(run_dag, sandbox):
    sandbox.fault("status", status=400, message="Bad Request", after=1, times=1)

    result = run_dag(campaign_dag())

    assert "50 recipients rejected" in failure_of(result)
    assert "Bad Request" in failure_of(result)
    assert len(sandbox.recipients()) == 70
    report = result.xcom("t")
    assert (report["sent"], report["rejected"]) == (70, 50)
    assert len(result.xcom("t", key="dispatch_ids")) == 2


def test_a_request_without_an_answer_is_held_and_not_repeated(run_dag, sandbox):
    sandbox.fault("disconnect", processed=True, after=1, times=1)

    result = run_dag(campaign_dag())

    assert "50 recipients in doubt" in failure_of(result)
    assert sandbox.summary()["duplicates"] == 0
    assert len(sandbox.recipients()) == 120


def test_a_partly_sent_task_without_a_ledger_is_not_retried(run_dag, sandbox):
    sandbox.fault("disconnect", processed=True, times=1)
    dag = campaign_dag(retries=3, retry_delay=timedelta(0))

    result = run_dag(dag)

    assert failure_of(result).startswith("AirflowFailException")
    assert sandbox.summary()["duplicates"] == 0


def test_a_partly_sent_task_whose_report_is_lost_is_not_retried(run_dag, sandbox, monkeypatch):
    def broken(self, *_: object, **__: object) -> None:
        raise ConnectionError("the API server is down")

    monkeypatch.setattr(RuntimeTaskInstance, "xcom_push", broken)
    sandbox.fault("status", status=400, times=1)

    result = run_dag(campaign_dag(retries=3, retry_delay=timedelta(0)))

    assert failure_of(result).startswith("AirflowFailException: 50 recipients rejected")
    assert "The figures are not in XCom" in result.task("t").log
    assert sandbox.summary()["duplicates"] == 0


HAS_TASK_STATE = airflow_harness.AIRFLOW_VERSION >= (3, 3)


def test_a_task_that_sent_nothing_is_retried_if_its_ledger_says_so(run_dag, sandbox, tmp_path):
    source = FileRecipients(f"{tmp_path}/customers.jsonl")

    def bring_the_file(context) -> None:
        (tmp_path / "customers.jsonl").write_text('{"external_user_id": "u"}\n')

    result = run_dag(
        campaign_dag(recipients=source, retries=1, retry_delay=timedelta(0), on_retry_callback=bring_the_file)
    )

    if HAS_TASK_STATE:
        assert (result.state, result.task("t").try_number) == ("success", 2)
        assert set(sandbox.recipients()) == {"u"}
    else:  # Without a ledger, the second try could not know that the first one sent nothing.
        assert (result.state, result.task("t").try_number) == ("failed", 1)
        assert "ledger_conn_id makes retries possible" in result.task("t").log


@pytest.mark.skipif(airflow_harness.AIRFLOW_VERSION < (3, 3), reason="Airflow has retry policies from 3.3 on")
def test_a_wrong_key_is_not_retried(run_dag, sandbox):
    sandbox.fault("status", status=401, message="Unauthorized", times=1)

    result = run_dag(campaign_dag(retries=3, retry_delay=timedelta(0)))

    assert result.state == "failed"
    assert result.task("t").try_number == 1


def test_two_rows_of_one_recipient_are_two_messages_if_allowed(run_dag, sandbox):
    rows = [*recipients(50), {"external_user_id": "u0"}]

    result = run_dag(campaign_dag(recipients=rows, allow_duplicates=True))

    assert result.xcom("t")["recipients"] == 51
    assert len(sandbox.recipients("u0")["u0"]) == 2


def test_each_settled_batch_adds_a_line_to_the_receipts(run_dag, sandbox, tmp_path):
    sandbox.fault("status", status=400, after=1, times=1)

    result = run_dag(campaign_dag(receipts_path=f"{tmp_path}/receipts/{{{{ task.task_id }}}}.jsonl"))

    lines = [json.loads(line) for line in (tmp_path / "receipts" / "t.jsonl").read_text().splitlines()]
    assert [(line["index"], line["state"], line["recipients"]) for line in lines] == [
        (0, "sent", 50),
        (1, "rejected", 50),
        (2, "sent", 20),
    ]
    first, last = result.xcom("t", "dispatch_ids")
    assert [line["ids"] for line in lines] == [
        {"dispatch_id": first},
        {},
        {"dispatch_id": last},
    ]
    assert {(line["dag_id"], line["task_id"], line["map_index"]) for line in lines} == {("d", "t", -1)}


def test_the_next_task_can_send_to_recipients_in_the_unsent_file(run_dag, sandbox, tmp_path):
    sandbox.fault("status", status=400, message="Bad Request", after=1, times=1)
    with campaign_dag(unsent_path=f"{tmp_path}/{{{{ task.task_id }}}}.jsonl") as dag:
        again = FileRecipients(f"{tmp_path}/t.jsonl")
        rest = CampaignTriggerOperator(
            task_id="again", campaign_id="mended", recipients=again, trigger_rule="all_failed"
        )
    dag.get_task("t") >> rest

    result = run_dag(dag)

    assert result.state == "success"
    assert f"{tmp_path}/t.jsonl" in str(result.task("t").error)
    assert result.xcom("again")["sent"] == 50
    assert len(sandbox.recipients()) == 120


@pytest.mark.parametrize(
    ("on_uncertain", "duplicates", "sent"),
    [("resend", 50, 120), ("accept", 0, 120), ("{{ params.c }}", 0, 0)],
)
def test_on_uncertain_is_a_template_field(run_dag, sandbox, on_uncertain, duplicates, sent):
    sandbox.fault("disconnect", processed=True, times=1)

    run_dag(campaign_dag(on_uncertain=on_uncertain))

    assert sandbox.summary()["duplicates"] == duplicates
    assert len(sandbox.recipients()) == sent


def test_a_wrong_key_stops_the_task_at_once_and_is_named(run_dag, sandbox, monkeypatch):
    connection = json.loads(sandbox.airflow_connection)
    monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", json.dumps({**connection, "password": "wrong-key"}))

    result = run_dag(campaign_dag())

    assert "does not know this API key" in failure_of(result)
    assert "wrong-key" not in result.task("t").log
    assert sandbox.summary()["requests"] == 1


def test_a_missing_permission_stops_the_task_at_once_and_is_named(run_dag, sandbox):
    sandbox.fault("status", status=403, message="Access Denied")

    result = run_dag(campaign_dag())

    assert "campaigns.trigger.send" in failure_of(result)
    assert sandbox.summary()["requests"] == 1


def test_a_missing_connection_is_one_clear_error(run_dag, sandbox):
    assert "no_such_connection" in failure_of(run_dag(campaign_dag(braze_conn_id="no_such_connection")))
    assert sandbox.summary()["requests"] == 0


def test_a_malformed_connection_is_one_clear_error(run_dag, sandbox, monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_BRAZE_DEFAULT", '{"conn_type": "braze", "host": "http://example.com", "password": "k"}'
    )
    assert "plain http" in failure_of(run_dag(campaign_dag()))


def test_bad_rows_are_named_before_anything_is_sent(run_dag, sandbox):
    with DAG("d", schedule=None) as dag:

        @task
        def find() -> list[dict]:
            return [*recipients(60), {"external_user_id": ""}, {"email": "ada@example.com"}]

        CampaignTriggerOperator(task_id="t", campaign_id="c", recipients=find())

    result = run_dag(dag)

    assert "row 61: external_user_id" in failure_of(result)
    assert "row 62: prioritization" in failure_of(result)
    assert "ada@example.com" not in result.task("t").log
    assert sandbox.summary()["requests"] == 0


def test_bad_rows_are_skipped_and_counted_if_on_invalid_says_so(run_dag, sandbox):
    rows = [*recipients(60), {"external_user_id": ""}, {"external_user_id": "u1"}]

    result = run_dag(campaign_dag(recipients=rows, on_invalid="skip"))

    report = result.xcom("t")
    assert (report["recipients"], report["invalid"], report["duplicates_dropped"]) == (60, 1, 1)
    assert len(sandbox.recipients()) == 60


def test_a_template_that_makes_a_bad_value_fails_before_any_request(run_dag, sandbox):
    result = run_dag(campaign_dag(send_id="{{ 'x' * 65 }}"))

    assert "send_id" in failure_of(result)
    assert sandbox.summary()["requests"] == 0


def test_too_many_recipients_fail_before_the_first_request(run_dag, sandbox):
    assert "max_recipients" in failure_of(run_dag(campaign_dag(max_recipients=119)))
    assert sandbox.summary()["requests"] == 0


def test_a_source_that_cannot_be_read_fails_before_the_first_request(run_dag, sandbox):
    result = run_dag(campaign_dag(recipients=SqlRecipients("no_database", "SELECT 1")))

    assert "no_database" in failure_of(result)
    assert sandbox.summary()["requests"] == 0


def test_a_run_that_is_too_late_is_skipped(run_dag, sandbox):
    with DAG("d", schedule="@daily", start_date=pendulum.datetime(2026, 1, 1)) as dag:
        CampaignTriggerOperator(
            task_id="t", campaign_id="c", recipients=recipients(1), max_lateness=timedelta(days=2)
        )

    result = run_dag(dag, logical_date=pendulum.datetime(2026, 1, 5))

    assert result.task("t").state == "skipped"
    assert "max_lateness" in result.task("t").log
    assert sandbox.summary()["requests"] == 0


def test_a_dry_run_counts_and_shows_a_request_but_sends_nothing(run_dag, sandbox):
    result = run_dag(campaign_dag(dry_run=True))

    log = result.task("t").log
    assert result.state == "success"
    assert result.xcom("t")["recipients"] == 120
    assert result.xcom("t")["sent"] == 0
    assert '"recipients": "<50 recipients>"' in log
    assert "u49" not in log
    assert "120 recipients in 3 requests" in log
    assert "knows the API key" in log
    assert sandbox.recipients() == {}


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"kind": "status", "status": 401}, "does not know this API key"),
        (
            {"kind": "status", "status": 400, "message": "Invalid Campaign ID", "after": 1},
            "Invalid Campaign ID",
        ),
    ],
)
def test_a_dry_run_fails_where_braze_would_refuse(run_dag, sandbox, fault, said):
    sandbox.fault(**fault, times=1)

    assert said in failure_of(run_dag(campaign_dag(dry_run=True)))


def test_a_dry_run_of_an_archived_campaign_fails(run_dag, sandbox):
    archived = "f0a94c37-7be1-2d08-5b66-30c1d8e7a245"

    assert "(Summer sale) is archived" in failure_of(
        run_dag(campaign_dag(dry_run=True, campaign_id=archived))
    )


def test_the_log_begins_with_the_endpoint_and_the_connection(run_dag, sandbox):
    log = run_dag(campaign_dag()).task("t").log

    where = "POST /campaigns/trigger/send at 127.0.0.1 (connection 'braze_default'): campaign_id c"
    assert log.index("Ledger: ") < log.index(where) < log.index("Pace: at most 69.4 requests/s")
    if not HAS_TASK_STATE:
        assert "ledger_conn_id makes retries possible" in log


def test_an_api_key_is_in_no_log(run_dag, sandbox):
    sandbox.fault("status", status=500, times=1)

    result = run_dag(campaign_dag())

    assert result.state == "success"
    assert sandbox.api_key not in result.log
