"""A mark in Airflow's task state store. It says that a delivery was opened, and in which ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow import __version__ as airflow_version

from braze_provider._compat import conf
from braze_provider.api.errors import BrazeError
from braze_provider.ledger import task_state
from braze_provider.ledger.task_state_cells import Cells, TaskStateStore

FORMAT = 1
"""Format of the mark. A newer format is refused, because this release would misread it."""

_KEY = "braze-ledger.opened"


class OpenedMark:
    """
    Says in which ledger a delivery was last opened, so that a missing record is not taken for "nothing sent".

    The mark is in ``context["task_state_store"]`` of Airflow 3.3 or newer, and never expires by itself. It is
    deleted together with the receipts of a :class:`~braze_provider.ledger.task_state.TaskStateLedger`.

    :param store: The task's ``context["task_state_store"]``.
    """

    def __init__(self, store: TaskStateStore) -> None:
        self._cells = Cells(store)

    @property
    def outlasts_clears(self) -> bool:
        """Whether the mark outlasts every clear of the task, with this worker's Airflow and its settings."""
        # Airflow 3.3 keeps task state in every clear; 3.4 deletes it when the UI or the API clears task
        # instances. With clear_on_success it is gone before a task that succeeded can be cleared.
        is_kept = airflow_version.split(".")[:2] == ["3", "3"]
        return is_kept and not conf.getboolean("state_store", "clear_on_success", fallback=False)

    def read(self) -> str | None:
        """
        Read in which ledger a delivery of this task instance was last opened.

        :return: The ledger's identity; None if no delivery is known.
        :raises BrazeError: If the mark can't be read.
        """
        value = self._cells.get(_KEY)
        if value is None:
            # Older releases wrote no mark: the record of their delivery is the only trace of it.
            return None if self._cells.get(task_state.HEAD) is None else task_state.IDENTITY
        return _identity_in(value)

    def write(self, identity: str) -> None:
        """
        Note durably that the delivery is opened in a ledger.

        :param identity: The ledger's identity.
        :raises LedgerLostError: If Airflow has ended this try of the task.
        """
        self._cells.set(_KEY, {"format": FORMAT, "ledger": identity})

    def close(self) -> None:
        """End the thread that talks to the store."""
        self._cells.close()


def _identity_in(value: Any) -> str:
    version = value.get("format") if isinstance(value, Mapping) else None
    if isinstance(version, int) and version > FORMAT:
        raise BrazeError(
            "the mark of an opened delivery in Airflow's task state store was written by a newer release of "
            f"this provider (format {version}, and this one knows {FORMAT}): upgrade this worker"
        )
    identity = value.get("ledger") if isinstance(version, int) else None
    if not isinstance(identity, str):
        raise BrazeError("Airflow's task state store holds a mark of an opened delivery that can't be read")
    return identity
