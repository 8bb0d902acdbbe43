"""The pools of a connection, as a file for Airflow."""

from __future__ import annotations

import json

import pytest

from braze_provider import pools

EXTRA = {
    "rate_limits": {"default": 360_000},
    "pools": {"braze": {"slots": 10, "bucket": "default"}, "blasts": {"slots": 5, "bucket": "broadcast"}},
}


@pytest.fixture
def connection(monkeypatch):
    """Put a Braze connection into the environment."""

    def put(extra):
        settings = {"conn_type": "braze", "host": "rest.iad-01.braze.com", "password": "k3y", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", json.dumps(settings))

    return put


def test_each_pool_has_its_slots_and_the_rate_of_a_slot(connection, capsys):
    connection(EXTRA)

    assert pools.main([]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "braze": {
            "slots": 10,
            "description": "Braze: each slot is 10 requests/s of the bucket default",
            "include_deferred": False,
        },
        "blasts": {
            "slots": 5,
            "description": "Braze: each slot is 0.833 requests/s of the bucket broadcast",
            "include_deferred": False,
        },
    }


@pytest.mark.dag
def test_airflow_accepts_the_file(connection, capsys, tmp_path):
    import airflow_harness

    connection(EXTRA)
    pools.main([])
    (tmp_path / "pools.json").write_text(capsys.readouterr().out)
    airflow_harness.initialise_database()
    from airflow.api_fastapi.core_api.datamodels.pools import PoolBody

    for name, pool in json.loads((tmp_path / "pools.json").read_text()).items():
        assert PoolBody(pool=name, **pool).slots == EXTRA["pools"][name]["slots"]


def test_a_connection_without_pools_gives_an_empty_file_and_says_so(connection, capsys):
    connection({})

    assert pools.main([]) == 1
    output = capsys.readouterr()
    assert json.loads(output.out) == {}
    assert "names no pools" in output.err


def test_a_connection_that_cannot_be_used_is_named(connection, capsys):
    connection({"pools": {"braze": {"slots": 0, "bucket": "default"}}})

    assert pools.main([]) == 2
    assert "extra.pools.braze.slots" in capsys.readouterr().err
