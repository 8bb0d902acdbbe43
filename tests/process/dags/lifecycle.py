"""Dags that note what happens to them, and wait for a signal to go on."""

from __future__ import annotations

import os
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import DAG, BaseOperator

JOURNALS = Path(os.environ.get("TEST_JOURNALS", os.devnull))


class Tells(BaseOperator):
    """Keeps a journal of the events of each Dag run. It survives the run's processes."""

    def tell(self, context: Any, event: str) -> None:
        with (JOURNALS / f"{context['run_id']}.journal").open("a") as journal:
            journal.write(f"try {context['ti'].try_number}: {event}\n")


class Waits(Tells):
    """Waits for a signal to go on, or to be killed."""

    killed = False

    def __init__(self, *, number: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.number = number

    def execute(self, context: Any) -> dict[str, int]:
        self.context = context
        self.tell(context, "begins")
        gate = JOURNALS / f"{context['run_id']}.gate"
        while not gate.exists():
            if self.killed:
                raise RuntimeError("killed")
            time.sleep(0.05)
        self.tell(context, "ends")
        return {"pid": os.getpid()}

    def on_kill(self) -> None:
        self.killed = True
        self.tell(self.context, "on_kill")


class Defers(Tells):
    """Comes back from the triggerer."""

    def execute(self, context: Any) -> None:
        self.tell(context, "defers")
        moment = datetime.now(timezone.utc) + timedelta(seconds=1)
        self.defer(trigger=DateTimeTrigger(moment=moment), method_name="come_back")

    def come_back(self, context: Any, event: Any = None) -> str:
        self.tell(context, "is back")
        return "done"


RETRIES = {"retries": 2, "retry_delay": timedelta(0)}

with DAG("waits_with_retries"):
    Waits(task_id="wait", **RETRIES)

with DAG("waits_without_retries"):
    Waits(task_id="wait")

with DAG("times_out"):
    Waits(task_id="wait", execution_timeout=timedelta(seconds=2))

with DAG("defers"):
    Defers(task_id="defer")

with DAG("spreads"):
    Waits.partial(task_id="wait").expand(number=list(range(8)))
