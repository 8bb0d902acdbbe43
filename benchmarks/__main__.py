"""
``make bench``: the package's speed, beside that of a plain ``requests`` loop and a plain thread pool.

Braze is a local one, in a process of its own, whose answers take 100 ms. Everything is measured on this
machine in this run, so that the ratios mean something where the figures don't.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from benchmarks.figures import FIGURES, FULL, QUICK, Bench, Figure, customers
from benchmarks.inbox import inbox
from benchmarks.scale import scale as figures_of_scale

HEADER = ("figure", "ours", "plain loop", "plain pool", "target", "")
WIDTHS = (56, 12, 22, 22, 12, 8)
BUSY = 1.0
LARGE = ("inbox", "scale")
"""Measured only when they are named: each takes many minutes."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only", choices=[*FIGURES, *LARGE], action="append", help="measure only this; repeatable"
    )
    parser.add_argument("--quick", action="store_true", help="a few seconds each, to see that it works")
    parser.add_argument("--check", action="store_true", help="exit with 1 if a target is missed")
    options = parser.parse_args()
    began, load = time.monotonic(), os.getloadavg()[0]
    print(f"{os.cpu_count()} cores, load average {load:.2f}, Python {sys.version.split()[0]}")
    if load > BUSY:
        print("This machine is busy with something else: the figures will be poor.")
    print(f"\n{line(HEADER)}\n{line(['-' * (width - 2) for width in WIDTHS])}", flush=True)
    scale = QUICK if options.quick else FULL
    missed = 0
    with customers(scale.rows) as path:
        bench = Bench(scale, path)
        every = {**FIGURES, "inbox": inbox, "scale": lambda _: figures_of_scale(quick=options.quick)}
        for name in options.only or FIGURES:
            found = list(every[name](bench))
            again = not all(figure.reached for figure in found) and not options.quick
            show(found, "(measured again below)" if again else "")
            if again:
                found = list(every[name](bench))
                show(found)
            missed += sum(not figure.reached for figure in found)
    print(f"\nIn brackets: ours over theirs. {time.monotonic() - began:.0f} s, load {os.getloadavg()[0]:.2f}")
    print(f"{missed} targets missed" if missed else "All targets reached")
    return 1 if missed and options.check else 0


def show(found: list[Figure], remark: str = "") -> None:
    for figure in found:
        target, reached = "–", ""
        for sign, bound in (("≥", figure.least), ("≤", figure.most)):
            if bound is not None:
                target = f"{sign} {bound:,} {figure.unit}"
                reached = "yes" if figure.reached else "MISSED"
        others = [beside(figure, theirs) for theirs in figure.plain]
        text = line([figure.name, said(figure, figure.ours), *others, target, reached])
        print("  ".join(part for part in (text, figure.note, remark) if part), flush=True)


def said(figure: Figure, value: float) -> str:
    return f"{value:,.{figure.digits}f} {figure.unit}".strip()


def beside(figure: Figure, theirs: float | None) -> str:
    if theirs is None:
        return "–"
    ratio = f" ({figure.ours / theirs:.2f} ×)" if theirs else ""
    return said(figure, theirs) + ratio


def line(cells: list[str] | tuple[str, ...]) -> str:
    return "".join(f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True)).rstrip()


if __name__ == "__main__":
    sys.exit(main())
