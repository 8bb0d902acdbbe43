"""A temporary file between reading recipients and sending to them."""

from __future__ import annotations

import json
import os
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, compress, islice, repeat
from struct import iter_unpack
from types import TracebackType

from braze_provider.delivery.batches import Line
from braze_provider.delivery.stop import StoppedError, StopSignal

DIGEST_BYTES = 16
NUMBER_BYTES = 8
MAX_HELD = 50_000
"""Number of digests that are sorted into parts in memory before they are written to the file."""
_PARTS = 256
_DROPPED = bytes(NUMBER_BYTES)


class Spool:
    """
    Validated recipients on local disk, in the order of the source. Each has the number of its row there.

    The spool's files have no name, so that no other process can open them, and they are gone when the task's
    process ends, also after SIGKILL. Recipients that were added together are stored together, in this order:
    their count and the size of their JSON, the numbers of their rows, their digests, and their JSON, line by
    line. A recipient is dropped by overwriting its row number with zero.
    """

    def __init__(self) -> None:
        self._recipients = _File()
        self._invalid = _File()
        self._by_digest = _Parts()
        self._count = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(self, recipients: Sequence[Line]) -> None:
        """
        Add recipients.

        :param recipients: The rows. Their JSON holds no line break.
        """
        if recipients:
            numbers, who, bodies = zip(*recipients, strict=True)
            text = b"\n".join(bodies)
            head = array("Q", (len(numbers), len(text), *numbers))
            place = self._recipients.size + 2 * NUMBER_BYTES
            self._by_digest.add(who, range(place, place + len(numbers) * NUMBER_BYTES, NUMBER_BYTES))
            self._recipients.append(head.tobytes(), *who, text)
            self._count += len(numbers)

    def add_invalid(self, row: int, reason: str, body: bytes | None) -> None:
        """
        Add an invalid row.

        :param row: Its number.
        :param reason: Why it is invalid.
        :param body: Its data as JSON; None if it can't be written as JSON.
        """
        text = json.dumps([row, reason, None if body is None else body.decode()]).encode()
        self._invalid.append(array("Q", [len(text)]).tobytes(), text)

    def invalid(self) -> Iterator[tuple[int, str, bytes | None]]:
        """Read the invalid rows in order: number, reason, and data as JSON."""
        place = 0
        while place < self._invalid.size:
            (size,) = self._invalid.numbers(place, 1)
            row, reason, body = json.loads(self._invalid.read(place + NUMBER_BYTES, size))
            yield row, reason, None if body is None else body.encode()
            place += NUMBER_BYTES + size

    def drop_repeats(self, stop: StopSignal | None = None) -> int:
        """
        Keep only the first entry of each recipient.

        :param stop: Ends the work early. The spool can't be used after that.
        :return: Number of entries that were dropped.
        :raises StoppedError: If ``stop`` was requested.
        """
        before = self._count
        for digests, places in self._by_digest:
            if stop is not None and stop.requested:
                raise StoppedError
            if len(set(digests)) < len(digests):
                seen: set[bytes] = set()
                for who, place in zip(digests, places, strict=True):
                    if who in seen:
                        self._drop(place)
                    seen.add(who)
        return before - self._count

    def drop_settled(
        self, settled: Iterable[bytes], keyed: Callable[[bytes], bytes], *, marker: bytes
    ) -> bool:
        """
        Drop the entries of recipients who are settled already.

        :param settled: Digests of the settled recipients.
        :param keyed: Makes such a digest from the digest of an entry.
        :param marker: A further digest to look for.
        :return: Whether the marker is among the settled.
        """
        found = False
        with _Parts() as here, _Parts() as gone:
            for place, count, _ in self._heads():
                numbers, who = self._keys(place, count)
                places = range(place, place + count * NUMBER_BYTES, NUMBER_BYTES)
                here.add(map(keyed, compress(who, numbers)), compress(places, numbers))
            gone.add(settled, repeat(0))
            for (digests, places_), (gone_digests, _) in zip(here, gone, strict=True):
                settled_here = set(gone_digests)
                found = found or marker in settled_here
                for who_, place in zip(digests, places_, strict=True):
                    if who_ in settled_here:
                        self._drop(place)
        return found

    def __len__(self) -> int:
        """Count the entries."""
        return self._count

    def __iter__(self) -> Iterator[Line]:
        """Read the recipients in the order of their rows."""
        for place, count, size in self._heads():
            numbers, who = self._keys(place, count)
            text = self._recipients.read(place + count * (NUMBER_BYTES + DIGEST_BYTES), size)
            yield from compress(zip(numbers, who, text.split(b"\n"), strict=True), numbers)

    def close(self) -> None:
        """Close the files, which deletes them."""
        for file in (self._recipients, self._invalid, self._by_digest):
            file.close()

    def _heads(self) -> Iterator[tuple[int, int, int]]:
        """Give the place, the count and the size of the JSON of recipients that are stored together."""
        place = 0
        while place < self._recipients.size:
            count, size = self._recipients.numbers(place, 2)
            place += 2 * NUMBER_BYTES
            yield place, count, size
            place += count * (NUMBER_BYTES + DIGEST_BYTES) + size

    def _keys(self, place: int, count: int) -> tuple[array[int], list[bytes]]:
        numbers = self._recipients.numbers(place, count)
        return numbers, _cut(self._recipients.read(place + count * NUMBER_BYTES, count * DIGEST_BYTES))

    def _drop(self, place: int) -> None:
        if self._recipients.read(place, NUMBER_BYTES) != _DROPPED:
            self._recipients.overwrite(place, _DROPPED)
            self._count -= 1


class _File:
    """A temporary file without a name. New data is added at its end."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="braze-spool-")  # noqa: SIM115 - closed with the spool
        self.size = 0

    def append(self, *pieces: bytes) -> None:
        text = b"".join(pieces)
        self._file.write(text)
        self._file.flush()
        self.size += len(text)

    def read(self, place: int, size: int) -> bytes:
        # pread does not move the file's position, so several readers don't disturb each other.
        return os.pread(self._file.fileno(), size, place)

    def numbers(self, place: int, count: int) -> array[int]:
        return array("Q", self.read(place, count * NUMBER_BYTES))

    def overwrite(self, place: int, text: bytes) -> None:
        os.pwrite(self._file.fileno(), text, place)

    def close(self) -> None:
        self._file.close()


class _Parts:
    """
    Digests, sorted into parts of which each fits into memory. Equal digests are in the same part.

    Each digest comes with a number. Within a part, the digests are in the order in which they were added.
    """

    def __init__(self) -> None:
        self._file = _File()
        self._written: list[tuple[int, array[int]]] = []
        self._forget()

    def __enter__(self) -> _Parts:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def add(self, digests: Iterable[bytes], numbers: Iterable[int]) -> None:
        pairs = zip(digests, numbers, strict=False)
        while some := list(islice(pairs, MAX_HELD)):
            held, held_numbers = self._digests, self._numbers
            for digest, number in some:
                part = digest[0]
                held[part].append(digest)
                held_numbers[part].append(number)
            self._held += len(some)
            if self._held >= MAX_HELD:
                self._write_down()

    def __iter__(self) -> Iterator[tuple[list[bytes], array[int]]]:
        places = [place for place, _ in self._written]
        for part in range(_PARTS):
            digests, numbers = [], array("Q")
            for number, (_, counts) in enumerate(self._written):
                place, count = places[number], counts[part]
                digests += _cut(self._file.read(place, count * DIGEST_BYTES))
                numbers += self._file.numbers(place + count * DIGEST_BYTES, count)
                places[number] += count * (DIGEST_BYTES + NUMBER_BYTES)
            digests += self._digests[part]
            numbers += self._numbers[part]
            yield digests, numbers

    def _write_down(self) -> None:
        self._written.append((self._file.size, array("Q", map(len, self._digests))))
        for digests, numbers in zip(self._digests, self._numbers, strict=True):
            self._file.append(*digests, numbers.tobytes())
        self._forget()

    def _forget(self) -> None:
        self._held = 0
        self._digests: list[list[bytes]] = [[] for _ in range(_PARTS)]
        self._numbers = [array("Q") for _ in range(_PARTS)]


def _cut(digests: bytes) -> list[bytes]:
    return list(chain.from_iterable(iter_unpack(f"{DIGEST_BYTES}s", digests)))
