"""Read a source once, before the first request: every bad row is known, everybody is counted."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from braze_provider.api import validation
from braze_provider.api.errors import MAX_PROBLEMS_SHOWN, BrazeError, BrazeValidationError, Problem
from braze_provider.delivery.stop import StoppedError
from braze_provider.recipients.base import BadRow, RecipientSource

if TYPE_CHECKING:
    from braze_provider.delivery.batches import Row
    from braze_provider.delivery.spool import Spool
    from braze_provider.delivery.stop import StopSignal

OnInvalid = Literal["fail", "skip"]

MAX_BAD_ROWS_NAMED = MAX_PROBLEMS_SHOWN
ROWS_PER_INSERT = 2_000


class TooManyRecipientsError(BrazeError):
    """The source has more recipients than ``max_recipients`` allows. Nothing was sent."""


@dataclass
class Prepared:
    """
    What reading the source found.

    :param recipients: Distinct valid recipients, now in the spool.
    :param invalid: Rows that are no recipients.
    :param duplicates: Rows of people who had been there before.
    :param bad_rows: The first of the invalid rows, by number and reason.
    :param largest: No recipient takes more bytes than this.
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
    recipient_model: Any,
    *,
    on_invalid: OnInvalid = "fail",
    max_recipients: int | None = None,
    allow_duplicates: bool = False,
    max_size: int | None = None,
    allow_unknown_fields: bool = False,
    stop: StopSignal | None = None,
) -> Prepared:
    """
    Read, validate, deduplicate and count all recipients.

    :param source: Where they come from.
    :param spool: Where they are kept until they are sent to.
    :param recipient_model: The model of one recipient.
    :param on_invalid: ``fail`` (default) after the whole source has been read, or ``skip`` bad rows.
    :param max_recipients: The brake: more recipients than this fail. Default: no limit.
    :param allow_duplicates: Keep each row of a person instead of only the first. Default False.
    :param max_size: Bytes of one recipient at most, which is what a request has room for. Default: no limit.
    :param allow_unknown_fields: Keep fields that the model does not know. Default False.
    :param stop: Ends the reading early, with an error.
    :raises BrazeValidationError: For bad rows, all of them named up to fifty.
    :raises TooManyRecipientsError: If there are more than ``max_recipients``; reading does not go on then.
    :raises StoppedError: If it was stopped.
    """
    result = Prepared()
    brake = look = math.inf if max_recipients is None else max_recipients

    def count_people() -> None:
        if not allow_duplicates:
            dropped = spool.drop_repeats(stop)
            result.recipients -= dropped
            result.duplicates += dropped
        if result.recipients > brake:
            raise TooManyRecipientsError(
                f"{source} has more than {brake:,} recipients (max_recipients); nothing was sent"
            )

    # Closed at once when reading stops early: the exception would keep the source's cursor open.
    with closing(
        _serialised(source, recipient_model, max_size or sys.maxsize, result, spool, allow_unknown_fields)
    ) as rows:
        while chunk := list(islice(rows, ROWS_PER_INSERT)):
            if stop is not None and stop.requested:
                raise StoppedError
            spool.add(chunk)
            result.recipients += len(chunk)
            if result.recipients > look:
                count_people()
                # Not at each chunk from here on, where there are many more rows than people.
                look = max(brake, 2 * result.recipients)
    count_people()
    if result.invalid and on_invalid == "fail":
        raise BrazeValidationError(str(source), result.bad_rows, total=result.invalid)
    return result


def _serialised(
    source: RecipientSource,
    model: Any,
    max_size: int,
    result: Prepared,
    spool: Spool,
    allow_unknown_fields: bool,
) -> Generator[Row, None, None]:
    from pydantic import ValidationError

    def validate_as_it_is(row: Any) -> Any:
        recipient = validation.validate(model, row, allow_unknown_fields=True)
        result.unknown_fields.update(dict.fromkeys(validation.unknown_fields(recipient)))
        return recipient

    # The validator and the serialiser themselves: what is around them costs, a million times.
    validate = validate_as_it_is if allow_unknown_fields else model.__pydantic_validator__.validate_python
    to_json = model.__pydantic_serializer__.to_json
    largest = 0
    for number, row in enumerate(source.recipients(tuple(model.model_fields)), start=1):
        if type(row) is BadRow:
            _note(result, spool, number, [Problem("", row.reason)], None)
            continue
        try:
            recipient = validate(row)
        except (ValidationError, BrazeValidationError):
            found = validation.problems(model, row, allow_unknown_fields=allow_unknown_fields)
            _note(result, spool, number, found, row)
            continue
        body = to_json(recipient, by_alias=True, exclude_unset=True)
        if len(body) > largest:
            if len(body) > max_size:
                problem = Problem("", f"{len(body):,} bytes are too many for one request")
                _note(result, spool, number, [problem], row)
                continue
            largest = result.largest = len(body)
        yield number, blake2b(recipient.identity().encode(), digest_size=16).digest(), body


def _note(result: Prepared, spool: Spool, number: int, found: Sequence[Problem], row: Any) -> None:
    result.invalid += 1
    reasons = "; ".join(str(problem) for problem in found)
    if result.invalid <= MAX_BAD_ROWS_NAMED:
        result.bad_rows.append(Problem(f"row {number:,}", reasons))
    spool.add_invalid(number, reasons, _as_json(row))


def _as_json(row: Any) -> bytes | None:
    # An invalid row may hold anything: dates will do as text, and what can't be written is left out.
    try:
        return json.dumps(row, default=str).encode() if isinstance(row, dict) else None
    except (ValueError, TypeError, RecursionError):
        return None
