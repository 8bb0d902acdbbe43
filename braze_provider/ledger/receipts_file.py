"""Receipts as JSON lines, to be read without the ledger."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from typing import TYPE_CHECKING

from braze_provider.ledger.base import DeliveryKey, Receipt, State

if TYPE_CHECKING:
    from braze_provider._compat import ObjectStoragePath

OBJECT_SECONDS = 5.0
"""Seconds between two objects: writing each of them is a request."""
RETRY_SECONDS = 60.0
"""Seconds without any write after a failed write: the next one may take long to fail, too."""
LINES_AT_ONCE = 1_000

log = logging.getLogger(__name__)


class ReceiptsFile:
    """
    A copy of the ledger's receipts: one line for each settled batch.

    Lines are appended to a local file. Object storage can't append: there, a new object is written every few
    seconds. Its name is the name in the path, with the owner and a number before the suffix. A line may be
    written twice, but none is lost: a line that can't be written, or that a kill loses, is written later from
    the ledger's receipts.

    It is only a copy. If it can't be written, that is a warning and the delivery goes on.

    :param path: Where to write the lines.
    :param key: The task instance, noted in each line.
    :param owner: Name of this copy of the task.
    :param clock: Monotonic clock in seconds; for tests.
    """

    def __init__(
        self,
        path: ObjectStoragePath,
        key: DeliveryKey,
        owner: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._key = asdict(key)
        self._owner = owner
        self._clock = clock
        self._is_local = path.protocol in ("", "file")
        self._waiting: list[Receipt] = []
        self._next = clock() if self._is_local else clock() + OBJECT_SECONDS
        self._missing: int | None = None
        self._number = 0
        self._is_warned = False
        self._may_end_mid_line = True

    def __str__(self) -> str:
        return str(self._path)

    def add(self, receipts: Iterable[Receipt]) -> None:
        """
        Write receipts that the ledger has noted, at once or within a few seconds.

        :param receipts: Receipts of settled batches.
        """
        self._waiting.extend(receipts)
        if self._waiting and self._clock() >= self._next:
            self._write_waiting()

    def catch_up(self, receipts: Iterable[Receipt]) -> None:
        """
        Write receipts that an earlier try, or this one, may have left out.

        :param receipts: The ledger's receipts, beginning with the first one that may be missing.
        """
        try:
            settled = (receipt for receipt in receipts if receipt.state is not State.CLAIMED)
            while page := list(islice(settled, LINES_AT_ONCE)):
                self._append(page)
            self._missing = None
        except Exception as error:  # noqa: BLE001 - no error of the copy may change the delivery
            self._warn(error)

    def complete(self, receipts: Callable[[int], Iterator[Receipt]]) -> None:
        """
        Write all receipts that are still missing, at the end of a try.

        :param receipts: Reads the ledger's receipts, beginning with the batch of an index.
        """
        if (not self._waiting or self._write_waiting()) and self._missing is not None:
            first = self._missing
            self.catch_up(receipt for _ in (0,) for receipt in receipts(first))

    def _write_waiting(self) -> bool:
        waiting, self._waiting = self._waiting, []
        before, first = self._missing, min(receipt.index for receipt in waiting)
        # They count as missing until they are written, so that an interruption does not lose them.
        self._missing = first if before is None else min(before, first)
        try:
            self._append(waiting)
        except Exception as error:  # noqa: BLE001 - no error of the copy may change the delivery
            self._next = self._clock() + RETRY_SECONDS
            self._warn(error)
            return False
        self._missing = before
        self._next = self._clock() + (0.0 if self._is_local else OBJECT_SECONDS)
        return True

    def _append(self, receipts: Sequence[Receipt]) -> None:
        lines = "".join(
            json.dumps({**self._key, **asdict(receipt)}, ensure_ascii=False) + "\n" for receipt in receipts
        )
        path, mode = self._path, "ab"
        if self._is_local:
            path.parent.mkdir(parents=True, exist_ok=True)
            if self._may_end_mid_line and self._ends_mid_line():
                lines = "\n" + lines
            self._may_end_mid_line = True
        else:
            self._number += 1
            name = f"{path.stem}-{self._owner}-{self._number:06}{path.suffix}"
            path, mode = path.with_name(name), "wb"
        with path.open(mode) as file:
            file.write(lines.encode())
        self._may_end_mid_line = False

    def _ends_mid_line(self) -> bool:
        """Tell whether the last write was cut off, for example by a kill or a full disk."""
        if not self._path.exists() or not self._path.stat().st_size:
            return False
        with self._path.open("rb") as file:
            file.seek(-1, 2)
            return bool(file.read() != b"\n")

    def _warn(self, error: Exception) -> None:
        if not self._is_warned:
            self._is_warned = True
            log.warning(
                "Receipts can't be written to %s (%s: %s). The ledger has them and the delivery goes on. The "
                "missing receipts are written at its end, if that works by then",
                self._path,
                type(error).__name__,
                error,
            )
