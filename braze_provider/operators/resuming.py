"""How a task comes back: from Airflow's context to the ledger and the number of the try."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from braze_provider.delivery.delivery import Attempt
from braze_provider.delivery.ledger.base import DeliveryKey, Ledger
from braze_provider.delivery.ledger.memory import MemoryLedger

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

    from braze_provider._compat import Context


def open_ledger(context: Context, ledger_conn_id: str | None, receipts_path: str | None) -> Ledger:
    """
    Choose where receipts are kept: in SQL if a connection is named, else in Airflow's task state store.

    :param context: Airflow's context of the running task.
    :param ledger_conn_id: Id of a connection to a SQL database.
    :param receipts_path: Where receipts are written as JSON lines besides.
    :return: The ledger; one in memory on an Airflow that has no task state store.
    """
    owner = uuid.uuid4().hex
    ledger = _ledger_of(context, ledger_conn_id, owner)
    if not receipts_path:
        return ledger
    from braze_provider._compat import ObjectStoragePath
    from braze_provider.delivery.ledger.receipts_file import ReceiptsFile

    return ReceiptsFile(ledger, ObjectStoragePath(receipts_path), key_of(context), owner)


def _ledger_of(context: Context, ledger_conn_id: str | None, owner: str) -> Ledger:
    if ledger_conn_id:
        from braze_provider.delivery.ledger.sql import open_sql_ledger

        return open_sql_ledger(ledger_conn_id, key_of(context), owner)
    store = context.get("task_state_store")  # Airflow 3.3
    if store is None:
        return MemoryLedger()
    from braze_provider.delivery.ledger.task_state import TaskStateLedger

    return TaskStateLedger(store, owner)


def key_of(context: Context) -> DeliveryKey:
    """
    Tell which task instance's delivery this is.

    :param context: Airflow's context of the running task.
    """
    ti = context["ti"]
    map_index = -1 if ti.map_index is None else ti.map_index
    return DeliveryKey(ti.dag_id, ti.run_id, ti.task_id, map_index)


def attempt_of(context: Context, *, resumed: bool) -> Attempt:
    """
    Tell which run of the task's code this is.

    :param context: Airflow's context of the running task.
    :param resumed: Whether the task was deferred and comes back.
    """
    return Attempt(
        try_number=context["ti"].try_number,
        clear_number=getattr(context["dag_run"], "clear_number", None) or 0,
        resumed=resumed,
        mapped=key_of(context).map_index >= 0,
    )


def trigger_in(seconds: float) -> BaseTrigger:
    """
    Make a trigger that fires once the rate limit has reset. It never talks to Braze.

    :param seconds: When to fire.
    """
    from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

    return TimeDeltaTrigger(timedelta(seconds=seconds))
