"""The five steps of ``CONTRIBUTING.md``, followed word for word in a copy of the project."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conformance.walkthrough import Step, change, patched, read_steps

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path(__file__).with_name("add_an_endpoint.md")
STEPS = list(read_steps(PAGE.read_text()))

PROJECT = ("braze_provider", "docs", "example_dags", "tests")
FILES = (".airflow-registry.yaml", "CONTRIBUTING.md", "README.md", "pyproject.toml")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project."""
    for name in PROJECT:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "_build"))
    for name in FILES:
        shutil.copy2(ROOT / name, tmp_path)
    return tmp_path


def run(project: Path, *command: str) -> str:
    """Run a command in the copy, with the copy's package, and return what it printed."""
    environment = {**os.environ, "PYTHONPATH": str(project), "PYTEST_ADDOPTS": "-p no:cacheprovider"}
    ran = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    return ran.stdout + ran.stderr


def failing(project: Path, *arguments: str) -> tuple[set[str], str]:
    """The tests that fail, with what pytest printed."""
    printed = run(project, sys.executable, "-m", "pytest", "-q", "--no-header", *arguments)
    assert re.search(r"^\d+ (passed|failed).* in ", printed, re.MULTILINE), printed
    return set(re.findall(r"^(?:FAILED|ERROR) (\S+)", printed, re.MULTILINE)), printed


def follow(project: Path, step: Step) -> None:
    for one in step.changes:
        change(project, *one)
    for program, *arguments in step.commands:
        assert program == "python"
        run(project, sys.executable, *arguments)


def test_there_are_five_steps_as_in_the_short_list():
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("## How to add an endpoint")[2]
    short = re.findall(r"^(\d\.) \*\*(.*?)\.\*\*", text, re.MULTILINE)
    assert [f"{number} {name}" for number, name in short] == [step.title for step in STEPS]


@pytest.mark.slow
def test_the_five_steps_lead_to_an_operator_that_works(project: Path):
    conformance = ("tests/conformance", f"--ignore=tests/conformance/{Path(__file__).name}")
    for step in STEPS[:-1]:
        follow(project, step)
        missing, printed = failing(project, *conformance)
        assert step.missing
        assert missing == {f"tests/conformance/{name}" for name in step.missing}, f"{step.title}\n{printed}"

    follow(project, STEPS[-1])
    new = [path for step in STEPS for how, path, _ in step.changes if how == "New file"]
    tests = [path for path in new if path.startswith("tests/")]
    (reference,) = (str(path.relative_to(project)) for path in project.glob("tests/*/test_reference.py"))
    missing, printed = failing(project, *conformance, "tests/tasks/test_fields.py", reference, *tests)
    assert STEPS[-1].missing == missing == set(), printed
    assert "skipped" not in printed
    for check in (["check"], ["format", "--check"]):
        printed = run(project, sys.executable, "-m", "ruff", *check, "braze_provider", "tests")
        assert re.search(r"^All checks passed|\d+ files already formatted$", printed), printed


@pytest.mark.parametrize("content", ["b\nc\n", "a\nb\nb\n"])
def test_a_change_without_exactly_one_place_is_refused(content: str):
    with pytest.raises(AssertionError, match="has not exactly one place"):
        patched(content, " a\n-b\n+c\n" if content.startswith("b") else "-b\n+c\n", "file")


def test_a_change_keeps_the_lines_around_it():
    assert patched("a\n\nb\nc\n", " a\n \n-b\n+d\n", "file") == "a\n\nd\nc\n"
