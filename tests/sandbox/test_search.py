"""A search looks into indexes, whatever is looked for: it may not read millions of recipients."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest

from braze_provider.sandbox.search import KINDS, find
from braze_provider.sandbox.store import Store

LARGE = ("request", "recipient", "again", "waiting", "body")


class Explained:
    """A database that keeps how it would go about each query."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.steps: list[str] = []

    def execute(self, sql: str, values: Any) -> Any:
        self.steps += [step[3] for step in self._db.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
        return self._db.execute(sql, values)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("before", [None, 100])
def test_no_search_reads_a_whole_table_of_requests_or_recipients(kind, before):
    store = Store()
    explained = Explained(store.db)
    assert find(explained, kind, "ada", ["a campaign"], before, 50) == []

    assert any(step.startswith("SEARCH recipient USING PRIMARY KEY") for step in explained.steps)
    scanned = [step for step in explained.steps if step.startswith(tuple(f"SCAN {table}" for table in LARGE))]
    assert scanned == []
