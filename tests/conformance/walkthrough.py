"""Reads a page that changes the project step by step, and does what it says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_HEADING = re.compile(r"^## (\d\. .*)$", re.MULTILINE)
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PLACE = re.compile(r"^(New file|At the end of|In) `([^`]+)`:$")


class Step(NamedTuple):
    """
    One step.

    :param title: Its heading.
    :param changes: What is written where: how, the file's path, the text.
    :param commands: Commands of a shell that follow.
    :param missing: The tests that then fail, as the page says.
    """

    title: str
    changes: list[tuple[str, str, str]]
    commands: list[list[str]]
    missing: set[str]


def read_steps(page: str) -> Iterator[Step]:
    """Give the steps of a page: the parts that have a numbered heading."""
    _, *parts = _HEADING.split(page)
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        step = Step(title, [], [], set())
        for fence in _FENCE.finditer(text):
            language, content = fence.groups()
            before = text[: fence.start()].rstrip().rpartition("\n")[2]
            if place := _PLACE.match(before):
                step.changes.append((place[1], place[2], content))
            elif language == "shell":
                step.commands.extend(map(shlex.split, content.splitlines()))
            else:
                assert language == "text", f"{title}: nothing says where this belongs:\n{content}"
                step.missing.update(content.split())
        yield step


def change(project: Path, how: str, path: str, text: str) -> None:
    """Make one change in a project's files."""
    file = project / path
    if how == "New file":
        assert not file.exists(), f"{path} is there already: choose another endpoint for the page"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    elif how == "At the end of":
        file.write_text(f"{file.read_text()}\n\n{text}")  # as many empty lines as style asks for
    else:
        for hunk in text.split("@@\n"):
            file.write_text(patched(file.read_text(), hunk, path))


def patched(content: str, hunk: str, path: str) -> str:
    """Replace the lines of a hunk that begin with a space or a minus by those with a space or a plus."""
    lines = hunk.splitlines()
    old, new = ("\n".join(line[1:] for line in lines if line[:1] in ("", " ", sign)) + "\n" for sign in "-+")
    places = len(re.findall(f"(?=^{re.escape(old)})", content, re.MULTILINE))
    assert places == 1, f"{path} has not exactly one place, but {places}, for this:\n{hunk}"
    return f"\n{content}".replace(f"\n{old}", f"\n{new}")[1:]
