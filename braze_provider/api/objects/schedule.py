"""When a message is sent later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from braze_provider.api.base import BrazeObject, Breach
from braze_provider.api.instants import LocalInstant, iso_8601
from braze_provider.api.values import Omittable


class Schedule(BrazeObject):
    """
    When a message is sent.

    :param time: The instant, in UTC if it names no zone. With either flag it is a clock time without a zone.
    :param in_local_time: True sends at that time by each user's own clock. Default: False.
    :param at_optimal_time: True lets Braze choose the time, and only the date counts. Default: False.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/schedule_object
    """

    time: LocalInstant
    in_local_time: Omittable[bool] = None
    at_optimal_time: Omittable[bool] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check that a time by the users' own clocks has no time zone."""
        time = given.get("time")
        parts = iso_8601(time) if isinstance(time, str) else None
        if parts is None or not parts[2]:
            return
        for flag in ("in_local_time", "at_optimal_time"):
            if given.get(flag) is True:
                yield Breach(f"must have no time zone with `{flag}`", ("time",))
                return
