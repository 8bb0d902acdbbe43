"""Run single tries of a task as Airflow runs them: several at a time, or in a process that is killed."""

from __future__ import annotations

import threading
import time
import uuid
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

from airflow.sdk import DAG

from braze_provider.operators.campaigns import CampaignTriggerOperator


class Try:
    """
    One try of a task that sends a campaign.

    :param recipients: The recipients, or how many.
    :param try_number: Airflow's number of the try.
    :param max_tries: The number of the last try, as a clear moves it.
    :param arguments: The operator's.
    """

    def __init__(
        self,
        recipients: Any,
        *,
        try_number: int = 1,
        max_tries: int = 2,
        **arguments: Any,
    ) -> None:
        self.error: BaseException | None = None
        self.seconds = 0.0
        """How long it took."""
        self.xcoms: dict[str, Any] = {}
        if isinstance(recipients, int):
            recipients = [{"external_user_id": f"p{number:05}"} for number in range(recipients)]
        with DAG("attacked", schedule=None) as dag:
            self.operator = CampaignTriggerOperator(
                task_id="send",
                campaign_id="c",
                recipients=recipients,
                retries=2,
                **{"concurrency": 1, **arguments},
            )
        now = datetime(2026, 1, 1, tzinfo=timezone.utc)
        ti = SimpleNamespace(
            id=uuid.uuid4(),
            dag_id="attacked",
            run_id="run",
            task_id="send",
            map_index=-1,
            try_number=try_number,
            max_tries=max_tries,
            start_date=now,
            task=self.operator,
            xcom_push=self._push,
        )
        dag_run = SimpleNamespace(
            dag_id="attacked",
            run_id="run",
            clear_number=0,
            run_type="manual",
            conf={},
            logical_date=now,
            run_after=now,
            start_date=now,
        )
        self._context: Any = {
            "ti": ti,
            "task_instance": ti,
            "dag_run": dag_run,
            "run_id": "run",
            "dag": dag,
            "task": self.operator,
        }

    def _push(self, key: str, value: Any, **_: Any) -> None:
        self.xcoms[key] = value

    def run(self) -> Try:
        """Execute it, and keep its error if it fails."""
        begin = time.monotonic()
        try:
            self.xcoms["return_value"] = self.operator.execute(self._context)
        except BaseException as error:  # noqa: BLE001 - tests look at it
            self.error = error
        self.seconds = time.monotonic() - begin
        return self

    def begin(self) -> threading.Thread:
        """Execute it in a thread."""
        thread = threading.Thread(target=self.run, daemon=True)
        thread.start()
        return thread

    def run_for(self, seconds: float) -> bool:
        """Execute it, and stop it if it takes longer than this. Tell whether it has ended by itself."""
        thread = self.begin()
        thread.join(seconds)
        ended = not thread.is_alive()
        self.operator.on_kill()
        thread.join(seconds)
        return ended

    @property
    def report(self) -> dict[str, int]:
        """The figures, also of a try that failed."""
        report: dict[str, int] = self.xcoms.get("return_value", {})
        return report
