"""
The sandbox's schedules, and the endpoints that make, move and cancel them.

Schedules fire on the sandbox's clock, which tests move. A time by each user's own clock counts as UTC, and an
optimal time as the beginning of its day, because the sandbox's users have no time zones and no habits.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pendulum

from braze_provider.sandbox.answers import refuse
from braze_provider.sandbox.endpoints import HANDLERS, Accepted, Call, serves
from braze_provider.sandbox.records import Send
from braze_provider.sandbox.store import Store, text_of

BAD_REQUEST = "Bad Request"
# Not on Braze's errors page. The words follow its "Invalid Campaign ID".
INVALID_SCHEDULE_ID = "Invalid Schedule ID"


@dataclass
class Scheduled:
    """
    One schedule.

    :param kind: What is scheduled: ``messages``, ``campaigns`` or ``canvas``.
    :param at: When it fires, in Unix time by the sandbox's clock.
    :param request: Number of the request that made it.
    :param send: The send.
    :param state: What became of it: ``waiting``, ``sent`` or ``cancelled``.
    :param id: Its id.
    """

    kind: str
    at: float
    request: int
    send: Send
    state: str = "waiting"
    id: str = ""

    @property
    def time(self) -> str:
        """When it fires, in ISO 8601."""
        return pendulum.from_timestamp(self.at).to_iso8601_string()


_READ = "SELECT kind, at, request, send, state, id FROM schedule"


class Schedules:
    """
    All schedules of a sandbox, by id.

    :param store: Its database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._db = store.db
        self.reset()

    def reset(self) -> None:
        """Go on from what the database has: nothing, after it was cleared."""
        # No schedule is due before this moment, so most requests need not look at the schedules.
        (first,) = self._db.execute("SELECT min(at) FROM schedule WHERE state = 'waiting'").fetchone()
        self._next = math.inf if first is None else first

    def add(self, scheduled: Scheduled, schedule_id: str = "") -> str:
        """
        Keep a schedule, and give its id.

        :param scheduled: The schedule.
        :param schedule_id: Its id, if it may be there already. Default: a new one.
        """
        schedule_id = schedule_id or secrets.token_hex(16)
        send = json.dumps(vars(scheduled.send))
        self._db.execute(
            "INSERT OR IGNORE INTO schedule (id, kind, at, request, state, send) "
            "VALUES (?, ?, ?, ?, 'waiting', ?)",
            (schedule_id, scheduled.kind, scheduled.at, scheduled.request, send),
        )
        # So that a search finds the schedules of a recipient.
        self._db.executemany(
            "INSERT INTO waiting VALUES (CAST(? AS TEXT), ?)",
            [(text_of(key), scheduled.request) for key in scheduled.send.recipients],
        )
        self._next = min(self._next, scheduled.at)
        return schedule_id

    def move(self, scheduled: Scheduled, at: float) -> None:
        """
        Let a schedule fire at another time.

        :param scheduled: The schedule.
        :param at: When, in Unix time.
        """
        self._db.execute("UPDATE schedule SET at = ? WHERE id = ?", (at, scheduled.id))
        self._next = min(self._next, at)

    def cancel(self, scheduled: Scheduled) -> None:
        """
        Let a schedule send nothing, unless it has.

        :param scheduled: The schedule.
        """
        self._db.execute(
            "UPDATE schedule SET state = 'cancelled' WHERE id = ? AND state = 'waiting'", (scheduled.id,)
        )
        self._no_longer_waiting(scheduled)

    def known(self, kind: str, schedule_id: str) -> Scheduled:
        """
        Give a schedule.

        :param kind: What is scheduled.
        :param schedule_id: Its id.
        :raises RefusedError: If there is no such schedule.
        """
        found = self.get(schedule_id)
        if found is None or found.kind != kind:
            refuse(INVALID_SCHEDULE_ID)
        return found

    def fire(self, now: float, deliver: Callable[[Send, int], None]) -> None:
        """
        Send all schedules that are due.

        :param now: The time by the sandbox's clock.
        :param deliver: A function that delivers a send to its recipients, of the request with a number.
        """
        if now < self._next:
            return
        due = self._db.execute(
            f"{_READ} WHERE state = 'waiting' AND at <= ? ORDER BY number", (now,)
        ).fetchall()
        for scheduled in map(_scheduled, due):
            self._db.execute("UPDATE schedule SET state = 'sent' WHERE id = ?", (scheduled.id,))
            self._no_longer_waiting(scheduled)
            deliver(scheduled.send, scheduled.request)
        self.reset()

    def shown(self) -> list[dict[str, Any]]:
        """List the schedules in the order of their creation, as JSON."""
        return [
            {
                "schedule_id": one.id,
                "kind": one.kind,
                "time": one.time,
                "recipients": [] if one.state == "cancelled" else list(one.send.recipients),
                "state": one.state,
            }
            for one in map(_scheduled, self._db.execute(f"{_READ} ORDER BY number").fetchall())
        ]

    def get(self, schedule_id: str) -> Scheduled | None:
        """
        Give a schedule; None if there is no such schedule.

        :param schedule_id: Its id.
        """
        # SQLite can't look for half a surrogate pair, and no id has one.
        sought = schedule_id.encode("utf-8", "replace").decode()
        row = self._db.execute(f"{_READ} WHERE id = ?", (sought,)).fetchone()
        return None if row is None else _scheduled(row)

    def _no_longer_waiting(self, scheduled: Scheduled) -> None:
        self._db.executemany(
            "DELETE FROM waiting WHERE key = CAST(? AS TEXT) AND request = ?",
            [(text_of(key), scheduled.request) for key in scheduled.send.recipients],
        )


def _scheduled(row: tuple[Any, ...]) -> Scheduled:
    kind, at, request, send, state, schedule_id = row
    return Scheduled(kind, at, request, Send(**json.loads(send)), state, schedule_id)


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
        return Accepted(change=lambda: call.schedules.cancel(scheduled))


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
