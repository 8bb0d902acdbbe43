"""The provider's metadata, judged by the installed Airflow: a mistake in it shows nowhere else."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import subprocess
import sys
from importlib.resources import files

import jsonschema
import pytest
from airflow_harness import AIRFLOW_VERSION

from braze_provider import __version__
from braze_provider.get_provider_info import get_provider_info

DISTRIBUTION = "airflow-provider-braze-messaging"
FIELDS = {"timeout", "proxies", "verify", "allow_http", "rate_limits", "pools"}

pytestmark = pytest.mark.dag


@pytest.fixture(scope="module")
def info():
    return get_provider_info()


def airflow_schema(name):
    return json.loads(files("airflow").joinpath(name).read_text())


def test_airflow_s_own_schema_accepts_it(info):
    jsonschema.validate(info, airflow_schema("provider_info.schema.json"))


def test_no_key_is_unknown_to_airflow(info):
    """The schema lets unknown keys pass, so a misspelt one would be ignored without a word."""
    assert info.keys() <= airflow_schema("provider_info.schema.json")["properties"].keys()


def test_the_stricter_schema_for_sources_accepts_the_connection_type(info):
    schema = airflow_schema("provider.yaml.schema.json")["properties"]["connection-types"]
    jsonschema.validate(info["connection-types"], schema)
    known = schema["items"]["properties"].keys()
    if "ui-field-behaviour" not in known:
        pytest.skip("this Airflow's schema does not know the form's keys; newer ones check them")
    assert all(entry.keys() <= known | {"hook-name"} for entry in info["connection-types"])


def test_the_entry_point_leads_to_it():
    distribution = importlib.metadata.distribution(DISTRIBUTION)
    (entry_point,) = distribution.entry_points.select(group="apache_airflow_provider")
    assert entry_point.load() is get_provider_info
    assert get_provider_info()["package-name"] == distribution.metadata["Name"] == DISTRIBUTION
    assert distribution.version == __version__


def test_all_that_it_names_exists(info):
    integrations = {entry["integration-name"] for entry in info["integrations"]}
    for kind in ("hooks", "operators", "sensors", "triggers"):
        for section in info.get(kind, ()):
            assert section["integration-name"] in integrations
            assert len(set(section["python-modules"])) == len(section["python-modules"])
            for module in section["python-modules"]:
                importlib.import_module(module)
    classes = [one["class-name"] for one in info["task-decorators"]]
    for path in (*info["extra-links"], *info["notifications"], *classes):
        module, _, name = path.rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))
    for connection_type in info["connection-types"]:
        module, _, name = connection_type["hook-class-name"].rpartition(".")
        hook = getattr(importlib.import_module(module), name)
        assert (hook.conn_type, hook.hook_name) == (
            connection_type["connection-type"],
            connection_type["hook-name"],
        )


@pytest.mark.filterwarnings("ignore:ProvidersManager.hooks is deprecated")
def test_airflow_knows_the_hook():
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()

    assert DISTRIBUTION in manager.providers
    hook = manager.hooks["braze"]
    assert hook is not None
    assert hook.hook_class_name == "braze_provider.hooks.braze.BrazeHook"
    assert hook.connection_id_attribute_name == "braze_conn_id"
    assert hook.connection_testable


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_airflow_knows_links_notifiers_and_decorators(info):
    from airflow.providers_manager import ProvidersManager

    manager = ProvidersManager()

    assert set(info["extra-links"]) <= set(manager.extra_links_class_names)
    assert set(info["notifications"]) <= set(manager.notification)
    assert {one["name"] for one in info["task-decorators"]} <= manager.taskflow_decorators.keys()


def test_the_connection_form():
    """What Airflow's UI asks its server for when somebody picks the connection type."""
    if AIRFLOW_VERSION < (3, 1) and not importlib.util.find_spec("wtforms"):
        pytest.skip("Airflow 3.0 leaves forms as they are unless WTForms is installed")
    # In a process of its own: Airflow 3.1 imports mocks of WTForms for it, and imports each hook only once.
    program = (
        "import sys; from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService\n"
        "(form,) = (form for form in HookMetaService.hook_meta_data() if form.connection_type == 'braze')\n"
        "sys.__stderr__.write('FORM ' + form.model_dump_json())"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    form = json.loads(run.stderr.rpartition("FORM ")[2])

    fields = form["standard_fields"]
    assert form["hook_name"] == "Braze"
    assert fields["host"]["title"] == "REST endpoint"
    assert fields["host"]["placeholder"] == "rest.iad-01.braze.com"
    assert fields["password"]["title"] == "REST API key"
    assert fields["port"]["placeholder"] == "443, for the Test button; or use: airflow connections test"
    hidden = {name for name, field in fields.items() if field and field["hidden"]}
    assert hidden == {"login", "url_schema"}
    if AIRFLOW_VERSION >= (3, 2):
        assert form["extra_fields"].keys() == FIELDS
