"""Each endpoint has all of its parts: hook method, sandbox route, class or reason, and the listings."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from conformance.reach import REASONS, ROOMS_OF_CLASSES, classes, reach
from matrix.cases import CASES
from matrix.dags.matrix import TASKS

from braze_provider.api.endpoints import ENDPOINTS, Endpoint
from braze_provider.get_provider_info import get_provider_info
from braze_provider.hooks.braze import BrazeHook
from braze_provider.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = yaml.safe_load((ROOT / ".airflow-registry.yaml").read_text())
WITH_A_METHOD = [
    endpoint
    for endpoint in ENDPOINTS.values()
    if endpoint.request or not REASONS.get(endpoint.name, "").endswith("`BrazeHook.call`")
]
# Routes that the sandbox does not have yet.
WITHOUT_ROUTE: set[str] = set()
NAMES_OF_CLASSES = {one: f"{one.__module__}.{one.__name__}" for one in classes()}


@pytest.mark.parametrize("endpoint", WITH_A_METHOD, ids=lambda endpoint: endpoint.name)
def test_the_hook_has_a_method_of_its_name(endpoint: Endpoint):
    assert callable(getattr(BrazeHook, endpoint.name, None)), f"BrazeHook has no {endpoint.name}()"


@pytest.mark.parametrize("endpoint", WITH_A_METHOD, ids=lambda endpoint: endpoint.name)
def test_the_sandbox_has_its_route(sandbox: Sandbox, endpoint: Endpoint):
    hook = BrazeHook()
    path = re.sub(r"{\w+}", "some", endpoint.path)
    answer = hook.get_conn().request(endpoint.method, hook.connection.base_url + path, json={})
    assert ("Invalid URL" in answer.text) == (endpoint.name in WITHOUT_ROUTE)


@pytest.mark.parametrize("name", ENDPOINTS)
def test_it_is_reached_by_a_class_or_says_why_not(name):
    assert reach()[name], f"{name} has no operator or sensor, and NO_CLASS does not say why"


def test_no_reason_is_out_of_date():
    with_a_class = {endpoint.name for one in classes() for endpoint in one.endpoints}
    assert REASONS.keys() <= ENDPOINTS.keys() - with_a_class


def test_every_class_is_in_the_matrix():
    assert {one.__name__ for one in classes()} == {case.name.partition(".")[0] for case in CASES}
    assert TASKS.keys() == {case.name for case in CASES}


@pytest.mark.parametrize("one", classes(), ids=lambda one: one.__name__)
def test_a_class_is_in_the_provider_info_and_in_the_registry(one):
    assert one.__module__ in modules_of_provider_info()
    assert NAMES_OF_CLASSES[one] in registered()


def test_every_class_in_the_registry_exists():
    for name in registered():
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute)
    in_rooms = {name for name in registered() if name.split(".")[1] in ROOMS_OF_CLASSES}
    assert in_rooms == set(NAMES_OF_CLASSES.values())


def test_the_listings_agree_about_the_package():
    info = get_provider_info()
    assert (REGISTRY["package-name"], REGISTRY["display-name"]) == (info["package-name"], info["name"])
    assert {name.rpartition(".")[0] for name in registered()} == modules_of_provider_info()


def modules_of_provider_info() -> set[str]:
    """The modules in the provider info for Airflow, without links: the registry lists none."""
    info: dict[str, Any] = get_provider_info()
    found = {name.rpartition(".")[0] for name in info["notifications"]}
    found |= {one["class-name"].rpartition(".")[0] for one in info["task-decorators"]}
    for kind in ("hooks", *ROOMS_OF_CLASSES, "triggers"):
        found |= {module for section in info[kind] for module in section["python-modules"]}
    return found


def registered() -> set[str]:
    """The classes in the listing for the registry."""
    return {entry["module"] for kind in REGISTRY.values() if isinstance(kind, list) for entry in kind}
