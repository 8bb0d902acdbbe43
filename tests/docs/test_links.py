"""The links of the Markdown files lead to files and headings that exist. Sphinx checks those of the pages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docs.blocks import MARKDOWN, ROOT


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub makes of a file's headings."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    if path.suffix == ".rst":
        headings = re.findall(r"^(\S.*)\n[=\-~^]{3,}$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(path: Path) -> list[str]:
    text = re.sub(r"^```.*?^```|`[^`]*`", "", path.read_text(), flags=re.M | re.S)
    found = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|srcset|href)="([^"]+)"', text)
    return [link for link in found if not re.match(r"https?://|mailto:", link)]


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: path.name)
def test_each_link_leads_to_a_file_and_its_heading(path: Path):
    broken = []
    for link in links(path):
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_the_readme_fits_on_a_few_screens():
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 150
    assert [line for line in lines if len(line) > 120 and "](" not in line and "|" not in line] == []


def test_the_readme_shows_the_inbox():
    assert [link for link in links(ROOT / "README.md") if link.startswith("docs/images/inbox")]
