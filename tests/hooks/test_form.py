"""The connection's form: the provider info declares it, and the hook gives it to Airflow 3.0 and 3.1."""

from __future__ import annotations

import builtins
import sys
from types import SimpleNamespace

import pytest

from braze_provider.get_provider_info import get_provider_info
from braze_provider.hooks.braze import BrazeHook
from braze_provider.hooks.connection import EXTRAS

(CONNECTION_TYPE,) = get_provider_info()["connection-types"]


def test_the_connection_type_names_the_hook():
    assert CONNECTION_TYPE["hook-class-name"] == f"{BrazeHook.__module__}.{BrazeHook.__qualname__}"
    assert CONNECTION_TYPE["connection-type"] == BrazeHook.conn_type
    assert CONNECTION_TYPE["hook-name"] == BrazeHook.hook_name


def test_older_airflows_get_the_behaviour_of_the_provider_info():
    declared = CONNECTION_TYPE["ui-field-behaviour"]
    assert BrazeHook.get_ui_field_behaviour() == {
        "hidden_fields": declared["hidden-fields"],
        "relabeling": declared["relabeling"],
        "placeholders": declared["placeholders"],
    }


def test_the_form_has_a_field_for_each_extra_of_a_connection():
    assert CONNECTION_TYPE["conn-fields"].keys() == set(EXTRAS)


def test_older_airflows_get_the_fields_of_the_provider_info(monkeypatch):
    # Not every Airflow has WTForms. An Airflow without it uses such a stand-in itself.
    wtforms = SimpleNamespace(StringField=lambda label, description: (label, description))
    monkeypatch.setitem(sys.modules, "wtforms", wtforms)
    assert BrazeHook.get_connection_form_widgets() == {
        name: (field["label"], field["description"]) for name, field in CONNECTION_TYPE["conn-fields"].items()
    }


def test_without_wtforms_airflow_is_told_what_is_missing(monkeypatch):
    """Airflow reads the module's name from the error: for this one it keeps the hook, without the fields."""
    real_import = builtins.__import__

    def without_wtforms(name, *args, **options):
        if name == "wtforms":
            raise ModuleNotFoundError("No module named 'wtforms'", name="wtforms")
        return real_import(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without_wtforms)
    with pytest.raises(ImportError) as caught:
        BrazeHook.get_connection_form_widgets()
    assert caught.value.name == "wtforms"


def test_only_wtforms_is_needed_for_the_fields(monkeypatch):
    """If the fields needed Flask-AppBuilder, an Airflow without it would lose the form's labels too."""
    monkeypatch.setitem(sys.modules, "wtforms", SimpleNamespace(StringField=lambda *_, **__: None))
    for name in ("flask_appbuilder", "flask_appbuilder.fieldwidgets", "flask_babel"):
        monkeypatch.setitem(sys.modules, name, None)
    assert BrazeHook.get_connection_form_widgets().keys() == set(EXTRAS)
