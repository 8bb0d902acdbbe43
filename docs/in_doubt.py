"""A callback for tasks that send. Put it beside your Dags."""

from __future__ import annotations

import logging
from typing import Any

log = logging.getLogger(__name__)


def tell_if_in_doubt(context: Any) -> None:
    """Say it if recipients of a failed task are in doubt."""
    ti = context["ti"]
    report = ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index) or {}
    if report.get("uncertain"):
        # In place of this line: a message to whom it concerns, in the way that your team is told.
        log.error(
            "%s.%s of run %s: %s recipients in doubt. A person has to decide: see Browse > Braze deliveries",
            ti.dag_id,
            ti.task_id,
            ti.run_id,
            report["uncertain"],
        )
    elif not report:
        log.error("%s.%s of run %s has left no figures: look at the ledger", ti.dag_id, ti.task_id, ti.run_id)
