"""The sandbox's inbox with very many messages: what a person waits for, and what it takes of the machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import requests

from benchmarks.client import RECIPIENTS_PER_REQUEST
from benchmarks.figures import Bench, Figure
from benchmarks.processes import PATIENCE, Braze, Client

CAMPAIGNS = 20
AT_ONCE = 2
TRIES = 5

# Notes when the first row of the list is there to be painted.
WATCH = """
new MutationObserver((_, observer) => {
  if (!document.querySelector(".entries a")) return;
  observer.disconnect();
  requestAnimationFrame(() => { window.shownAt = performance.now(); });
}).observe(document, { childList: true, subtree: true });
"""
SHOWN = """
new Promise((resolve) => {
  const look = () => window.shownAt ? resolve(window.shownAt) : requestAnimationFrame(look);
  look();
})
"""
# Types into the search field, and gives the milliseconds until the list has so many rows, and that one first.
SEARCH = """
([query, rows, first]) => new Promise((resolve, reject) => {
  const field = document.getElementById("search");
  const began = performance.now();
  const isThere = () => document.querySelectorAll(".entries a").length === rows
    && (first === null || document.querySelector(".entries strong").textContent === first);
  const look = () => isThere()
    ? resolve(performance.now() - began) : requestAnimationFrame(look);
  setTimeout(() => reject(new Error("The list does not show what was sought")), 30000);
  field.value = query;
  field.dispatchEvent(new Event("input"));
  look();
})
"""


def inbox(bench: Bench) -> Iterator[Figure]:
    """The page and its searches, after many sends were received over HTTP and kept in a file."""
    with tempfile.TemporaryDirectory(prefix="braze-bench-") as folder:
        file = Path(folder) / "sandbox.db"
        options = ("--file", str(file))
        with Braze.run(latency=0, options=options) as braze:
            rate = fill(braze, bench.scale.sends)
            yield from looked_at(braze, bench.scale.sends)
            name = f"memory of the sandbox, {bench.scale.sends * RECIPIENTS_PER_REQUEST:,} recipients"
            yield Figure(name, memory(braze), "MiB", most=300, note="its peak")
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        yield Figure("  its file", size / 2**20, "MiB", note=f"received at {rate:,.0f} requests/s")
        began = time.perf_counter()
        with Braze.run(latency=0, options=options):
            yield Figure("  a restart", time.perf_counter() - began, "s", most=5)


def fill(braze: Braze, sends: int) -> float:
    """Send to other recipients with each request; gives the requests in a second."""
    began = time.perf_counter()
    for first in range(0, CAMPAIGNS, AT_ONCE):
        senders = [
            Client("plain", url=braze.url, api_key=braze.api_key, requests=sends // CAMPAIGNS, threads=8,
                   campaign=f"sale-{number:02}")
            for number in range(first, first + AT_ONCE)
        ]  # fmt: skip
        for sender in senders:
            sender.result()
    seconds = time.perf_counter() - began
    summary = requests.get(f"{braze.url}/_sandbox/summary", timeout=PATIENCE).json()
    if summary["recipients"] != sends * RECIPIENTS_PER_REQUEST:
        raise RuntimeError(f"Not all were received: {summary}")
    return sends / seconds


def looked_at(braze: Braze, sends: int) -> Iterator[Figure]:
    """Open the page in a browser and search, each several times."""
    one = f"sale-01-{sends // CAMPAIGNS // 2}-{RECIPIENTS_PER_REQUEST - 1}"
    searches = {
        "recipient": (one, 1, "Campaign sale-01"),
        "campaign": ("sale-00", 50, "Campaign sale-00"),
        "a Dag that is not there": ("no_such_dag", 0, None),
    }
    painted: list[float] = []
    seen: dict[str, list[float]] = {what: [] for what in searches}
    for _ in range(TRIES):
        with page_of(braze) as page:
            painted.append(page.evaluate(SHOWN))
            for what, sought in searches.items():
                seen[what].append(page.evaluate(SEARCH, list(sought)))
                page.evaluate(SEARCH, ["", 50, None])
    name = f"the list is there, {sends:,} sends"
    yield Figure(name, median(painted), "ms", most=1_000, digits=0, note=f"at most {max(painted):,.0f} ms")
    for what, (query, rows, _) in searches.items():
        call = median(called(braze, query, rows) for _ in range(TRIES))
        note = f"the call alone {call:,.0f} ms; the page waits 200 ms for more letters"
        yield Figure(f"  search by {what}", median(seen[what]), "ms", most=1_000, digits=0, note=note)


def called(braze: Braze, query: str, rows: int) -> float:
    """Milliseconds of a search without the page."""
    began = time.perf_counter()
    found = requests.get(f"{braze.url}/_sandbox/inbox", params={"q": query}, timeout=PATIENCE).json()
    if len(found["entries"]) != rows:
        raise RuntimeError(f"{query} found {len(found['entries'])} requests")
    return 1_000 * (time.perf_counter() - began)


@contextlib.contextmanager
def page_of(braze: Braze) -> Iterator[Any]:
    """The inbox in a browser of its own."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        path = os.environ.get("BRAZE_TEST_BROWSER") or shutil.which("chromium")
        # Chromium's own sandbox needs rights that containers lack.
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page()
        page.add_init_script(WATCH)
        page.goto(braze.url, wait_until="commit")
        yield page
        browser.close()


def memory(braze: Braze) -> float:
    """MiB that the sandbox's process has taken at most."""
    status = Path(f"/proc/{braze.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024
