"""Undo what a failed task has scheduled: delete its schedules, and let the ledger know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pendulum

from braze_provider.api.errors import BrazeAuthenticationError, BrazeError, BrazePermissionError
from braze_provider.delivery.report import counted
from braze_provider.ledger.base import Receipt, State
from braze_provider.tasks.times import first_moment_of, last_moment_of

if TYPE_CHECKING:
    from braze_provider.delivery.delivery import Delivery

WINDOW = 50
"""Schedules that are noted together as being deleted. A kill leaves at most so many in doubt."""
LATE = pendulum.duration(minutes=1)
"""Shortly before the time, Braze deletes a schedule for all, some or none of its recipients."""
MAX_IDS_NAMED = 5
MAX_REASONS = 5

_FIGURES = {State.SENT: "sent", State.REJECTED: "rejected", State.UNCERTAIN: "uncertain"}


@dataclass
class Undone:
    """
    What became of the schedules of a failed task.

    :param deleted: Number of schedules that were deleted in time.
    :param in_doubt: Ids of schedules that were deleted, but perhaps too late, or that may still stand.
    :param standing: Ids of schedules that stand.
    :param unknown: Number of batches of which Braze may have made a schedule whose id is not known.
    :param reasons: Why not all were deleted, each reason once.
    """

    deleted: int = 0
    in_doubt: list[str] = field(default_factory=list)
    standing: list[str] = field(default_factory=list)
    unknown: int = 0
    reasons: dict[str, None] = field(default_factory=dict)

    def note(self, reason: str) -> None:
        """
        Keep a reason, if it is a new one.

        :param reason: The reason, or an empty text.
        """
        if reason and len(self.reasons) < MAX_REASONS:
            self.reasons[reason] = None

    def leave(self, receipts: Sequence[Receipt], reason: str) -> None:
        """
        Leave schedules as they are.

        :param receipts: Their receipts.
        :param reason: Why; may be empty.
        """
        self.standing += [one.ids["schedule_id"] for one in receipts]
        self.note(reason)

    def __bool__(self) -> bool:
        return bool(str(self))

    def __str__(self) -> str:
        lines = []
        if self.deleted:
            lines.append(
                f"{counted(self.deleted, 'schedule')} deleted (delete_on_failure). Clearing the task makes "
                "new schedules for these recipients."
            )
        if self.in_doubt:
            lines.append(f"In doubt, and held until a person decides: {_named(self.in_doubt)}.")
        if self.standing:
            lines.append(f"Not deleted: {_named(self.standing)}. ScheduleDeleteOperator can delete them.")
        if self.unknown:
            lines.append(
                f"{self.unknown:,} {'batch' if self.unknown == 1 else 'batches'} in doubt can't be deleted, "
                "because Braze gave no schedule id."
            )
        return "\n".join([*lines, *(f"- {reason}" for reason in self.reasons)])


def delete_schedules(
    delivery: Delivery,
    delete: Callable[[str], object],
    *,
    schedule: dict[str, Any] | None,
    concurrency: int,
) -> Undone:
    """
    Delete all schedules on record, and note in the ledger that their batches are open again.

    The ledger says *in doubt* of a batch before its schedule is deleted, so a kill in the middle is never
    taken for a schedule that stands, nor for one that can be made again.

    :param delivery: The delivery that has made them.
    :param delete: Deletes the schedule with an id, or raises an error.
    :param schedule: Their time; None if it is not known.
    :param concurrency: Requests under way at the same time.
    """
    undone = Undone()
    try:
        receipts = list(delivery.receipts())
    except BrazeError as error:
        undone.unknown = 1
        undone.note(f"The schedules on record can't be read: {error}")
        return undone
    todo = [one for one in receipts if "schedule_id" in one.ids]
    others = (one for one in receipts if "schedule_id" not in one.ids)
    undone.unknown = sum(one.state in (State.SENT, State.CLAIMED, State.UNCERTAIN) for one in others)
    if schedule is not None and pendulum.now("UTC") > last_moment_of(schedule):
        if todo:
            undone.note(f"Nothing is deleted: the time of {counted(len(todo), 'schedule')} has passed")
        return undone
    # Only a delivery that goes on has certainly the time of what is on record.
    is_known = schedule is not None and delivery.is_on_record
    until = first_moment_of(schedule) - LATE if schedule is not None and is_known else None
    deletion = _Deletion(delivery, delete, until, concurrency, undone)
    while todo:
        window, todo = todo[:WINDOW], todo[WINDOW:]
        if problem := deletion.run(window):
            undone.leave(todo, problem)
            break
    return undone


@dataclass
class _Deletion:
    delivery: Delivery
    delete: Callable[[str], object]
    until: pendulum.DateTime | None
    concurrency: int
    undone: Undone

    def run(self, window: Sequence[Receipt]) -> str:
        """Delete some schedules. Returns why no more may be deleted; empty if more may be."""
        being = [_changed(one, State.UNCERTAIN, "is being deleted") for one in window]
        try:
            self.delivery.take_back(being)
        except BrazeError as error:
            self.undone.leave(window, "")
            return f"Nothing is deleted that the ledger can't note: {error}"
        futures: list[Future[object]] = []
        try:
            with ThreadPoolExecutor(self.concurrency, thread_name_prefix="braze-undo") as pool:
                futures += [pool.submit(self.delete, one.ids["schedule_id"]) for one in window]
        finally:  # An interruption must not lose what is known.
            problem = self._settle(window, being, futures)
        return problem

    def _settle(
        self, window: Sequence[Receipt], being: Sequence[Receipt], futures: Sequence[Future[object]]
    ) -> str:
        in_time = self.until is not None and pendulum.now("UTC") < self.until
        problem = ""
        after = []
        for one, future in zip(window, futures, strict=False):
            if not future.done():
                continue
            error = future.exception()
            if isinstance(error, (BrazeAuthenticationError, BrazePermissionError)):
                problem = str(error)
                after.append(one)
            elif error is not None:
                after.append(_changed(one, State.UNCERTAIN, f"may still stand: {error}"))
            elif in_time:
                after.append(replace(_changed(one, State.FAILED, "was deleted"), ids={}))
            else:
                after.append(_changed(one, State.UNCERTAIN, "was deleted, but perhaps after its time"))
        try:
            self.delivery.take_back(after)
        except BrazeError as error:
            problem, after = f"The ledger can't note what was deleted: {error}", []
        settled = {one.index: one for one in (*being, *after)}
        for one in window:
            self._count(one, settled[one.index])
        return problem

    def _count(self, one: Receipt, new: Receipt) -> None:
        if new is one:
            self.undone.leave([one], "")
            return
        is_open = new.state is State.FAILED
        self.delivery.report.move(
            one.recipients or 1, _FIGURES[one.state], "failed" if is_open else "uncertain"
        )
        if is_open:
            self.undone.deleted += 1
        else:
            self.undone.in_doubt.append(one.ids["schedule_id"])
            self.undone.note((new.reason or "").replace(_its_schedule(one), "A schedule", 1))


def _changed(one: Receipt, state: State, what: str) -> Receipt:
    at = pendulum.now("UTC").isoformat(timespec="milliseconds")
    return replace(one, state=state, at=at, reason=f"{_its_schedule(one)} {what}")


def _its_schedule(one: Receipt) -> str:
    return f"its schedule {one.ids['schedule_id']}"


def _named(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - MAX_IDS_NAMED:,} more" if len(ids) > MAX_IDS_NAMED else ""
    return f"{counted(len(ids), 'schedule')}, {', '.join(ids[:MAX_IDS_NAMED])}{more}"
