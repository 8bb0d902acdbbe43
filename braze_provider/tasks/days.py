"""The days that a task reads statistics of, from its arguments or from its Dag run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import pendulum
from pendulum.tz.exceptions import InvalidTimezone

from braze_provider.api.errors import BrazeValidationError, Problem
from braze_provider.api.instants import iso_8601
from braze_provider.templating import may_be_templated

if TYPE_CHECKING:
    from braze_provider._compat import Context


def problems_of_days(arguments: Mapping[str, Any]) -> list[Problem]:
    """
    List the mistakes in the arguments that say which days. A template may still become right.

    :param arguments: ``start``, ``end``, ``length`` and ``timezone``.
    """
    given = {name: None if may_be_templated(value) else value for name, value in arguments.items()}
    problems = []
    zone = "UTC" if given["timezone"] is None else given["timezone"]
    try:
        pendulum.timezone(str(zone))
    except (InvalidTimezone, ValueError):
        problems.append(Problem("timezone", "must be the name of a time zone, such as Europe/Berlin"))
        zone = "UTC"
    start, end = (_day_or_problem(name, given[name], zone) for name in ("start", "end"))
    problems += [found for found in (start, end) if isinstance(found, Problem)]
    if isinstance(start, date) and isinstance(end, date) and start > end:
        problems.append(Problem("end", "must not be before start"))
    if given["length"] is not None and _whole(given["length"]) is None:
        problems.append(Problem("length", "must be a whole number of days, 1 or more"))
    if arguments["length"] is not None and arguments["start"] is not None:
        problems.append(Problem("length", "is not allowed with start: give one of them", ("length", "start")))
    return problems


def days_of(arguments: Mapping[str, Any], context: Context) -> tuple[date, date]:
    """
    Give the first and the last day.

    :param arguments: ``start``, ``end``, ``length`` and ``timezone``, rendered and right.
    :param context: Airflow's context of the task.
    :raises BrazeValidationError: If the first day has not begun.
    """
    zone = arguments["timezone"]
    start, end = arguments["start"], arguments["end"]
    run_start: datetime | None = context.get("data_interval_start")
    run_end: datetime | None = context.get("data_interval_end")
    if run_start is None or run_end is None or run_start >= run_end:
        # There is no interval. Each run has the time after which it may run.
        run_start, run_end = None, context["dag_run"].run_after
    if start is None and end is None and arguments["length"] is None:
        start = run_start
    today = pendulum.today(zone).date()
    after = _day(run_end if end is None else end, zone)
    first = None if start is None else _day(start, zone)
    last = after.subtract(days=1)
    if first is None:
        first = last.subtract(days=(_whole(arguments["length"]) or 1) - 1)
    if first > today:
        reason = f"is {first.isoformat()}, a day that has not begun in {zone}: Braze has nothing of it"
        raise BrazeValidationError("start", [Problem("start", reason)])
    return first, max(first, min(last, today))


def _day_or_problem(name: str, value: Any, zone: str) -> pendulum.Date | Problem | None:
    if value is None:
        return None
    try:
        return _day(value, zone)
    except ValueError:
        return Problem(name, "must be a date as YYYY-MM-DD, or a date and time with a time zone")


def _day(value: Any, zone: str) -> pendulum.Date:
    """Read a day: a date, or the day of a moment in a time zone."""
    if isinstance(value, str):
        parts = iso_8601(value)
        if parts is None or bool(parts[1]) != bool(parts[2]):
            raise ValueError
        value = pendulum.parse(value) if parts[1] else date.fromisoformat(parts[0])
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError
        value = pendulum.instance(value).in_timezone(zone)
    if not isinstance(value, date):
        raise ValueError
    return pendulum.date(value.year, value.month, value.day)


def _whole(value: Any) -> int | None:
    """Read a whole number of 1 or more; None if it is none."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        return None
    return value
