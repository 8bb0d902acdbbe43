"""What can be checked of a shell command: its options against the real parser, or what it does."""

from __future__ import annotations

import argparse
import importlib
import json
import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from unittest import mock
from urllib.parse import urlsplit

from docs.blocks import ROOT
from packaging.requirements import Requirement

from braze_provider._compat import Connection, conf
from braze_provider.get_provider_info import get_provider_info
from braze_provider.hooks.connection import BrazeConnection

DISTRIBUTION = "airflow-provider-braze-messaging"
HARMLESS = {".", "cd", "echo", "kill", "source"}
"""Programs of which there is nothing to check."""
OTHER_VARIABLES = {
    "AIRFLOW_CLI_TOKEN",
    "AIRFLOW_HOME",
    "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
}
OPERATORS = {"|", "||", "&&", "&", ";"}


class Parsed(Exception):  # noqa: N818 - it ends a program that has understood its options
    """The program's parser took the options."""


def commands(text: str) -> Iterator[list[str]]:
    """Split a script into its commands, each into its words, without redirections."""
    pending = ""
    for line in text.replace("\\\n", " ").splitlines():
        pending += line + "\n"
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:  # A quotation goes on in the next line.
            continue
        pending = ""
        command: list[str] = []
        for word in [*words, ";"]:
            if word not in OPERATORS:
                command.append(word)
            elif command:
                yield command[: command.index(">")] if ">" in command else command
                command = []
    assert not pending, f"a quotation has no end: {pending}"


def check(command: Sequence[str], sandbox_address: str) -> None:
    """
    Check one command.

    :raises AssertionError: If it can't work.
    """
    while re.fullmatch(r"\w+=.*", command[0], re.S):
        _check_variable(command[0])
        command = command[1:]
        if not command:
            return
    program, *arguments = command
    if program in HARMLESS:
        return
    checks = {"make": _make, "pip": _pip, "airflow": _airflow, "export": _export, "pytest": _pytest}
    if program in ("python", "python3"):
        _python(arguments)
    elif program == "curl":
        _curl(arguments, sandbox_address)
    else:
        assert program in checks, f"nothing checks the command {program!r}"
        checks[program](arguments)


def _make(arguments: Sequence[str]) -> None:
    targets = {one for one in arguments if "=" not in one}
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    assert targets <= known, f"make has no target {targets - known}"


def _pip(arguments: Sequence[str]) -> None:
    from importlib.metadata import metadata

    assert arguments[0] in ("install", "uninstall")
    extras = set(metadata(DISTRIBUTION).get_all("Provides-Extra"))
    for one in map(Requirement, (word for word in arguments[1:] if not word.startswith("-"))):
        if one.name == DISTRIBUTION:
            assert one.extras <= extras, f"there is no extra {one.extras - extras}"


def _python(arguments: Sequence[str]) -> None:
    assert arguments[0] == "-m", "only modules are run"
    name, *rest = arguments[1:]
    if name in ("venv", "pip"):
        return
    module = importlib.import_module(name)
    program = importlib.import_module(f"{name}.__main__") if hasattr(module, "__path__") else module
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(parser: argparse.ArgumentParser, *given: object) -> None:
        parse(parser, *given)
        raise Parsed

    with mock.patch.object(argparse.ArgumentParser, "parse_args", parse_and_stop):
        try:
            program.main(rest)
        except Parsed:
            return
        except SystemExit:
            pass
    raise AssertionError(f"{name} does not take {rest}")


def _airflow(arguments: Sequence[str]) -> None:
    from airflow.cli.cli_parser import get_parser

    try:
        get_parser().parse_args(list(arguments))
    except SystemExit:
        raise AssertionError(f"airflow does not take {arguments}") from None


def _export(arguments: Sequence[str]) -> None:
    for one in arguments:
        _check_variable(one)


def _check_variable(assignment: str) -> None:
    name, _, value = assignment.partition("=")
    if name.startswith("AIRFLOW_CONN_"):
        check_connection(json.loads(value), name)
    elif name.startswith("AIRFLOW__"):
        _, section, option = name.lower().split("__")
        assert has_option(section, option), f"Airflow has no option {name}"
    else:
        assert name in OTHER_VARIABLES, f"nothing reads the variable {name}"


def check_connection(fields: dict[str, object], name: str = "braze_default") -> None:
    """Read a connection as the hook does, or as Airflow does if it is of another type."""
    connection = Connection.from_json(json.dumps(fields), conn_id=name)
    if connection.conn_type == "braze":
        BrazeConnection.from_airflow(connection)


def has_option(section: str, option: str) -> bool:
    """Tell whether Airflow's configuration has an option, or this package declares it."""
    ours = get_provider_info().get("config", {}).get(section, {}).get("options", {})
    return option in ours or conf.has_option(section, option)


def _pytest(arguments: Sequence[str]) -> None:
    assert not [one for one in arguments if one.startswith("-")], "options of pytest are not checked"


def _curl(arguments: Sequence[str], address: str) -> None:
    if url := next((word for word in arguments if word.startswith("$AIRFLOW/braze-deliveries/")), ""):
        _call_of_deliveries(url, "POST" if "-d" in arguments else "GET")
        return
    words = [re.sub(r"(localhost|127\.0\.0\.1):8010", address, word) for word in arguments]
    assert words != list(arguments), "only calls of the sandbox are made"
    ran = subprocess.run(
        ["curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "20", *words],
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, f"curl {shlex.join(words)}: {ran.stdout} {ran.stderr}"


def _call_of_deliveries(url: str, method: str) -> None:
    """Check that the app behind the page of deliveries answers such a call."""
    from starlette.routing import Match

    from braze_provider.plugins.app import create_app

    path = urlsplit(url.replace("$AIRFLOW/braze-deliveries", "http://airflow")).path
    call = {"type": "http", "method": method, "path": path, "root_path": "", "headers": []}
    found = [route for route in create_app().routes if route.matches(call)[0] is Match.FULL]
    assert found, f"the page of deliveries has no call {method} {path}"
