"""The sandbox's functions for catalogs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.sandbox.answers import refuse_catalog
from braze_provider.sandbox.endpoints import Accepted, Call, serves

_Items = dict[str, dict[str, Any]]


@serves("catalogs_list")
def catalogs_list(call: Call) -> Accepted:
    """List the catalogs."""
    return Accepted(status=200, answer={"catalogs": call.workspace.catalogs.listed()})


@serves("catalogs_items_list")
def catalogs_items_list(call: Call) -> Accepted:
    """List the items of a catalog, a page at a time. A cursor is the number of items before the page."""
    name = call.path["catalog_name"]
    items = list(call.workspace.catalogs.items(name).values())
    cursor = call.query.get("cursor", "0")
    if not re.fullmatch(r"[0-9]{1,9}", cursor):
        refuse_catalog(400, "invalid-cursor", "The cursor is not valid", cursor=cursor)
    end = int(cursor) + (ENDPOINTS["catalogs_items_list"].page_size or 1)
    link = f'</catalogs/{quote(name)}/items?cursor={end}>; rel="next"' if end < len(items) else ""
    return Accepted(status=200, answer={"items": items[int(cursor) : end]}, link=link)


def _writes(endpoint: str, write: Callable[[_Items, dict[str, Any]], None]) -> None:
    @serves(endpoint)
    def change(call: Call) -> Accepted:
        name, items = call.path["catalog_name"], call.body["items"]
        there = call.workspace.catalogs.items(name)
        for item in items:
            if not isinstance(item["id"], str):  # The model turns a number into text, Braze does not.
                refuse_catalog(400, "ids-not-strings", "The ids are not strings", id=item["id"])
        call.workspace.catalogs.check_fields(name, items)

        def write_all() -> None:
            for item in items:
                write(there, item)
                call.workspace.catalogs.note(name, item["id"])

        return Accepted(status=202, change=write_all)


def _replace(items: _Items, item: dict[str, Any]) -> None:
    items[item["id"]] = item


def _update(items: _Items, item: dict[str, Any]) -> None:
    if item["id"] not in items:
        return  # Only an item that exists is changed.
    there = items[item["id"]]
    for name, value in item.items():
        if isinstance(value, dict) and value and value.keys() <= {"$add", "$remove"}:
            old = there.get(name) or []
            there[name] = [one for one in old if one not in value.get("$remove", [])] + value.get("$add", [])
        else:
            there[name] = value


def _delete(items: _Items, item: dict[str, Any]) -> None:
    items.pop(item["id"], None)


_writes("catalogs_items_replace", _replace)
_writes("catalogs_items_update", _update)
_writes("catalogs_items_delete", _delete)
