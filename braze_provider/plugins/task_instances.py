"""What Airflow knows of the task instances that deliveries belong to."""

from __future__ import annotations

from collections.abc import Collection

from airflow.models.taskinstance import TaskInstance
from airflow.utils.state import State
from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from braze_provider.ledger.base import DeliveryKey

_COLUMNS = (TaskInstance.dag_id, TaskInstance.run_id, TaskInstance.task_id, TaskInstance.map_index)
_GOES_ON = frozenset({"running", "restarting", "deferred"})
_HAS_ENDED = frozenset({"up_for_retry", *(state.value for state in State.finished)})


def states_of(keys: Collection[DeliveryKey], session: Session) -> dict[DeliveryKey, str | None]:
    """
    Give the states of task instances, by the deliveries that belong to them.

    :param keys: The deliveries, all of this Airflow deployment.
    :param session: A session of Airflow's database.
    :return: The states. A task instance that Airflow does not know any more is missing.
    """
    if not keys:
        return {}
    wanted = {(key.dag_id, key.run_id, key.task_id, key.map_index): key for key in keys}
    query = select(*_COLUMNS, TaskInstance.state).where(tuple_(*_COLUMNS).in_(list(wanted)))
    return {
        wanted[dag_id, run_id, task_id, map_index]: None
        if state is None
        else str(getattr(state, "value", state))
        for dag_id, run_id, task_id, map_index, state in session.execute(query)
    }


def goes_on(state: str | None) -> bool | None:
    """
    Tell whether a try of a task instance in this state is going on.

    :param state: The state.
    :return: Whether it is; None if the state does not tell, as that of a task that waits for a worker.
    """
    return True if state in _GOES_ON else False if state in _HAS_ENDED else None
