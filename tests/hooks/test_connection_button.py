"""The button *Test connection* in Airflow's UI, through the routes that the UI calls."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from airflow_harness import AIRFLOW_VERSION, initialise_database

from braze_provider.get_provider_info import get_provider_info
from braze_provider.sandbox import Sandbox

(CONNECTION_TYPE,) = get_provider_info()["connection-types"]

pytestmark = pytest.mark.dag


@pytest.fixture
def ui(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Airflow's API server, as an administrator's browser sees it."""
    from fastapi.testclient import TestClient

    monkeypatch.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS", "True")
    monkeypatch.setenv("AIRFLOW__API_AUTH__JWT_SECRET", "a secret of this test's, " * 4)
    initialise_database()
    from airflow.api_fastapi.app import create_app

    with TestClient(create_app()) as client:
        token = client.get("/auth/token").json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def press_the_button(ui, fields):
    """Save a connection, and test it as the UI does: with the saved fields, and 0 for a missing port."""
    path = "/api/v2/connections"
    saved = ui.post(path, json={"connection_id": "braze_ui", "conn_type": "braze", **fields})
    assert saved.status_code == 201, saved.text
    try:
        shown = ui.get(f"{path}/braze_ui").json()
        names = ("connection_id", "conn_type", "description", "host", "login", "schema", "password")
        body = {name: shown[name] or "" for name in names}
        return ui.post(
            f"{path}/test", json={**body, "extra": shown["extra"] or "{}", "port": shown["port"] or 0}
        )
    finally:
        ui.delete(f"{path}/braze_ui")


def test_a_connection_with_all_that_the_form_asks_for_passes(ui, sandbox: Sandbox):
    address = urlsplit(sandbox.url)
    fields = {"host": f"http://{address.hostname}", "port": address.port, "password": sandbox.api_key}
    for hidden in CONNECTION_TYPE["ui-field-behaviour"]["hidden-fields"]:
        fields.pop(hidden, None)

    answer = press_the_button(ui, fields).json()

    if AIRFLOW_VERSION == (3, 0):  # Its button can't test a connection that has a password.
        assert answer["status"] is False
        assert "use: airflow connections test" in answer["message"]
    else:
        assert answer == {
            "status": True,
            "message": "127.0.0.1 knows the API key, and it may list campaigns",
        }


def test_only_airflow_3_3_refuses_to_test_a_connection_without_a_port(ui, sandbox: Sandbox):
    """Airflow 3.3 thinks that the port has changed, because the UI sends 0 where none is stored."""
    answer = press_the_button(ui, {"host": sandbox.url, "password": sandbox.api_key})

    refused = answer.status_code == 400 and "host or port to test differs" in answer.text
    assert refused is (AIRFLOW_VERSION == (3, 3))
