"""Sensors for broadcasts that the dashboard has scheduled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pendulum

from braze_provider.api.endpoints import MESSAGES_SCHEDULED_BROADCASTS
from braze_provider.api.errors import BrazePermissionError, Problem
from braze_provider.api.instants import iso_8601
from braze_provider.tasks.fields import FIXED, TEXT, Field
from braze_provider.tasks.texts import problems_of_texts
from braze_provider.tasks.wait import BrazeSensor
from braze_provider.triggers.look import NeverComesError, Seen

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from braze_provider.hooks.braze import BrazeHook
    from braze_provider.tasks.arguments import SensorArguments, Templated

AHEAD = pendulum.duration(days=30)
"""How far ahead the sensor looks at least, so that its log can tell when the broadcast is scheduled."""
FIRST_ZONE = pendulum.FixedTimezone(14 * 3_600)
"""Where a time by each user's own clock comes first."""


def broadcast_is_due(
    hook: BrazeHook, within: float, campaign_id: str | None = None, canvas_id: str | None = None
) -> Seen:
    """
    Look when a broadcast is scheduled.

    :param hook: The hook to look with.
    :param within: Seconds before the broadcast from which on it is due.
    :param campaign_id: Id of the campaign, or
    :param canvas_id: Id of the Canvas.
    :return: The state. The result is the broadcast, as Braze gives it.
    :raises NeverComesError: If nothing is scheduled, and the campaign or Canvas is archived.
    """
    now = pendulum.now("UTC")
    horizon = now.add(seconds=math.ceil(within))
    # Braze takes midnight, at the beginning of the date.
    until = max(horizon, now + AHEAD).add(days=1).start_of("day")
    kind, one = ("Campaign", campaign_id) if campaign_id is not None else ("Canvas", canvas_id)
    broadcasts = [
        broadcast
        for broadcast in hook.messages_scheduled_broadcasts(until)
        if (broadcast.get("id"), broadcast.get("type")) == (one, kind)
        and iso_8601(str(broadcast.get("next_send_time"))) is not None
    ]
    if broadcasts:
        times = {str(broadcast["next_send_time"]): broadcast for broadcast in broadcasts}
        first = min(times, key=_earliest)
        return Seen(f"scheduled for {first}", has_come=_earliest(first) <= horizon, result=times[first])
    if _is_archived(hook, campaign_id, canvas_id):
        raise NeverComesError(f"{kind} {one} is archived and has no scheduled broadcast: none will come")
    return Seen(f"nothing scheduled until {until.to_date_string()}")


def _earliest(time: str) -> pendulum.DateTime:
    """Read when a broadcast begins. A time without a zone is one by each user's own clock."""
    parsed = pendulum.parse(time, tz=FIRST_ZONE)
    assert isinstance(parsed, pendulum.DateTime)  # noqa: S101 - parsed without `exact`
    return parsed


def _is_archived(hook: BrazeHook, campaign_id: str | None, canvas_id: str | None) -> bool:
    try:
        if campaign_id is not None:
            details = hook.campaigns_details(campaign_id)
        else:
            details = hook.canvas_details(str(canvas_id))
    except BrazePermissionError:
        return False  # The sensor can wait without it.
    return bool(details.get("archived"))


class ScheduledBroadcastSensor(BrazeSensor):
    """
    Wait until a broadcast that the dashboard has scheduled is due: it is sent in less than ``within``.

    Use it to prepare something in time, such as to refresh a table. A broadcast by each user's own clock
    counts from the first time zone of all. If nothing is scheduled yet, the sensor waits; if the campaign or
    Canvas is archived, the task fails at once. To wait until a campaign has sent, use
    :class:`~braze_provider.sensors.campaigns.CampaignSentSensor`. The result is the broadcast as Braze gives
    it: ``id``, ``name``, ``next_send_time``, …

    :class:`~braze_provider.tasks.wait.BrazeSensor` explains how the task waits.

    .. seealso::
        - :ref:`howto/sensor:ScheduledBroadcastSensor`
        - https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/get_messages_scheduled

    :param campaign_id: Id of the campaign. Either this or ``canvas_id``. (templated)
    :param canvas_id: Id of the Canvas. (templated)
    :param within: How long before its send a broadcast is due: a timedelta or seconds. It must be longer than
        the time between two polls, because a broadcast that has begun is not listed any more. Default: one
        hour.
    :raises BrazeValidationError: For bad arguments, before the first request.
    """

    endpoint = MESSAGES_SCHEDULED_BROADCASTS
    request_fields: ClassVar[Mapping[str, Field]] = {
        "campaign_id": TEXT,
        "canvas_id": TEXT,
        "within": FIXED,
    }
    look = staticmethod(broadcast_is_due)

    def __init__(
        self,
        *,
        campaign_id: Templated | None = None,
        canvas_id: Templated | None = None,
        within: timedelta | float = timedelta(hours=1),
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.campaign_id = campaign_id
        self.canvas_id = canvas_id
        self.within = within
        self._check()

    def _check(self) -> None:
        problems = problems_of_texts(self, "campaign_id", "canvas_id", optional=True)
        if (self.campaign_id is None) == (self.canvas_id is None):
            problems.append(Problem("campaign_id", "give either campaign_id or canvas_id"))
        seconds = self._seconds()
        if not 0 < seconds < math.inf:
            problems.append(Problem("within", "must be a timedelta or seconds, more than 0"))
        elif seconds <= self._longest_pause():
            reason = "must be longer than the time between two polls, or the send may come between them"
            problems.append(Problem("within", reason))
        self.refuse(problems)

    def _seconds(self) -> float:
        within: Any = self.within
        if isinstance(within, timedelta):
            return within.total_seconds()
        return float(within) if isinstance(within, (int, float)) else 0.0

    def _longest_pause(self) -> float:
        if not self.exponential_backoff or self.deferrable:
            return float(self.poke_interval)
        return self.max_wait.total_seconds() if self.max_wait else self._seconds()

    def arguments_of_look(self) -> dict[str, Any]:
        """Give campaign or Canvas, and the time before it."""
        self._check()
        return {
            "within": self._seconds(),
            "campaign_id": self.campaign_id,
            "canvas_id": self.canvas_id,
        }
