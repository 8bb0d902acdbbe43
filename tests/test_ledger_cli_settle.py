"""``python -m braze_provider.ledger settle``."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from sqlalchemy import create_engine, select, update

from braze_provider.delivery.sender import MAX_ATTEMPTS, Sender
from braze_provider.ledger import sql_schema
from braze_provider.ledger.__main__ import main
from braze_provider.ledger.base import Claim, Counters, DeliveryKey, Opening, State
from braze_provider.ledger.sql import SqlLedger
from braze_provider.operators.campaigns import CampaignTriggerOperator

RUN = "scheduled__2026-01-01T06:00:00+00:00"
NAMED = ["--conn-id", "ledger", "--dag-id", "welcome", "--run-id", RUN, "--task-id", "send"]


class Book:
    """A ledger in a SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._url = f"sqlite:///{path}"

    def claim(self, *, map_index: int = -1, deployment: str = "") -> None:
        """Leave two batches without an outcome, as a task that was killed long ago."""
        key = DeliveryKey("welcome", RUN, "send", map_index, deployment)
        ledger = SqlLedger(create_engine(self._url), key, "host-1")
        ledger.open(lambda head: Opening(Counters(1, 2), starts_over=True))
        ledger.write([], [Claim(0, 50, "f0"), Claim(1, 7, "f1")])
        ledger.close()
        self.query(update(sql_schema.delivery).values(updated_at="2026-01-01T06:00:00.000+00:00"))

    def query(self, statement: Any) -> list[Any]:
        with create_engine(self._url).begin() as connection:
            result = connection.execute(statement)
            return list(result.all()) if result.returns_rows else []

    @property
    def states(self) -> list[str]:
        receipt = sql_schema.receipt
        return [state for (state,) in self.query(select(receipt.c.state).order_by(receipt.c.batch_index))]

    @property
    def reasons(self) -> list[str]:
        return [reason for (reason,) in self.query(select(sql_schema.receipt.c.reason))]


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Book:
    path = tmp_path / "ledger.db"
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    # The command sets it; this removes it after the test.
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")
    return Book(path)


@pytest.mark.parametrize(("decision", "becomes"), [("sent", "sent"), ("resend", "failed")])
def test_it_settles_and_says_what_follows(
    book: Book, capsys: pytest.CaptureFixture[str], decision: str, becomes: str
):
    book.claim()
    assert main(["settle", *NAMED, "--as", decision]) == 0
    assert book.states == [becomes, becomes]
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"welcome {RUN} send: settled as {'sent' if decision == 'sent' else 'not sent'}.")
    assert second == "Batches: 2, recipients: 57. Now clear the task."


def test_batches_are_named_by_the_numbers_that_the_list_shows(book: Book):
    book.claim()
    assert main(["settle", *NAMED, "--as", "sent", "--batch", "2"]) == 0
    assert book.states == ["claimed", "sent"]


@pytest.mark.parametrize(
    ("arguments", "who"),
    [([], getpass.getuser()), (["--by", "ada@example.com, on call"], "ada@example.com, on call")],
)
def test_it_records_who_has_decided(book: Book, arguments: list[str], who: str):
    book.claim()
    main(["settle", *NAMED, "--as", "sent", *arguments])
    assert all(f"taken for sent, decided by {who} at 20" in reason for reason in book.reasons)


def test_the_list_shows_the_decision(book: Book, capsys: pytest.CaptureFixture[str]):
    book.claim()
    main(["settle", *NAMED, "--as", "sent", "--by", "ada"])
    capsys.readouterr()
    main(["--conn-id", "ledger", "--state", "sent"])
    shown = capsys.readouterr().out
    assert "taken for sent, decided by ada at 20" in shown
    assert f"welcome {RUN} send: batches 1-2 (57 recipients) settled as sent by ada at 20" in shown


def test_the_list_as_json_has_the_decisions(book: Book, capsys: pytest.CaptureFixture[str]):
    book.claim()
    main(["settle", *NAMED, "--as", "resend", "--by", "ada"])
    capsys.readouterr()
    main(["--conn-id", "ledger", "--format", "json"])
    ((decision,),) = [one["decisions"] for one in json.loads(capsys.readouterr().out)["deliveries"]]
    at = decision.pop("decided_at")
    assert at.startswith("20")
    assert decision == {"decision": "resend", "decided_by": "ada", "batches": "1-2", "recipients": 57}


def test_the_deployment_is_that_of_the_connection_unless_another_is_named(
    book: Book, monkeypatch: pytest.MonkeyPatch
):
    connection = {"conn_type": "sqlite", "host": str(book.path), "extra": {"braze_deployment": "eu"}}
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps(connection))
    book.claim(deployment="eu")
    assert main(["settle", *NAMED, "--as", "sent", "--deployment", "us"]) == 1
    assert main(["settle", *NAMED, "--as", "sent"]) == 0


def test_an_instance_of_a_mapped_task_is_named_by_its_index(book: Book, capsys: pytest.CaptureFixture[str]):
    book.claim(map_index=3)
    assert main(["settle", *NAMED, "--as", "sent"]) == 2
    assert "The task is mapped: name one of its instances (--map-index)" in capsys.readouterr().err
    assert main(["settle", *NAMED, "--as", "sent", "--map-index", "3"]) == 0
    assert f"welcome {RUN} send[3]: settled as sent." in capsys.readouterr().out


def test_a_refusal_says_why_and_what_to_do(book: Book, capsys: pytest.CaptureFixture[str]):
    book.claim()
    now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    book.query(update(sql_schema.delivery).values(updated_at=now))
    assert main(["settle", *NAMED, "--as", "sent"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    last = told.err.splitlines()[-1]
    assert last.startswith(f"welcome {RUN} send: nothing was settled. It may be running: ")
    assert main(["settle", *NAMED, "--as", "sent", "--force"]) == 0


def test_an_unknown_delivery_is_not_found(book: Book, capsys: pytest.CaptureFixture[str]):
    book.claim()
    assert main(["settle", *NAMED[:-1], "another", "--as", "sent"]) == 1
    assert capsys.readouterr().err.splitlines()[-1] == f"welcome {RUN} another: nothing found."


def test_an_unknown_connection_is_an_error(capsys: pytest.CaptureFixture[str]):
    assert main(["settle", "--conn-id", "no_such_ledger", *NAMED[2:], "--as", "sent"]) == 2
    assert "connection 'no_such_ledger' can't be used" in capsys.readouterr().err


@pytest.mark.parametrize("missing", ["--conn-id", "--dag-id", "--run-id", "--task-id", "--as"])
def test_what_is_missing_is_named(missing: str, capsys: pytest.CaptureFixture[str]):
    whole = [*NAMED, "--as", "sent"]
    place = whole.index(missing)
    with pytest.raises(SystemExit) as caught:
        main(["settle", *whole[:place], *whole[place + 2 :]])
    assert caught.value.code == 2
    assert f"the following arguments are required: {missing}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["--as", "accept"], "--as"), (["--as", "sent", "--by", " "], "--by"), (["--batch", "x"], "--batch")],
)
def test_a_mistake_in_the_arguments_is_named(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as caught:
        main(["settle", *NAMED, *arguments])
    assert caught.value.code == 2
    assert named in capsys.readouterr().err.splitlines()[-1]


def test_a_user_without_a_name_has_to_give_one(
    book: Book, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def no_name() -> str:
        raise KeyError("getpwuid(): uid not found: 50000")

    monkeypatch.setattr(getpass, "getuser", no_name)
    with pytest.raises(SystemExit):
        main(["settle", *NAMED, "--as", "sent"])
    assert "--by must name who decides" in capsys.readouterr().err


def test_it_runs_from_a_shell(book: Book):
    book.claim()
    result = subprocess.run(
        [sys.executable, "-m", "braze_provider.ledger", "settle", *NAMED, "--as", "sent"],
        capture_output=True,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "_AIRFLOW_PROCESS_CONTEXT"},
        cwd=Path(__file__).resolve().parent.parent,
    )
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 2
    assert book.states == ["sent", "sent"]


# On Airflow -------------------------------------------------------------------------------------------------

DAY = datetime(2026, 1, 1, tzinfo=timezone.utc)


def campaign(**arguments: Any) -> DAG:
    with DAG("settled", schedule=None) as dag:
        CampaignTriggerOperator(
            task_id="t",
            campaign_id="c",
            concurrency=1,
            ledger_conn_id="ledger",
            recipients=[{"external_user_id": f"p{number}"} for number in range(120)],
            **arguments,
        )
    return dag


def settle(run_id: str, decision: str) -> int:
    named = ["--conn-id", "ledger", "--dag-id", "settled", "--run-id", run_id, "--task-id", "t"]
    return main(["settle", *named, "--as", decision, "--force"])


@pytest.mark.dag
@pytest.mark.parametrize(("decision", "sent_again"), [("sent", 0), ("resend", 50)])
def test_a_run_after_the_decision_ends_well(
    run_dag: Any, sandbox: Any, book: Book, decision: str, sent_again: int
):
    sandbox.fault("disconnect", processed=True, after=1, times=1)
    first = run_dag(campaign(), logical_date=DAY)
    assert first.xcom("t")["uncertain"] == 50

    assert settle(first.run_id, decision) == 0
    second = run_dag(campaign(), logical_date=DAY)

    assert second.state == "success", second.log
    report = second.xcom("t")
    assert (report["already_sent"], report["sent"]) == (120 - sent_again, sent_again)
    assert sandbox.summary()["duplicates"] == sent_again


@pytest.mark.dag
@pytest.mark.parametrize(("decision", "sent_again"), [("sent", 0), ("resend", 50)])
def test_a_retry_after_the_decision_ends_well(
    run_dag: Any,
    sandbox: Any,
    book: Book,
    monkeypatch: pytest.MonkeyPatch,
    decision: str,
    sent_again: int,
):
    """One batch is in doubt and another one has failed, so that Airflow makes another try."""
    monkeypatch.setitem(Sender.__init__.__kwdefaults__, "first_backoff", 0.001)
    sandbox.fault("disconnect", processed=True, after=1, times=1)
    sandbox.fault("status", status=500, after=2, times=MAX_ATTEMPTS)
    settled = []

    def on_retry(context: Any) -> None:
        settled.append(settle(context["run_id"], decision))

    result = run_dag(campaign(retries=1, retry_delay=timedelta(0), on_retry_callback=on_retry))

    assert settled == [0]
    assert result.state == "success", result.log
    assert result.xcom("t")["uncertain"] == 0
    assert sandbox.summary()["duplicates"] == sent_again
    assert len(sandbox.recipients()) == 120


@pytest.mark.dag
def test_without_a_decision_it_stays_held(run_dag: Any, sandbox: Any, book: Book):
    sandbox.fault("disconnect", processed=True, after=1, times=1)
    for _ in range(2):
        result = run_dag(campaign(), logical_date=DAY)

    assert result.state == "failed"
    assert result.xcom("t")["uncertain"] == 50
    receipt = sql_schema.receipt.c.state
    assert sorted(state for (state,) in book.query(select(receipt))) == ["sent", "sent", State.UNCERTAIN]
