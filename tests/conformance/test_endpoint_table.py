"""The tables of endpoints and of rate limits say exactly what Braze documents."""

from __future__ import annotations

import re
from typing import Any

import pytest
from conformance.contract import Row, code, tables

from braze_provider.api.endpoints import ENDPOINTS, Endpoint
from braze_provider.api.limits import BUCKETS, DAY, HOUR, MINUTE, SECOND

DOCUMENTED = {f"{row['Method']} {code(row['Path'])[0]}": row for row in tables()["Endpoints"]}
ROWS = {str(endpoint): endpoint for endpoint in ENDPOINTS.values()}

# The rows that differ on purpose, and why.
DIFFERENCES: dict[tuple[str, str], Any] = {
    # Users in the query: nothing is sent to them in batches.
    ("GET /subscription/status/get", "rows"): None,
    ("GET /subscription/user/status", "rows"): None,
    # Rows inside the groups: no array of the request holds them.
    ("POST /v2/subscription/status/set", "rows"): None,
}


def documented(row: Row) -> dict[str, Any]:
    """Give a row of the contract in the form of our table."""
    items = {"rows": None, "page_size": None, "length": None}
    for number, unit in re.findall(r"(\d[\d,]*) (a page|days|units|\w+)", row["Items"]):
        name = {"a page": "page_size", "days": "length", "units": "length"}.get(unit, "rows")
        items[name] = int(number.replace(",", ""))
    if items["rows"] == 1:
        items["rows"] = None
    (repeat,) = re.findall(r"safe|keyed|duplicates", row["Repeat"])[:1]
    bucket, *broadcast = code(row["Bucket"])
    return {
        "path_parameters": tuple(code(row["Path parameters"])),
        "permission": code(row["Permission"])[0],
        "bucket": bucket,
        "broadcast_bucket": broadcast[0] if broadcast else None,
        "repeat": repeat,
        "ids": tuple(name for name in code(row["Answer"]) if name.endswith(("_id", "_prefix"))),
        **items,
    }


def ours(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "path_parameters": endpoint.path_parameters,
        "permission": endpoint.permission,
        "bucket": endpoint.bucket,
        "broadcast_bucket": endpoint.broadcast_bucket,
        "repeat": endpoint.repeat.value,
        "ids": endpoint.ids,
        "rows": None if endpoint.rows == 1 else endpoint.rows,
        "page_size": endpoint.page_size,
        "length": endpoint.length,
    }


def test_the_table_has_exactly_the_endpoints_that_braze_documents():
    assert sorted(DOCUMENTED) == sorted(map(str, ENDPOINTS.values()))
    assert len(DOCUMENTED) == len(tables()["Endpoints"])


@pytest.mark.parametrize("name", DOCUMENTED)
def test_a_row_says_what_braze_documents(name):
    expected = documented(DOCUMENTED[name])
    if DOCUMENTED[name]["Answer"] == "ids":  # of what was made, without their names
        assert ROWS[name].ids
        expected["ids"] = ROWS[name].ids
    found = ours(ROWS[name])
    unlike = {(name, what): value for what, value in found.items() if value != expected[what]}
    assert unlike == {at: value for at, value in DIFFERENCES.items() if at[0] == name}


def test_the_rate_limits_are_those_that_braze_documents():
    seconds = {"second": SECOND, "minute": MINUTE, "hour": HOUR, "day": DAY}
    expected = {}
    for row in tables()["Rate limits"]:
        limits = re.findall(r"(\d[\d,]*)/(\d*) ?(second|minute|hour|day)", row["Limit"])
        figures = [(int(n.replace(",", "")), int(times or 1) * seconds[unit]) for n, times, unit in limits]
        (limit, window), *for_one_audience = figures
        expected[code(row["Bucket"])[0]] = (limit, window, *(n for n, _ in for_one_audience))
    assert expected == {
        name: (bucket.limit, bucket.window, *filter(None, [bucket.per_audience]))
        for name, bucket in BUCKETS.items()
    }
