"""The file between reading and sending: in order, each person once, private, and gone in the end."""

from __future__ import annotations

import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from braze_provider.delivery.spool import ROWS_PER_FETCH, Spool
from braze_provider.delivery.stop import StoppedError, StopSignal


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch) -> Path:
    """The folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def person(number: int, body: bytes = b"") -> tuple[bytes, bytes]:
    return b"who-%d" % number, body or b"body-%d" % number


def bodies(spool: Spool) -> list[bytes]:
    return [body for _, body in spool]


def test_recipients_come_back_in_the_order_in_which_they_were_added():
    numbers = [5, 3, 9, 1, 7]
    with Spool() as spool:
        spool.add(person(number) for number in numbers)
        spool.add([person(0)])

        assert bodies(spool) == [b"body-%d" % number for number in [*numbers, 0]]


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
    count = 2 * ROWS_PER_FETCH + 1
    with Spool() as spool:
        spool.add(map(person, range(count)))

        assert bodies(spool) == bodies(spool) == [b"body-%d" % number for number in range(count)]


def test_another_thread_may_read():
    with Spool() as spool, ThreadPoolExecutor(1) as threads:
        spool.add([person(1)])

        assert threads.submit(bodies, spool).result() == [b"body-1"]


def test_only_the_tasks_user_can_read_it(temporary):
    with Spool() as spool:
        spool.add(map(person, range(20_000)))

        (folder,) = temporary.iterdir()
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.iterdir()]}

    assert modes.pop(folder) == 0o700
    assert set(modes.values()) == {0o600}


def test_it_is_removed_in_the_end(temporary):
    with Spool() as spool:
        spool.add([person(1)])
        assert list(temporary.iterdir())

    assert not list(temporary.iterdir())


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_it_is_removed_after_whatever_went_wrong(temporary, error):
    spool = Spool()
    spool.add([person(1)])
    reading = iter(spool)
    next(reading)

    with pytest.raises(error), spool:
        raise error

    assert not list(temporary.iterdir())


def test_two_spools_do_not_meet():
    with Spool() as one, Spool() as other:
        one.add([person(1)])

        assert list(other) == []
