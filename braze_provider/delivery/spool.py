"""A temporary file between reading recipients and sending to them."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from types import TracebackType

from braze_provider.delivery.batches import Row
from braze_provider.delivery.stop import StoppedError, StopSignal

ROWS_PER_FETCH = 5_000
ROWS_PER_STATEMENT = 100
STEPS_BETWEEN_LOOKS = 100_000

_DROP_REPEATS = """
    DELETE FROM recipient WHERE row IN (
        SELECT repeat.row
        FROM (SELECT who, min(row) AS row FROM recipient GROUP BY who HAVING count(*) > 1) AS first
        JOIN recipient AS repeat ON repeat.who = first.who AND repeat.row > first.row
    )
"""


class Spool:
    """
    Validated recipients in the order of their source, on local disk, each with the number of its row there.

    The file is a SQLite database. It loses its name as soon as it is open, so that nobody else can open it,
    and that it is gone when the task's process ends, also by SIGKILL.
    """

    def __init__(self) -> None:
        # The folder is for its owner alone. The files in which SQLite sorts have no name from the start.
        self._folder = Path(tempfile.mkdtemp(prefix="braze-spool-"))
        path = self._folder / "recipients.db"
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # Nothing here outlives the task, so nothing is paid for surviving a crash.
        (journal,) = self._db.execute("PRAGMA journal_mode=OFF").fetchone()
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("CREATE TABLE recipient (row INTEGER PRIMARY KEY, who BLOB, body BLOB)")
        self._db.execute("CREATE TABLE invalid (row INTEGER PRIMARY KEY, reason TEXT, body BLOB)")
        # SQLite writes to a file without a name only if it needs no journal. Where an open file keeps its
        # name (Windows), or SQLite its journal (Apple's own build), close() removes it.
        if journal == "off":
            self._remove()

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, recipients: Iterable[Row]) -> None:
        """
        Add recipients.

        :param recipients: The rows.
        """
        rows = iter(recipients)
        self._db.execute("BEGIN")
        # Many at once, since a statement costs SQLite as much as the row does.
        while some := list(islice(rows, ROWS_PER_STATEMENT)):
            places = ",".join(["(?,?,?)"] * len(some))
            insert = f"INSERT INTO recipient VALUES {places}"  # noqa: S608 - only places
            self._db.execute(insert, list(chain.from_iterable(some)))
        self._db.execute("COMMIT")

    def add_invalid(self, row: int, reason: str, body: bytes | None) -> None:
        """
        Add a row that is no recipient.

        :param row: Its number.
        :param reason: Why it is none.
        :param body: What it holds, as JSON; None if that can't be told.
        """
        self._db.execute("INSERT INTO invalid VALUES (?,?,?)", (row, reason, body))

    def invalid(self) -> Iterator[tuple[int, str, bytes | None]]:
        """Read the rows that are no recipients, in order: number, reason, and what it holds as JSON."""
        yield from self._db.execute("SELECT row, reason, body FROM invalid ORDER BY row")

    def drop_repeats(self, stop: StopSignal | None = None) -> int:
        """
        Keep only the first entry of each person.

        :param stop: Ends the work early, after which the spool is of no use.
        :return: Number of entries that were dropped.
        :raises StoppedError: If it was stopped.
        """
        if stop is not None:
            # Of ten million people this takes long, and Python handles no signal meanwhile but in here.
            self._db.set_progress_handler(lambda: stop.requested, STEPS_BETWEEN_LOOKS)
        try:
            # Sorted once everybody is there: an index that is kept while they come costs twice as much as all
            # the rest of the spool, since a digest's place in it is anywhere.
            self._db.execute("CREATE INDEX IF NOT EXISTS by_person ON recipient (who)")
            return self._db.execute(_DROP_REPEATS).rowcount
        except sqlite3.OperationalError:
            if stop is not None and stop.requested:
                raise StoppedError from None
            raise
        finally:
            self._db.set_progress_handler(None, 0)

    def drop_settled(
        self, settled: Iterable[bytes], keyed: Callable[[bytes], bytes], *, marker: bytes
    ) -> bool:
        """
        Drop the entries of people who are settled already.

        :param settled: Their digests.
        :param keyed: Makes such a digest of the digest that an entry has.
        :param marker: A further digest to look for.
        :return: Whether the marker is among the settled.
        """
        self._db.execute("CREATE TEMP TABLE settled (who BLOB PRIMARY KEY) WITHOUT ROWID")
        self._db.execute("BEGIN")
        self._db.executemany("INSERT OR IGNORE INTO settled VALUES (?)", ((who,) for who in settled))
        self._db.execute("COMMIT")
        self._db.create_function("keyed", 1, keyed, deterministic=True)
        self._db.execute("DELETE FROM recipient WHERE keyed(who) IN (SELECT who FROM settled)")
        return self._db.execute("SELECT 1 FROM settled WHERE who = ?", (marker,)).fetchone() is not None

    def __len__(self) -> int:
        """Count the entries."""
        count: int = self._db.execute("SELECT count(*) FROM recipient").fetchone()[0]
        return count

    def __iter__(self) -> Iterator[Row]:
        """Read the recipients in the order of their rows, a few thousand at a time."""
        cursor = self._db.execute("SELECT row, who, body FROM recipient ORDER BY row")
        while rows := cursor.fetchmany(ROWS_PER_FETCH):
            yield from rows

    def close(self) -> None:
        """Let go of the file, which ends it."""
        self._db.close()
        self._remove()

    def _remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
