"""What the routes answer about the ledger itself. Who may ask is another matter: see test_access.py."""

from __future__ import annotations

import json
import socket
from types import SimpleNamespace

import pytest
from airflow_harness import AIRFLOW_VERSION, initialise_database
from plugins.ledger_helpers import add_deliveries

pytestmark = [
    pytest.mark.dag,
    pytest.mark.skipif(AIRFLOW_VERSION < (3, 1), reason="Airflow 3.0 has no external views"),
]


@pytest.fixture
def client(monkeypatch):
    """A client of the app for a user who may do everything."""
    initialise_database()
    from fastapi.testclient import TestClient

    from braze_provider.plugins import access
    from braze_provider.plugins.app import create_app

    app = create_app()
    app.dependency_overrides[access.get_user] = lambda: SimpleNamespace(get_name=lambda: "ada")
    app.dependency_overrides[access.may_read] = lambda: None
    monkeypatch.setattr(access, "permits", lambda *_: True)
    monkeypatch.setattr(access, "readable_dags", lambda _: {"win_back"})
    return TestClient(app)


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """Set the ledger of the page: a SQLite file, for an Airflow deployment."""

    def configure(deployment: str = "") -> str:
        extra = {"braze_deployment": deployment} if deployment else {}
        connection = {"conn_type": "sqlite", "host": str(tmp_path / "ledger.db"), "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps(connection))
        monkeypatch.setenv("AIRFLOW__BRAZE__DELIVERIES_CONN_ID", "ledger")
        return "ledger"

    return configure


def test_a_deployment_sees_its_own_deliveries_alone(client, ledger):
    """Several Airflows may share a ledger, and their Dags may have the same ids."""
    add_deliveries(ledger(), ["theirs"], dag_id="win_back", deployment="prod-us")
    add_deliveries(ledger(), ["ours"], dag_id="win_back", deployment="prod-eu")
    ledger("prod-eu")

    (one,) = client.get("/api/deliveries").json()["deliveries"]
    assert one["run_id"] == "ours"
    assert client.get(f"/api/dags/win_back/deliveries/{one['id']}").status_code == 200
    assert client.get(f"/api/dags/win_back/deliveries/{one['id'] - 1}").status_code == 404


def test_a_ledger_without_tables_is_an_empty_list(client, ledger):
    ledger()
    assert client.get("/api/deliveries").json() == {"deliveries": [], "total": 0}


def test_without_a_ledger_the_answer_says_so(client):
    answer = client.get("/api/deliveries")
    assert (answer.status_code, answer.json()["detail"]["code"]) == (404, "not_configured")
    assert "deliveries_conn_id" in answer.json()["detail"]["message"]


def test_an_error_of_the_ledger_says_nothing_of_the_connection(client, monkeypatch):
    """Only the API server's log has the driver's words, which may name hosts and users."""
    pytest.importorskip("airflow.providers.postgres")
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{nobody_listens.getsockname()[1]}"
        monkeypatch.setenv("AIRFLOW__BRAZE__DELIVERIES_CONN_ID", "broken")
        monkeypatch.setenv("AIRFLOW_CONN_BROKEN", f"postgres://secretive:hunter2@{address}/people")
        answer = client.get("/api/deliveries")
    assert answer.status_code == 503
    for word in ("hunter2", "secretive", "127.0.0.1", "people", "broken"):
        assert word not in answer.text


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("running", True),
        ("deferred", True),
        ("failed", False),
        ("success", False),
        ("up_for_retry", False),
        ("queued", None),
        (None, None),
    ],
)
def test_the_state_of_a_task_instance_tells_whether_a_try_goes_on(state, expected):
    from braze_provider.plugins.task_instances import goes_on

    assert goes_on(state) is expected
