"""All code blocks of the README and the documentation."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MARKDOWN = sorted(ROOT.glob("*.md"))
PAGES = sorted(path for path in (ROOT / "docs").rglob("*.rst") if "_build" not in path.parts)

# The files that pages include, and the tests that run them.
RUN_ELSEWHERE = {
    "example_dags": "tests/test_example_dags.py",
    "docs/testing": "tests/test_pytest_plugin.py",
    "docs/quickstart": "tests/docs/test_quickstart.py",
    "docs/grafana": "tests/docs/test_grafana.py",
    "docs/in_doubt.py": "tests/docs/test_in_doubt.py",
}

_DIRECTIVE = re.compile(r"( *)(?:- )?\.\. (code-block|code|sourcecode|literalinclude)::(?: +(\S+))?\s*")
_OPTION = re.compile(r" +:[\w-]+:")


@dataclass(frozen=True)
class Block:
    """
    A code block.

    :param page: Path of the page in the checkout.
    :param line: Line of the page on which the code begins.
    :param language: Its language. Empty: the page does not say.
    :param text: The code.
    """

    page: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def all_blocks() -> Iterator[Block]:
    """Give the blocks of all pages."""
    for path in MARKDOWN:
        yield from blocks_of_markdown(str(path.relative_to(ROOT)), path.read_text())
    for path in PAGES:
        yield from blocks_of_rest(str(path.relative_to(ROOT)), path.read_text())


def included() -> Iterator[tuple[str, str]]:
    """Give each page with the path of each file that it includes."""
    for path in PAGES:
        for found in re.findall(r"^ *\.\. literalinclude:: (\S+)", path.read_text(), re.M):
            yield str(path.relative_to(ROOT)), str((path.parent / found).resolve().relative_to(ROOT))


def blocks_of_markdown(page: str, text: str) -> Iterator[Block]:
    """Give the fenced blocks of a page."""
    lines = text.splitlines()
    begin, language = 0, ""
    for number, line in enumerate(lines, 1):
        if not line.lstrip().startswith("```"):
            continue
        if begin:
            yield Block(page, begin, language, textwrap.dedent("\n".join(lines[begin - 1 : number - 1])))
            begin = 0
        else:
            begin, language = number + 1, line.strip().removeprefix("```")


def blocks_of_rest(page: str, text: str) -> Iterator[Block]:
    """Give the blocks of a page in reST, also those without a language."""
    lines = text.splitlines()
    for number, line in enumerate(lines):
        directive = _DIRECTIVE.fullmatch(line)
        is_bare = line.rstrip().endswith("::") and not line.lstrip().startswith("..")
        if not (directive or is_bare) or (directive and directive[2] == "literalinclude"):
            continue
        depth = len(directive[1]) if directive else len(line) - len(line.lstrip())
        begin = number + 1
        while begin < len(lines) and (not lines[begin].strip() or _OPTION.match(lines[begin])):
            begin += 1
        end = begin
        while end < len(lines) and (not lines[end].strip() or lines[end].startswith(" " * (depth + 1))):
            end += 1
        code = textwrap.dedent("\n".join(lines[begin:end])).rstrip()
        yield Block(page, begin + 1, (directive[3] or "") if directive else "", code)
