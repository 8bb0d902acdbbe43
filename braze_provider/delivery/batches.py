"""Cut recipients into batches, each as large as the endpoint takes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

from braze_provider.api.answers import Answer
from braze_provider.api.outcomes import Repeat
from braze_provider.api.requests.base import SendRequest
from braze_provider.delivery.report import counted

Line = tuple[int, bytes, bytes]
"""A recipient: the number of its row, a digest of its identity, and the recipient as JSON."""

JOIN_BYTES = 128
"""Bytes that joining recipients to the rest of a request adds at most: names of arrays, brackets, a key."""


@dataclass(frozen=True)
class Batch:
    """
    The recipients of one request.

    :param index: Index of the batch in the delivery, from 0. The same source gives the same batches.
    :param rows: Its recipients as JSON; empty for a broadcast, whose audience Braze decides.
    :param fingerprint: A digest of the recipients' identities and of the campaign, segment or audience. It
        shows that a source has changed between two tries. The content is not part of it: a new voucher code
        does not make it another delivery.
    :param who: The digests behind the fingerprint: of the campaign, segment or audience, then of each
        recipient.
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
        """The numbers of its first and last row in the source, as a text."""
        first, last = self.numbers[0], self.numbers[-1]
        return f"row {first:,}" if first == last else f"rows {first:,}–{last:,}"

    @property
    def recipients(self) -> int:
        """Number of recipients; 0 for a broadcast."""
        return len(self.rows)

    @property
    def weight(self) -> int:
        """The number that a report counts for the batch: its recipients, or 1 for a broadcast."""
        return len(self.rows) or 1


class Envelope:
    """
    A request without its recipients. All batches of a delivery share it.

    :param request: The validated request without recipients, or the whole request of a broadcast.
    :param origin: A text that no other delivery has. Keys are made from it. Default: empty.
    """

    def __init__(self, request: SendRequest, origin: str = "") -> None:
        self._origin = origin
        self._model = type(request)
        self.noun = request.row_noun
        """What texts call a row."""
        self.endpoint = request.endpoint
        """Where the requests go."""
        self.path, body = request.split(self.endpoint.path_parameters)
        """Values of the parameters in the endpoint's path."""
        self._shared = body.to_json()
        self.given = request.to_body()
        """Its fields."""
        self.purpose = _digest(json.dumps(request.purpose(), sort_keys=True).encode())
        """Digest of all fields except content. A different digest means a different delivery."""

    @property
    def size(self) -> int:
        """Bytes of the part that the batches share."""
        return len(self._shared)

    def body(self, batch: Batch) -> bytes:
        """
        Make the body of a batch's request. The recipients are not serialised again.

        :param batch: The batch.
        """
        body = self._model.fill(self._shared, batch.rows) if batch.rows else self._shared
        if self.endpoint.key is None:
            return body
        # Each attempt of a batch has the same key, in this try and in later ones.
        key = _digest(f"{self._origin}:{batch.index}:{batch.fingerprint}".encode()).hex()
        return b'{"%s":"%s",%s' % (self.endpoint.key.encode(), key.encode(), body[1:])

    def counts(self, batch: Batch) -> dict[str, str]:
        """
        Say how many rows of a batch go into each array of its request.

        :param batch: The batch.
        """
        arrays = {name: json.loads(rows) for name, rows in self._model.join(batch.rows).items()}
        return {name: f"<{counted(len(rows), self._model.row_noun)}>" for name, rows in arrays.items()}

    def refused_rows(self, batch: Batch, answer: Answer) -> dict[int, str]:
        """
        Tell which rows Braze refused of a request that it accepted.

        :param batch: The batch.
        :param answer: Braze's answer.
        :returns: By number of the row in the source: Braze's reason.
        """
        if not self._model.refuses_rows:
            return {}
        places = {
            self._model.place_of(batch.rows, error.array, error.place): error.reason
            for error in answer.row_errors
        }
        return {batch.numbers[place]: reason for place, reason in places.items() if place is not None}

    def is_harmless(self, batch: Batch) -> bool:
        """
        Tell whether the batch's request may be repeated as often as one likes.

        :param batch: The batch.
        """
        return self._model.repeat_of(batch.rows) is Repeat.SAFE

    @property
    def room(self) -> int:
        """Bytes in a request that are left for its recipients."""
        return self.endpoint.max_bytes - self.size - JOIN_BYTES

    @property
    def _rows(self) -> int:
        return self.endpoint.rows or 1

    def count(self, recipients: int, largest: int) -> int | None:
        """
        Tell how many batches there will be; None if some recipients are so large that it is not known yet.

        :param recipients: Number of recipients.
        :param largest: Bytes of the largest recipient.
        """
        fits = self._rows * (largest + 1) <= self.room
        return -(-recipients // self._rows) if fits else None

    def cut(self, recipients: Iterable[Line], *, first: int = 0, total: int | None = None) -> Iterator[Batch]:
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
        """Make the only batch of a broadcast."""
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
        rows = tuple(rows)
        # A batch that may be repeated must be repeated once any value in it has changed.
        content = rows if self._model.endpoint.repeat is Repeat.SAFE else ()
        fingerprint = _digest(b"".join((*digests, *content))).hex()
        return Batch(index, rows, fingerprint, digests, tuple(numbers), total)


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).digest()
