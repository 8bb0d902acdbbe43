"""Every code block of the README and the documentation works, or is checked as far as it can be."""

from __future__ import annotations

import configparser
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from airflow.sdk import DAG
from docs import names, shell
from docs.blocks import ROOT, RUN_ELSEWHERE, Block, all_blocks, included
from sqlalchemy import create_engine

from braze_provider._compat import Connection
from braze_provider.api.errors import BrazeNotFoundError
from braze_provider.hooks.connection import EXTRAS, BrazeConnection
from braze_provider.ledger.sql_connection import DEPLOYMENT
from braze_provider.ledger.sql_schema import metadata
from braze_provider.sandbox.workspace_file import read_workspace

BLOCKS = list(all_blocks())
LANGUAGES = ("ini", "json", "python", "shell", "sql", "text", "yaml")
"""Text is what a program prints: there is nothing in it to run."""
BEFORE = "# before\n"
"""Begins Python that users migrate from. It needs packages that can't be installed beside this one."""


def of(language: str) -> Any:
    found = [block for block in BLOCKS if block.language == language]
    return pytest.mark.parametrize("block", found, ids=str)


def test_there_is_a_check_for_the_language_of_each_block():
    # tests/test_architecture.py reads the drawing of the architecture, which is in Mermaid.
    checked = (*LANGUAGES, "mermaid")
    assert [f"{block}: {block.language!r}" for block in BLOCKS if block.language not in checked] == []


def test_each_included_file_is_run_by_a_test():
    not_run = [
        f"{page} includes {file}"
        for page, file in included()
        if not any(file == path or file.startswith(f"{path}/") for path in RUN_ELSEWHERE)
    ]
    assert not_run == []
    assert [test for test in RUN_ELSEWHERE.values() if not (ROOT / test).exists()] == []


# Python -----------------------------------------------------------------------------------------------------


@of("python")
def test_python_runs_and_its_tasks_make_a_dag(block: Block, sandbox, serialise: Callable[[DAG], Any]):
    code = compile("\n" * (block.line - 1) + block.text, block.page, "exec")
    if block.text.startswith(BEFORE):
        return
    space = {**vars(names), "hook": names.BrazeHook()}
    # The endpoint that Braze has added since is in no sandbox.
    new = pytest.raises(BrazeNotFoundError) if "/new/thing" in block.text else nullcontext()
    with DAG("documented", schedule=None) as dag, new:
        exec(code, space)
    for one in [dag, *(value for value in space.values() if isinstance(value, DAG))]:
        serialise(one)


@pytest.mark.slow
def test_python_has_the_types_that_the_package_says(tmp_path: Path):
    head = (ROOT / "tests" / "docs" / "names.py").read_text()
    python = [one for one in BLOCKS if one.language == "python" and not one.text.startswith(BEFORE)]
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
    elif given.keys() == {DEPLOYMENT}:  # The extra of the ledger's connection
        assert given[DEPLOYMENT]
    else:
        path = tmp_path / "workspace.json"
        path.write_text(block.text)
        assert read_workspace(str(path))


@of("ini")
def test_an_option_is_one_that_airflow_reads(block: Block):
    given = configparser.ConfigParser()
    given.read_string(block.text)
    options = [(section, option) for section in given.sections() for option in given[section]]
    assert options
    assert [one for one in options if not shell.has_option(*one)] == []


@of("sql")
def test_sql_fits_the_tables_of_the_ledger(block: Block):
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.connect() as connection:
        connection.exec_driver_sql(block.text)


@of("yaml")
def test_yaml_can_be_read(block: Block):
    assert yaml.safe_load(block.text)
