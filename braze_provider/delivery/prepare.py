"""Read a source once, before the first request, to find every bad row and count all recipients."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import blake2b
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, get_args

from braze_provider.api import validation
from braze_provider.api.base import BrazeObject
from braze_provider.api.errors import MAX_PROBLEMS_SHOWN, BrazeError, BrazeValidationError, Problem
from braze_provider.delivery.report import RECIPIENT, plural
from braze_provider.delivery.stop import StoppedError
from braze_provider.recipients.base import RecipientSource
from braze_provider.recipients.blocks import BadRow
from braze_provider.recipients.columns import Columns

if TYPE_CHECKING:
    from braze_provider.api.objects.row import Row
    from braze_provider.delivery.batches import Line
    from braze_provider.delivery.spool import Spool
    from braze_provider.delivery.stop import StopSignal
    from braze_provider.recipients.blocks import Block

OnInvalid = Literal["fail", "skip"]

MAX_BAD_ROWS_NAMED = MAX_PROBLEMS_SHOWN


class TooManyRecipientsError(BrazeError):
    """The source has more recipients than ``max_recipients`` allows. Nothing was sent."""


@dataclass
class Prepared:
    """
    The result of reading the source.

    :param recipients: Number of distinct valid recipients, now in the spool.
    :param invalid: Number of invalid rows.
    :param duplicates: Number of rows whose recipient was in an earlier row.
    :param bad_rows: The first invalid rows, by number and reason.
    :param largest: Bytes of the largest recipient.
    :param unknown_fields: Fields of recipients that the model does not know, each once.
    """

    recipients: int = 0
    invalid: int = 0
    duplicates: int = 0
    bad_rows: list[Problem] = field(default_factory=list)
    largest: int = field(default=0, compare=False)
    unknown_fields: dict[str, None] = field(default_factory=dict, compare=False)


def prepare(
    source: RecipientSource,
    spool: Spool,
    row_model: type[Row],
    *,
    noun: str = RECIPIENT,
    on_invalid: OnInvalid = "fail",
    max_recipients: int | None = None,
    allow_duplicates: bool = False,
    max_size: int | None = None,
    allow_unknown_fields: bool = False,
    stop: StopSignal | None = None,
) -> Prepared:
    """
    Read, validate, deduplicate and count all recipients.

    :param source: Where the recipients come from.
    :param spool: Where they are kept until the delivery sends to them.
    :param row_model: The model of one row.
    :param noun: What errors call a row. Default ``recipient``.
    :param on_invalid: ``fail`` (default) after the whole source has been read, or ``skip`` bad rows.
    :param max_recipients: Fails if there are more recipients than this. Default: no limit.
    :param allow_duplicates: Keep all rows of a recipient instead of only the first. Default False.
    :param max_size: Bytes of one recipient at most: the room in one request. Default: no limit.
    :param allow_unknown_fields: Keep fields that the model does not know. Default False.
    :param stop: Ends the reading early, with an error.
    :raises BrazeValidationError: If rows are bad. Names the first fifty.
    :raises TooManyRecipientsError: If there are more than ``max_recipients``. Reading then stops.
    :raises StoppedError: If ``stop`` was requested.
    """
    result = Prepared()
    brake = look = math.inf if max_recipients is None else max_recipients

    def count_recipients() -> None:
        if not allow_duplicates:
            dropped = spool.drop_repeats(stop)
            result.recipients -= dropped
            result.duplicates += dropped
        if result.recipients > brake:
            raise TooManyRecipientsError(
                f"{source} has more than {brake:,} {plural(noun)} (max_recipients); nothing was sent"
            )

    judge = _Judge(
        row_model, max_size or sys.maxsize, result, spool, allow_unknown_fields=allow_unknown_fields
    )
    # The source is closed at once when reading stops early. The exception would keep its cursor open.
    with closing(source.blocks(columns_of(row_model, noun))) as blocks:
        for block in blocks:
            if stop is not None and stop.requested:
                raise StoppedError
            rows = judge.valid_rows(block)
            spool.add(rows)
            result.recipients += len(rows)
            if result.recipients > look:
                count_recipients()
                # Not counted after each block: there may be many more rows than recipients.
                look = max(brake, 2 * result.recipients)
    count_recipients()
    if result.invalid and on_invalid == "fail":
        raise BrazeValidationError(str(source), result.bad_rows, total=result.invalid)
    return result


class _Judge:
    """Tells recipients from invalid rows."""

    def __init__(
        self,
        model: type[Row],
        max_size: int,
        result: Prepared,
        spool: Spool,
        *,
        allow_unknown_fields: bool,
    ) -> None:
        from braze_provider.api.rows import RowWriter

        self._model = model
        self._writer = RowWriter(model, max_size)
        self._max_size = max_size
        self._result = result
        self._spool = spool
        self._allow_unknown_fields = allow_unknown_fields
        self._read = 0

    def valid_rows(self, block: Block) -> list[Line]:
        """Write the recipients of a block as JSON, in order, and note the invalid rows."""
        first = self._read + 1
        self._read += block.size
        rows: list[Line] = []
        others = list(block.others.items())
        for alike in block.alike:
            places, columns, indexes = alike
            written: list[Sequence[int]] = []
            # Rows with fields that the model does not know are judged one by one.
            parts = () if self._allow_unknown_fields else self._writer.write(places, columns)
            for numbers, identities, bodies in parts:
                whole = len(numbers) == len(indexes)
                row_numbers = map(first.__add__, indexes if whole else [indexes[n] for n in numbers])
                rows += zip(row_numbers, _digests(identities), bodies, strict=True)
                written.append(numbers)
                self._result.largest = max(self._result.largest, *map(len, bodies))
            if sum(map(len, written)) < len(indexes):
                left = set(range(len(indexes))).difference(*written)
                others += ((indexes[number], alike.recipient(number)) for number in left)
        for index, row in sorted(others, key=itemgetter(0)):
            rows += self._judge(first + index, row)
        rows.sort(key=itemgetter(0))
        return rows

    def _judge(self, number: int, row: Mapping[str, Any] | BadRow) -> Sequence[Line]:
        """Check one row with the model."""
        if isinstance(row, BadRow):
            return self._note(number, [Problem("", row.reason)], None)
        unknown = self._allow_unknown_fields
        try:
            recipient = validation.validate(self._model, row, allow_unknown_fields=unknown)
        except BrazeValidationError as error:
            return self._note(number, error.problems, row)
        if unknown:
            names = validation.unknown_fields(recipient)
            self._result.unknown_fields.update(dict.fromkeys(names))
        body = recipient.to_json()
        if len(body) > self._max_size:
            return self._note(number, [Problem("", f"{len(body):,} bytes are too many for a request")], row)
        self._result.largest = max(self._result.largest, len(body))
        (digest,) = _digests([recipient.identity()])
        return [(number, digest, body)]

    def _note(self, number: int, found: Sequence[Problem], row: Any) -> Sequence[Line]:
        result = self._result
        result.invalid += 1
        reasons = "; ".join(str(problem) for problem in found)
        if result.invalid <= MAX_BAD_ROWS_NAMED:
            result.bad_rows.append(Problem(f"row {number:,}", reasons))
        self._spool.add_invalid(number, reasons, _as_json(row))
        return ()


def columns_of(model: type[BrazeObject], noun: str = RECIPIENT) -> Columns:
    """
    Tell which columns a source may have for a model of a row.

    :param model: The model.
    :param noun: What errors call a row. Default ``recipient``.
    """
    fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
    return Columns(
        (*fields, *model.older_names),
        any_other=model.other_fields == "custom",
        inner={name: columns_of(inner, noun) for name, kind in fields.items() if (inner := _object_in(kind))},
        noun=noun,
    )


def _object_in(kind: Any) -> type[BrazeObject] | None:
    """Give the model that a field holds; None if it holds none."""
    kinds = (kind, *get_args(kind))
    return next((one for one in kinds if isinstance(one, type) and issubclass(one, BrazeObject)), None)


def _digests(identities: Sequence[str]) -> list[bytes]:
    digests = []
    # To copy a digest takes half as long as to make a new one.
    new = blake2b(digest_size=16).copy
    for identity in identities:
        digest = new()
        digest.update(identity.encode())
        digests.append(digest.digest())
    return digests


def _as_json(row: Any) -> bytes | None:
    # An invalid row may hold anything. Dates become text, and a row that can't be written is left out.
    try:
        return json.dumps(row, default=str).encode() if isinstance(row, dict) else None
    except (ValueError, TypeError, RecursionError):
        return None
