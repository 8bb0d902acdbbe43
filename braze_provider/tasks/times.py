"""Moments that users give: always with a time zone."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pendulum

from braze_provider.api.errors import BrazeValidationError, Problem
from braze_provider.api.instants import iso_8601


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
