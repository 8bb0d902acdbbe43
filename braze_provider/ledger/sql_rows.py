"""Make the rows that the SQL ledger writes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pendulum

from braze_provider.ledger.base import Claim, Opening, Outline, Receipt, State
from braze_provider.ledger.sql_schema import MAX_ID_LENGTH

MAX_REASON_LENGTH = 4_000


def row_of_opening(opening: Opening) -> dict[str, Any]:
    """
    Make the columns of a delivery's row that note an opening.

    :param opening: The opening.
    """
    return {**dataclasses.asdict(opening.counters), "resends": json.dumps(opening.resends)}


def row_of_outline(outline: Outline) -> dict[str, Any]:
    """
    Make the columns of a delivery's row that say what it is about.

    :param outline: The outline.
    """
    return {
        "endpoint": outline.endpoint[:MAX_ID_LENGTH],
        "total": outline.total,
        "target": json.dumps(dict(outline.target)),
    }


def row_of_outcome(one: Receipt, place: Mapping[str, Any]) -> dict[str, Any]:
    """
    Make a receipt's row for the outcome of a claimed batch.

    :param one: The receipt.
    :param place: The delivery, its generation and its owner.
    """
    return {
        **_row(one, place),
        "who": None,
        "state": one.state.value,
        **_row_of_ids(one.ids),
        "reason": _storable(one.reason, MAX_REASON_LENGTH),
        "token": "",
        "noted_at": one.at,
    }


def row_of_claim(one: Claim, place: Mapping[str, Any], token: str, who: bytes | None) -> dict[str, Any]:
    """
    Make a receipt's row for a claim.

    :param one: The claim.
    :param place: The delivery, its generation and its owner.
    :param token: Tells the claims of one call from all others.
    :param who: Keyed digests of the recipients.
    """
    return {
        **_row(one, place),
        "who": who,
        "state": State.CLAIMED.value,
        **_row_of_ids({}),
        "reason": None,
        "token": token,
        "noted_at": one.at or now_iso(),
    }


def _row(one: Receipt | Claim, place: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **place,
        "batch_index": one.index,
        "recipients": one.recipients,
        "fingerprint": one.fingerprint,
    }


def _row_of_ids(ids: Mapping[str, str]) -> dict[str, str | None]:
    clean = {name: _storable(value) for name, value in ids.items()}
    dispatch_id = clean.pop("dispatch_id", None)
    return {"dispatch_id": dispatch_id, "other_ids": json.dumps(clean) if clean else None}


def now_iso() -> str:
    """Give the present time in the form that the tables hold."""
    return to_iso(pendulum.now("UTC"))


def to_iso(instant: datetime) -> str:
    """
    Give an instant in the form that the tables hold.

    :param instant: An instant in any time zone.
    """
    return instant.astimezone(pendulum.UTC).isoformat(timespec="milliseconds")


def _storable(text: str | None, longest: int | None = None) -> str | None:
    """Replace characters that a database may refuse: an outcome must not be lost because of Braze's text."""
    if text is None:
        return None
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()[:longest]
