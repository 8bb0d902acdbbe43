"""A task that waits for a state: in its slot, in a new slot from time to time, or in the triggerer."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from braze_provider._compat import (
    HAS_TASK_STATE,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    conf,
)
from braze_provider.api.errors import BrazeValidationError, Problem
from braze_provider.tasks.task import BrazeTask
from braze_provider.triggers.look import Look, NeverComesError, glance

if TYPE_CHECKING:
    from braze_provider._compat import Context
    from braze_provider.tasks.arguments import Templated

GRACE_SECONDS = 60.0
"""Seconds from the trigger's end until Airflow itself ends the wait. It does so only if no triggerer runs."""
LONGEST = timedelta(days=3_650)
"""The longest wait. A longer one would never end."""

_MEMORY_KEY = "braze-sensor.memory"


class BrazeSensor(BrazeTask, BaseSensorOperator):
    """
    Base of the sensors. All sensors take its parameters.

    The wait ends in the same way with ``mode="poke"``, ``mode="reschedule"`` and ``deferrable=True``: with a
    result; with the last state seen, once ``timeout`` is over; or at once, if the state can't come any more.
    If a look fails for a reason that may pass, such as a 502 or a 429, the sensor looks again later.

    Airflow's own parameters of a sensor say how long to wait: ``timeout`` (seconds; default: the setting
    ``sensors.default_timeout``, seven days), ``poke_interval`` (seconds; default 60), ``mode``,
    ``soft_fail``. A wait without an end is refused when the Dag is parsed.

    :param braze_conn_id: Id of the Airflow connection of type ``braze``. Default ``braze_default``.
        (templated)
    :param deferrable: Whether the triggerer waits, so that the task takes no slot. Default: Airflow's
        ``default_deferrable``.
    """

    look: ClassVar[Look]
    """A function of the sensor's module. The triggerer finds it by its name."""
    remembers: ClassVar[bool] = False
    """Whether a look has to know what the look before it has seen."""

    def __init__(
        self,
        *,
        braze_conn_id: Templated = "braze_default",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        if problem := problem_of_timeout(kwargs):
            raise BrazeValidationError(f"{type(self).__name__} {kwargs.get('task_id')!r}", [problem])
        super().__init__(**kwargs)
        # The Dag's default_args, or Airflow's settings, may have given another one.
        self.refuse([problem] if (problem := problem_of_timeout({"timeout": self.timeout})) else [])
        self.braze_conn_id = braze_conn_id
        self.deferrable = deferrable
        self._last_seen = "nothing"
        self._memory: Any = None
        if self.remembers and self.mode == "reschedule" and not deferrable and not HAS_TASK_STATE:
            reason = (
                "'reschedule' needs Airflow 3.3 here, because older ones keep nothing between two looks: set "
                "deferrable=True, which takes no slot either, or mode='poke'"
            )
            self.refuse([Problem("mode", reason)])

    @abstractmethod
    def arguments_of_look(self) -> dict[str, Any]:
        """Give the arguments of the look, as JSON. Called after the fields are rendered."""

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once."""
        self._recall(context)
        try:
            seen = glance(type(self).look, self.hook, self._arguments())
        except NeverComesError as error:
            raise AirflowFailException(str(error)) from None
        self._remember(context, seen.memory)
        self._last_seen = seen.state
        self.log.info("Seen: %s", seen.state)
        return PokeReturnValue(is_done=seen.has_come, xcom_value=seen.result)

    def execute(self, context: Context) -> Any:
        """Wait, and return the result of the last look."""
        if self.deferrable:
            try:
                seen = self.poke(context)
            except AirflowFailException as error:
                # As Airflow does it around a sensor's other looks.
                if self.soft_fail or self.never_fail:
                    raise AirflowSkipException(str(error)) from None
                raise
            if seen.is_done:
                return seen.xcom_value
            self._hand_over()
        try:
            return super().execute(context)
        except AirflowSensorTimeout as error:
            raise AirflowSensorTimeout(f"{error} Last seen: {self._last_seen}") from None

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> Any:
        """
        Continue after the triggerer has waited.

        :param context: Airflow's context of the task.
        :param event: How the wait ended.
        """
        if event["end"] == "never":
            raise AirflowFailException(event["state"])
        if event["end"] == "timeout":
            raise AirflowSensorTimeout(
                f"Waited longer than the timeout of {self.timeout:,.0f} s. Last seen: {event['state']}"
            )
        self.log.info("Seen: %s", event["state"])
        return event["result"]

    def _arguments(self) -> dict[str, Any]:
        arguments = self.arguments_of_look()
        return arguments if self._memory is None else {**arguments, "memory": self._memory}

    def _keeps_task_state(self) -> bool:
        # In the other modes, the process or the trigger lives from one look to the next.
        return self.remembers and self.mode == "reschedule" and not self.deferrable

    def _recall(self, context: Context) -> None:
        if self._keeps_task_state():
            kept = context["task_state_store"].get(_MEMORY_KEY)
            # An earlier try may have been long ago.
            if isinstance(kept, dict) and kept.get("try_number") == context["ti"].try_number:
                self._memory = kept.get("memory")

    def _remember(self, context: Context, memory: Any) -> None:
        if memory is None:
            return
        self._memory = memory
        if self._keeps_task_state():
            kept = {"try_number": context["ti"].try_number, "memory": memory}
            context["task_state_store"].set(_MEMORY_KEY, kept)

    def _hand_over(self) -> None:
        from braze_provider.triggers.wait import WaitTrigger

        look = type(self).look
        self.defer(
            trigger=WaitTrigger(
                look=f"{look.__module__}.{look.__qualname__}",
                arguments=self._arguments(),
                braze_conn_id=self.braze_conn_id,
                poke_interval=float(self.poke_interval),
                give_up_at=time.time() + self.timeout,
            ),
            timeout=timedelta(seconds=self.timeout + GRACE_SECONDS),
            method_name="execute_complete",
        )


def problem_of_timeout(arguments: Mapping[str, Any]) -> Problem | None:
    """
    Say what is wrong with a ``timeout`` that gives a wait no end.

    :param arguments: The task's arguments. Without a ``timeout``, Airflow's default counts.
    """
    timeout = arguments.get("timeout", LONGEST)
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
    if isinstance(seconds, (int, float)) and 0 < seconds <= LONGEST.total_seconds():
        return None
    return Problem(
        "timeout", f"must be more than 0 seconds and at most {LONGEST.days:,} days: a wait has an end"
    )
