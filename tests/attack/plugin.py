"""
A marker and a fixture for the attacks on the promise, and a table of their results.

    @pytest.mark.attack("1", "resend=True left on, a sibling is cleared", before="800 twice")
    def test_…(attack):
        attack.record(recipients=400, duplicates=0, lost=0, held=0)
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

WIDTHS = {"point": 5, "what is done": 52, "before": 34, "twice": 7, "lost": 6, "held": 6, "": 28}
FIGURES = "attack"
"""The name under which a test's figures travel with its report, also from another process."""


class Attack:
    """
    Takes the figures of one test.

    :param item: The test.
    """

    def __init__(self, item: pytest.Item) -> None:
        self._item = item

    def record(
        self, *, recipients: int = 0, duplicates: int = 0, lost: int = 0, held: int = 0, note: str = ""
    ) -> None:
        """
        Note the result of an attack. Tests call this before they assert anything.

        :param recipients: Number of recipients that should be sent to.
        :param duplicates: Number of recipients that were sent to more often than the user asked for.
        :param lost: Number of recipients that were not sent to, without an error that says so.
        :param held: Number of recipients in doubt.
        :param note: The case, if there are several, or another remark.
        """
        figures = {"recipients": recipients, "duplicates": duplicates, "lost": lost, "held": held}
        self._item.user_properties.append((FIGURES, {**_described(self._item), **figures, "note": note}))


def _described(item: pytest.Item) -> dict[str, str]:
    mark = item.get_closest_marker("attack")
    if mark is None:
        raise pytest.UsageError(f"{item.nodeid} records figures, and has no mark 'attack'")
    point, title = mark.args
    return {"point": point, "title": title, "before": mark.kwargs.get("before", "")}


@pytest.fixture
def attack(request: pytest.FixtureRequest) -> Attack:
    """Where a test records its figures."""
    return Attack(request.node)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Put a test into the table even if it ends before it has figures."""
    if item.get_closest_marker("attack") is not None:
        item.user_properties.append((FIGURES, _described(item)))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Show the table."""
    rows = sorted(_rows(terminalreporter.stats), key=lambda row: (int(row["point"]), row["what is done"]))
    if not rows:
        return
    terminalreporter.section("attacks")
    terminalreporter.write_line(" | ".join(name.ljust(width) for name, width in WIDTHS.items()).rstrip())
    terminalreporter.write_line("-|-".join("-" * width for width in WIDTHS.values()))
    for row in rows:
        cells = [textwrap.wrap(row[name], width) or [""] for name, width in WIDTHS.items()]
        for number in range(max(map(len, cells))):
            line = [cell[number] if number < len(cell) else "" for cell in cells]
            terminalreporter.write_line(
                " | ".join(
                    text.ljust(width) for text, width in zip(line, WIDTHS.values(), strict=True)
                ).rstrip()
            )


def _rows(stats: Mapping[str, list[Any]]) -> Iterator[dict[str, str]]:
    for report in [one for outcome in ("passed", "failed", "error") for one in stats.get(outcome, ())]:
        if report.when != "call" and report.passed:
            continue
        of_this_test = [value for name, value in getattr(report, "user_properties", ()) if name == FIGURES]
        for figures in of_this_test[1:] or of_this_test:
            yield {
                "point": figures["point"],
                "what is done": figures["title"],
                "before": figures["before"],
                "twice": _number(figures, "duplicates"),
                "lost": _number(figures, "lost"),
                "held": _number(figures, "held"),
                "": ", ".join(filter(None, [figures.get("note"), "" if report.passed else "FAILED"])),
            }


def _number(figures: Mapping[str, Any], name: str) -> str:
    return f"{figures[name]:,}" if name in figures else "?"
