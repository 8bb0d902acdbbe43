"""Reads the drawing of the architecture in ``CONTRIBUTING.md``, and compares it with imports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

GROUND = "ground"
"""The box whose rooms every room above it may know. No arrow leads to it."""


class Drawing(NamedTuple):
    """Rooms, boxes of rooms, and arrows from who knows to what is known."""

    boxes: dict[str, set[str]]
    arrows: list[tuple[str, str]]

    @property
    def rooms(self) -> set[str]:
        """All rooms."""
        names = {name for arrow in self.arrows for name in arrow}
        return (names - self.boxes.keys()).union(*self.boxes.values())

    def rooms_in(self, name: str) -> set[str]:
        """The rooms of a box, or the one room."""
        return self.boxes.get(name, {name})

    def may_know(self) -> dict[str, set[str]]:
        """By room: the rooms that it may import. An arrow of a box counts for each room in it."""
        ground = self.rooms_in(GROUND)
        found = {room: set() if room in ground else set(ground) for room in self.rooms}
        for tail, head in self.arrows:
            for room in self.rooms_in(tail):
                found[room] |= self.rooms_in(head)
        return found

    def without_an_arrow(self, imports: Mapping[str, set[str]]) -> set[tuple[str, str]]:
        """The imports that no arrow allows, as (who imports, what)."""
        allowed = self.may_know()
        return {
            (room, known) for room, names in imports.items() for known in names - allowed.get(room, set())
        }

    def without_an_import(self, imports: Mapping[str, set[str]]) -> set[tuple[str, str]]:
        """The arrows that are not real: a room at an end imports nothing, or nobody imports it."""
        return {
            (tail, head)
            for tail, head in self.arrows
            if any(not imports[room] & self.rooms_in(head) for room in self.rooms_in(tail))
            or self.rooms_in(head) - set().union(*(imports[room] for room in self.rooms_in(tail)))
        }


def read_drawing(markdown: str) -> Drawing:
    """Read the only Mermaid flowchart in a text."""
    (text,) = re.findall(r"^```mermaid\nflowchart TD\n(.*?)^```$", markdown, re.MULTILINE | re.DOTALL)
    drawing, box = Drawing({}, []), None
    for line in map(str.strip, text.splitlines()):
        if opened := re.fullmatch(r'subgraph (\w+)\["[^"]+"\]', line):
            box = drawing.boxes.setdefault(opened[1], set())
        elif line == "end":
            box = None
        elif arrow := re.fullmatch(r"(\w[\w &]*) --> (\w[\w &]*)", line):
            tails, heads = (side.split(" & ") for side in arrow.groups())
            drawing.arrows.extend((tail, head) for tail in tails for head in heads)
        elif box is not None and re.fullmatch(r"\w+", line):
            box.add(line)
        else:  # "a ~~~ b" puts b below a, and nothing more.
            assert re.fullmatch(r"\w+ ~~~ \w+", line), (
                f"The drawing has a line that is not understood: {line}"
            )
    return drawing
