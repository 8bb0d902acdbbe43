"""
The layout of receipts in Airflow's task state store: pages of compact rows, each below the store's limit.

A page holds the receipts of a fixed range of batch indexes, so the index of a batch tells its page.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pendulum

from braze_provider.ledger.base import Receipt, State

RECEIPTS_PER_PAGE = 256
"""A new page costs one more write, which names it in the record. A larger page costs little."""
MAX_PAGE_BYTES = 65_535
"""Airflow's limit of a value as ASCII JSON (``[state_store] max_value_storage_bytes``)."""
MAX_REASON_BYTES = 500
"""Bytes that the reason of a receipt may take. If a page has many reasons, they are cut shorter."""

_LETTERS = {
    State.CLAIMED: "c",
    State.SENT: "s",
    State.REJECTED: "r",
    State.UNCERTAIN: "u",
    State.FAILED: "f",
}
_STATES = {letter: state for state, letter in _LETTERS.items()}
_EPOCH = datetime(1970, 1, 1, tzinfo=pendulum.UTC)
_MILLISECOND = timedelta(milliseconds=1)
_CUT = "…"

Row = list[Any]
"""
Offset in the page, state, recipients, fingerprint, milliseconds since 1970[, ids[, reason]].

The ids are the dispatch id or null. If there are other ids, they are a list in the order of the page's names.
"""


def page_of(index: int) -> int:
    """
    Give the number of the page that holds a batch's receipt.

    :param index: Index of the batch in the delivery, from 0.
    """
    return index // RECEIPTS_PER_PAGE


def compact(receipt: Receipt) -> Receipt:
    """
    Make a receipt that can be stored: its reason is shortened, and all its texts are valid Unicode.

    :param receipt: The receipt.
    """
    if not receipt.ids and receipt.reason is None:
        return receipt
    return replace(
        receipt,
        ids={name: _clean(value) for name, value in receipt.ids.items()},
        reason=None if receipt.reason is None else shorten(_clean(receipt.reason), MAX_REASON_BYTES),
    )


def encode_page(number: int, head: Mapping[str, Any], receipts: Iterable[Receipt]) -> dict[str, Any]:
    """
    Make the value of a page. Reasons are shortened until it fits; everything else is kept in full.

    :param number: The page's number.
    :param head: Further fields of the page.
    :param receipts: The compact receipts of the page.
    """
    first, receipts = number * RECEIPTS_PER_PAGE, list(receipts)
    others = {name for receipt in receipts for name in receipt.ids} - {"dispatch_id"}
    names = ["dispatch_id", *sorted(others)]
    rows = sorted(_row(receipt, first, names) for receipt in receipts)
    page = {**head, "page": number, "receipts": _text(rows)}
    if others:
        page["ids"] = names
    if _size(page) > MAX_PAGE_BYTES:
        with_reason = [row for row in rows if len(row) == _FULL_ROW]
        reasons = [row[-1] for row in with_reason]
        for row in with_reason:
            row[-1] = ""
        room = MAX_PAGE_BYTES - _size({**page, "receipts": _text(rows)})
        longest = _longest([_text_size(reason) for reason in reasons], room)
        for row, reason in zip(with_reason, reasons, strict=True):
            row[-1] = shorten(reason, longest)
        page["receipts"] = _text(rows)
    return page


def decode_page(page: Mapping[str, Any]) -> Iterator[Receipt]:
    """
    Read the receipts of a page, in the order of their batches.

    :param page: The page's value.
    :raises ValueError: If the value is not a page.
    """
    try:
        first, rows = page["page"] * RECEIPTS_PER_PAGE, page["receipts"]
        if isinstance(rows, str):  # In format 1 the rows were JSON, not a text.
            rows = json.loads(rows)
        for offset, letter, recipients, fingerprint, at, *rest in rows:
            ids, reason = (*rest, None, None)[:2]
            named = zip(page["ids"], ids, strict=True) if isinstance(ids, list) else [("dispatch_id", ids)]
            yield Receipt(
                index=first + offset,
                recipients=recipients,
                fingerprint=fingerprint,
                state=_STATES[letter],
                at=(_EPOCH + at * _MILLISECOND).isoformat(timespec="milliseconds"),
                ids={name: value for name, value in named if value is not None},
                reason=reason,
            )
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a page of receipts: {type(error).__name__} at {error}") from error


def shorten(text: str, size: int) -> str:
    """
    Cut a text so that it takes at most a number of bytes in a page. An ellipsis shows that it was cut.

    :param text: The text.
    :param size: Bytes that it may take, without its quotes.
    """
    if _text_size(text) <= size:
        return text
    room = size - _text_size(_CUT)
    if room < 0:
        return ""
    length = bisect_right(range(1, len(text) + 1), room, key=lambda end: _text_size(text[:end]))
    return text[:length] + _CUT


def to_ranges(numbers: Collection[int]) -> list[list[int]]:
    """
    Write numbers as ranges, each with its first and last number: a delivery's pages are a few ranges.

    :param numbers: The numbers.
    """
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ranges


def from_ranges(ranges: Iterable[Iterable[int]]) -> set[int]:
    """
    Read the ranges that :func:`to_ranges` made.

    :param ranges: The ranges.
    """
    return {number for first, last in ranges for number in range(first, last + 1)}


_FULL_ROW = 7


def _row(receipt: Receipt, first: int, names: Sequence[str]) -> Row:
    at = datetime.fromisoformat(receipt.at.replace("Z", "+00:00"))
    if at.tzinfo is None:
        at = at.replace(tzinfo=pendulum.UTC)
    row: Row = [
        receipt.index - first,
        _LETTERS[receipt.state],
        receipt.recipients,
        receipt.fingerprint,
        (at - _EPOCH) // _MILLISECOND,
    ]
    dispatch_id = receipt.ids.get("dispatch_id")
    if len(receipt.ids) > (dispatch_id is not None):
        row.append([receipt.ids.get(name) for name in names])
    elif receipt.ids or receipt.reason is not None:
        row.append(dispatch_id)
    if receipt.reason is not None:
        row.append(receipt.reason)
    return row


def _clean(text: str) -> str:
    # Python accepts half a surrogate pair in a string, but it can't be sent or stored.
    return text.encode("utf-8", "replace").decode("utf-8")


def _size(value: Any) -> int:
    # This is exactly how Airflow measures and stores a value.
    return len(json.dumps(value))


def _text(rows: list[Row]) -> str:
    # Faster than JSON: Airflow looks at each value in a JSON document, but handles a text as one value.
    return json.dumps(rows, separators=(",", ":"))


def _text_size(text: str) -> int:
    # The text is JSON within JSON: six characters are its quotes, their escapes, and the quotes around those.
    return _size(json.dumps(text)) - 6


def _longest(sizes: list[int], room: int) -> int:
    """Give the largest size for all texts with which they fit. Short texts keep theirs, long ones share."""

    def does_not_fit(size: int) -> bool:
        return sum(min(size, each) for each in sizes) > room

    return max(bisect_left(range(MAX_REASON_BYTES + 1), True, key=does_not_fit) - 1, 0)
