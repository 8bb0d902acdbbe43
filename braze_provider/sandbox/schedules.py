"""
The sandbox's schedules, and the endpoints that make, move and cancel them.

Schedules fire on the sandbox's clock, which tests move. A time by each user's own clock counts as UTC, and an
optimal time as the beginning of its day, because the sandbox's users have no time zones and no habits.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pendulum

from braze_provider.sandbox.answers import refuse
from braze_provider.sandbox.endpoints import HANDLERS, Accepted, Call, serves
from braze_provider.sandbox.records import Receipt, Send

BAD_REQUEST = "Bad Request"
# Not on Braze's errors page. The words follow its "Invalid Campaign ID".
INVALID_SCHEDULE_ID = "Invalid Schedule ID"


@dataclass
class Scheduled:
    """
    One schedule.

    :param kind: What is scheduled: ``messages``, ``campaigns`` or ``canvas``.
    :param at: When it fires, in Unix time by the sandbox's clock.
    :param receipt: The request that made it.
    :param send: The send. None once it was cancelled.
    :param has_fired: Whether it has sent. Default False.
    """

    kind: str
    at: float
    receipt: Receipt
    send: Send | None
    has_fired: bool = False

    @property
    def time(self) -> str:
        """When it fires, in ISO 8601."""
        return pendulum.from_timestamp(self.at).to_iso8601_string()

    @property
    def state(self) -> str:
        """What became of it: ``waiting``, ``sent`` or ``cancelled``."""
        return "cancelled" if self.send is None else "sent" if self.has_fired else "waiting"


class Schedules:
    """All schedules of a sandbox, by id."""

    def __init__(self) -> None:
        self._schedules: dict[str, Scheduled] = {}
        # No schedule is due before this moment, so most requests need not look at the schedules.
        self._next = math.inf

    def add(self, scheduled: Scheduled) -> str:
        """
        Keep a schedule, and give its id.

        :param scheduled: The schedule.
        """
        schedule_id = secrets.token_hex(16)
        self._schedules[schedule_id] = scheduled
        self._next = min(self._next, scheduled.at)
        return schedule_id

    def move(self, scheduled: Scheduled, at: float) -> None:
        """
        Let a schedule fire at another time.

        :param scheduled: The schedule.
        :param at: When, in Unix time.
        """
        scheduled.at = at
        self._next = min(self._next, at)

    def known(self, kind: str, schedule_id: str) -> Scheduled:
        """
        Give a schedule.

        :param kind: What is scheduled.
        :param schedule_id: Its id.
        :raises RefusedError: If there is no such schedule.
        """
        found = self._schedules.get(schedule_id)
        if found is None or found.kind != kind:
            refuse(INVALID_SCHEDULE_ID)
        return found

    def fire(self, now: float, deliver: Callable[[Send, Receipt], None]) -> None:
        """
        Send all schedules that are due.

        :param now: The time by the sandbox's clock.
        :param deliver: A function that delivers a send to its recipients.
        """
        if now < self._next:
            return
        self._next = math.inf
        for scheduled in self._schedules.values():
            if scheduled.send is None or scheduled.has_fired:
                continue
            if scheduled.at <= now:
                scheduled.has_fired = True
                deliver(scheduled.send, scheduled.receipt)
            else:
                self._next = min(self._next, scheduled.at)

    def shown(self) -> list[dict[str, Any]]:
        """List the schedules in the order of their creation, as JSON."""
        return [
            {
                "schedule_id": schedule_id,
                "kind": one.kind,
                "time": one.time,
                "recipients": [] if one.send is None else list(one.send.recipients),
                "state": one.state,
            }
            for schedule_id, one in self._schedules.items()
        ]

    def get(self, schedule_id: str) -> Scheduled | None:
        """
        Give a schedule; None if there is no such schedule.

        :param schedule_id: Its id.
        """
        return self._schedules.get(schedule_id)

    def made_by_requests_for(self, key: str) -> list[Receipt]:
        """
        Give the requests that have scheduled something for a recipient.

        :param key: The recipient's key.
        """
        return [
            one.receipt
            for one in self._schedules.values()
            if one.send is not None and one.receipt.index >= 0 and key in one.send.recipients
        ]

    def clear(self) -> None:
        """Forget all."""
        self._schedules.clear()
        self._next = math.inf


def _create(kind: str, name: str, send_name: str) -> None:
    @serves(name)
    def create(call: Call) -> Accepted:
        accepted = HANDLERS[send_name](call)
        return Accepted(send=accepted.send, at=_moment(call), answer=accepted.answer, kind=kind)


def _update(kind: str, name: str) -> None:
    @serves(name)
    def update(call: Call) -> Accepted:
        scheduled = call.schedules.known(kind, call.body["schedule_id"])
        at = _moment(call) if "schedule" in call.body else scheduled.at
        return Accepted(change=lambda: call.schedules.move(scheduled, at))


def _delete(kind: str, name: str) -> None:
    @serves(name)
    def delete(call: Call) -> Accepted:
        scheduled = call.schedules.known(kind, call.body["schedule_id"])

        def cancel() -> None:
            if not scheduled.has_fired:
                scheduled.send = None

        return Accepted(change=cancel)


def _moment(call: Call) -> float:
    schedule: Mapping[str, Any] = call.body["schedule"]
    time = pendulum.parse(schedule["time"])
    if not isinstance(time, pendulum.DateTime):
        refuse(BAD_REQUEST)
    if schedule.get("at_optimal_time"):
        return time.start_of("day").timestamp()
    if schedule.get("in_local_time") and time.timestamp() <= call.now:
        refuse(BAD_REQUEST)
    return time.timestamp()


for _kind, _family, _send in (
    ("messages", "messages_schedule", "messages_send"),
    ("campaigns", "campaigns_trigger_schedule", "campaigns_trigger_send"),
    ("canvas", "canvas_trigger_schedule", "canvas_trigger_send"),
):
    _create(_kind, f"{_family}_create", _send)
    _update(_kind, f"{_family}_update")
    _delete(_kind, f"{_family}_delete")
