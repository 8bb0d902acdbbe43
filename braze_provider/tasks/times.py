"""Times that users give: moments, which have a time zone, and times by each user's own clock."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pendulum

from braze_provider.api.errors import BrazeValidationError, Problem
from braze_provider.api.instants import iso_8601
from braze_provider.templating import may_be_templated

FIRST_ZONE = pendulum.duration(hours=14)
"""How much earlier than in UTC a day begins in the first of all time zones."""
LAST_ZONE = pendulum.duration(hours=12)
"""How much later than in UTC a day ends in the last of all time zones."""


def moment(value: Any, *, field: str) -> pendulum.DateTime:
    """
    Read a moment.

    :param value: A datetime with a time zone, or ISO 8601 text with one.
    :param field: Name of the field, for errors.
    :raises BrazeValidationError: If the value is not a moment, or has no time zone.
    """
    if isinstance(value, datetime) and value.tzinfo is not None:
        return pendulum.instance(value)
    if isinstance(value, str):
        parts = iso_8601(value)
        if parts is not None and parts[2]:
            parsed = pendulum.parse(value)
            assert isinstance(parsed, pendulum.DateTime)  # noqa: S101 - a date, a clock time and a zone
            return parsed
    reason = (
        "must be a date and time with a time zone, such as 2026-07-22T13:17:55Z or a datetime with tzinfo"
    )
    raise BrazeValidationError(field, [Problem(field, reason)])


def with_schedule(values: dict[str, Any]) -> dict[str, Any]:
    """
    Make Braze's schedule object from an operator's arguments.

    :param values: The arguments that are set. ``time`` is a moment, or with ``in_local_time`` or
        ``at_optimal_time`` a time without a zone. A template stays as it is.
    :return: The same with ``schedule`` in the place of the three, if any of them is set.
    :raises BrazeValidationError: If a moment has no time zone.
    """
    names = ("time", "in_local_time", "at_optimal_time")
    schedule = {name: values[name] for name in names if name in values}
    others = {name: value for name, value in values.items() if name not in names}
    if not schedule:
        return others
    is_moment = not (schedule.get("in_local_time") or schedule.get("at_optimal_time"))
    if is_moment and "time" in schedule and not may_be_templated(schedule["time"]):
        schedule["time"] = moment(schedule["time"], field="time").in_timezone("UTC").isoformat()
    return {**others, "schedule": schedule}


def first_moment_of(schedule: dict[str, Any]) -> pendulum.DateTime:
    """
    Tell when a schedule's time begins in the first of all time zones.

    :param schedule: The schedule, rendered and valid.
    """
    time = pendulum.parse(str(schedule["time"]))
    assert isinstance(time, pendulum.DateTime)  # noqa: S101 - parsed without `exact`
    if schedule.get("at_optimal_time"):
        return time.start_of("day") - FIRST_ZONE
    return time - FIRST_ZONE if schedule.get("in_local_time") else time


def last_moment_of(schedule: dict[str, Any]) -> pendulum.DateTime:
    """
    Tell when a schedule's time has passed everywhere.

    :param schedule: The schedule, rendered and valid.
    """
    time = pendulum.parse(str(schedule["time"]))
    assert isinstance(time, pendulum.DateTime)  # noqa: S101 - parsed without `exact`
    if schedule.get("at_optimal_time"):
        return time.end_of("day") + LAST_ZONE
    return time + LAST_ZONE if schedule.get("in_local_time") else time


def refuse_past(schedule: dict[str, Any] | None) -> None:
    """
    Refuse a schedule whose time has passed.

    :param schedule: The schedule, rendered and valid; None if there is none.
    :raises BrazeValidationError: If it has passed everywhere.
    """
    if schedule is not None and pendulum.now("UTC") > (last := last_moment_of(schedule)):
        raise BrazeValidationError("time", [Problem("time", f"has passed: {last.isoformat()}")])
