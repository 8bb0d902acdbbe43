"""The tests' side of the Dags in ``dags/lifecycle.py``: the events of a run, and the signal to go on."""

from __future__ import annotations

from pathlib import Path


class Journals:
    """
    The events that the tasks of each Dag run have noted.

    :param folder: Where they note them: the tasks' ``TEST_JOURNALS``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of(self, run_id: str) -> list[str]:
        """The events of a run, each as ``try <number>: <event>``."""
        path = self.folder / f"{run_id}.journal"
        return path.read_text().splitlines() if path.exists() else []

    def let_go_on(self, run_id: str) -> None:
        """Let the waiting tasks of a run end."""
        (self.folder / f"{run_id}.gate").touch()
