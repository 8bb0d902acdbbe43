"""Attacks by several tries: a late copy of a task, and a source that changes between two tries."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
import urllib3.util.connection
from airflow.sdk import DAG
from attack.servers import RawBraze
from attack.tasks import Try

from braze_provider.delivery.sender import MAX_ATTEMPTS, Sender
from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.recipients import SqlRecipients


@pytest.mark.attack(
    "5",
    "a copy's connect takes 7 s after its claim; its successor resends what is in doubt",
    before="50 twice",
)
def test_a_copy_that_connects_late_finds_a_new_owner(connect, sqlite_ledger, attack, monkeypatch):
    connecting = threading.Event()
    open_connection = urllib3.util.connection.create_connection

    def slow_at_first(*args: Any, **kwargs: Any) -> Any:
        if not connecting.is_set():
            connecting.set()
            time.sleep(7)
        return open_connection(*args, **kwargs)

    monkeypatch.setattr(urllib3.util.connection, "create_connection", slow_at_first)
    with RawBraze() as braze:
        connect("braze_default", **braze.airflow_connection)
        first = Try(200, ledger_conn_id=sqlite_ledger)
        thread = first.begin()
        assert connecting.wait(30)
        second = Try(
            200, ledger_conn_id=sqlite_ledger, try_number=2, max_tries=3, on_uncertain="resend"
        ).run()
        by_the_second = Counter(braze.messages)
        thread.join(60)

        late = (braze.messages - by_the_second).total()
        attack.record(recipients=200, duplicates=braze.duplicates, note=f"{late} messages by the late copy")
        assert (second.error, by_the_second.total()) == (None, 200)
        assert late == 0


RECIPIENTS = 2_000


@pytest.fixture
def changing_source(tmp_path, connect) -> Any:
    """A table of 2,000 recipients. The function removes one of them and adds another."""
    path = tmp_path / "people.db"
    connect("people", conn_type="sqlite", host=str(path))
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE people (id TEXT PRIMARY KEY)")
        db.executemany("INSERT INTO people VALUES (?)", ((f"p{number:05}",) for number in range(RECIPIENTS)))

    def change(context: Any = None) -> None:
        with sqlite3.connect(path) as db:
            db.execute("DELETE FROM people WHERE id = 'p00060'")
            db.execute("INSERT INTO people VALUES ('newcomer')")

    return change


def _dag(**arguments: Any) -> DAG:
    with DAG("source_changes", schedule=None) as dag:
        CampaignTriggerOperator(
            task_id="send",
            campaign_id="c",
            recipients=SqlRecipients("people", "SELECT id AS external_user_id FROM people ORDER BY id"),
            concurrency=1,
            retries=1,
            retry_delay=timedelta(0),
            **arguments,
        )
    return dag


@pytest.fixture
def one_batch_fails_and_one_is_in_doubt(sandbox, monkeypatch) -> None:
    monkeypatch.setitem(Sender.__init__.__kwdefaults__, "first_backoff", 0.001)
    sandbox.fault("disconnect", processed=True, recipient_id="p00510", times=1)
    sandbox.fault("status", status=500, recipient_id="p01010", times=MAX_ATTEMPTS)


def _reached(sandbox: Any) -> tuple[int, int]:
    """How many recipients were reached, and how many of them more than once."""
    return len(sandbox.recipient_keys()), sandbox.summary()["duplicates"]


@pytest.mark.dag
@pytest.mark.attack(
    "18", "one of 2,000 leaves the source between two tries, and one comes", before="51 not sent"
)
def test_a_changed_source_sends_nothing_more_by_default(
    run_dag, sandbox, sqlite_ledger, changing_source, one_batch_fails_and_one_is_in_doubt, attack
):
    result = run_dag(_dag(ledger_conn_id=sqlite_ledger, on_retry_callback=changing_source))

    reached, duplicates = _reached(sandbox)
    attack.record(
        recipients=RECIPIENTS + 1,
        duplicates=duplicates,
        held=50,
        note=f"default: {RECIPIENTS + 1 - reached} not sent, and it says so",
    )
    assert (result.state, reached, duplicates) == ("failed", RECIPIENTS - 50, 0)


@pytest.mark.dag
@pytest.mark.attack("18", "the same with on_source_change='send_rest'", before="no such option")
def test_the_rest_of_a_changed_source_can_be_sent(
    run_dag, sandbox, sqlite_ledger, changing_source, one_batch_fails_and_one_is_in_doubt, attack
):
    result = run_dag(
        _dag(ledger_conn_id=sqlite_ledger, on_retry_callback=changing_source, on_source_change="send_rest")
    )

    reached, duplicates = _reached(sandbox)
    held = result.xcom("send")["uncertain"]
    attack.record(
        recipients=RECIPIENTS + 1,
        duplicates=duplicates,
        lost=max(RECIPIENTS + 1 - reached, 0),
        held=held,
        note="send_rest",
    )
    # The recipients in doubt did get it, but the task can't know: they stay in doubt.
    assert (reached, duplicates, held) == (RECIPIENTS + 1, 0, 50)
    assert result.state == "failed"
