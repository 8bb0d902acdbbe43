"""Receipts as JSON lines, for whoever wants to read them without the ledger."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from braze_provider.delivery.ledger.base import Claim, DeliveryKey, Head, Ledger, Receipt

if TYPE_CHECKING:
    from braze_provider._compat import ObjectStoragePath


class ReceiptsFile:
    """
    A ledger that also writes a line for each settled batch, before the ledger itself notes it.

    A local file is appended to. Object storage can't append, so there each write makes an object of its own,
    whose name is the path's with the owner and a number before the ending. Either way, a kill loses no line
    of a batch that is settled; a line may come twice.

    :param ledger: The ledger that decides.
    :param path: Where the lines go.
    :param key: The task instance, noted in each line.
    :param owner: This copy of the task.
    """

    def __init__(self, ledger: Ledger, path: ObjectStoragePath, key: DeliveryKey, owner: str) -> None:
        self._ledger = ledger
        self._path = path
        self._key = asdict(key)
        self._owner = owner
        self._number = 0

    def __str__(self) -> str:
        return f"{self._ledger}; receipts in {self._path}"

    @property
    def durable(self) -> bool:
        """Whether a later try of the task finds the receipts again; the lines are for people to read."""
        return self._ledger.durable

    def open(self, *, clear_number: int) -> Head | None:
        """Become the owner of this delivery, durably."""
        return self._ledger.open(clear_number=clear_number)

    def start_over(self, *, clear_number: int) -> None:
        """Begin the delivery anew."""
        self._ledger.start_over(clear_number=clear_number)

    def receipts(self, start: int = 0) -> Iterator[Receipt]:
        """Read the ledger's receipts in the order of their batches."""
        return self._ledger.receipts(start)

    def write(self, settled: Sequence[Receipt], claims: Sequence[Claim]) -> Collection[int]:
        """Write a line for each settled batch, then let the ledger note it and claim further ones."""
        if settled:
            self._append("".join(self._line(receipt) for receipt in settled))
        return self._ledger.write(settled, claims)

    def confirm(self) -> None:
        """Ask whether this copy is the owner still."""
        self._ledger.confirm()

    def finish(self, report: Mapping[str, Any]) -> None:
        """Note that everybody was sent to."""
        self._ledger.finish(report)

    def close(self) -> None:
        """Let go of connections."""
        self._ledger.close()

    def _line(self, receipt: Receipt) -> str:
        return json.dumps({**self._key, **asdict(receipt)}, ensure_ascii=False) + "\n"

    def _append(self, lines: str) -> None:
        if self._path.protocol in ("", "file"):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            path, mode = self._path, "ab"
        else:
            self._number += 1
            name = f"{self._path.stem}-{self._owner}-{self._number:06}{self._path.suffix}"
            path, mode = self._path.with_name(name), "wb"
        with path.open(mode) as file:
            file.write(lines.encode())
