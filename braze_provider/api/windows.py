"""
Windows of time: a series of any length takes several requests, none longer than Braze allows.

Each request asks for one day (or hour) more on both sides of its window, and the answer is cut to the window.
Braze's pages do not say whether the last day counts, and its days are those of the company's time zone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pendulum

from braze_provider.api.endpoints import Endpoint
from braze_provider.api.errors import BrazeValidationError, Problem
from braze_provider.api.instants import iso_8601

MARGIN = 1
"""Days or hours that a request asks for on each side of its window."""


@dataclass(frozen=True)
class Window:
    """
    The part of a series that one request brings.

    :param first: Its first day; or the beginning of its first hour.
    :param last: Its last day; or the beginning of its last hour.
    :param length: The request's ``length``.
    :param ending_at: The request's ``ending_at``, ISO 8601.
    """

    first: date
    last: date
    length: int
    ending_at: str

    def holds(self, item: Mapping[str, Any]) -> bool:
        """
        Tell whether an item of the answer is of this window.

        :param item: The item, with its ``time``.
        """
        text = str(item.get("time"))
        parts = iso_8601(text)
        if parts is None:
            return False
        if not isinstance(self.first, datetime):
            return self.first <= date.fromisoformat(parts[0]) <= self.last
        time = pendulum.parse(text)
        return isinstance(time, pendulum.DateTime) and self.first <= time <= self.last


def windows(endpoint: Endpoint, first: date, last: date) -> Iterator[Window]:
    """
    Cut a window into those of single requests.

    :param endpoint: The endpoint of the series.
    :param first: The first day; or, for a series of hours, a moment in the first hour.
    :param last: The last day, included; or a moment in the last hour.
    """
    most = (endpoint.length or 0) - 2 * MARGIN
    now = pendulum.now("UTC")
    if isinstance(first, datetime) and isinstance(last, datetime):
        hour = pendulum.instance(first).in_timezone("UTC").start_of("hour")
        end = pendulum.instance(last).in_timezone("UTC").start_of("hour")
        while hour <= end:
            until = min(hour.add(hours=most - 1), end)
            length = int((until - hour).total_hours()) + 1 + 2 * MARGIN
            yield Window(hour, until, length, min(until.add(hours=MARGIN), now).isoformat())
            hour = until.add(hours=1)
        return
    day, last_day = (pendulum.date(value.year, value.month, value.day) for value in (first, last))
    while day <= last_day:
        final = min(day.add(days=most - 1), last_day)
        after = final.add(days=MARGIN)
        length = (final - day).in_days() + 1 + 2 * MARGIN
        midday = pendulum.datetime(after.year, after.month, after.day, 12)
        yield Window(day, final, length, min(midday, now).isoformat())
        day = final.add(days=1)


def refuse_long_window(endpoint: Endpoint, params: Mapping[str, Any]) -> None:
    """
    Refuse a request for more than the endpoint gives at once.

    :param endpoint: The endpoint.
    :param params: The request's query parameters.
    :raises BrazeValidationError: If its window is longer. The error names the field.
    """
    most = endpoint.length
    if most is None:
        return
    advice = f"for a longer window, BrazeHook.series_of({endpoint.name!r}, …) makes several requests"
    length = params.get("length")
    if length is not None and not (_is_whole(length) and 1 <= int(length) <= most):
        reason = f"must be a whole number from 1 to {most}; {advice}"
        raise BrazeValidationError(str(endpoint), [Problem("length", reason)])
    begins, ends = (_moment(params.get(name)) for name in ("starting_at", "ending_at"))
    if begins is not None and ends is not None and ends - begins > pendulum.duration(days=most):
        reason = f"is more than {most} days before ending_at; {advice}"
        raise BrazeValidationError(str(endpoint), [Problem("starting_at", reason)])


def _is_whole(value: Any) -> bool:
    if isinstance(value, str):
        return value.isascii() and value.isdigit()
    return isinstance(value, int) and not isinstance(value, bool)


def _moment(value: Any) -> pendulum.DateTime | None:
    if value is None or iso_8601(str(value)) is None:
        return None
    moment = pendulum.parse(str(value))
    return moment if isinstance(moment, pendulum.DateTime) else None
