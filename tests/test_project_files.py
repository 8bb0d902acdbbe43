"""The workflows and hooks run what the Makefile has, on what it supports, and trust nobody blindly."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
MAKEFILE = (ROOT / "Makefile").read_text()
WORKFLOWS = {path.stem: path.read_text() for path in (ROOT / ".github" / "workflows").glob("*.yml")}
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.M))


def jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, text in WORKFLOWS.items():
        for job, content in yaml.safe_load(text)["jobs"].items():
            yield f"{name}/{job}", content


JOBS = dict(jobs())


def pythons_of(airflow: str) -> list[str]:
    """The Pythons that the project supports and that the Makefile allows for an Airflow, oldest first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    known = [text.rpartition(" ")[2] for text in project["classifiers"] if "Python :: 3." in text]
    (allowed,) = re.findall(rf"^PYTHONS_{re.escape(airflow)} := (.*)$", MAKEFILE, re.M)
    return sorted((one for one in known if SpecifierSet(allowed).contains(one)), key=Version)


def airflows() -> list[str]:
    (main,) = re.findall(r"^MAIN := (.*)$", MAKEFILE, re.M)
    (matrix,) = re.findall(r"^MATRIX := (.*)$", MAKEFILE, re.M)
    return matrix.replace("$(MAIN)", main).split()


def test_each_airflow_is_tested_on_its_oldest_and_newest_python():
    tested = {(one["airflow"], one["python"]) for one in JOBS["ci/dags"]["strategy"]["matrix"]["include"]}
    assert tested == {(one, pythons_of(one)[place]) for one in airflows() for place in (0, -1)}


def test_each_python_runs_all_tests():
    (main,) = re.findall(r"^MAIN := (.*)$", MAKEFILE, re.M)
    assert JOBS["ci/test"]["strategy"]["matrix"]["python"] == pythons_of(main)


def test_the_workflows_make_what_the_check_of_a_change_makes():
    path = ROOT / ".ci" / "run"
    if not path.exists():
        pytest.skip("an sdist has no .ci/run")
    checked = set(re.findall(r"' make ([a-z-]+)", path.read_text()))
    assert checked <= set(re.findall(r"make ([a-z-]+)", WORKFLOWS["ci"]))


@pytest.mark.parametrize("text", [*WORKFLOWS.values(), (ROOT / ".pre-commit-config.yaml").read_text()])
def test_what_is_made_has_a_target(text: str):
    made = set(re.findall(r"^\s*(?:- )?(?:run|entry): make ([a-z-]+)", text, re.M))
    assert made
    assert made <= TARGETS


@pytest.mark.parametrize("text", WORKFLOWS.values(), ids=WORKFLOWS)
def test_each_action_is_pinned_to_a_commit_and_names_its_version(text: str):
    used = re.findall(r"uses: (.*)", text)
    assert used
    assert [one for one in used if not re.fullmatch(r"[\w/.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one)] == []


@pytest.mark.parametrize("text", WORKFLOWS.values(), ids=WORKFLOWS)
def test_a_workflow_has_no_permission_beside_those_of_its_jobs(text: str):
    assert yaml.safe_load(text)["permissions"] == {}


def test_only_what_publishes_may_write():
    writing = {
        job: {name for name, access in content["permissions"].items() if access == "write"}
        for job, content in JOBS.items()
    }
    assert {job: names for job, names in writing.items() if names} == {
        "release/publish": {"id-token", "attestations"},
        "release/announce": {"contents"},
    }


def test_what_publishes_runs_no_code_of_the_checkout():
    steps = JOBS["release/publish"]["steps"]
    assert all("uses" in step and "checkout" not in step["uses"] for step in steps)


def test_the_guide_says_what_each_target_does():
    guide = (ROOT / "CONTRIBUTING.md").read_text().partition("## How to run things")[2].partition("\n## ")[0]
    told = {name for words in re.findall(r"`make ([a-z -]+)", guide) for name in words.split()}
    assert told - TARGETS == set()
    assert TARGETS - told == {"help", "clean"}


def test_the_guide_names_each_service_that_a_test_looks_for():
    texts = [path.read_text() for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    looked_for = {name for text in texts for name in re.findall(r"BRAZE_TEST_[A-Z]+(?:_URL)?", text)}
    assert set(re.findall(r"BRAZE_TEST_\w+", (ROOT / "CONTRIBUTING.md").read_text())) == looked_for


@pytest.mark.parametrize("name", ["bug", "feature"])
def test_an_issue_form_has_what_github_asks_for(name: str):
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text())
    assert {"name", "description", "body"} <= form.keys()
    fields = [part for part in form["body"] if part["type"] != "markdown"]
    assert len({part["id"] for part in fields}) == len(fields)
    assert all(part["attributes"]["label"] for part in fields)


@pytest.mark.parametrize("name", ["SECURITY.md", "CODE_OF_CONDUCT.md"])
def test_reports_go_to_githubs_private_reporting_and_to_no_address(name: str):
    text = (ROOT / name).read_text()
    assert "**Report a vulnerability**" in " ".join(text.split())
    assert "@" not in text
