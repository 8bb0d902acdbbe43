"""The examples of docs/sandbox.rst work."""

from __future__ import annotations

import json
import re
import textwrap
from pathlib import Path

import pytest
import yaml

from braze_provider._compat import Connection
from braze_provider.hooks.connection import BrazeConnection
from braze_provider.sandbox import Sandbox
from braze_provider.sandbox.__main__ import _parser
from braze_provider.sandbox.profile_file import read_profiles
from braze_provider.sandbox.workspace_file import read_workspace

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "sandbox.rst").read_text()


def examples(language: str) -> list[str]:
    found = re.findall(rf"\.\. code-block:: {language}\n\n((?:    .*\n|\n)+)", PAGE)
    assert found
    return [textwrap.dedent(block) for block in found]


@pytest.fixture
def compose():
    (example,) = examples("yaml")
    return yaml.safe_load(example.replace("${BRAZE_SANDBOX_TOKEN:?}", "t0ken"))["services"]


def test_the_compose_service_is_a_sandbox_that_its_neighbours_reach(compose):
    assert compose["braze"]["entrypoint"] == ["python", "-m", "braze_provider.sandbox"]
    options = _parser().parse_args(compose["braze"]["command"])
    config = Sandbox(host=options.host, port=options.port, token=options.token).config

    assert (config.is_private, config.keys) == (False, {"t0ken": None})
    assert compose["braze"]["ports"] == [f"127.0.0.1:{config.port}:{config.port}"]


def test_the_compose_connection_leads_to_the_compose_service(compose):
    given = compose["airflow-worker"]["environment"]["AIRFLOW_CONN_BRAZE_DEFAULT"]
    connection = BrazeConnection.from_airflow(Connection.from_json(given, conn_id="braze_default"))

    assert connection.base_url == f"http://{compose['braze']['hostname']}:8010"
    assert connection.api_key == "t0ken"


def test_the_workspace_file_is_one(tmp_path):
    (example,) = examples("json")
    path = tmp_path / "workspace.json"
    path.write_text(example)

    assert {kind: len(ids) for kind, ids in read_workspace(str(path)).items()} == {
        kind: len(ids) for kind, ids in json.loads(example).items()
    }


def test_the_options_that_it_shows_are_options():
    for line in re.findall(r"python -m braze_provider\.sandbox (--.*)", PAGE):
        assert vars(_parser().parse_args(line.split()))


def test_the_profiles_are_profiles():
    (example,) = examples("text")

    assert read_profiles(example.encode(), "csv") == [
        {"external_id": "customer-00001", "first_name": "Ada", "city": "Paris"}
    ]


def test_the_control_calls_are_control_calls(client):
    listed = {call["path"] for call in client.get("/_sandbox").json()["calls"]}
    named = re.findall(r"localhost:8010(/_sandbox[/\w]*)", PAGE)

    assert len(named) > 4
    assert set(named) <= listed


def test_the_fault_is_one(sandbox):
    (fault,) = re.findall(r"-d '(.*)'", PAGE)

    assert sandbox.fault(**json.loads(fault))["kind"] == "disconnect"
