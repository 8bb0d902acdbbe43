"""Imports point downwards, and what a Dag imports is cheap."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from braze_provider.get_provider_info import get_provider_info

PACKAGE = Path(__file__).resolve().parent.parent / "braze_provider"

# Each room, from the ground up, with the rooms that it may know.
ROOMS = {
    "__init__": set(),
    "api": set(),
    "_compat": set(),
    "get_provider_info": set(),
    "sandbox": {"__init__", "api"},
    "pytest_plugin": {"sandbox"},
    "hooks": {"__init__", "_compat", "api", "get_provider_info"},
    "templating": {"_compat", "api"},
    "recipients": {"_compat", "api"},
    "ledger": {"_compat", "api"},
    "delivery": {"_compat", "api", "hooks", "ledger", "recipients"},
    "pools": {"api", "hooks"},
    "links": {"api"},
    "tasks": {
        "_compat",
        "api",
        "hooks",
        "templating",
        "recipients",
        "ledger",
        "delivery",
        "triggers",
        "links",
    },
    "triggers": {"api", "hooks"},
    "sensors": {"api", "hooks", "links", "tasks", "triggers"},
    "decorators": {"_compat", "api", "operators", "recipients", "tasks"},
    "notifications": {"_compat", "api", "hooks", "recipients", "tasks", "templating"},
    "operators": {"_compat", "api", "hooks", "links", "tasks", "templating", "triggers"},
}


def room_of(parts: tuple[str, ...]) -> str:
    return parts[0] if parts else "__init__"


def imports() -> list[tuple[str, str, str]]:
    """All imports as (file, room it is in, room or package that it names), type-checking ones included."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        room = room_of(path.relative_to(PACKAGE).with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
                if node.module == "braze_provider" and any(a.name != "__version__" for a in node.names):
                    names = [f"braze_provider.{alias.name}" for alias in node.names]
            for name in names:
                parts = tuple(name.split("."))
                target = room_of(parts[1:]) if parts[0] == "braze_provider" else parts[0]
                found.append((str(path.relative_to(PACKAGE)), room, target))
    return found


def test_every_room_is_on_the_plan():
    rooms = {room_of(path.relative_to(PACKAGE).with_suffix("").parts) for path in PACKAGE.rglob("*.py")}
    assert rooms == set(ROOMS)


def test_imports_point_downwards_only():
    upwards = [
        (file, target)
        for file, room, target in imports()
        if target in ROOMS and target != room and target not in ROOMS[room]
    ]
    assert upwards == []


@pytest.mark.parametrize("room", ["api", "sandbox", "pytest_plugin", "get_provider_info", "__init__"])
def test_a_room_of_no_airflow_imports_none(room):
    assert [file for file, where, target in imports() if where == room and target == "airflow"] == []


# The files of the sandbox, from the ground up: each knows those below its floor alone. What serves needs an
# extra, so the server loads it when a sandbox starts.
SANDBOX = [
    {"store"},
    {"answers", "clock", "limits", "profiles", "records", "rendering", "search", "statistics"},
    {"catalogs", "recorder"},
    {"jobs", "previews", "workspace", "wire"},
    {"endpoints", "faults", "profile_file", "workspace_file"},
    {"catalog_endpoints", "identities", "job_endpoints", "live_activities", "reads", "schedules", "users"},
    {"state"},
    {"app", "inbox", "page"},
    {"inbox_calls"},
    {"control"},
    {"server"},
    {"__init__", "__main__"},
]


def test_the_sandbox_has_these_floors():
    floor_of = {name: floor for floor, names in enumerate(SANDBOX) for name in names}
    folder = PACKAGE / "sandbox"
    assert {path.stem for path in folder.rglob("*.py")} == set(floor_of)
    upwards = [
        (path.stem, known)
        for path in folder.glob("*.py")
        for known in re.findall(r"^ *from braze_provider\.sandbox\.(\w+) import", path.read_text(), re.M)
        if floor_of[known] >= floor_of[path.stem]
    ]
    assert upwards == []


PROGRAMS = {"pools", "ledger.__main__", "sandbox.__main__"}
FOUND_BY_PYTEST = {"pytest_plugin"}


def test_no_module_is_there_for_nothing():
    """Each is imported by another one, found by Airflow or by pytest, or run by hand."""
    files = {path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"}
    modules = {".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in files}
    imported = {
        name.removeprefix("braze_provider.")
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module
        for name in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))
    }
    info = str(get_provider_info())
    unknown_to_us = modules - imported
    found_by_nobody = {module for module in unknown_to_us if f"braze_provider.{module}" not in info}
    assert found_by_nobody == PROGRAMS | FOUND_BY_PYTEST


@pytest.fixture(scope="module")
def loaded_by_operators() -> list[str]:
    """The modules that importing the operators loads on top of Airflow's SDK."""
    before_and_after = """
import sys
import airflow.sdk
airflow.sdk.BaseOperator, airflow.sdk.DAG
before = set(sys.modules)
import braze_provider.operators.campaigns, braze_provider.operators.canvas
import braze_provider.operators.messages, braze_provider.recipients
print("\\n".join(set(sys.modules) - before))
"""
    ran = subprocess.run(
        [sys.executable, "-c", before_and_after],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
    )
    return ran.stdout.split()


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    [
        "requests",
        "sqlite3",
        "fastapi",
        "pyarrow",
        "braze_provider.delivery",
        "braze_provider.ledger.sql",
        "braze_provider.hooks",
        "braze_provider.api.requests",
    ],
)
def test_importing_the_operators_loads_nothing_that_only_sending_needs(loaded_by_operators, module):
    assert module not in loaded_by_operators


@pytest.mark.slow
def test_importing_the_operators_loads_them(loaded_by_operators):
    assert "braze_provider.operators.campaigns" in loaded_by_operators
