"""Compare the receipts of earlier tries with the batches of this one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from braze_provider.api.errors import BrazeError
from braze_provider.delivery.batches import Batch, Envelope
from braze_provider.delivery.opening import Try
from braze_provider.delivery.report import RECIPIENT, counted, is_sent, plural
from braze_provider.delivery.sender import OnUncertain
from braze_provider.delivery.spool import Spool
from braze_provider.ledger.base import AuditLedger, Ledger, Receipt, State

IN_DOUBT = (State.CLAIMED, State.UNCERTAIN)
"""A claim of an earlier try is in doubt: the copy that claimed the batch is gone, and Braze may have it."""


class SourceChangedError(BrazeError):
    """
    Nothing was sent in this try: its delivery is not the one of an earlier try.

    :param what: The difference, as the beginning of a sentence.
    """

    def __init__(self, what: str) -> None:
        self._what = what[0].upper() + what[1:]
        self._figures: tuple[int, int, int] | None = None
        self.noun = RECIPIENT
        """What the text calls a recipient."""
        super().__init__(what)

    def add_figures(self, now: int, sent: int, in_doubt: int) -> None:
        """
        Say how many recipients are concerned.

        :param now: Recipients that the source names now.
        :param sent: Recipients that were sent to, by the record.
        :param in_doubt: Recipients in doubt, by the record.
        """
        self._figures = now, sent, in_doubt

    def __str__(self) -> str:
        rows, verb, figures = plural(self.noun), is_sent(self.noun), ""
        if self._figures is not None:
            now, sent, in_doubt = self._figures
            doubt = f" and {in_doubt:,} in doubt" if in_doubt else ""
            figures = f" The source names {counted(now, self.noun)} now; {sent:,} were {verb}{doubt}."
        return (
            f"{self._what}: the source, the campaign or the audience has changed since, or a mapped list has "
            f"expanded differently.{figures} Nothing was sent now. Restore it, or clear the task with "
            f"resend=True to start over with all {rows}, also with those that were {verb}"
        )


class Past(NamedTuple):
    """
    The figures of earlier tries.

    :param sent: Recipients that were sent to; 1 for a broadcast.
    :param in_doubt: Recipients in doubt; 1 for a broadcast.
    """

    sent: int = 0
    in_doubt: int = 0


@dataclass(frozen=True)
class Planned:
    """
    A batch that this try settles.

    :param batch: The batch.
    :param again: Whether to replace a receipt that the ledger holds for it.
    :param in_doubt_since: Since when an earlier try may have sent it; None if no earlier try can have.
    :param accept: Whether to count it as sent instead of sending it.
    """

    batch: Batch
    again: bool = False
    in_doubt_since: str | None = None
    accept: bool = False


def verify(batches: Iterable[Batch], receipts: Iterator[Receipt], *, finished: bool = False) -> Past:
    """
    Check, before anything is sent, that the batches are the ones that the ledger knows.

    Only batches that were sent or are in doubt must be the same. A batch that was not sent may have changed:
    none of its recipients can be sent to twice.

    :param batches: The batches of this try, in order.
    :param receipts: The ledger's receipts, in order.
    :param finished: Whether the ledger must know all of the batches. Default False: new batches may follow.
    :return: The figures of earlier tries.
    :raises SourceChangedError: If the source has changed. The error names the first batch that differs.
    """
    sent = in_doubt = 0
    binding = (one for one in receipts if one.state is State.SENT or one.state in IN_DOUBT)
    receipt = next(binding, None)
    for batch in batches:
        is_new = receipt is None or receipt.index != batch.index
        if is_new and finished:
            raise SourceChangedError(f"{batch} did not exist at an earlier try")
        if receipt is None:
            break
        if is_new:
            continue
        if receipt.fingerprint != batch.fingerprint:
            raise SourceChangedError(f"{batch} is not the one of an earlier try")
        if receipt.state is State.SENT:
            sent += batch.weight
        else:
            in_doubt += batch.weight
        receipt = next(binding, None)
    if receipt is not None:
        raise SourceChangedError(f"batch {receipt.index + 1} of an earlier try does not exist any more")
    return Past(sent, in_doubt)


def plan(
    batches: Iterable[Batch],
    receipts: Iterator[Receipt],
    on_uncertain: Callable[[Batch, Receipt], OnUncertain],
) -> Iterator[Planned]:
    """
    Tell which batches this try settles: open batches, and those in doubt unless they stay held.

    :param batches: The batches of this try, verified.
    :param receipts: The ledger's receipts, in order.
    :param on_uncertain: Says what to do about a batch in doubt.
    """
    receipt = next(receipts, None)
    for batch in batches:
        if receipt is None or receipt.index != batch.index:
            yield Planned(batch)
            continue
        earlier = receipt
        receipt = next(receipts, None)
        if earlier.state in IN_DOUBT:
            choice = on_uncertain(batch, earlier)
            if choice != "hold":
                yield Planned(batch, again=True, in_doubt_since=earlier.at, accept=choice == "accept")
        elif earlier.state is not State.SENT:
            yield Planned(batch, again=True)


def tally(receipts: Iterable[Receipt]) -> tuple[Past, int]:
    """
    Count the recipients on record, without regard to the present source.

    :param receipts: The ledger's receipts.
    :return: The figures, and the index after the last batch on record.
    """
    sent = in_doubt = following = 0
    for receipt in receipts:
        following = receipt.index + 1
        if receipt.state is State.SENT:
            sent += receipt.recipients
        elif receipt.state in IN_DOUBT:
            in_doubt += receipt.recipients
    return Past(sent, in_doubt), following


def plan_rest(
    ledger: Ledger, envelope: Envelope, spool: Spool, on_uncertain: OnUncertain
) -> tuple[Past, Iterator[Planned], int]:
    """
    Plan for a source that has changed: leave batches on record alone, and send to all other recipients.

    :param ledger: The ledger, which must keep the recipients of each batch.
    :param envelope: The part of the requests that all batches share.
    :param spool: This try's recipients. Those on record are removed from it.
    :param on_uncertain: What to do about batches in doubt.
    :return: The figures of earlier tries, the batches of this try, and the index of the first new batch.
    :raises SourceChangedError: If the campaign or audience is another one, or if recipients in doubt are to
        be sent to again: their data can't be found.
    """
    if not isinstance(ledger, AuditLedger) or not ledger.keeps_recipients:
        raise BrazeError("on_source_change='send_rest' needs a ledger in a SQL database (ledger_conn_id)")
    past, following = tally(ledger.receipts())
    if past.in_doubt and on_uncertain == "resend":
        raise SourceChangedError(
            f"on_uncertain='resend' can't find the {counted(past.in_doubt, envelope.noun)} in doubt in "
            "another source"
        )
    purpose = ledger.keyed(envelope.purpose)
    if not spool.drop_settled(ledger.settled_recipients(), ledger.keyed, marker=purpose) and any(past):
        raise SourceChangedError("The campaign, segment or audience is another one")
    in_doubt = _accepted(ledger.receipts()) if on_uncertain == "accept" else ()
    return past, chain(in_doubt, map(Planned, envelope.cut(spool, first=following))), following


def _accepted(receipts: Iterable[Receipt]) -> Iterator[Planned]:
    for receipt in receipts:
        if receipt.state in IN_DOUBT:
            # Its recipients are only counted, not read: nothing is sent.
            batch = Batch(receipt.index, (b"",) * receipt.recipients, receipt.fingerprint)
            yield Planned(batch, again=True, in_doubt_since=receipt.at, accept=True)


def check_other_map_indexes(ledger: Ledger, this_try: Try, first: Batch | None) -> None:
    """
    Check that a new group of a mapped list is not an old group that has moved to another map index.

    :param ledger: The ledger. Only a SQL ledger can tell.
    :param this_try: This run of the task's code.
    :param first: The first batch; None if there is none.
    :raises SourceChangedError: If another map index has sent the batch before the Dag run was started again.
    """
    if first is None or not this_try.mapped or not this_try.run_started_at:
        return
    if isinstance(ledger, AuditLedger):
        map_index = ledger.found_elsewhere(
            first.fingerprint, before=this_try.run_started_at, clear_number=this_try.clear_number
        )
        if map_index is not None:
            raise SourceChangedError(f"{first} was sent by map index {map_index} of this task")
