"""Every code block of the README and the documentation works, or is checked as far as it can be."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from airflow.sdk import DAG
from documentation import names, shell
from documentation.blocks import ROOT, RUN_ELSEWHERE, Block, all_blocks, included

from braze_provider._compat import Connection
from braze_provider.hooks.connection import EXTRAS, BrazeConnection
from braze_provider.sandbox.workspace_file import read_workspace

BLOCKS = list(all_blocks())
# The drawing of the architecture, in Mermaid, is read by tests/test_architecture.py.
LANGUAGES = ("json", "mermaid", "python", "shell", "yaml")


def of(language: str) -> Any:
    found = [block for block in BLOCKS if block.language == language]
    return pytest.mark.parametrize("block", found, ids=str)


def test_there_is_a_check_for_the_language_of_each_block():
    assert [f"{block}: {block.language!r}" for block in BLOCKS if block.language not in LANGUAGES] == []


def test_each_included_file_is_run_by_a_test():
    not_run = [
        f"{page} includes {file}"
        for page, file in included()
        if not any(file.startswith(f"{folder}/") for folder in RUN_ELSEWHERE)
    ]
    assert not_run == []
    assert [test for test in RUN_ELSEWHERE.values() if not (ROOT / test).exists()] == []


# Python -----------------------------------------------------------------------------------------------------


@of("python")
def test_python_runs_and_its_tasks_make_a_dag(block: Block, sandbox, serialise: Callable[[DAG], Any]):
    names.hook.close()  # Its connection is that of this test's sandbox.
    space = {**vars(names), "hook": names.BrazeHook()}
    with DAG("documented", schedule=None) as dag:
        exec(compile("\n" * (block.line - 1) + block.text, block.page, "exec"), space)
    for one in [dag, *(value for value in space.values() if isinstance(value, DAG))]:
        serialise(one)


@pytest.mark.slow
def test_python_has_the_types_that_the_package_says(tmp_path: Path):
    head = (ROOT / "tests" / "documentation" / "names.py").read_text()
    python = [block for block in BLOCKS if block.language == "python"]
    by_file = {f"{re.sub(r'[^a-z0-9]', '_', str(block).lower())}.py": block for block in python}
    for name, block in by_file.items():
        (tmp_path / name).write_text(f"{head}\n{block.text}\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary"]
    config = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")]
    ran = subprocess.run([*command, *config, str(tmp_path)], capture_output=True, text=True, cwd=ROOT)

    assert list(_in_pages(ran.stdout, by_file, head.count("\n") + 1)) == []
    assert ran.returncode == 0, ran.stdout + ran.stderr


def _in_pages(output: str, by_file: dict[str, Block], head: int) -> Iterator[str]:
    """Say where in the pages mypy's errors are."""
    for path, line, text in re.findall(r"^(\S+):(\d+): (error: .*)$", output, re.M):
        block = by_file[Path(path).name]
        yield f"{block.page}:{int(line) - head + block.line - 1}: {text}"


# Others -----------------------------------------------------------------------------------------------------


@of("shell")
def test_a_shell_command_does_what_it_says(block: Block, sandbox):
    found = list(shell.commands(block.text))
    assert found
    for command in found:
        shell.check(command, urlsplit(sandbox.url).netloc)


@of("json")
def test_json_is_a_connection_its_extra_or_a_workspace(block: Block, tmp_path: Path):
    given = json.loads(block.text)
    if "conn_type" in given:
        shell.check_connection(given)
    elif given.keys() <= set(EXTRAS):
        whole = {"conn_type": "braze", "host": "rest.iad-01.braze.com", "password": "key", "extra": given}
        connection = Connection.from_json(json.dumps(whole), conn_id="braze_default")
        assert BrazeConnection.from_airflow(connection)
    else:
        path = tmp_path / "workspace.json"
        path.write_text(block.text)
        assert read_workspace(str(path))


@of("yaml")
def test_yaml_can_be_read(block: Block):
    assert yaml.safe_load(block.text)
