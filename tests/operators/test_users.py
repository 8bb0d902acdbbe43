"""Aliases and ids of users, and their deletion, on real Airflow."""

from __future__ import annotations

import json
import sqlite3
from datetime import timedelta
from typing import Any

import airflow_harness
import pendulum
import pytest
from airflow.sdk import DAG
from delivery.tries import CLEARED, FIRST

from braze_provider.api.errors import BrazeValidationError
from braze_provider.delivery.sender import MAX_ATTEMPTS, Sender
from braze_provider.hooks.braze import BrazeHook
from braze_provider.operators.users import UsersAliasOperator, UsersDeleteOperator, UsersIdentifyOperator
from braze_provider.recipients import SqlRecipients
from braze_provider.tasks import records

pytestmark = pytest.mark.dag

DAY = pendulum.datetime(2026, 11, 20)
HAS_TASK_STATE = airflow_harness.AIRFLOW_VERSION >= (3, 3)
ALIASES = [
    {"external_id": f"u{number}", "alias_name": f"c{number}", "alias_label": "crm"} for number in range(120)
]
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
    """A table of 60 customers with numeric ids."""
    path = tmp_path / "warehouse.db"
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE customers (id INTEGER, email TEXT)")
        db.executemany("INSERT INTO customers VALUES (?, ?)", [(n, f"u{n}@example.com") for n in range(60)])


@pytest.fixture
def hook(sandbox):
    hook = BrazeHook()
    yield hook
    hook.close()


@pytest.fixture
def as_try(monkeypatch):
    """Let the next run be a certain try of the task instance."""
    return lambda which: monkeypatch.setattr(records, "try_of", lambda *_, **__: which)


def dag_of(operator: Any, **arguments: Any) -> DAG:
    with DAG("users", schedule=None) as dag:
        operator(task_id="t", **{"concurrency": 1, "retries": 2, "retry_delay": timedelta(0), **arguments})
    return dag


def alias_dag(**arguments: Any) -> DAG:
    return dag_of(UsersAliasOperator, **arguments)


def identify_dag(**arguments: Any) -> DAG:
    return dag_of(UsersIdentifyOperator, **arguments)


def delete_dag(**arguments: Any) -> DAG:
    return dag_of(UsersDeleteOperator, **{"max_recipients": 1_000, **arguments})


def killed_once(monkeypatch, batch_index: int) -> None:
    """Let the worker die once, after Braze has taken a batch and before that is noted."""
    killed = iter([True])
    send = Sender.send

    def dying(self: Sender, batch: Any, *rest: Any) -> Any:
        settled = send(self, batch, *rest)
        if batch.index == batch_index and next(killed, False):
            raise KeyboardInterrupt("the worker is gone")
        return settled

    monkeypatch.setattr(Sender, "send", dying)


# Aliases ----------------------------------------------------------------------------------------------------


def test_users_get_aliases_50_in_a_request(run_dag, sandbox):
    result = run_dag(alias_dag(user_aliases=ALIASES))

    assert result.state == "success", result.log
    assert [len(one["body"]["user_aliases"]) for one in sandbox.requests()] == [50, 50, 20]
    assert sandbox.profile("u7")["keys"] == ["u7", "alias:crm:c7"]
    assert result.xcom("t")["sent"] == 120


def test_an_alias_without_an_id_is_a_new_user(run_dag, sandbox):
    run_dag(alias_dag(user_aliases=[{"alias_name": 5, "alias_label": "crm"}]))

    assert sandbox.profile("alias:crm:5")["keys"] == ["alias:crm:5"]


def test_aliases_are_renamed(run_dag, sandbox):
    run_dag(alias_dag(user_aliases=ALIASES[:2]))
    updates = [{"alias_label": "crm", "old_alias_name": "c0", "new_alias_name": "new"}]

    assert run_dag(alias_dag(alias_updates=updates)).state == "success"

    assert sandbox.requests()[-1]["endpoint"] == "/users/alias/update"
    assert sandbox.profile("alias:crm:new")["keys"] == ["u0", "alias:crm:new"]
    assert sandbox.profile("alias:crm:c0") is None


def test_the_columns_of_a_query_are_the_fields_of_an_alias(run_dag, sandbox, customers):
    sql = "SELECT id AS external_id, id * 10 AS alias_name, 'crm' AS alias_label FROM customers"

    assert run_dag(alias_dag(user_aliases=SqlRecipients("warehouse", sql))).state == "success"

    assert sandbox.profile("7")["keys"] == ["7", "alias:crm:70"]


@pytest.mark.parametrize("has_ledger", [False, True])
def test_a_lost_answer_to_a_new_alias_is_followed_by_another_request(run_dag, sandbox, ledger, has_ledger):
    sandbox.fault("disconnect", processed=True, after=1, times=1)

    result = run_dag(alias_dag(user_aliases=ALIASES, **(ledger if has_ledger else {})))

    assert result.state == "success", result.log
    assert len(sandbox.requests()) == 4


@pytest.mark.parametrize("has_ledger", [False, True])
def test_a_killed_try_of_aliases_is_followed_by_one_that_gives_all(
    run_dag, sandbox, ledger, monkeypatch, has_ledger
):
    killed_once(monkeypatch, 1)

    result = run_dag(alias_dag(user_aliases=ALIASES, **(ledger if has_ledger else {})))

    assert (result.state, result.task("t").try_number) == ("success", 2), result.log
    assert all(sandbox.profile(one["external_id"]) is not None for one in ALIASES)


def test_a_cleared_task_gives_all_aliases_again(run_dag, sandbox, ledger, as_try):
    for which in (FIRST, CLEARED):
        as_try(which)
        assert run_dag(alias_dag(user_aliases=ALIASES, **ledger), logical_date=DAY).state == "success"

    assert len(sandbox.requests()) == 6


# Identification ---------------------------------------------------------------------------------------------


def test_users_with_an_alias_get_an_id(run_dag, sandbox, hook):
    hook.users_alias_new({"user_aliases": [{"alias_name": "c0", "alias_label": "crm"}]})
    alias = {"alias_name": "c0", "alias_label": "crm"}

    result = run_dag(identify_dag(aliases_to_identify=[{"external_id": "u0", "user_alias": alias}]))

    assert result.state == "success", result.log
    assert sandbox.profile("u0")["keys"] == ["alias:crm:c0", "u0"]


def test_a_user_who_is_found_is_merged_into_the_one_with_the_id(run_dag, sandbox, hook):
    alone = {"user_alias": {"alias_name": "c0", "alias_label": "crm"}, "_update_existing_only": False}
    hook.users_track({"attributes": [{**alone, "city": "Rome", "tier": "gold"}]})
    hook.users_track({"attributes": [{"external_id": "u0", "city": "Oslo"}]})

    run_dag(
        identify_dag(aliases_to_identify=[{"external_id": "u0", "user_alias": alone["user_alias"]}]),
    )

    assert sandbox.profile("u0")["attributes"] == {"city": "Oslo", "tier": "gold"}


def test_all_kinds_share_the_50_users_of_a_request(run_dag, sandbox):
    order = {"prioritization": ["most_recently_updated"]}
    emails = [{"external_id": name, "email": f"{name}@example.com", **order} for name in IDS[:40]]
    phones = [{"external_id": "u", "phone": f"+49301234{n:02}", **order} for n in range(20)]

    result = run_dag(identify_dag(emails_to_identify=emails, phone_numbers_to_identify=phones))

    assert result.state == "success", result.log
    kinds = ("emails_to_identify", "phone_numbers_to_identify")
    assert [[len(one["body"].get(kind, ())) for kind in kinds] for one in sandbox.requests()] == [
        [40, 10],
        [0, 10],
    ]


def test_the_columns_of_a_query_name_the_users_to_identify(run_dag, sandbox, customers, hook):
    hook.users_track({"attributes": [{"email": "u7@example.com", "tier": "gold"}]})
    order = "'unidentified,most_recently_updated' AS prioritization"
    sql = f"SELECT id AS external_id, email, {order} FROM customers"

    result = run_dag(identify_dag(emails_to_identify=SqlRecipients("warehouse", sql)))

    assert result.state == "success", result.log
    assert sandbox.profile("7")["attributes"]["tier"] == "gold"


def test_a_lost_answer_to_an_identification_is_followed_by_another_request(run_dag, sandbox):
    sandbox.fault("disconnect", processed=True, times=1)
    alias = {"alias_name": "c0", "alias_label": "crm"}

    result = run_dag(identify_dag(aliases_to_identify=[{"external_id": "u0", "user_alias": alias}]))

    assert result.state == "success", result.log
    assert len(sandbox.requests()) == 2


# Deletion ---------------------------------------------------------------------------------------------------


def deleted(sandbox) -> list[str]:
    """The ids in all requests for deletion, in order."""
    requests = [one["body"] for one in sandbox.requests() if one["endpoint"] == "/users/delete"]
    return [external_id for body in requests for external_id in body["external_ids"]]


def test_users_are_deleted_50_in_a_request(run_dag, sandbox, hook):
    hook.users_track({"attributes": [{"external_id": "u7", "tier": "gold"}]})

    result = run_dag(delete_dag(external_ids=IDS))

    assert result.state == "success", result.log
    assert deleted(sandbox) == IDS
    assert sandbox.profile("u7") is None
    assert result.xcom("t")["sent"] == 120


def test_a_message_reaches_no_user_who_was_deleted(run_dag, sandbox, hook):
    run_dag(delete_dag(external_ids=["u0"]))

    recipients = [{"external_user_id": name} for name in ("u0", "u1")]
    hook.campaigns_trigger_send({"campaign_id": "c", "recipients": recipients})

    assert set(sandbox.recipients()) == {"u1"}


@pytest.mark.parametrize(
    ("argument", "given", "sent"),
    [
        ("external_ids", ["u1", 2], ["u1", "2"]),
        ("braze_ids", ["b1"], ["b1"]),
        ("user_aliases", [{"alias_name": "a", "alias_label": "b"}], None),
        ("email_addresses", [{"email": "a@example.com", "prioritization": ["identified"]}], None),
        ("phone_numbers", [{"phone": "+4930123456", "prioritization": ["unidentified"]}], None),
    ],
)
def test_users_are_deleted_by_each_kind_of_identifier(run_dag, sandbox, argument, given, sent):
    result = run_dag(delete_dag(**{argument: given}))

    assert result.state == "success", result.log
    assert sandbox.requests()[0]["body"] == {argument: given if sent is None else sent}


@pytest.mark.parametrize(
    ("argument", "columns", "first"),
    [
        ("external_ids", "id AS external_id", "0"),
        ("user_aliases", "id AS alias_name, 'crm' AS alias_label", {"alias_name": "0", "alias_label": "crm"}),
        (
            "email_addresses",
            "email, 'identified' AS prioritization",
            {"email": "u0@example.com", "prioritization": ["identified"]},
        ),
    ],
)
def test_the_columns_of_a_query_name_the_users_to_delete(
    run_dag, sandbox, customers, argument, columns, first
):
    source = SqlRecipients("warehouse", f"SELECT {columns} FROM customers")

    result = run_dag(delete_dag(**{argument: source}))

    assert result.state == "success", result.log
    assert sandbox.requests()[0]["body"][argument][0] == first
    assert [len(one["body"][argument]) for one in sandbox.requests()] == [50, 10]


def test_more_users_than_allowed_are_not_deleted(run_dag, sandbox):
    result = run_dag(delete_dag(external_ids=IDS, max_recipients=119))

    assert (result.state, sandbox.requests()) == ("failed", [])
    assert "max_recipients" in str(result.task("t").error)


def test_a_lost_answer_to_a_deletion_is_followed_by_another_request(run_dag, sandbox):
    sandbox.fault("disconnect", processed=True, after=1, times=1)

    assert run_dag(delete_dag(external_ids=IDS)).state == "success"

    assert len(sandbox.requests()) == 4


def test_a_killed_try_of_a_deletion_is_followed_by_one_that_repeats_only_what_is_in_doubt(
    run_dag, sandbox, ledger, monkeypatch
):
    killed_once(monkeypatch, 1)

    result = run_dag(delete_dag(external_ids=IDS, **ledger))

    assert (result.state, result.task("t").try_number) == ("success", 2), result.log
    assert deleted(sandbox)[:50] == IDS[:50]
    assert not set(deleted(sandbox)[50:]) & set(IDS[:50])
    assert set(deleted(sandbox)) == set(IDS)


def test_a_cleared_task_deletes_nobody_again(run_dag, sandbox, ledger, as_try):
    for which in (FIRST, CLEARED):
        as_try(which)
        result = run_dag(delete_dag(external_ids=IDS, **ledger), logical_date=DAY)
        assert result.state == "success", result.log

    assert "Nothing is sent: an earlier try has sent everything" in result.log
    assert deleted(sandbox) == IDS


def test_a_cleared_task_with_other_users_deletes_nobody(run_dag, sandbox, ledger, as_try):
    as_try(FIRST)
    run_dag(delete_dag(external_ids=IDS, **ledger), logical_date=DAY)

    as_try(CLEARED)
    result = run_dag(delete_dag(external_ids=["other"], **ledger), logical_date=DAY)

    assert result.state == "failed"
    said = "The source names 1 user now; 120 were sent. Nothing was sent now."
    assert said in " ".join(str(result.task("t").error).split())
    assert deleted(sandbox) == IDS


def test_resend_deletes_all_users_again(run_dag, sandbox, ledger, as_try):
    for which in (FIRST, CLEARED):
        as_try(which)
        run_dag(delete_dag(external_ids=IDS, resend=True, **ledger), logical_date=DAY)

    assert deleted(sandbox) == [*IDS, *IDS]


@pytest.mark.skipif(HAS_TASK_STATE, reason="Airflow has a task state store from 3.3 on")
def test_a_retry_without_a_ledger_deletes_nobody(run_dag, sandbox):
    sandbox.fault("status", status=500, after=1, times=MAX_ATTEMPTS)

    result = run_dag(delete_dag(external_ids=IDS))

    assert (result.state, result.task("t").try_number) == ("failed", 1)
    assert len(sandbox.requests()) == 1 + MAX_ATTEMPTS + 1, "only the third batch came after the second"


@pytest.mark.parametrize(("resend", "is_deleted"), [(False, False), (True, True), ("again", True)])
def test_a_cleared_task_without_a_ledger_deletes_only_on_demand(
    run_dag, sandbox, monkeypatch, as_try, resend, is_deleted
):
    as_try(CLEARED)
    execute = UsersDeleteOperator.execute

    def without_store(self: UsersDeleteOperator, context: Any) -> Any:
        return execute(self, {name: value for name, value in context.items() if name != "task_state_store"})

    monkeypatch.setattr(UsersDeleteOperator, "execute", without_store)

    result = run_dag(delete_dag(external_ids=["u0"], resend=resend))

    assert deleted(sandbox) == (["u0"] if is_deleted else [])
    assert ("Nobody is deleted: the task was cleared" in result.log) is not is_deleted


# Refusals and bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dag",
    [
        lambda: alias_dag(user_aliases=ALIASES[:1]),
        lambda: identify_dag(
            aliases_to_identify=[
                {"external_id": "u", "user_alias": {"alias_name": "a", "alias_label": "b"}},
            ]
        ),
        lambda: delete_dag(external_ids=["u"]),
    ],
    ids=["alias", "identify", "delete"],
)
def test_a_refusal_fails_the_task_without_a_retry(run_dag, sandbox, dag):
    sandbox.fault("status", status=400, message="Bad Request", times=None)

    result = run_dag(dag())

    assert (result.state, result.task("t").try_number) == ("failed", 1)
    assert "Braze refused the request with 400 (Bad Request)" in str(result.task("t").error)


BOTH = {"prioritization": ["identified", "unidentified"]}


@pytest.mark.parametrize(
    ("dag", "arguments", "mistake"),
    [
        (alias_dag, {}, "user_aliases: is required"),
        (alias_dag, {"user_aliases": [{"alias_name": "a"}]}, r"user_aliases\[0\].alias_label: is required"),
        (
            alias_dag,
            {"user_aliases": [{"alias_name": "a" * 237, "alias_label": "b"}]},
            r"user_aliases\[0\].alias_name: must be at most 236 bytes long",
        ),
        (
            alias_dag,
            {
                "user_aliases": ALIASES,
                "alias_updates": [{"alias_label": "a", "old_alias_name": "b", "new_alias_name": "c"}],
            },
            "alias_updates: one task takes exactly one of",
        ),
        (
            alias_dag,
            {"alias_updates": [{"alias_name": "a"}]},
            r"alias_updates\[0\].old_alias_name: is required",
        ),
        (identify_dag, {}, "names no user: give"),
        (
            identify_dag,
            {"aliases_to_identify": [{"external_id": "u", "alias_name": "a"}]},
            r"aliases_to_identify\[0\].alias_name: unknown field; put it into `user_alias`",
        ),
        (
            identify_dag,
            {"emails_to_identify": [{"external_id": "u", "email": "a@b.c"}]},
            r"emails_to_identify\[0\].prioritization: is required",
        ),
        (
            identify_dag,
            {"emails_to_identify": [{"external_id": "u", "email": "a@b.c", **BOTH}]},
            "takes one of `identified` and `unidentified`, not both",
        ),
        (delete_dag, {}, "names no user: give one of"),
        (delete_dag, {"external_ids": ["u"], "max_recipients": None}, "max_recipients: is required"),
        (
            delete_dag,
            {"external_ids": ["u"], "braze_ids": ["b"]},
            "braze_ids: one task takes exactly one of `external_ids`",
        ),
        (delete_dag, {"external_ids": [""]}, r"external_ids\[0\]: must not be empty"),
        (delete_dag, {"external_ids": [{"id": "u"}]}, r"external_ids\[0\]: must be text, not an object"),
        (
            delete_dag,
            {"email_addresses": ["a@b.c"]},
            r"email_addresses\[0\]: must be an object, not text",
        ),
        (
            delete_dag,
            {"phone_numbers": [{"phone": "+49301", "prioritization": ["least_recently_updated"]}]},
            r"phone_numbers\[0\].prioritization\[0\]: must be one of",
        ),
    ],
)
def test_a_mistake_fails_the_import_of_the_dag(dag, arguments, mistake):
    with pytest.raises(BrazeValidationError, match=mistake):
        dag(**arguments)


def test_a_source_of_another_kind_deletes_nobody(run_dag, sandbox, customers):
    source = SqlRecipients("warehouse", "SELECT email FROM customers")

    result = run_dag(delete_dag(external_ids=source, retries=0))

    assert (result.state, sandbox.requests()) == ("failed", [])
    assert "none of its columns fits a field of a user" in str(result.task("t").error)


def test_the_hook_refuses_two_kinds_of_identifiers_in_one_request(hook, sandbox):
    with pytest.raises(BrazeValidationError, match="a request takes exactly one of them"):
        hook.users_delete({"external_ids": ["u"], "braze_ids": ["b"]})

    assert sandbox.requests() == []


def test_the_hook_refuses_51_users_in_one_request(hook, sandbox):
    with pytest.raises(BrazeValidationError, match="one request takes 50 at most"):
        hook.users_delete({"external_ids": [str(number) for number in range(51)]})

    assert sandbox.requests() == []


def test_the_hook_renames_aliases(hook, sandbox):
    hook.users_alias_new({"user_aliases": ALIASES[:1]})
    hook.users_alias_update(
        {"alias_updates": [{"alias_label": "crm", "old_alias_name": "c0", "new_alias_name": "c1"}]}
    )

    assert sandbox.profile("u0")["keys"] == ["u0", "alias:crm:c1"]
