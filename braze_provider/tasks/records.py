"""What a task needs to continue after an earlier try: its records, and Airflow's counters of its tries."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pendulum

from braze_provider.delivery.opening import Try
from braze_provider.ledger.base import DeliveryKey, Ledger
from braze_provider.ledger.memory import MemoryLedger

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger

    from braze_provider._compat import Context
    from braze_provider.delivery.unsent import UnsentFile
    from braze_provider.ledger.mark import OpenedMark
    from braze_provider.ledger.receipts_file import ReceiptsFile


@dataclass(frozen=True)
class Records:
    """
    The places where a task keeps what it has sent.

    :param ledger: The ledger, which decides what may be sent.
    :param mark: The mark in Airflow that there was a delivery. None: before Airflow 3.3.
    :param copy: The file of receipts for users to read, if the task has one.
    :param unsent: The file of recipients who were not sent to, if the task has one.
    """

    ledger: Ledger
    mark: OpenedMark | None = None
    copy: ReceiptsFile | None = None
    unsent: UnsentFile | None = None


def records_of(
    context: Context,
    ledger_conn_id: str | None,
    receipts_path: str | None,
    unsent_path: str | None = None,
    *,
    keeps_recipients: bool = False,
) -> Records:
    """
    Choose where receipts are kept: in SQL if a connection is named, else in Airflow's task state store.

    :param context: Airflow's context of the running task.
    :param ledger_conn_id: Id of a connection to a SQL database.
    :param receipts_path: Path of a file that also gets the receipts, as JSON lines.
    :param unsent_path: Path of a file for the recipients who were not sent to.
    :param keeps_recipients: Whether a ledger in SQL notes the recipients of each batch. Default False.
    :return: The ledger and the other records. The ledger is one in memory if Airflow has no task state store
        and no connection is named.
    """
    owner, key = uuid.uuid4().hex, key_of(context)
    store = context.get("task_state_store")  # Airflow 3.3
    ledger: Ledger = MemoryLedger()
    mark = copy = unsent = None
    if store is not None:
        from braze_provider.ledger.mark import OpenedMark

        mark = OpenedMark(store)
    if receipts_path:
        from braze_provider._compat import ObjectStoragePath
        from braze_provider.ledger.receipts_file import ReceiptsFile

        copy = ReceiptsFile(ObjectStoragePath(receipts_path), key, owner)
    if unsent_path:
        from braze_provider._compat import ObjectStoragePath
        from braze_provider.delivery.unsent import UnsentFile

        unsent = UnsentFile(ObjectStoragePath(unsent_path), key)
    if ledger_conn_id:
        from braze_provider.ledger.sql import open_sql_ledger

        ledger = open_sql_ledger(ledger_conn_id, key, owner, keeps_recipients=keeps_recipients)
    elif store is not None:
        from braze_provider.ledger.task_state import TaskStateLedger

        ledger = TaskStateLedger(store, owner)
    return Records(ledger, mark, copy, unsent)


def key_of(context: Context) -> DeliveryKey:
    """
    Give the key of this task instance's delivery.

    :param context: Airflow's context of the running task.
    """
    ti = context["ti"]
    map_index = -1 if ti.map_index is None else ti.map_index
    return DeliveryKey(ti.dag_id, ti.run_id, ti.task_id, map_index)


def try_of(context: Context, *, retries: int, resumed: bool) -> Try:
    """
    Give the numbers that tell this run of the task's code from others.

    :param context: Airflow's context of the running task.
    :param retries: The task's ``retries``.
    :param resumed: Whether the task was deferred and comes back.
    """
    ti, dag_run = context["ti"], context["dag_run"]
    started = dag_run.start_date
    return Try(
        try_number=ti.try_number,
        max_tries=ti.max_tries,
        retries=retries,
        run_started_at="" if started is None else started.astimezone(pendulum.UTC).isoformat(),
        clear_number=dag_run.clear_number or 0,
        resumed=resumed,
        mapped=key_of(context).map_index >= 0,
    )


def a_retry_follows(context: Context, error: BaseException, policy: Any) -> bool:
    """
    Tell whether Airflow tries a failed task again.

    :param context: Airflow's context of the task.
    :param error: The error with which the task fails.
    :param policy: The task's retry policy, if it has one.
    """
    ti = context["ti"]
    if ti.try_number > ti.max_tries:
        return False
    if policy is None:
        return True
    given = {"try_number": ti.try_number, "max_tries": ti.max_tries, "context": context}
    try:
        return bool(policy.evaluate(exception=error, **given).action.value != "fail")
    except Exception:  # noqa: BLE001 - Airflow then goes by the task's retries, too
        return True


def trigger_in(seconds: float) -> BaseTrigger:
    """
    Make a trigger that fires when the rate limit has reset. It never talks to Braze.

    :param seconds: Seconds until it fires.
    """
    from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger

    return TimeDeltaTrigger(timedelta(seconds=seconds))
