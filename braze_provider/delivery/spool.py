"""A temporary file between reading recipients and sending to them."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from types import TracebackType

ROWS_PER_FETCH = 5_000
ROWS_PER_STATEMENT = 100


class Spool:
    """
    Validated recipients in the order of their source, each person once, on local disk.

    The file is a SQLite database that only the task's user can read; leaving the ``with`` block removes it.

    :param once_each: Whether of a person's entries only the first is kept. Default True.
    """

    def __init__(self, *, once_each: bool = True) -> None:
        # mkdtemp makes the folder for its owner alone, and that protects all that SQLite puts into it.
        self._folder = Path(tempfile.mkdtemp(prefix="braze-spool-"))
        path = self._folder / "recipients.db"
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # Nothing here outlives the task, so nothing is paid for surviving a crash.
        self._db.execute("PRAGMA journal_mode=OFF")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        unique = " UNIQUE" if once_each else ""
        self._db.execute(
            f"CREATE TABLE recipient (position INTEGER PRIMARY KEY, who BLOB{unique}, body BLOB)"
        )

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, recipients: Iterable[tuple[bytes, bytes]]) -> int:
        """
        Append recipients; of people who are there already, the first entry stays.

        :param recipients: Pairs of who it is (a digest of the identity) and the recipient as JSON.
        :return: Number of those that were new.
        """
        before = self._db.total_changes
        rows = iter(recipients)
        self._db.execute("BEGIN")
        # Many at once, since a statement costs SQLite as much as the row does.
        while some := list(islice(rows, ROWS_PER_STATEMENT)):
            places = ",".join(["(?,?)"] * len(some))
            insert = f"INSERT OR IGNORE INTO recipient (who, body) VALUES {places}"  # noqa: S608 - only places
            self._db.execute(insert, list(chain.from_iterable(some)))
        self._db.execute("COMMIT")
        return self._db.total_changes - before

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        """Read the recipients in order, as they were added, a few thousand at a time."""
        cursor = self._db.execute("SELECT who, body FROM recipient ORDER BY position")
        while rows := cursor.fetchmany(ROWS_PER_FETCH):
            yield from rows

    def close(self) -> None:
        """Remove the file."""
        self._db.close()
        shutil.rmtree(self._folder, ignore_errors=True)
