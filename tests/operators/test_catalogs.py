"""Items of catalogs, on real Airflow."""

from __future__ import annotations

import json
import sqlite3
from datetime import date, timedelta
from typing import Any

import pendulum
import pytest
from airflow.sdk import DAG, task
from delivery.tries import CLEARED, FIRST

from braze_provider.api.errors import BrazeNotFoundError, BrazeRejectedError, BrazeValidationError
from braze_provider.delivery.sender import MAX_ATTEMPTS, Sender
from braze_provider.hooks.braze import BrazeHook
from braze_provider.operators.catalogs import CatalogItemsOperator
from braze_provider.recipients import FileRecipients, SqlRecipients
from braze_provider.sandbox import Catalog, Sandbox
from braze_provider.tasks import records

pytestmark = pytest.mark.dag

DAY = pendulum.datetime(2026, 11, 20)
ITEMS = [{"id": f"dish-{number}", "name": f"Dish {number}", "price": number / 2} for number in range(120)]


@pytest.fixture(autouse=True)
def no_backoff(monkeypatch) -> None:
    """Let the attempts of a batch follow each other without a wait."""
    monkeypatch.setitem(Sender.__init__.__kwdefaults__, "first_backoff", 0.001)


@pytest.fixture(params=["none", "sql"])
def ledger(request, tmp_path, monkeypatch) -> dict[str, str]:
    """The operator's arguments without a ledger, and with one."""
    if request.param == "none":
        return {}
    connection = {"conn_type": "sqlite", "host": str(tmp_path / "ledger.db")}
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps(connection))
    return {"ledger_conn_id": "ledger"}


@pytest.fixture
def as_try(monkeypatch):
    """Let the next run be a certain try of the task instance."""
    return lambda which: monkeypatch.setattr(records, "try_of", lambda *_, **__: which)


def catalog_dag(**arguments: Any) -> DAG:
    with DAG("catalog", schedule=None) as dag:
        CatalogItemsOperator(
            task_id="t",
            **{
                "catalog_name": "dishes",
                "concurrency": 1,
                "retries": 2,
                "retry_delay": timedelta(0),
                **arguments,
            },
        )
    return dag


def requests_of(sandbox) -> list[int]:
    """The number of items in each request."""
    return [len(request["body"]["items"]) for request in sandbox.requests()]


# What is written --------------------------------------------------------------------------------------------


def test_items_are_written_50_in_a_request(run_dag, sandbox):
    result = run_dag(catalog_dag(items=ITEMS))

    assert result.state == "success", result.log
    assert requests_of(sandbox) == [50, 50, 20]
    assert sandbox.catalog("dishes") == {item["id"]: item for item in ITEMS}
    assert result.xcom("t")["sent"] == 120


def test_an_upsert_replaces_an_item_whole_and_an_update_changes_the_given_fields(run_dag, sandbox):
    run_dag(catalog_dag(items=ITEMS[:2]))

    run_dag(catalog_dag(items=[{"id": "dish-0", "price": 9}]))
    run_dag(catalog_dag(items=[{"id": "dish-1", "price": 9}, {"id": "unknown", "price": 9}], mode="update"))

    assert sandbox.catalog("dishes") == {
        "dish-0": {"id": "dish-0", "price": 9},
        "dish-1": {"id": "dish-1", "name": "Dish 1", "price": 9},
    }


def test_an_update_may_add_to_an_array_and_remove_from_it(run_dag, sandbox):
    run_dag(catalog_dag(items=[{"id": "a", "tags": ["hot", "new"]}]))

    run_dag(catalog_dag(items=[{"id": "a", "tags": {"$add": ["vegan"], "$remove": ["new"]}}], mode="update"))

    assert sandbox.catalog("dishes")["a"]["tags"] == ["hot", "vegan"]


@pytest.mark.parametrize(
    "items",
    [["dish-0", "dish-1"], [{"id": "dish-0"}, {"id": "dish-1"}]],
    ids=["ids", "objects"],
)
def test_items_are_deleted_by_their_ids(run_dag, sandbox, items):
    run_dag(catalog_dag(items=ITEMS[:3]))

    assert run_dag(catalog_dag(items=items, mode="delete")).state == "success"

    assert set(sandbox.catalog("dishes")) == {"dish-2"}
    assert sandbox.requests()[-1]["body"] == {"items": [{"id": "dish-0"}, {"id": "dish-1"}]}


def test_the_ids_to_delete_may_come_from_another_task(run_dag, sandbox):
    run_dag(catalog_dag(items=[{"id": "1"}, {"id": "2"}]))

    @task
    def gone() -> list[int]:
        return [1]

    with DAG("d", schedule=None) as dag:
        CatalogItemsOperator(task_id="t", catalog_name="dishes", items=gone(), mode="delete")

    assert run_dag(dag).state == "success"
    assert set(sandbox.catalog("dishes")) == {"2"}


def test_the_columns_of_a_query_are_the_fields_of_an_item(run_dag, sandbox, tmp_path, monkeypatch):
    path = tmp_path / "shop.db"
    monkeypatch.setenv("AIRFLOW_CONN_SHOP", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE dishes (id INTEGER, Name TEXT, price REAL, note TEXT)")
        db.executemany("INSERT INTO dishes VALUES (?, ?, ?, NULL)", [(n, f"Dish {n}", n) for n in range(60)])
    source = SqlRecipients("shop", 'SELECT *, 52.5 AS "place.lat" FROM dishes')

    result = run_dag(catalog_dag(items=source, catalog_name="{{ 'dishes' }}"))

    assert result.state == "success", result.log
    assert sandbox.catalog("dishes")["7"] == {
        "id": "7",
        "Name": "Dish 7",
        "price": 7.0,
        "place": {"lat": 52.5},
    }


def test_the_fields_of_a_line_are_those_of_an_item(run_dag, sandbox, tmp_path):
    lines = [{"id": "a", "tags": ["hot"], "geo": [13.4, 52.5]}]
    (tmp_path / "dishes.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))

    assert run_dag(catalog_dag(items=FileRecipients(f"{tmp_path}/dishes.jsonl"))).state == "success"

    assert sandbox.catalog("dishes") == {"a": lines[0]}


def test_a_date_becomes_text(run_dag, sandbox):
    run_dag(catalog_dag(items=[{"id": "a", "since": date(2026, 1, 2)}]))

    assert sandbox.catalog("dishes")["a"]["since"] == "2026-01-02"


def test_of_two_rows_with_one_id_the_first_counts(run_dag, sandbox):
    result = run_dag(catalog_dag(items=[{"id": "a", "n": 1}, {"id": "a", "n": 2}]))

    assert sandbox.catalog("dishes") == {"a": {"id": "a", "n": 1}}
    assert result.xcom("t")["duplicates_dropped"] == 1


# What a repeat does -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["upsert", "update", "delete"])
def test_a_lost_answer_is_followed_by_another_request(run_dag, sandbox, ledger, mode):
    sandbox.fault("disconnect", processed=True, after=1, times=1)
    items = [{"id": item["id"]} for item in ITEMS]

    result = run_dag(catalog_dag(items=items, mode=mode, **ledger))

    assert result.state == "success", result.log
    assert requests_of(sandbox) == [50, 50, 50, 20]


def test_a_retry_needs_no_ledger_to_write_the_rest(run_dag, sandbox, ledger):
    sandbox.fault("status", status=500, after=1, times=MAX_ATTEMPTS)

    result = run_dag(catalog_dag(items=ITEMS, **ledger))

    assert (result.state, result.task("t").try_number) == ("success", 2)
    assert len(sandbox.catalog("dishes")) == 120


def test_a_try_that_was_killed_is_followed_by_one_that_writes_everything(
    run_dag, sandbox, ledger, monkeypatch
):
    killed = iter([True])
    send = Sender.send

    def killed_once(self: Sender, batch: Any, *rest: Any) -> Any:
        if batch.index == 1 and next(killed, False):
            raise KeyboardInterrupt("the worker is gone")
        return send(self, batch, *rest)

    monkeypatch.setattr(Sender, "send", killed_once)

    result = run_dag(catalog_dag(items=ITEMS, **ledger))

    assert (result.state, result.task("t").try_number) == ("success", 2), result.log
    assert sandbox.catalog("dishes") == {item["id"]: item for item in ITEMS}


def test_a_retry_writes_values_that_have_changed_meanwhile(run_dag, sandbox, ledger, tmp_path):
    sandbox.fault("status", status=500, after=1, times=MAX_ATTEMPTS)
    path = tmp_path / "dishes.jsonl"

    def write(price: int) -> None:
        path.write_text("".join(json.dumps({"id": str(n), "price": price}) + "\n" for n in range(60)))

    write(1)
    result = run_dag(
        catalog_dag(items=FileRecipients(str(path)), on_retry_callback=lambda _: write(2), **ledger)
    )

    assert result.state == "success", result.log
    assert {item["price"] for item in sandbox.catalog("dishes").values()} == {2}


def test_a_cleared_task_writes_everything_again(run_dag, sandbox, ledger, as_try):
    for which in (FIRST, CLEARED):
        as_try(which)
        assert run_dag(catalog_dag(items=ITEMS, **ledger), logical_date=DAY).state == "success"

    assert requests_of(sandbox) == [50, 50, 20] * 2


# Refusals ---------------------------------------------------------------------------------------------------


@pytest.fixture
def strict(monkeypatch):
    """A sandbox with one catalog, which has two fields."""
    with Sandbox(catalogs=[Catalog(name="dishes", fields=["name", "price"])]) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", sandbox.airflow_connection)
        yield sandbox


def test_an_unknown_catalog_stops_the_task_and_is_named(run_dag, strict):
    result = run_dag(catalog_dag(items=ITEMS, catalog_name="drinks", retries=0))

    assert result.state == "failed"
    assert "catalog-not-found: Could not find catalog (catalog_name drinks)" in str(result.task("t").error)
    assert "There is no such Braze endpoint" not in result.log
    assert len(strict.requests()) == 1


def test_a_refused_request_names_the_error_and_the_item(run_dag, strict):
    items = [*ITEMS[:60], {"id": "odd", "colour": "red"}]

    result = run_dag(catalog_dag(items=items))

    assert result.state == "failed"
    said = "invalid-fields: Some of the fields given do not exist in the catalog (id odd)"
    assert said in " ".join(str(result.task("t").error).split())
    assert len(strict.catalog("dishes")) == 50
    assert result.task("t").try_number == 1


# Bad input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "mistake"),
    [
        ({"items": [{"name": "n"}]}, r"items\[0\].id: is required"),
        ({"items": [{"id": "a b"}]}, r"items\[0\].id: must have letters, digits, hyphens and underscores"),
        ({"items": [{"id": "a" * 251}]}, r"items\[0\].id: must be at most 250 characters long"),
        ({"items": [{"id": "a", "n": "x" * 5_001}]}, r"items\[0\].n: must be at most 5,000 characters long"),
        ({"items": [{"id": "a", "n": {"b.c": 1}}]}, r"items\[0\].n: holds a name with a dot"),
        ({"items": [{"id": "a", "n": {"$add": [1]}}]}, r"items\[0\].n: holds a name with a dot or a dollar"),
        ({"items": ["a"]}, "items: must be a list of objects, not of ids"),
        ({"items": [{"id": "a", "n": 1}], "mode": "delete"}, r"items\[0\].n: unknown field"),
        ({"items": ["a b"], "mode": "delete"}, r"items\[0\]: must have letters"),
        ({"items": [{"id": "a"}], "mode": "insert"}, "mode: must be `upsert`, `update` or `delete`"),
        ({"items": [{"id": "a"}], "catalog_name": "a/b"}, "catalog_name: is part of a path: a slash"),
        ({"items": [{"id": "a"}], "catalog_name": " "}, "catalog_name: is part of a path: it must not be"),
        ({"items": [{"id": "a"}], "allow_duplicates": True}, "allow_duplicates: is not allowed here"),
    ],
)
def test_a_mistake_fails_the_import_of_the_dag(arguments, mistake):
    with pytest.raises(BrazeValidationError, match=mistake):
        catalog_dag(**arguments)


def test_an_item_without_an_id_is_named_before_anything_is_written(run_dag, sandbox, tmp_path):
    rows = [{"id": str(number), "n": 1} for number in range(60)] + [{"n": 1}]
    (tmp_path / "items.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    result = run_dag(catalog_dag(items=FileRecipients(f"{tmp_path}/items.jsonl"), retries=0))

    assert (result.state, sandbox.requests()) == ("failed", [])
    assert "row 61: id: is required" in str(result.task("t").error)


def test_a_path_that_a_template_makes_is_checked_before_anything_is_written(run_dag, sandbox):
    result = run_dag(catalog_dag(items=ITEMS, catalog_name="{{ 'a/b' }}", retries=0))

    assert (result.state, sandbox.requests()) == ("failed", [])
    assert "catalog_name: is part of a path" in str(result.task("t").error)


# Words ------------------------------------------------------------------------------------------------------


def test_the_log_and_the_error_call_an_item_an_item(run_dag, strict):
    items = [*ITEMS[:60], {"id": "odd", "colour": "red"}]

    result = run_dag(catalog_dag(items=items))

    error = str(result.task("t").error)
    assert error.startswith("11 items rejected\n61 items in 2 requests: 50 sent, 11 rejected")
    assert "61 items from " in result.log
    assert "recipient" not in error


def test_too_many_items_are_called_items(run_dag, sandbox):
    result = run_dag(catalog_dag(items=ITEMS, max_recipients=100, retries=0))

    assert "has more than 100 items (max_recipients); nothing was sent" in str(result.task("t").error)


def test_no_items_are_called_items(run_dag, sandbox):
    assert "names no items: nothing is sent, and the task succeeds" in run_dag(catalog_dag(items=[])).log


# The hook ---------------------------------------------------------------------------------------------------


@pytest.fixture
def hook(sandbox):
    hook = BrazeHook()
    yield hook
    hook.close()


def test_the_hook_writes_items_and_lists_them_page_by_page(hook, sandbox):
    for start in (0, 50):
        hook.catalogs_items_replace({"catalog_name": "dishes", "items": ITEMS[start : start + 50]})
    hook.catalogs_items_update({"catalog_name": "dishes", "items": [{"id": "dish-0", "price": 9}]})
    hook.catalogs_items_delete({"catalog_name": "dishes", "items": [{"id": "dish-1"}]})

    items = list(hook.items_of("catalogs_items_list", catalog_name="dishes"))

    assert [item["id"] for item in items] == ["dish-0", *(f"dish-{n}" for n in range(2, 100))]
    assert items[0] == {"id": "dish-0", "name": "Dish 0", "price": 9}
    (catalog,) = hook.catalogs_list()
    assert (catalog["name"], catalog["num_items"]) == ("dishes", 99)


@pytest.mark.parametrize("method", ["replace", "update", "delete"])
def test_51_items_in_one_request_are_refused_before_it_is_made(hook, sandbox, method):
    write = getattr(hook, f"catalogs_items_{method}")

    with pytest.raises(BrazeValidationError, match="items: 51 in `items`; one request takes 50 at most"):
        write({"catalog_name": "dishes", "items": [{"id": str(number)} for number in range(51)]})

    assert sandbox.requests() == []


def test_an_id_twice_in_one_request_is_refused_before_it_is_made(hook, sandbox):
    with pytest.raises(BrazeValidationError, match=r"items\[1\].id: is there twice"):
        hook.catalogs_items_replace({"catalog_name": "dishes", "items": [{"id": "a"}, {"id": "a"}]})

    assert sandbox.requests() == []


def test_an_unknown_catalog_is_an_error_of_its_own(strict):
    with pytest.raises(BrazeNotFoundError, match=r"does not know what the request names.*catalog-not-found"):
        BrazeHook().catalogs_items_list("drinks")


def test_what_braze_repeats_of_an_item_is_short(strict):
    items = [{"id": "x" * 250, "colour": "red"}]

    with pytest.raises(BrazeRejectedError) as caught:
        BrazeHook().catalogs_items_replace({"catalog_name": "dishes", "items": items})

    assert "x" * 59 + "…" in str(caught.value)
    assert "x" * 60 not in str(caught.value)
