"""What Airflow's processes see of the plugin, on each Airflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from airflow_harness import AIRFLOW_VERSION

pytestmark = [pytest.mark.dag, pytest.mark.slow]

LISTS_PLUGINS = """
import json, sys
from airflow import plugins_manager
before = set(sys.modules)
import braze_provider.plugins.deliveries
loaded = sorted(set(sys.modules) - before)
plugins_manager.ensure_plugins_loaded()
info = plugins_manager.get_plugin_info()
errors = getattr(plugins_manager, "get_import_errors", lambda: plugins_manager.import_errors)()
views = [(one["name"], one.get("external_views")) for one in info]
print("ANSWER", json.dumps([loaded, views, dict(errors)]))
"""


def run(*command: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=True, env={**os.environ, **env}
    )


@pytest.fixture(scope="module")
def told():
    """The modules that the plugin loads, Airflow's list of plugins with their views, and import errors."""
    ran = run("-c", LISTS_PLUGINS)
    return *json.loads(ran.stdout.rpartition("ANSWER ")[2]), ran.stdout + ran.stderr


def test_importing_the_plugin_loads_nothing_but_itself(told):
    loaded = set(told[0]) - {"braze_provider"}
    assert loaded == {"braze_provider.plugins", "braze_provider.plugins.deliveries"}


@pytest.mark.skipif(AIRFLOW_VERSION < (3, 1), reason="Airflow 3.0 has no external views")
def test_airflow_lists_the_page_in_its_browse_menu(told):
    (views,) = (views for name, views in told[1] if name == "braze_deliveries")
    assert [(view["name"], view["category"], view["destination"]) for view in views] == [
        ("Braze deliveries", "browse", "nav")
    ]
    assert told[2] == {}


@pytest.mark.skipif(AIRFLOW_VERSION >= (3, 1), reason="Airflow 3.1 and newer have the page")
def test_on_airflow_3_0_nothing_of_it_appears(told):
    assert [name for name, _ in told[1] if "braze" in name] == []
    assert told[2] == {}
    assert "braze" not in told[3].partition("ANSWER")[0]
    assert "braze" not in run("-m", "airflow", "plugins").stdout


def test_airflow_knows_the_option_and_its_default():
    shown = run("-m", "airflow", "config", "list", "--section", "braze", "--include-descriptions")
    assert "deliveries_conn_id" in shown.stdout
    given = run(
        *("-m", "airflow", "config", "get-value", "braze", "deliveries_conn_id"),
        AIRFLOW__BRAZE__DELIVERIES_CONN_ID="ledger_of_mine",
    )
    assert "ledger_of_mine" in given.stdout
