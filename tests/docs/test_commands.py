"""The commands in the guides have options that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from braze_provider.ledger import __main__ as ledger

DOCS = Path(__file__).resolve().parents[2] / "docs"
COMMANDS = [
    (page.stem, " ".join(found[1].replace("\\\n", " ").split("#")[0].split()))
    for page in sorted(DOCS.glob("*.rst"))
    for found in re.finditer(r"^ +python -m braze_provider\.ledger ((?:.*\\\n)*.*)$", page.read_text(), re.M)
]


def test_there_are_commands():
    assert {"guarantees"} <= {page for page, _ in COMMANDS}


@pytest.mark.parametrize(("page", "command"), COMMANDS)
def test_a_command_is_understood(page, command):
    arguments = shlex.split(command)
    if arguments[0] == ledger.SETTLE:
        ledger._parser_of_settle().parse_args(arguments[1:])
    else:
        ledger._parser().parse_args(arguments)


def test_the_guide_lists_options_of_settle_that_exist():
    text = (DOCS / "guarantees.rst").read_text()
    named = set(re.findall(r"   \* - ``(--[a-z-]+)", text))
    known = {option for action in ledger._parser_of_settle()._actions for option in action.option_strings}
    assert named
    assert named <= known
