"""
Instants and days: text in a form that Braze reads, or Python's dates, which become ISO 8601.

A ``datetime`` without a time zone counts as UTC. Braze reads a date of a profile in the same way.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import Annotated

import pendulum
from pydantic import PlainValidator

from braze_provider.api.reasons import kind, refusal
from braze_provider.api.values import has_liquid

_ISO_8601 = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?P<time>\d{2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?)"
    r"(?P<zone>[Zz]|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?)?"
)

# Other forms than ISO 8601 that Braze reads in profiles: a colon before the milliseconds, American dates, and
# `ddd MM dd HH:mm:ss.TZD YYYY`.
_PROFILE_FORMS = ("%Y-%m-%dT%H:%M:%S:%f%z", "%Y-%m-%dT%H:%M:%S:%f", "%m/%d/%Y", "%a %m %d %H:%M:%S.%z %Y")


def iso_8601(text: str) -> tuple[str, str, str] | None:
    """
    Split an ISO 8601 text into date, clock time and time zone.

    :returns: The three parts. A part that is absent is empty. None: the text is not a valid instant.
    """
    match = _ISO_8601.fullmatch(text)
    if match is None:
        return None
    day, clock, zone = (match[part] or "" for part in ("date", "time", "zone"))
    try:
        date.fromisoformat(day)
        time.fromisoformat(clock[:8] or "00:00")
    except ValueError:
        return None
    return day, clock, zone


def _instant(value: object, *, local: bool = False) -> str:
    if isinstance(value, date):
        if value != value:  # pandas' NaT: a datetime that holds no time
            raise refusal("must be an ISO 8601 date and time, not NaT")
        if isinstance(value, datetime) and value.tzinfo is None and not local:
            value = value.replace(tzinfo=pendulum.UTC)
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


def _profile_instant(value: object) -> str:
    if isinstance(value, str) and iso_8601(value) is None:
        for form in _PROFILE_FORMS:
            try:
                datetime.strptime(value, form)  # noqa: DTZ007 - only to see whether it can be read
            except ValueError:
                continue
            return value
    return _instant(value)


def _day(value: object) -> str:
    if isinstance(value, date):
        if value != value:
            raise refusal("must be a date as YYYY-MM-DD, not NaT")
        return (value.date() if isinstance(value, datetime) else value).isoformat()
    if isinstance(value, str):
        parts = iso_8601(value)
        if parts is not None and not parts[1]:
            return value
        raise refusal("must be a date as YYYY-MM-DD")
    raise refusal(f"must be a date as YYYY-MM-DD, not {kind(value)}")


Instant = Annotated[str, PlainValidator(_instant)]
"""
An ISO 8601 date, or date and time. It is text, or a :class:`~datetime.date` or :class:`~datetime.datetime`
that becomes text. A datetime without a time zone counts as UTC. Text that holds Liquid is left to Braze.
"""

LocalInstant = Annotated[str, PlainValidator(_local_instant)]
"""The same, but a datetime without a time zone keeps none: it means a time by each user's own clock."""

ProfileInstant = Annotated[str, PlainValidator(_profile_instant)]
"""An :data:`Instant`, or text in one of the other forms that Braze reads in profiles."""

Day = Annotated[str, PlainValidator(_day)]
"""A date: ``YYYY-MM-DD``, a :class:`~datetime.date`, or a datetime, of which only the date counts."""
