"""What is looked for among requests: each way to find one is an index of the database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Mapping

from braze_provider.sandbox.store import text_of

KINDS: Mapping[str, str] = {
    "sends": "is_send",
    "scheduled": "schedule_id IS NOT NULL",
    "failed": "ended AND (status IS NULL OR status >= 400 OR fault IS NOT NULL)",
    "all": "true",
}
"""The kinds of requests that are listed, each with its condition."""

# A recipient is found by the whole key, a dispatch id and a schedule's id by their beginning. Other ids, and
# what an Airflow task is called, are in short tables of those that differ, so any part of them is found fast.
_MATCHES = """
SELECT request FROM recipient WHERE key IN keys
UNION SELECT request FROM again WHERE key IN keys
UNION SELECT request FROM waiting WHERE key IN keys
UNION SELECT number FROM request WHERE head IN (SELECT id FROM head WHERE instr(task, CAST(:part AS TEXT)))
UNION SELECT number FROM request WHERE target IN (
    SELECT id FROM target WHERE instr(ids, CAST(:part AS TEXT))
        OR campaign_id IN (SELECT value FROM json_each(:named))
        OR canvas_id IN (SELECT value FROM json_each(:named)))
UNION SELECT number FROM request WHERE dispatch_id >= :prefix AND dispatch_id < :prefix || 'g'
UNION SELECT number FROM request WHERE schedule_id >= :prefix AND schedule_id < :prefix || 'g'
"""


def find(
    db: sqlite3.Connection, kind: str, query: str, named: Collection[str], before: int | None, limit: int
) -> list[int]:
    """
    Give the numbers of the requests that fit, the newest first.

    :param db: The sandbox's database.
    :param kind: One of :data:`KINDS`.
    :param query: A recipient's whole key or address, the beginning of a dispatch id or of a schedule's id, or
        a part of another id, of a campaign's or a Canvas's name, or of what an Airflow task is called. Empty:
        all requests fit.
    :param named: Ids of the campaigns and Canvases whose name fits.
    :param before: Only requests that are older than this one; None for all.
    :param limit: How many to give at most.
    """
    clauses = [KINDS[kind]]
    values: dict[str, object] = {"limit": limit, "before": before}
    if before is not None:
        clauses.append("number < :before")
    keys = ""
    if query:
        keys = "WITH keys AS (SELECT CAST(column1 AS TEXT) FROM (VALUES (:key), (:email), (:braze_id)))"
        clauses.append(f"number IN ({_MATCHES})")
        values |= {
            "key": text_of(query),
            "email": text_of(f"email:{query}"),
            "braze_id": text_of(f"braze_id:{query}"),
            "part": text_of(folded(query)),
            "named": json.dumps(list(named)),
            # Ids that the sandbox gives are hexadecimal. Nothing else can be the beginning of one.
            "prefix": prefix if (prefix := query.lower()).isascii() and prefix.isalnum() else "-",
        }
    found = db.execute(
        f"{keys} SELECT number FROM request WHERE {' AND '.join(clauses)} "  # noqa: S608 - no value is in it
        "ORDER BY number DESC LIMIT :limit",
        values,
    )
    return [number for (number,) in found]


def folded(*texts: str | None) -> str:
    """
    Give texts as one, in which a search looks for a part of any of them.

    :param texts: The texts; None for one that is not there.
    """
    return "\n".join(text.lower() for text in texts if text)
