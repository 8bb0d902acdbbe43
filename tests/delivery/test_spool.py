"""The spool keeps recipients in order, each once, in a file without a name that ends with its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from hashlib import blake2b
from itertools import count
from pathlib import Path
from textwrap import dedent

import pytest

from braze_provider.delivery.batches import Line
from braze_provider.delivery.spool import MAX_HELD, Spool
from braze_provider.delivery.stop import StoppedError, StopSignal


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch) -> Path:
    """The folder for temporary files."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


rows = count(1)


def who(number: int) -> bytes:
    """A digest."""
    return blake2b(b"%d" % number, digest_size=16).digest()


def recipient(number: int, body: bytes = b"") -> Line:
    return next(rows), who(number), body or b"body-%d" % number


def bodies(spool: Spool) -> list[bytes]:
    return [body for _, _, body in spool]


def open_files(folder: Path) -> int:
    """Count the open files of a folder. They take room on disk even without a name."""
    targets = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # The one that lists them.
            targets.append(descriptor.readlink())
    return sum(target.parent == folder for target in targets)


def test_recipients_come_back_in_the_order_in_which_they_were_added():
    numbers = [5, 3, 9, 1, 7]
    with Spool() as spool:
        spool.add([recipient(number) for number in numbers])
        spool.add([recipient(0)])

        assert bodies(spool) == [b"body-%d" % number for number in [*numbers, 0]]


def test_recipients_keep_their_row_numbers_when_others_are_dropped():
    ada, bob, eve = who(1), who(2), who(3)
    with Spool() as spool:
        spool.add([(2, ada, b"first"), (3, bob, b"{}"), (5, ada, b"second"), (9, eve, b"{}")])
        spool.drop_repeats()

        assert [(row, digest) for row, digest, _ in spool] == [(2, ada), (3, bob), (9, eve)]


def test_the_first_entry_of_a_recipient_is_kept():
    with Spool() as spool:
        spool.add([recipient(1, b"first"), recipient(2), recipient(1, b"second")])
        spool.add([recipient(1, b"third"), recipient(3)])

        assert spool.drop_repeats() == 2
        assert bodies(spool) == [b"first", b"body-2", b"body-3"]


def test_repeats_that_come_later_are_dropped_by_the_next_call():
    with Spool() as spool:
        spool.add([recipient(1, b"first")])
        assert spool.drop_repeats() == 0
        spool.add([recipient(2), recipient(1, b"second")])

        assert spool.drop_repeats() == 1
        assert bodies(spool) == [b"first", b"body-2"]


def test_without_dropping_repeats_all_entries_stay():
    with Spool() as spool:
        spool.add([recipient(1, b"first"), recipient(1, b"second")])

        assert bodies(spool) == [b"first", b"second"]


def test_a_stop_ends_the_dropping_of_repeats():
    stop = StopSignal()
    stop.request()
    with Spool() as spool:
        spool.add([*map(recipient, range(1_000))])

        with pytest.raises(StoppedError):
            spool.drop_repeats(stop)


def test_a_spool_without_recipients_is_empty():
    with Spool() as spool:
        spool.add([])
        assert spool.drop_repeats() == 0
        assert bodies(spool) == []


def test_it_can_be_read_again_and_by_two_at_the_same_time():
    with Spool() as spool:
        spool.add([recipient(1), recipient(2)])
        spool.add([recipient(3)])

        assert bodies(spool) == bodies(spool) == [b"body-1", b"body-2", b"body-3"]
        assert [one[2] for pair in zip(spool, spool, strict=True) for one in pair][::2] == bodies(spool)


@pytest.mark.slow
def test_repeats_are_found_among_more_recipients_than_memory_holds():
    numbers = range(2 * MAX_HELD + 10)
    with Spool() as spool:
        spool.add([recipient(number) for number in numbers])
        spool.add([recipient(number, b"again") for number in reversed(numbers)])

        assert spool.drop_repeats() == len(numbers)
        assert bodies(spool) == [b"body-%d" % number for number in numbers]


def test_settled_recipients_are_dropped_by_the_ledgers_digest():
    def keyed(digest: bytes) -> bytes:
        return blake2b(digest, key=b"secret", digest_size=16).digest()

    marker = keyed(who(-1))
    with Spool() as spool:
        spool.add([recipient(number) for number in range(10)])
        spool.add([recipient(1)])
        settled = [keyed(who(number)) for number in (1, 4, 77)]

        assert spool.drop_settled([*settled, marker], keyed, marker=marker)
        assert bodies(spool) == [b"body-%d" % number for number in (0, 2, 3, 5, 6, 7, 8, 9)]
        assert len(spool) == 8
        assert not spool.drop_settled(settled, keyed, marker=marker)


def test_invalid_rows_come_back_in_order_with_what_they_hold():
    invalid = [(3, "no JSON", None), (7, "Zoë\n", '{"x":"ë\n"}'.encode())]
    with Spool() as spool:
        for row in invalid:
            spool.add_invalid(*row)

        assert list(spool.invalid()) == list(spool.invalid()) == invalid


def test_another_thread_may_read():
    with Spool() as spool, ThreadPoolExecutor(1) as threads:
        spool.add([recipient(1)])

        assert threads.submit(bodies, spool).result() == [b"body-1"]


def test_its_file_has_no_name(temporary):
    with Spool() as spool:
        spool.add([*map(recipient, range(2 * MAX_HELD))])
        spool.add_invalid(1, "no JSON", None)
        spool.drop_repeats()

        assert open_files(temporary) == 3
        assert not list(temporary.iterdir())


@pytest.mark.slow
def test_nothing_is_left_of_it_when_the_process_is_killed(temporary):
    fill_and_die = """
        import os, signal
        from hashlib import blake2b
        from braze_provider.delivery.spool import Spool
        spool = Spool()
        who = (blake2b(b"%d" % number, digest_size=16).digest() for number in range(200_000))
        spool.add([(number, digest, b"private" * 10) for number, digest in enumerate(who, start=1)])
        class Stop:
            requested = property(lambda stop: os.kill(os.getpid(), signal.SIGKILL))
        spool.drop_repeats(Stop())
    """
    environment = {**os.environ, "TMPDIR": str(temporary)}
    child = subprocess.run([sys.executable, "-c", dedent(fill_and_die)], env=environment, check=False)

    assert child.returncode == -signal.SIGKILL
    assert not list(temporary.iterdir())


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt, SystemExit])
def test_its_disk_space_is_freed_after_any_error(temporary, error):
    with suppress(*[error] if error else []), Spool() as spool:
        spool.add([recipient(1)])
        next(iter(spool))
        assert open_files(temporary) == 3
        if error:
            raise error

    assert open_files(temporary) == 0


def test_two_spools_do_not_meet():
    with Spool() as one, Spool() as other:
        one.add([recipient(1)])

        assert list(other) == []
