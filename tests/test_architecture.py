"""Imports point downwards, and what a Dag imports is cheap."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
from drawing import Drawing, read_drawing

from braze_provider.get_provider_info import get_provider_info

PACKAGE = Path(__file__).resolve().parent.parent / "braze_provider"

DRAWING = read_drawing((PACKAGE.parent / "CONTRIBUTING.md").read_text())


def room_of(parts: tuple[str, ...]) -> str:
    return parts[0] if parts else "__init__"


@cache
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


def rooms() -> set[str]:
    return {room_of(path.relative_to(PACKAGE).with_suffix("").parts) for path in PACKAGE.rglob("*.py")}


def known() -> dict[str, set[str]]:
    """By room: the other rooms that it imports."""
    found: dict[str, set[str]] = {room: set() for room in rooms()}
    for _, room, target in imports():
        if target in found and target != room:
            found[room].add(target)
    return found


def test_the_drawing_has_every_room_and_no_other():
    assert DRAWING.rooms == rooms()


def test_every_import_has_its_arrow():
    assert DRAWING.without_an_arrow(known()) == set()


def test_every_arrow_is_an_import():
    assert DRAWING.without_an_import(known()) == set()


def test_all_arrows_point_downwards():
    # Its sorter fails if rooms know each other in a circle.
    assert set(TopologicalSorter(DRAWING.may_know()).static_order()) == DRAWING.rooms


def test_the_list_of_rooms_says_what_each_is_for():
    text = (PACKAGE.parent / "CONTRIBUTING.md").read_text()
    section = text.partition("## Where things are")[2].partition("\n## ")[0]
    listed = [
        room for cell in re.findall(r"^\| (`.*?) \|", section, re.M) for room in re.findall(r"`(\w+)", cell)
    ]
    assert sorted(listed) == sorted(DRAWING.rooms - {"__init__"})


SMALL = """
```mermaid
flowchart TD
    subgraph above["Above"]
        a
        b
    end
    above --> c & d
    d ~~~ ground
    subgraph ground["Ground"]
        e
    end
```
"""
SMALL_IMPORTS: dict[str, set[str]] = {"a": {"c", "d"}, "b": {"c", "e"}, "c": set(), "d": {"e"}, "e": set()}


def test_a_drawing_is_read_line_by_line():
    assert read_drawing(SMALL) == Drawing(
        {"above": {"a", "b"}, "ground": {"e"}}, [("above", "c"), ("above", "d")]
    )


@pytest.mark.parametrize("room", ["c", "e"])
def test_an_import_without_an_arrow_is_found(room):
    imports = {**SMALL_IMPORTS, room: {"d"}}
    assert read_drawing(SMALL).without_an_arrow(SMALL_IMPORTS) == set()
    assert read_drawing(SMALL).without_an_arrow(imports) == {(room, "d")}


@pytest.mark.parametrize(
    ("room", "knows", "unreal"),
    [
        ("a", {"c", "d"}, set()),
        ("a", {"c"}, {("above", "d")}),  # one of the two rooms in the box has no part in it
        ("c", {"f"}, {("c", "below")}),  # nobody imports the other room in the box
    ],
)
def test_an_arrow_in_which_a_room_has_no_part_is_found(room, knows, unreal):
    imports = {
        "a": {"c", "d"},
        "b": {"c", "d"},
        "c": {"f", "g"},
        "d": set(),
        "e": set(),
        "f": set(),
        "g": set(),
    }
    below = 'c --> below\n    subgraph below["Below"]\n        f\n        g\n    end\n    d ~~~'
    drawing = read_drawing(SMALL.replace("d ~~~", below))
    assert drawing.without_an_import({**imports, room: knows}) == unreal


@pytest.mark.parametrize("room", ["api", "sandbox", "pytest_plugin", "get_provider_info", "__init__"])
def test_a_room_of_no_airflow_imports_none(room):
    names = {target for _, where, target in imports() if where == room}
    assert not names & {"airflow", "_compat"}


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
FOUND_BY_AIRFLOW = {"plugins.deliveries"}


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
    assert found_by_nobody == PROGRAMS | FOUND_BY_PYTEST | FOUND_BY_AIRFLOW


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
