"""The trigger of all tasks that wait: it looks at Braze from time to time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from braze_provider.hooks.braze import BrazeHook
from braze_provider.triggers.look import NeverComesError, Seen, glance


class WaitTrigger(BaseTrigger):
    """
    Look at Braze until the state has come, can't come any more, or the time is over.

    The trigger only reads. A restarted triggerer starts it again, and it still gives up at the same moment.
    It then knows of earlier looks only what the sensor's own look has seen.

    :param look: Dotted name of the function that looks.
    :param arguments: The function's arguments, as JSON.
    :param braze_conn_id: Id of the Airflow connection.
    :param poke_interval: Seconds between two looks.
    :param give_up_at: When to give up, in seconds since the epoch.
    :param carried: What the task has to know again when it goes on, as JSON. The event holds it. Default:
        nothing.
    """

    def __init__(
        self,
        *,
        look: str,
        arguments: dict[str, Any],
        braze_conn_id: str,
        poke_interval: float,
        give_up_at: float,
        carried: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.look = look
        self.arguments = arguments
        self.braze_conn_id = braze_conn_id
        self.poke_interval = poke_interval
        self.give_up_at = give_up_at
        self.carried = carried

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Give the data that Airflow stores of the trigger."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "look": self.look,
                "arguments": self.arguments,
                "braze_conn_id": self.braze_conn_id,
                "poke_interval": self.poke_interval,
                "give_up_at": self.give_up_at,
                "carried": self.carried,
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and say how the wait ended."""
        hook = BrazeHook(self.braze_conn_id)
        try:
            # Airflow gives a trigger its connections only if it reads them through sync_to_async.
            await sync_to_async(lambda: hook.connection)()
            yield TriggerEvent({**await self._wait(hook), "carried": self.carried})
        finally:
            hook.close()

    async def _wait(self, hook: BrazeHook) -> dict[str, Any]:
        module, _, name = self.look.rpartition(".")
        look = getattr(import_module(module), name)
        arguments = dict(self.arguments)
        while True:
            try:
                # It runs in a thread, so that the triggerer's other triggers continue meanwhile.
                seen: Seen = await asyncio.to_thread(glance, look, hook, arguments)
            except NeverComesError as error:
                return {"end": "never", "state": str(error), "result": None}
            self.log.info("Seen: %s", seen.state)
            if seen.has_come:
                return {"end": "come", "state": seen.state, "result": seen.result}
            if seen.memory is not None:
                arguments["memory"] = seen.memory
            left = self.give_up_at - time.time()
            if left <= 0:
                return {"end": "timeout", "state": seen.state, "result": None}
            await asyncio.sleep(min(self.poke_interval, left))
