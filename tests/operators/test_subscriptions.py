"""States of users in subscription groups, on real Airflow."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG
from delivery.tries import CLEARED, FIRST

from braze_provider.api.errors import BrazeValidationError
from braze_provider.delivery.sender import MAX_ATTEMPTS, Sender
from braze_provider.hooks.braze import BrazeHook
from braze_provider.operators.subscriptions import SubscriptionSetOperator
from braze_provider.recipients import SqlRecipients
from braze_provider.tasks import records

pytestmark = pytest.mark.dag

DAY = pendulum.datetime(2026, 11, 20)
IDS = [f"u{number}" for number in range(120)]


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch) -> None:
    """Let the attempts of a batch follow each other without a wait."""
    monkeypatch.setitem(Sender.__init__.__kwdefaults__, "first_backoff", 0.001)


@pytest.fixture
def ledger(tmp_path, monkeypatch) -> dict[str, str]:
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "ledger.db")}
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps(connection))
    return {"ledger_conn_id": "ledger"}


@pytest.fixture
def customers(tmp_path, monkeypatch) -> None:
    """A table of 60 customers with a numeric id."""
    path = tmp_path / "warehouse.db"
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    rows = [(n, f"u{n}@example.com", f"+49301234{n:02}") for n in range(60)]
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE customers (id INTEGER, email TEXT, phone TEXT)")
        db.executemany("INSERT INTO customers VALUES (?, ?, ?)", rows)


@pytest.fixture
def as_try(monkeypatch):
    """Let the next run be a certain try of the task instance."""
    return lambda which: monkeypatch.setattr(records, "try_of", lambda *_, **__: which)


def subscription_dag(**arguments: Any) -> DAG:
    with DAG("subscription", schedule=None) as dag:
        SubscriptionSetOperator(
            task_id="t",
            **{
                "subscription_group_id": "news",
                "subscription_state": "unsubscribed",
                "concurrency": 1,
                "retries": 2,
                "retry_delay": timedelta(0),
                **arguments,
            },
        )
    return dag


def state_of(sandbox, key: str) -> str | None:
    profile = sandbox.profile(key)
    return None if profile is None else profile["subscriptions"].get("news")


@pytest.mark.parametrize(
    ("argument", "field", "values", "key"),
    [
        ("external_ids", "external_id", ["u1", 2], "2"),
        ("emails", "email", ["a@example.com"], "email:a@example.com"),
        ("phones", "phone", ["+4930123456"], "phone:+4930123456"),
    ],
)
def test_the_state_of_the_listed_users_is_set(run_dag, sandbox, argument, field, values, key):
    result = run_dag(subscription_dag(**{argument: values}))

    assert result.state == "success", result.log
    assert sandbox.requests()[0]["body"] == {
        "subscription_group_id": "news",
        "subscription_state": "unsubscribed",
        field: [str(value) for value in values],
    }
    assert state_of(sandbox, key) == "unsubscribed"


def test_50_users_are_in_a_request(run_dag, sandbox):
    run_dag(subscription_dag(external_ids=IDS, use_double_opt_in_logic=True))

    bodies = [request["body"] for request in sandbox.requests()]
    assert [len(body["external_id"]) for body in bodies] == [50, 50, 20]
    assert all(body["use_double_opt_in_logic"] is True for body in bodies)


@pytest.mark.parametrize(
    ("argument", "column", "key"),
    [
        ("external_ids", "id AS external_id", "7"),
        ("emails", "email", "email:u7@example.com"),
        ("phones", "phone", "phone:+4930123407"),
    ],
)
def test_the_column_of_a_query_names_the_users(run_dag, sandbox, customers, argument, column, key):
    source = SqlRecipients("warehouse", f"SELECT {column} FROM customers")

    result = run_dag(subscription_dag(**{argument: source}))

    assert result.state == "success", result.log
    assert state_of(sandbox, key) == "unsubscribed"
    assert len(sandbox.requests()) == 2


def test_all_users_with_an_address_change(run_dag, sandbox):
    hook = BrazeHook()
    attributes = [{"external_id": name, "email": "both@example.com"} for name in ("ada", "bob")]
    hook.users_track({"attributes": attributes})
    hook.close()

    run_dag(subscription_dag(emails=["both@example.com"]))

    assert [state_of(sandbox, name) for name in ("ada", "bob")] == ["unsubscribed"] * 2


def test_a_lost_answer_is_followed_by_another_request(run_dag, sandbox):
    sandbox.fault("disconnect", processed=True, after=1, times=1)

    assert run_dag(subscription_dag(external_ids=IDS)).state == "success"

    assert len(sandbox.requests()) == 4


def test_a_retry_needs_no_ledger(run_dag, sandbox):
    sandbox.fault("disconnect", processed=True, after=1, times=MAX_ATTEMPTS)

    result = run_dag(subscription_dag(external_ids=IDS))

    assert (result.state, result.task("t").try_number) == ("success", 2)
    assert all(state_of(sandbox, name) == "unsubscribed" for name in IDS)


def test_a_cleared_task_sets_all_states_again(run_dag, sandbox, ledger, as_try):
    for which in (FIRST, CLEARED):
        as_try(which)
        assert run_dag(subscription_dag(external_ids=IDS, **ledger), logical_date=DAY).state == "success"

    assert len(sandbox.requests()) == 6


def test_a_group_that_braze_does_not_know_fails_the_task_without_a_retry(run_dag, sandbox):
    sandbox.fault("status", status=400, message="Invalid subscription group ID", times=None)

    result = run_dag(subscription_dag(external_ids=IDS))

    assert (result.state, result.task("t").try_number) == ("failed", 1)
    assert "Invalid subscription group ID" in str(result.task("t").error)


# Bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "mistake"),
    [
        ({}, "names no user: give one of `external_id`, `email` or `phone`"),
        ({"emails": ["a@b.c"], "phones": ["+4930123456"]}, "phones: one task takes exactly one of"),
        ({"external_ids": ["u"], "emails": ["a@b.c"]}, "emails: one task takes exactly one of"),
        ({"phones": ["030 123456"]}, r"phones\[0\]: must be a telephone number in E.164"),
        ({"phones": ["+0301"]}, r"phones\[0\]: must be a telephone number in E.164"),
        ({"emails": [""]}, r"emails\[0\]: must not be empty"),
        ({"emails": "a@b.c"}, "emails: must be a list, .* not text: put a single one into a list"),
        ({"external_ids": ["u"], "subscription_state": "opted_in"}, "subscription_state: must be one of"),
        ({"external_ids": ["u"], "subscription_group_id": ""}, "subscription_group_id: must not be empty"),
    ],
)
def test_a_mistake_fails_the_import_of_the_dag(arguments, mistake):
    with pytest.raises(BrazeValidationError, match=mistake):
        subscription_dag(**arguments)


def test_two_kinds_that_templates_make_are_refused_before_the_first_request(run_dag, sandbox):
    with DAG("d", schedule=None, render_template_as_native_obj=True) as dag:
        SubscriptionSetOperator(
            task_id="t",
            subscription_group_id="news",
            subscription_state="subscribed",
            emails="{{ ['a@b.c'] }}",
            phones="{{ ['+4930123456'] }}",
        )

    result = run_dag(dag)

    assert (result.state, sandbox.requests()) == ("failed", [])
    assert "phones: one task takes exactly one of `external_ids`, `emails` or `phones`" in result.log


@pytest.mark.parametrize(
    ("argument", "sql", "mistake"),
    [
        ("emails", "SELECT id AS external_id FROM customers", "fits a field of a user"),
        ("emails", "SELECT email, phone FROM customers", "column 'phone' fits no field of a user"),
        ("phones", "SELECT CASE id WHEN 7 THEN '030' ELSE phone END AS phone FROM customers", "row 8: phone"),
        ("emails", "SELECT CASE id WHEN 7 THEN NULL ELSE email END AS email FROM customers", "row 8: must"),
    ],
)
def test_a_source_of_another_kind_is_refused_before_the_first_request(
    run_dag, sandbox, customers, argument, sql, mistake
):
    result = run_dag(subscription_dag(**{argument: SqlRecipients("warehouse", sql)}, retries=0))

    assert (result.state, sandbox.requests()) == ("failed", [])
    assert mistake in " ".join(str(result.task("t").error).split())


def test_the_hook_refuses_addresses_together_with_numbers(sandbox):
    request = {
        "subscription_group_id": "news",
        "subscription_state": "subscribed",
        "email": ["a@b.c"],
        "phone": ["+4930123456"],
    }

    with pytest.raises(BrazeValidationError, match="phone: is not allowed with `email`"):
        BrazeHook().subscription_status_set(request)

    assert sandbox.requests() == []
