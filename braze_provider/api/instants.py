"""Instants and days: ISO 8601 text, or Python's own dates turned into it."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import Annotated

from pydantic import PlainValidator

from braze_provider.api.reasons import kind, refusal
from braze_provider.api.values import has_liquid

_ISO_8601 = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?P<time>\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)(?P<zone>Z|z|[+-]\d{2}(?::?\d{2})?)?)?"
)


def iso_8601(text: str) -> tuple[str, str, str] | None:
    """
    Take an ISO 8601 text apart into date, clock time and time zone.

    :returns: The three parts, empty where absent; None when the text is no valid instant.
    """
    match = _ISO_8601.fullmatch(text)
    if match is None:
        return None
    day, clock, zone = (match[part] or "" for part in ("date", "time", "zone"))
    hours, _, minutes = zone[1:].partition(":") if ":" in zone else (zone[1:3], "", zone[3:])
    try:
        date.fromisoformat(day)
        time.fromisoformat(clock[:8] or "00:00")
        time(int(hours or 0), int(minutes or 0))
    except ValueError:
        return None
    return day, clock, zone


def _instant(value: object, *, local: bool = False) -> str:
    if isinstance(value, datetime):
        if value != value:  # pandas' NaT, a datetime that is none
            raise refusal("must be an ISO 8601 date and time, not NaT")
        if value.tzinfo is None and not local:
            raise refusal(
                "must have a time zone: a datetime without one means another instant on each machine"
            )
        return value.isoformat()
    if not isinstance(value, str):
        raise refusal(
            "must not be null; leave it out instead"
            if value is None
            else f"must be an ISO 8601 date and time, not {kind(value)}"
        )
    if not has_liquid(value) and iso_8601(value) is None:
        if re.search(r"[+-]\d:\d{2}$", value):
            raise refusal(
                "must be an ISO 8601 date and time; its offset needs two digits for the hour, as in -05:00"
            )
        raise refusal("must be an ISO 8601 date and time, such as 2026-07-22T13:17:55Z")
    return value


def _local_instant(value: object) -> str:
    return _instant(value, local=True)


def _day(value: object) -> str:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        parts = iso_8601(value)
        if parts is not None and not parts[1]:
            return value
        raise refusal("must be a date as YYYY-MM-DD")
    raise refusal(f"must be a date as YYYY-MM-DD, not {kind(value)}")


Instant = Annotated[str, PlainValidator(_instant)]
"""
An ISO 8601 date or date and time, as text or as a :class:`~datetime.datetime` with a time zone, which
becomes text. Text that holds Liquid is left to Braze.
"""

LocalInstant = Annotated[str, PlainValidator(_local_instant)]
"""The same, where a time without a zone is meant: by each user's own clock."""

Day = Annotated[str, PlainValidator(_day)]
"""A date as ``YYYY-MM-DD`` or as a :class:`~datetime.date`."""
