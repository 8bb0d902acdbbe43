"""The file between reading and sending: in order, each person once, without a name, gone with its process."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path
from textwrap import dedent

import pytest

from braze_provider.delivery.batches import Row
from braze_provider.delivery.spool import ROWS_PER_FETCH, Spool
from braze_provider.delivery.stop import StoppedError, StopSignal


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch) -> Path:
    """The folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


rows = count(1)


def person(number: int, body: bytes = b"") -> Row:
    return next(rows), b"who-%d" % number, body or b"body-%d" % number


def bodies(spool: Spool) -> list[bytes]:
    return [body for _, _, body in spool]


def open_spools() -> int:
    """How many spools this process has open: an open file takes room on disk, also without a name."""
    targets = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # The one that lists them.
            targets.append(descriptor.readlink())
    return sum("recipients.db" in target.name for target in targets)


def test_recipients_come_back_in_the_order_in_which_they_were_added():
    numbers = [5, 3, 9, 1, 7]
    with Spool() as spool:
        spool.add(person(number) for number in numbers)
        spool.add([person(0)])

        assert bodies(spool) == [b"body-%d" % number for number in [*numbers, 0]]


def test_each_keeps_the_number_of_its_row_whoever_is_dropped():
    with Spool() as spool:
        spool.add([(2, b"ada", b"first"), (3, b"bob", b""), (5, b"ada", b"second"), (9, b"eve", b"")])
        spool.drop_repeats()

        assert [(row, who) for row, who, _ in spool] == [(2, b"ada"), (3, b"bob"), (9, b"eve")]


def test_of_the_entries_of_a_person_the_first_is_kept():
    with Spool() as spool:
        spool.add([person(1, b"first"), person(2), person(1, b"second")])
        spool.add([person(1, b"third"), person(3)])

        assert spool.drop_repeats() == 2
        assert bodies(spool) == [b"first", b"body-2", b"body-3"]


def test_repeats_that_come_later_are_dropped_by_the_next_call():
    with Spool() as spool:
        spool.add([person(1, b"first")])
        assert spool.drop_repeats() == 0
        spool.add([person(2), person(1, b"second")])

        assert spool.drop_repeats() == 1
        assert bodies(spool) == [b"first", b"body-2"]


def test_without_dropping_repeats_all_entries_stay():
    with Spool() as spool:
        spool.add([person(1, b"first"), person(1, b"second")])

        assert bodies(spool) == [b"first", b"second"]


def test_a_stop_ends_the_dropping_of_repeats():
    stop = StopSignal()
    stop.request()
    with Spool() as spool:
        spool.add(map(person, range(200_000)))

        with pytest.raises(StoppedError):
            spool.drop_repeats(stop)


def test_a_spool_of_nobody_is_empty():
    with Spool() as spool:
        spool.add([])
        assert spool.drop_repeats() == 0
        assert bodies(spool) == []


def test_more_people_than_one_fetch_come_back_and_can_be_read_again():
    number_of_people = 2 * ROWS_PER_FETCH + 1
    with Spool() as spool:
        spool.add(map(person, range(number_of_people)))

        assert bodies(spool) == bodies(spool) == [b"body-%d" % n for n in range(number_of_people)]


def test_another_thread_may_read():
    with Spool() as spool, ThreadPoolExecutor(1) as threads:
        spool.add([person(1)])

        assert threads.submit(bodies, spool).result() == [b"body-1"]


def test_it_has_no_name_that_anybody_could_open_it_by(temporary):
    with Spool() as spool:
        spool.add(map(person, range(20_000)))
        spool.drop_repeats()

        assert not list(temporary.iterdir())


def test_nothing_is_left_of_it_when_the_process_is_killed(temporary):
    fill_and_die = """
        import os, signal
        from braze_provider.delivery.spool import Spool
        spool = Spool()
        spool.add((number, b"who-%d" % number, b"private" * 10) for number in range(200_000))
        spool._db.set_progress_handler(lambda: os.kill(os.getpid(), signal.SIGKILL), 2_000_000)
        spool.drop_repeats()
    """
    # SQLite's files for sorting as well are to be looked for here.
    environment = {**os.environ, "TMPDIR": str(temporary), "SQLITE_TMPDIR": str(temporary)}
    child = subprocess.run([sys.executable, "-c", dedent(fill_and_die)], env=environment, check=False)

    assert child.returncode == -signal.SIGKILL
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("keeps", ["the name of an open file", "its journal"])
def test_where_it_has_to_keep_its_name_it_is_private_and_removed_in_the_end(temporary, monkeypatch, keeps):
    if keeps == "its journal":
        monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Defensive))
    else:
        monkeypatch.setattr(Spool, "_remove", lambda spool: None)
    with Spool() as spool:
        monkeypatch.undo()
        spool.add(map(person, range(20_000)))
        assert spool.drop_repeats() == 0
        folders = list(temporary.parent.glob(f"{temporary.name}/*"))
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [*folders, *folders[0].iterdir()]}

    assert modes.pop(folders[0]) == 0o700
    assert set(modes.values()) == {0o600}
    assert not list(temporary.iterdir())


class Defensive(sqlite3.Connection):
    """SQLite as Apple builds it: it keeps its journal."""

    def execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
        return super().execute(sql.replace("journal_mode=OFF", "journal_mode=DELETE"), *parameters)


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt, SystemExit])
def test_its_room_on_disk_is_given_back_in_the_end_whatever_went_wrong(error):
    with suppress(*[error] if error else []), Spool() as spool:
        spool.add([person(1)])
        next(iter(spool))
        assert open_spools() == 1
        if error:
            raise error

    assert open_spools() == 0


def test_two_spools_do_not_meet():
    with Spool() as one, Spool() as other:
        one.add([person(1)])

        assert list(other) == []
