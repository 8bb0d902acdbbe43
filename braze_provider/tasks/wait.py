"""A task that waits for a state: in its slot, in a new slot from time to time, or in the triggerer."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from braze_provider._compat import AirflowFailException, AirflowSensorTimeout, AirflowSkipException, conf
from braze_provider.tasks.task import BrazeTask
from braze_provider.triggers.look import Look, NeverComesError, glance

if TYPE_CHECKING:
    from braze_provider._compat import Context
    from braze_provider.tasks.arguments import Templated

GRACE_SECONDS = 60.0
"""Seconds from the trigger's end until Airflow itself ends the wait. It does so only if no triggerer runs."""


class BrazeSensor(BrazeTask, BaseSensorOperator):
    """
    Base of the sensors. All sensors take its parameters.

    The wait ends in the same way with ``mode="poke"``, ``mode="reschedule"`` and ``deferrable=True``: with a
    result; with the last state seen, once ``timeout`` is over; or at once, if the state can't come any more.
    If a look fails for a reason that may pass, such as a 502 or a 429, the sensor looks again later.

    Airflow's own parameters of a sensor say how long to wait: ``timeout`` (seconds; default: the setting
    ``sensors.default_timeout``, seven days), ``poke_interval`` (seconds; default 60), ``mode``,
    ``soft_fail``.

    :param braze_conn_id: Id of the Airflow connection of type ``braze``. Default ``braze_default``.
        (templated)
    :param deferrable: Whether the triggerer waits, so that the task takes no slot. Default: Airflow's
        ``default_deferrable``.
    """

    look: ClassVar[Look]
    """A function of the sensor's module. The triggerer finds it by its name."""

    def __init__(
        self,
        *,
        braze_conn_id: Templated = "braze_default",
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.braze_conn_id = braze_conn_id
        self.deferrable = deferrable
        self._last_seen = "nothing"

    @abstractmethod
    def arguments_of_look(self) -> dict[str, Any]:
        """Give the arguments of the look, as JSON. Called after the fields are rendered."""

    def poke(self, context: Context) -> PokeReturnValue:
        """Look once."""
        try:
            seen = glance(type(self).look, self.hook, self.arguments_of_look())
        except NeverComesError as error:
            raise AirflowFailException(str(error)) from None
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

    def _hand_over(self) -> None:
        from braze_provider.triggers.wait import WaitTrigger

        look = type(self).look
        self.defer(
            trigger=WaitTrigger(
                look=f"{look.__module__}.{look.__qualname__}",
                arguments=self.arguments_of_look(),
                braze_conn_id=self.braze_conn_id,
                poke_interval=float(self.poke_interval),
                give_up_at=time.time() + self.timeout,
            ),
            timeout=timedelta(seconds=self.timeout + GRACE_SECONDS),
            method_name="execute_complete",
        )
