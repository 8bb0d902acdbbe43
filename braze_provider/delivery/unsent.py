"""Write the recipients that were not sent to as JSON lines, for the next task or a person."""

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
from braze_provider.delivery.report import RECIPIENT, DeliveryReport, is_sent, plural
from braze_provider.delivery.resume import IN_DOUBT
from braze_provider.ledger.base import DeliveryKey, Ledger, Receipt, State
from braze_provider.recipients.files import UNSENT_KEY

if TYPE_CHECKING:
    from braze_provider._compat import ObjectStoragePath
    from braze_provider.delivery.spool import Spool

MAX_HELD_NAMED = 5
NOT_REACHED = "the delivery ended before it reached this batch"
NO_OUTCOME = "its outcome is not known: the try that claimed it was cut off"

log = logging.getLogger(__name__)


class UnsentBatch(NamedTuple):
    """
    A batch that was not sent, or may not have been.

    :param batch: The batch.
    :param state: Uncertain, rejected or failed.
    :param reason: Why it was not sent.
    """

    batch: Batch
    state: State
    reason: str


def unsent_batches(batches: Iterable[Batch], receipts: Iterator[Receipt]) -> Iterator[UnsentBatch]:
    """
    Tell which batches are not sent, in order.

    :param batches: The batches of this try, in order.
    :param receipts: The ledger's receipts, in order.
    """
    receipt = next(receipts, None)
    for batch in batches:
        while receipt is not None and receipt.index < batch.index:
            receipt = next(receipts, None)
        # A receipt of a batch that was not sent may be about other recipients.
        if receipt is None or (receipt.index, receipt.fingerprint) != (batch.index, batch.fingerprint):
            yield UnsentBatch(batch, State.FAILED, NOT_REACHED)
        elif receipt.state is not State.SENT:
            state = State.UNCERTAIN if receipt.state in IN_DOUBT else receipt.state
            reason = receipt.reason or (NO_OUTCOME if state is State.UNCERTAIN else NOT_REACHED)
            yield UnsentBatch(batch, state, reason.removeprefix(f"{batch}: "))


class Unsent:
    """
    Lists the recipients that were not sent to, at the end of a try.

    :param ledger: The ledger of the delivery.
    :param file: The file with a line for each of these recipients; None if it is not wanted.
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
        Write the file of recipients that were not sent to, if it is wanted.

        :param report: The figures of the try.
        :param spool: The recipients; None for a broadcast.
        :param batches: Cuts them into the batches of this try.
        :param first: Index of the first of these batches. Earlier batches are of another source.
        :return: A sentence that says where these recipients are listed; None if they are not listed.
        """
        if spool is None:
            return None

        def unsent() -> Iterator[UnsentBatch]:
            if report.rejected or report.uncertain or report.failed:
                yield from unsent_batches(batches(), self._ledger.receipts())

        def of_another_source() -> set[int]:
            before = takewhile(lambda one: one.index < first, self._ledger.receipts())
            return {one.index for one in before if one.state in IN_DOUBT}

        if self._file is not None and self._file.rewrite(
            unsent(), spool.invalid(), kept=of_another_source, noun=report.noun
        ):
            return f"These {plural(report.noun)}, with row, state and reason, are in {self._file}"
        try:
            held = (one.batch for one in unsent() if one.state is State.UNCERTAIN)
            named = ", ".join(str(batch) for batch in islice(held, MAX_HELD_NAMED))
        except Exception:  # noqa: BLE001 - the text is only a hint where to look
            return None
        return f"In doubt: {named}" if named else None

    def write_invalid(self, spool: Spool) -> None:
        """
        Write the invalid rows, if nothing else is known yet.

        :param spool: Holds the invalid rows.
        """
        if self._file is None:
            return
        try:
            is_on_record = next(self._ledger.receipts(), None) is not None
        except Exception:  # noqa: BLE001 - the caller raises an error about the invalid rows
            is_on_record = True
        # The lines of an earlier try about its recipients are worth more than these.
        if not is_on_record and next(spool.invalid(), None):
            self._file.rewrite((), spool.invalid())


class UnsentFile:
    """
    A file with a line for each recipient that a delivery has not sent to, or may not have sent to.

    A line is the recipient as Braze gets it, with one more key. The key says the row, the batch, the state
    and the reason; :class:`~braze_provider.recipients.files.FileRecipients` leaves it out. The recipients'
    data is in clear text on purpose. Only its owner can read a local file.

    It is only a copy. If it can't be written, that is a warning, and the delivery ends as it would have.

    :param path: Where to write the lines.
    :param key: The task instance, noted in each line. A file of another task instance is left as it is.
    """

    def __init__(self, path: ObjectStoragePath, key: DeliveryKey) -> None:
        self._path = path
        self._key = asdict(key)
        self._local = Path(path.path) if path.protocol in ("", "file") else None

    def __str__(self) -> str:
        return str(self._path)

    def rewrite(
        self,
        batches: Iterable[UnsentBatch],
        invalid: Iterable[tuple[int, str, bytes | None]],
        *,
        kept: Callable[[], Collection[int]] = frozenset,
        noun: str = RECIPIENT,
    ) -> bool:
        """
        Replace the file of an earlier try. If there are no lines to write, remove it.

        :param batches: Batches that were not sent. They are read while they are written.
        :param invalid: Invalid rows: number, reason, and the row's content.
        :param kept: Gives the indexes of batches whose lines from an earlier try stay. Default: none.
        :param noun: What texts call a recipient. Default ``recipient``.
        :return: Whether the file exists and names all of these recipients.
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
        except Exception as error:  # noqa: BLE001 - no error here may change how the delivery ends
            log.warning(
                "The %s that were not %s can't be written to %s (%s: %s)",
                plural(noun),
                is_sent(noun),
                self,
                type(error).__name__,
                error,
            )
        return False

    def _is_there(self) -> bool:
        """Tell whether an earlier try has left a file."""
        if not self._path.exists():
            return False
        with self._path.open("rb") as file:
            note = _note(file.readline())
        if {name: note.get(name) for name in self._key} != self._key:
            raise BrazeError(
                "a file of another task instance is there, and it is left as it is: use run_id and "
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

    def _of_batch(self, one: UnsentBatch) -> Iterator[bytes]:
        batch, state, reason = one
        for row, body in zip(batch.numbers, batch.rows, strict=True):
            yield self._line(body, row, batch.index + 1, state.value, reason)

    def _line(self, body: bytes | None, row: int, batch: int | None, state: str, reason: str | None) -> bytes:
        note = {"row": row, "batch": batch, "state": state, "reason": reason, **self._key}
        fields = [part for part in ((body or b"{}")[1:-1], _member(note)) if part]
        return b"{" + b",".join(fields) + b"}\n"

    def _write(self, lines: Iterable[bytes]) -> None:
        if self._local is None:
            # Write to a local temporary file first: a write that is cut off must not replace the old file.
            with TemporaryFile() as file:
                file.writelines(lines)
                file.seek(0)
                with self._path.open("wb") as target:
                    shutil.copyfileobj(file, target)
            return
        self._local.parent.mkdir(parents=True, exist_ok=True)
        part = self._local.with_name(f".{self._local.name}.part")
        part.unlink(missing_ok=True)  # A killed try has left it, or another user has made it to read it.
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
    """Read the note in a line, besides the recipient. It is empty if this class has not written the line."""
    try:
        note = json.loads(line)[UNSENT_KEY]
    except (ValueError, KeyError, TypeError):
        return {}
    return note if isinstance(note, dict) else {}
