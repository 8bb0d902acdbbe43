"""The Airflow connections that a SQL ledger can use."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ledger.sql_ledger_helpers import KEY, claims, goes_on, in_threads, settled, states
from sqlalchemy.engine import make_url

from braze_provider.api.errors import BrazeConnectionError
from braze_provider.ledger.base import State
from braze_provider.ledger.sql import open_sql_ledger


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Define an Airflow connection: ``connection(conn_type=…, host=…)`` gives its id."""

    def define(**fields: Any) -> str:
        monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps(fields))
        return "ledger"

    return define


def test_a_ledger_is_kept_in_a_sqlite_file(connection: Callable[..., str], tmp_path: Path):
    conn_id = connection(conn_type="sqlite", host=str(tmp_path / "ledger.db"))
    ledger = open_sql_ledger(conn_id, KEY, "first")
    assert ledger.open(goes_on) is None
    assert list(ledger.write([], claims(0))) == [0]
    assert in_threads(1, lambda _: list(ledger.write([], claims(1)))) == [[1]]
    assert open_sql_ledger(conn_id, KEY, "second").open(goes_on) is not None
    assert str(ledger) == "table braze_receipt of connection 'ledger' (sqlite)"
    ledger.close()


@pytest.mark.postgres
@pytest.mark.parametrize("cursor", [None, "realdictcursor", "dictcursor", "namedtuplecursor"])
def test_a_ledger_is_kept_in_postgresql(
    connection: Callable[..., str], postgres_dsn: str, cursor: str | None
):
    pytest.importorskip("airflow.providers.postgres")
    url = make_url(postgres_dsn)
    conn_id = connection(
        conn_type="postgres",
        host=url.host,
        port=url.port,
        login=url.username,
        password=url.password or "s3cret",
        schema=url.database,
        extra=json.dumps({"cursor": cursor} if cursor else {}),
    )
    try:
        ledger = open_sql_ledger(conn_id, KEY, "first")
    except BrazeConnectionError as error:
        if cursor and "ursor" in str(error):
            pytest.skip(f"Airflow's own hook refuses that: {error}")
        raise
    assert ledger.open(goes_on) is None
    assert list(ledger.write([], claims(0, 1))) == [0, 1]
    assert list(ledger.write([settled(0), settled(1)], claims(2))) == [2]
    assert states(ledger) == {0: State.SENT, 1: State.SENT, 2: State.CLAIMED}
    assert str(ledger) == "table braze_receipt of connection 'ledger' (postgresql)"
    ledger.close()


# Deployments that share a database -------------------------------------------------------------------------


def connection_to(dsn: str, **extra: Any) -> dict[str, Any]:
    url = make_url(dsn)
    return {
        "conn_type": "postgres" if url.get_backend_name() == "postgresql" else "sqlite",
        "host": url.host or url.database,
        "port": url.port,
        "login": url.username,
        "password": url.password,
        "schema": url.database if url.host else None,
        "extra": json.dumps(extra),
    }


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def dsn(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    pytest.importorskip("airflow.providers.postgres")
    found: str = request.getfixturevalue("postgres_dsn")
    return found


def test_deployments_that_share_a_database_have_their_own_deliveries(
    connection: Callable[..., str], dsn: str
):
    heads = []
    for name in ("production", "test", "", "production"):
        conn_id = connection(**connection_to(dsn, **({"braze_deployment": name} if name else {})))
        ledger = open_sql_ledger(conn_id, KEY, f"copy-{len(heads)}")
        heads.append(ledger.open(goes_on))
        ledger.close()
    assert heads[:3] == [None, None, None]
    assert heads[3] is not None


@pytest.mark.parametrize("name", [7, None, ["production"], "p" * 256])
def test_a_deployment_name_must_be_a_text_that_is_not_too_long(
    connection: Callable[..., str], tmp_path: Path, name: Any
):
    conn_id = connection(**connection_to(f"sqlite:///{tmp_path / 'ledger.db'}", braze_deployment=name))
    with pytest.raises(BrazeConnectionError, match=r"'ledger': 'braze_deployment' .* at most 255 characters"):
        open_sql_ledger(conn_id, KEY, "first")


def test_a_ledger_can_be_told_to_keep_recipients(connection: Callable[..., str], tmp_path: Path):
    conn_id = connection(conn_type="sqlite", host=str(tmp_path / "ledger.db"))
    assert not open_sql_ledger(conn_id, KEY, "first").keeps_recipients
    assert open_sql_ledger(conn_id, KEY, "first", keeps_recipients=True).keeps_recipients


# Connections that can't be used -----------------------------------------------------------------------------


def test_a_connection_that_is_not_defined_is_named():
    with pytest.raises(BrazeConnectionError, match="connection 'no_such_ledger' can't be used"):
        open_sql_ledger("no_such_ledger", KEY, "first")


@pytest.mark.postgres
def test_an_unreachable_database_is_named_without_its_password(connection: Callable[..., str]):
    conn_id = connection(conn_type="postgres", host="127.0.0.1", port=1, login="me", password="s3cret")
    with pytest.raises(BrazeConnectionError, match=r"connection 'ledger' can't be used: .*refused") as caught:
        open_sql_ledger(conn_id, KEY, "first")
    assert "s3cret" not in str(caught.value)


def test_a_connection_to_something_else_is_refused(connection: Callable[..., str]):
    conn_id = connection(conn_type="fs", extra={"path": "/tmp"})
    with pytest.raises(BrazeConnectionError, match="'ledger' is not to a SQL database: its hook is FSHook"):
        open_sql_ledger(conn_id, KEY, "first")


def test_a_database_in_memory_is_refused(connection: Callable[..., str]):
    with pytest.raises(BrazeConnectionError, match="outlive"):
        open_sql_ledger(connection(conn_type="sqlite", host=""), KEY, "first")
