"""Who was not sent to, as JSON lines: for the next task or a person to take up."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import chain, islice, takewhile
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, NamedTuple

from braze_provider.api.errors import BrazeError
from braze_provider.delivery.batches import Batch
from braze_provider.delivery.report import DeliveryReport
from braze_provider.delivery.resume import IN_DOUBT
from braze_provider.ledger.base import DeliveryKey, Ledger, Receipt, State
from braze_provider.recipients.files import UNSENT_KEY

if TYPE_CHECKING:
    from braze_provider._compat import ObjectStoragePath
    from braze_provider.delivery.spool import Spool

MAX_HELD_NAMED = 5
NOT_REACHED = "the delivery ended before it came to this batch"
NO_OUTCOME = "its outcome is not known: the try that was to send it was cut off"

log = logging.getLogger(__name__)


class Left(NamedTuple):
    """
    A batch that was not sent, as far as is known.

    :param batch: The batch.
    :param state: In doubt, rejected or failed.
    :param reason: Why.
    """

    batch: Batch
    state: State
    reason: str


def left(batches: Iterable[Batch], receipts: Iterator[Receipt]) -> Iterator[Left]:
    """
    Tell which batches are not sent, in the order of both.

    :param batches: The batches of this try.
    :param receipts: The ledger's receipts.
    """
    receipt = next(receipts, None)
    for batch in batches:
        while receipt is not None and receipt.index < batch.index:
            receipt = next(receipts, None)
        # What reached nobody may have been about other people.
        if receipt is None or (receipt.index, receipt.fingerprint) != (batch.index, batch.fingerprint):
            yield Left(batch, State.FAILED, NOT_REACHED)
        elif receipt.state is not State.SENT:
            state = State.UNCERTAIN if receipt.state in IN_DOUBT else receipt.state
            reason = receipt.reason or (NO_OUTCOME if state is State.UNCERTAIN else NOT_REACHED)
            yield Left(batch, state, reason.removeprefix(f"{batch}: "))


class Unsent:
    """
    Tells at the end of a try who was not sent to.

    :param ledger: The ledger of the delivery.
    :param file: Where each of these people gets a line; None where that is not wanted.
    """

    def __init__(self, ledger: Ledger, file: UnsentFile | None) -> None:
        self._ledger = ledger
        self._file = file

    @property
    def is_wanted(self) -> bool:
        """Whether there is a file to write."""
        return self._file is not None

    def write(
        self,
        report: DeliveryReport,
        spool: Spool | None,
        batches: Callable[[], Iterator[Batch]],
        *,
        first: int = 0,
    ) -> str | None:
        """
        Write who was not sent to, if it is wanted.

        :param report: The figures of the try.
        :param spool: The people; None for a broadcast.
        :param batches: Cuts them into the batches of this try.
        :param first: Index of the first of these batches; those before it are of another source.
        :return: Where a person finds who they are, as a sentence; None if nowhere.
        """
        if spool is None:
            return None

        def unsent() -> Iterator[Left]:
            if report.rejected or report.uncertain or report.failed:
                yield from left(batches(), self._ledger.receipts())

        def of_another_source() -> set[int]:
            before = takewhile(lambda one: one.index < first, self._ledger.receipts())
            return {one.index for one in before if one.state in IN_DOUBT}

        if self._file is not None and self._file.rewrite(unsent(), spool.invalid(), kept=of_another_source):
            return f"Who they are, with row, state and reason: {self._file}"
        try:
            held = (one.batch for one in unsent() if one.state is State.UNCERTAIN)
            named = ", ".join(str(batch) for batch in islice(held, MAX_HELD_NAMED))
        except Exception:  # noqa: BLE001 - it only says where to look
            return None
        return f"In doubt: {named}" if named else None

    def write_invalid(self, spool: Spool) -> None:
        """
        Write which rows are no recipients, where nothing else can be said yet.

        :param spool: Holds the invalid rows.
        """
        if self._file is None:
            return
        try:
            is_on_record = next(self._ledger.receipts(), None) is not None
        except Exception:  # noqa: BLE001 - what is to be raised are the invalid rows
            is_on_record = True
        # What an earlier try wrote about its people counts for more than this.
        if not is_on_record and next(spool.invalid(), None):
            self._file.rewrite((), spool.invalid())


class UnsentFile:
    """
    A file with a line for each person whom a delivery has not sent to, as far as is known.

    A line is the recipient as Braze has it. One more key, which
    :class:`~braze_provider.recipients.files.FileRecipients` leaves out, says which row it was, in which
    batch, what became of it and why. People are in it in clear, on purpose; a local file is its owner's
    alone.

    It is a copy only. A file that can't be written is a warning, and the delivery ends as it would have.

    :param path: Where the lines go.
    :param key: The task instance, noted in each line. The file of another one is left as it is.
    """

    def __init__(self, path: ObjectStoragePath, key: DeliveryKey) -> None:
        self._path = path
        self._key = asdict(key)
        self._local = Path(path.path) if path.protocol in ("", "file") else None

    def __str__(self) -> str:
        return str(self._path)

    def rewrite(
        self,
        batches: Iterable[Left],
        invalid: Iterable[tuple[int, str, bytes | None]],
        *,
        kept: Callable[[], Collection[int]] = frozenset,
    ) -> bool:
        """
        Write who is left, in place of what an earlier try wrote; remove the file if nobody is.

        :param batches: Batches that were not sent. Read as they are written.
        :param invalid: Rows that are no recipients: number, reason, and what the row holds.
        :param kept: Gives the indexes of batches whose lines of an earlier try stay. Default: none.
        :return: Whether the file is there and names all of them.
        """
        try:
            is_there = self._is_there()
            lines = chain(
                self._kept(kept()) if is_there else (),
                chain.from_iterable(map(self._of_batch, batches)),
                (self._line(body, row, None, "invalid", reason) for row, reason, body in invalid),
            )
            first = next(lines, None)
            if first is not None:
                self._write(chain([first], lines))
                return True
            if is_there:
                self._path.unlink()
        except Exception as error:  # noqa: BLE001 - whatever it is, the delivery ends as it would have
            log.warning(
                "Who was not sent to can't be written to %s (%s: %s)", self, type(error).__name__, error
            )
        return False

    def _is_there(self) -> bool:
        """Tell whether there is a file of an earlier try."""
        if not self._path.exists():
            return False
        with self._path.open("rb") as file:
            note = _note(file.readline())
        if {name: note.get(name) for name in self._key} != self._key:
            raise BrazeError(
                "there is a file that is not of this task instance, and it is left as it is: name run_id and "
                "ti.map_index in unsent_path"
            )
        return True

    def _kept(self, indexes: Collection[int]) -> Iterator[bytes]:
        if not indexes:
            return
        with self._path.open("rb") as file:
            for line in iter(file.readline, b""):
                if _note(line).get("batch", 0) - 1 in indexes:
                    yield line

    def _of_batch(self, one: Left) -> Iterator[bytes]:
        batch, state, reason = one
        for row, body in zip(batch.numbers, batch.rows, strict=True):
            yield self._line(body, row, batch.index + 1, state.value, reason)

    def _line(self, body: bytes | None, row: int, batch: int | None, state: str, reason: str | None) -> bytes:
        note = {"row": row, "batch": batch, "state": state, "reason": reason, **self._key}
        fields = [part for part in ((body or b"{}")[1:-1], _member(note)) if part]
        return b"{" + b",".join(fields) + b"}\n"

    def _write(self, lines: Iterable[bytes]) -> None:
        if self._local is None:
            # First to a local file without a name: a write that is cut off replaces nothing.
            with TemporaryFile() as file:
                file.writelines(lines)
                file.seek(0)
                with self._path.open("wb") as target:
                    shutil.copyfileobj(file, target)
            return
        self._local.parent.mkdir(parents=True, exist_ok=True)
        part = self._local.with_name(f".{self._local.name}.part")
        part.unlink(missing_ok=True)  # Of a try that was killed, or somebody's who may read it.
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.writelines(lines)
            part.replace(self._local)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


def _member(note: Mapping[str, Any]) -> bytes:
    return json.dumps({UNSENT_KEY: note}).encode()[1:-1]


def _note(line: bytes) -> dict[str, Any]:
    """Read what a line says besides the recipient; nothing, if it is none of ours."""
    try:
        note = json.loads(line)[UNSENT_KEY]
    except (ValueError, KeyError, TypeError):
        return {}
    return note if isinstance(note, dict) else {}
