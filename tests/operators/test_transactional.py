"""Transactional e-mail on real Airflow: a request for each recipient, with a key against repeats."""

from __future__ import annotations

import json
import re
import sqlite3
from datetime import timedelta
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG

from braze_provider.api.errors import BrazeValidationError
from braze_provider.delivery.sender import MAX_ATTEMPTS, Sender
from braze_provider.operators.transactional import TransactionalEmailOperator

pytestmark = pytest.mark.dag

DAY = pendulum.datetime(2026, 11, 1)
A_DAY_AGO = pendulum.now("UTC").subtract(hours=24)
RECIPIENTS = [{"external_user_id": f"u{number}"} for number in range(4)]


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch) -> None:
    """Let the attempts of a batch follow each other without a wait."""
    monkeypatch.setitem(Sender.__init__.__kwdefaults__, "first_backoff", 0.001)


@pytest.fixture
def ledger(tmp_path, monkeypatch) -> str:
    """Path of a SQL ledger in SQLite."""
    path = str(tmp_path / "ledger.db")
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps({"conn_type": "sqlite", "host": path}))
    return path


def email(**arguments: Any) -> DAG:
    with DAG("mail", schedule=None) as dag:
        TransactionalEmailOperator(
            task_id="t",
            **{
                "campaign_id": "c",
                "recipients": RECIPIENTS,
                "concurrency": 1,
                "ledger_conn_id": "ledger",
                "retries": 1,
                "retry_delay": timedelta(0),
                **arguments,
            },
        )
    return dag


def bodies(sandbox) -> list[dict[str, Any]]:
    return [request["body"] for request in sandbox.requests()]


def keys(sandbox) -> list[str]:
    return [body["external_send_id"] for body in bodies(sandbox)]


def received(sandbox) -> dict[str, int]:
    return {key: len(mails) for key, mails in sandbox.recipients().items()}


ONCE = {f"u{number}": 1 for number in range(4)}


def test_each_recipient_is_one_request_with_its_own_values(run_dag, sandbox, ledger):
    own = {"external_user_id": "u9", "trigger_properties": {"order": 7}, "attributes": {"city": "Rome"}}

    result = run_dag(email(recipients=[*RECIPIENTS, own], trigger_properties={"order": 0, "shop": "x"}))

    assert result.state == "success", result.log
    paths = {request["endpoint"] for request in sandbox.requests()}
    assert paths == {"/transactional/v1/campaigns/{campaign_id}/send"}
    first, *_, last = bodies(sandbox)
    assert first["recipient"] == {"external_user_id": "u0"}
    assert first["trigger_properties"] == {"order": 0, "shop": "x"}
    assert last["recipient"] == {"external_user_id": "u9", "attributes": {"city": "Rome"}}
    assert last["trigger_properties"] == {"order": 7, "shop": "x"}
    assert "campaign_id" not in first
    assert len(result.xcom("t", "dispatch_ids")) == 5


def test_keys_differ_from_recipient_to_recipient_and_are_in_brazes_alphabet(run_dag, sandbox, ledger):
    run_dag(email())

    assert len(set(keys(sandbox))) == 4
    assert all(re.fullmatch(r"[a-zA-Z0-9-_+/=]+", key) for key in keys(sandbox))


def test_a_lost_answer_is_asked_for_again_with_the_same_key(run_dag, sandbox, ledger):
    sandbox.fault("disconnect", processed=True, times=1)

    result = run_dag(email())

    assert result.state == "success", result.log
    assert received(sandbox) == ONCE
    first, again, *_ = keys(sandbox)
    assert first == again
    assert result.xcom("t")["sent"] == 4


def test_a_later_try_repeats_what_is_in_doubt_with_the_same_key(run_dag, sandbox, ledger):
    sandbox.fault("disconnect", processed=True, times=MAX_ATTEMPTS)

    result = run_dag(email())

    assert result.state == "success", result.log
    assert received(sandbox) == ONCE
    assert len(set(keys(sandbox))) == 4


def test_what_is_in_doubt_is_held_once_braze_may_have_forgotten_the_key(run_dag, sandbox, ledger):
    sandbox.fault("disconnect", processed=True, times=MAX_ATTEMPTS)
    assert run_dag(email(retries=0), logical_date=DAY).state == "failed"
    with sqlite3.connect(ledger) as db:
        db.execute("UPDATE braze_receipt SET noted_at = ? WHERE state = 'uncertain'", [A_DAY_AGO.isoformat()])
    before = len(sandbox.requests())

    again = run_dag(email(retries=0), logical_date=DAY)

    assert again.state == "failed"
    assert "1 recipient in doubt" in again.log
    assert len(sandbox.requests()) == before


def test_a_person_decides_about_what_is_held(run_dag, sandbox, ledger):
    sandbox.fault("disconnect", processed=True, times=MAX_ATTEMPTS)
    run_dag(email(retries=0), logical_date=DAY)
    with sqlite3.connect(ledger) as db:
        db.execute("UPDATE braze_receipt SET noted_at = ? WHERE state = 'uncertain'", [A_DAY_AGO.isoformat()])
    before = len(sandbox.requests())

    again = run_dag(email(retries=0, on_uncertain="accept"), logical_date=DAY)

    assert again.state == "success", again.log
    assert len(sandbox.requests()) == before


def test_resend_starts_over_with_new_keys(run_dag, sandbox, ledger):
    run_dag(email(), logical_date=DAY)

    assert run_dag(email(resend="because of a new price"), logical_date=DAY).state == "success"

    assert len(set(keys(sandbox))) == 8
    assert received(sandbox) == dict.fromkeys(ONCE, 2)


def test_a_batch_that_stays_in_doubt_keeps_the_time_of_its_first_claim(run_dag, sandbox, ledger):
    sandbox.fault("disconnect", processed=True, times=MAX_ATTEMPTS)
    run_dag(email(retries=0), logical_date=DAY)
    an_hour_ago = A_DAY_AGO.add(hours=23).isoformat()
    with sqlite3.connect(ledger) as db:
        db.execute("UPDATE braze_receipt SET noted_at = ? WHERE state = 'uncertain'", [an_hour_ago])
    sandbox.fault("disconnect", times=MAX_ATTEMPTS)

    assert run_dag(email(retries=0), logical_date=DAY).state == "failed"

    with sqlite3.connect(ledger) as db:
        noted = db.execute("SELECT noted_at FROM braze_receipt WHERE state = 'uncertain'").fetchall()
    assert noted == [(an_hour_ago,)]


@pytest.mark.parametrize(
    ("arguments", "mistake"),
    [
        ({"campaign_id": "a/b"}, "campaign_id: is part of a path: a slash"),
        ({"campaign_id": " "}, "campaign_id: is part of a path: it must not be blank"),
        (
            {"recipients": [{"email": "a@example.com"}]},
            r"recipients\[0\].email: unknown field; this",
        ),
    ],
)
def test_a_mistake_fails_the_import_of_the_dag(arguments, mistake):
    with pytest.raises(BrazeValidationError, match=mistake):
        email(**arguments)


def test_a_refusal_fails_the_task_with_brazes_text(run_dag, sandbox, ledger):
    sandbox.fault("status", status=400, message="Campaign does not exist")

    result = run_dag(email())

    assert result.state == "failed"
    assert "Campaign does not exist" in result.log
