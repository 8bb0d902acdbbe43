"""A task that schedules. It is a task that sends, with a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from braze_provider.api.errors import BrazeError, BrazeValidationError, Problem
from braze_provider.tasks.send import BrazeSendOperator
from braze_provider.tasks.task import model_of
from braze_provider.tasks.times import last_moment_of, with_schedule

if TYPE_CHECKING:
    import pendulum

    from braze_provider._compat import Context
    from braze_provider.api.endpoints import Endpoint
    from braze_provider.delivery.delivery import Delivery


class BrazeScheduleOperator(BrazeSendOperator):
    """
    Base of the operators that schedule messages.

    They take the parameters of :class:`~braze_provider.tasks.send.BrazeSendOperator`, and keep its promises:
    a retry schedules nothing twice. More than 50 recipients make several schedules. XCom ``schedule_ids``
    lists their ids in batch order, for the operators that move or cancel them. Once the time has passed,
    nothing more is scheduled and the task fails.

    **What ``delete_on_failure`` can't do.** After a SIGKILL, and while the task is deferred, no code of the
    task runs that could delete anything. The ids are then in the ledger (``python -m braze_provider.ledger``)
    and in the file of ``receipts_path``, and clearing the task goes on with the delivery. Schedules whose
    requests had no answer have no id: they are held, and the error says how many there are. To cancel what
    this task has scheduled if a *later* task fails, let a
    :class:`~braze_provider.operators.schedules.ScheduleDeleteOperator` run with
    ``trigger_rule="one_failed"``.

    :param delete_on_failure: Whether to delete all that the task has scheduled, in this try and earlier ones,
        if it fails for good or is cancelled (marked as failed, stopped). Before a retry nothing is deleted,
        because the retry goes on. Recipients whose schedules were deleted more than a minute before the time
        are then *not sent*, so clearing the task schedules them again. If a deletion came later or is not
        certain, they are in doubt. Default False.
    """

    composed_fields: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "schedule": ("time", "in_local_time", "at_optimal_time"),
    }
    deletion: ClassVar[Endpoint]
    """The endpoint that deletes what the task schedules."""
    flags = ("delete_on_failure",)

    def __init__(self, *, delete_on_failure: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.delete_on_failure = delete_on_failure
        self._is_cancelled = False

    def request_values(self) -> dict[str, Any]:
        """Give the fields of the request that are set, with the schedule as one object."""
        return with_schedule(super().request_values())

    def not_after(self) -> pendulum.DateTime | None:
        """Return when the time has passed."""
        return last_moment_of(self.request_values()["schedule"])

    def refuse(self, problems: list[Problem]) -> None:
        """Raise an error that names the task and its own fields."""
        super().refuse([Problem(p.path.removeprefix("schedule."), p.reason, p.fields) for p in problems])

    def on_kill(self) -> None:
        """Schedule nothing more, and wait for the requests under way."""
        self._is_cancelled = True
        super().on_kill()

    def after_delivery(self) -> None:
        """Fail if the task was cancelled, so that what it has scheduled is deleted."""
        if self._is_cancelled and self.delete_on_failure:
            raise BrazeError("The task was cancelled after it had scheduled everything")

    def undo(self, delivery: Delivery, error: BaseException, *, is_last_try: bool) -> str:
        """Delete all schedules on record, unless a retry goes on with them."""
        if not self.delete_on_failure:
            return ""
        from braze_provider.ledger.base import LedgerLostError
        from braze_provider.tasks.undo import delete_schedules

        if isinstance(error, LedgerLostError):
            return ""  # They belong to the copy that has taken over.
        is_cancelled = self._is_cancelled or isinstance(error, (KeyboardInterrupt, SystemExit))
        if not is_cancelled and not is_last_try:
            self.log.info("Nothing is deleted: a retry goes on with what was scheduled")
            return ""
        try:
            schedule = self.request_values()["schedule"]
        except BrazeValidationError:
            schedule = None
        try:
            undone = delete_schedules(delivery, self._delete, schedule=schedule, concurrency=self.concurrency)
        finally:
            self.hook.close()
        if undone:
            self.log.warning("%s", undone)
        return str(undone)

    def _push_ids(self, context: Context, delivery: Delivery) -> None:
        # Also if there are none: a task that cancels schedules then has nothing to do, instead of failing.
        context["ti"].xcom_push(key="schedule_ids", value=[])
        super()._push_ids(context, delivery)

    def _delete(self, schedule_id: str) -> None:
        from braze_provider.tasks.calls import call_patiently

        owner = {
            name: getattr(self, name)
            for name in model_of(self.deletion).model_fields
            if name != "schedule_id"
        }
        call_patiently(self.hook, self.deletion, {"schedule_id": schedule_id, **owner}, log=self.log)
