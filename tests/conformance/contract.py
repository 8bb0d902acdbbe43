"""Reads the tables of ``contract.md``, which say what Braze documents of its endpoints and objects."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

CONTRACT = Path(__file__).with_name("contract.md")

Row = dict[str, str]


class Shape(NamedTuple):
    """The type of a field: its kinds, whether it is an array, and the values of a choice."""

    kinds: frozenset[str]
    is_array: bool = False
    values: frozenset[str] = frozenset()


@cache
def tables() -> dict[str, list[Row]]:
    """The rows of each heading's table, by the names of the columns."""
    return read_tables(CONTRACT.read_text())


def read_tables(markdown: str) -> dict[str, list[Row]]:
    """The rows of each heading's table in a text, by the names of the columns."""
    found: dict[str, list[Row]] = {}
    heading, columns = "", []
    for line in markdown.splitlines():
        if line.startswith("#"):
            heading, columns = line.lstrip("# "), []
        elif line.startswith("|"):
            cells = [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if not columns:
                columns = cells
                assert heading not in found, f"two tables of {heading}"
                found[heading] = []
            elif set("".join(cells)) != {"-"}:
                found[heading].append(dict(zip(columns, cells, strict=True)))
    return found


def code(cell: str) -> list[str]:
    """Give the texts between backticks in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def shape_of(cell: str) -> Shape:
    """Read a cell of the column Type."""
    is_array = cell.startswith("[")
    if values := code(cell):
        return Shape(frozenset({"str"}), is_array, frozenset(values))
    kinds = (kind.strip() for kind in cell.strip("[]").split("|"))
    return Shape(frozenset("str" if kind == "dt" else kind for kind in kinds), is_array)
