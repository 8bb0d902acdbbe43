"""A task that schedules. It is a task that sends, with a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from braze_provider.api.errors import Problem
from braze_provider.tasks.send import BrazeSendOperator
from braze_provider.tasks.times import last_moment_of, with_schedule

if TYPE_CHECKING:
    import pendulum


class BrazeScheduleOperator(BrazeSendOperator):
    """
    Base of the operators that schedule messages.

    They take the parameters of :class:`~braze_provider.tasks.send.BrazeSendOperator`, and keep its promises:
    a retry schedules nothing twice. More than 50 recipients make several schedules. XCom ``schedule_ids``
    lists their ids in batch order, for the operators that move or cancel them. Once the time has passed,
    nothing more is scheduled and the task fails.
    """

    composed_fields: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "schedule": ("time", "in_local_time", "at_optimal_time"),
    }

    def request_values(self) -> dict[str, Any]:
        """Give the fields of the request that are set, with the schedule as one object."""
        return with_schedule(super().request_values())

    def not_after(self) -> pendulum.DateTime | None:
        """Return when the time has passed."""
        return last_moment_of(self.request_values()["schedule"])

    def refuse(self, problems: list[Problem]) -> None:
        """Raise an error that names the task and its own fields."""
        super().refuse([Problem(p.path.removeprefix("schedule."), p.reason, p.fields) for p in problems])
