"""The note of a job that a task has started at Braze, so that its next try finds the job again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from braze_provider.api.errors import BrazeError
from braze_provider.ledger.base import Counters

if TYPE_CHECKING:
    from braze_provider._compat import Context

FORMAT = 1
"""Format of the note. A newer format is refused, because this release would misread it."""

_KEY = "braze-job"


@dataclass(frozen=True)
class JobNote:
    """
    What is known of a job.

    :param facts: What tells the job from others, as JSON. It holds no user's data.
    :param counters: Airflow's counters of the try that started it.
    :param at: When the try started it, in seconds since the epoch.
    :param is_accepted: Whether Braze has accepted the request that starts it. If not, it may have begun all
        the same.
    :param has_ended: Whether the task has ended with its result.
    """

    facts: Mapping[str, Any]
    counters: Counters
    at: float
    is_accepted: bool = False
    has_ended: bool = False

    def to_json(self) -> dict[str, Any]:
        """Give the note as JSON."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, value: Any) -> JobNote | None:
        """
        Read a note again.

        :param value: The JSON of the note; None if there is none.
        :raises BrazeError: If a newer release has written it, or if it can't be read.
        """
        if value is None:
            return None
        version = value.get("format") if isinstance(value, Mapping) else None
        if isinstance(version, int) and version > FORMAT:
            raise BrazeError(
                "The note of a job was written by a newer release of this provider (format "
                f"{version}, and this one knows {FORMAT}): upgrade this worker"
            )
        try:
            fields = {name: value[name] for name in value if name != "format"}
            return cls(**{**fields, "counters": Counters(**fields["counters"])})
        except (TypeError, KeyError):
            raise BrazeError("Airflow's task state store holds a note of a job that can't be read") from None


class JobNotes:
    """
    Keeps the note of a task instance's job in Airflow's task state store, which exists since Airflow 3.3.

    :param context: Airflow's context of the running task.
    """

    def __init__(self, context: Context) -> None:
        from braze_provider.ledger.task_state_cells import Cells

        store = context.get("task_state_store")
        self._cells = None if store is None else Cells(store)

    @property
    def are_kept(self) -> bool:
        """Whether a note outlasts the try."""
        return self._cells is not None

    def read(self) -> JobNote | None:
        """
        Read the note; None if there is none.

        :raises BrazeError: If it can't be read.
        """
        return None if self._cells is None else JobNote.from_json((self._cells.get(_KEY) or {}).get("note"))

    def write(self, note: JobNote | None) -> None:
        """
        Keep a note.

        :param note: The note. None: there is no job.
        :raises LedgerLostError: If Airflow has ended this try of the task.
        :raises BrazeError: If it can't be written.
        """
        if self._cells is not None:
            self._cells.set(_KEY, {"note": None if note is None else note.to_json()})

    def close(self) -> None:
        """End the thread that talks to the store."""
        if self._cells is not None:
            self._cells.close()
