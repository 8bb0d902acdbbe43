"""Recipients cut into requests, as large as the endpoint takes them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

from braze_provider.api.requests.base import SendRequest

Row = tuple[int, bytes, bytes]
"""A recipient: the number of its row, who it is (a digest of the identity), and the recipient as JSON."""

JOIN_BYTES = 64
"""What joining recipients to the rest of a request adds at most: the names of its arrays and brackets."""


@dataclass(frozen=True)
class Batch:
    """
    One request's share of a delivery.

    :param index: Its place in the delivery, from 0. The same source gives the same batches.
    :param rows: Its recipients as JSON; empty for a broadcast, whose audience Braze decides.
    :param fingerprint: A digest of who they are and of the campaign, segment or audience, by which a source
        that changed between two tries is noticed. What is said to them is not part of it: a voucher that is
        drawn anew does not make it another delivery.
    :param who: The digests behind the fingerprint: of the campaign, segment or audience, then of each person.
    :param numbers: The number of each recipient's row in the source, from 1.
    :param total: Number of batches in the delivery. Default: not known.
    """

    index: int
    rows: tuple[bytes, ...] = field(repr=False)
    fingerprint: str = field(default="", repr=False)
    who: tuple[bytes, ...] = field(default=(), repr=False)
    numbers: tuple[int, ...] = field(default=(), repr=False)
    total: int | None = field(default=None, repr=False)

    def __str__(self) -> str:
        total = "" if self.total is None else f" of {self.total:,}"
        rows = f" ({self.row_range})" if self.numbers else ""
        return f"batch {self.index + 1:,}{total}{rows}"

    @property
    def row_range(self) -> str:
        """The first and last row of the source that it covers, as a text."""
        first, last = self.numbers[0], self.numbers[-1]
        return f"row {first:,}" if first == last else f"rows {first:,}–{last:,}"

    @property
    def people(self) -> int:
        """Number of recipients; 0 for a broadcast."""
        return len(self.rows)

    @property
    def weight(self) -> int:
        """What the batch counts for in a report: its people, or the one request of a broadcast."""
        return len(self.rows) or 1


class Envelope:
    """
    A request but for its recipients: what all batches of a delivery share.

    :param request: The validated request without recipients, or the whole request of a broadcast.
    """

    def __init__(self, request: SendRequest) -> None:
        self._model = type(request)
        self._shared = request.to_json()
        self.endpoint = request.endpoint
        """Where it goes."""
        self.given = request.to_body()
        """Its fields."""
        self.purpose = _digest(json.dumps(request.purpose(), sort_keys=True).encode())
        """Digest of all fields but content: another one makes it another delivery."""

    @property
    def size(self) -> int:
        """Bytes of what the batches share."""
        return len(self._shared)

    def body(self, batch: Batch) -> bytes:
        """
        Make the body of a batch's request, without serialising anybody again.

        :param batch: The batch.
        """
        return self._model.fill(self._shared, batch.rows) if batch.rows else self._shared

    @property
    def room(self) -> int:
        """Bytes that are left in a request for its recipients."""
        return self.endpoint.max_bytes - self.size - JOIN_BYTES

    @property
    def _rows(self) -> int:
        return self.endpoint.rows or 1

    def count(self, recipients: int, largest: int) -> int | None:
        """
        Tell how many batches there will be; None if only cutting them can tell, for some people are large.

        :param recipients: Number of people.
        :param largest: No person takes more bytes than this.
        """
        fits = self._rows * (largest + 1) <= self.room
        return -(-recipients // self._rows) if fits else None

    def cut(self, recipients: Iterable[Row], *, first: int = 0, total: int | None = None) -> Iterator[Batch]:
        """
        Cut a stream of recipients into batches.

        :param recipients: The recipients, in order.
        :param first: Index of the first batch. Default 0.
        :param total: Number of batches, for their names. Default: not known.
        """
        room, most = self.room, self._rows
        index, size = first, 0
        who: list[bytes] = []
        rows: list[bytes] = []
        numbers: list[int] = []
        for number, digest, row in recipients:
            if rows and (len(rows) == most or size + len(row) + 1 > room):
                yield self._batch(index, who, rows, numbers, total)
                index += 1
                size = 0
                who, rows, numbers = [], [], []
            numbers.append(number)
            who.append(digest)
            rows.append(row)
            size += len(row) + 1
        if rows:
            yield self._batch(index, who, rows, numbers, total)

    def whole(self) -> Batch:
        """Make the one batch of a request that names nobody."""
        return self._batch(0, (), ())

    def _batch(
        self,
        index: int,
        who: Iterable[bytes],
        rows: Iterable[bytes],
        numbers: Iterable[int] = (),
        total: int | None = None,
    ) -> Batch:
        digests = (self.purpose, *who)
        fingerprint = _digest(b"".join(digests)).hex()
        return Batch(index, tuple(rows), fingerprint, digests, tuple(numbers), total)


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).digest()
