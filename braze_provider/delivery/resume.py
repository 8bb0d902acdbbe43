"""What an earlier try left, compared with the batches of this one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from braze_provider.api.errors import BrazeError
from braze_provider.delivery.batches import Batch, Envelope
from braze_provider.delivery.opening import Attempt
from braze_provider.delivery.sender import OnUncertain
from braze_provider.delivery.spool import Spool
from braze_provider.ledger.base import AuditLedger, Ledger, Receipt, State

IN_DOUBT = (State.CLAIMED, State.UNCERTAIN)
"""A claim without an outcome is a batch that Braze may have: whoever claimed it is gone."""


class SourceChangedError(BrazeError):
    """
    The delivery is another one than at an earlier try. Nothing was sent in this try.

    :param what: What differs, as the beginning of a sentence.
    """

    def __init__(self, what: str) -> None:
        self._what = what[0].upper() + what[1:]
        super().__init__(self._text())

    def add_figures(self, now: int, sent: int, in_doubt: int) -> None:
        """
        Say how many people are concerned.

        :param now: Recipients that the source names now.
        :param sent: People who were sent to, by the record.
        :param in_doubt: People in doubt, by the record.
        """
        doubt = f" and {in_doubt:,} in doubt" if in_doubt else ""
        figures = f" The source names {now:,} recipients now; {sent:,} were sent to{doubt}."
        self.args = (self._text(figures),)

    def _text(self, figures: str = "") -> str:
        return (
            f"{self._what}: the source, the campaign or the audience has changed since, or a mapped list has "
            f"expanded differently.{figures} Nothing was sent now. Restore it, or clear the task with "
            "resend=True to start over with everybody, also with those who were sent to"
        )


class Past(NamedTuple):
    """
    What earlier tries have settled.

    :param sent: People who were sent to; for a broadcast, its request.
    :param in_doubt: People whom Braze may have been told to send to.
    """

    sent: int = 0
    in_doubt: int = 0


@dataclass(frozen=True)
class Planned:
    """
    A batch that this try settles.

    :param batch: The batch.
    :param again: Whether the ledger holds a receipt for it, to be replaced.
    :param in_doubt: Whether Braze may have it from an earlier try.
    :param accept: Whether it is taken for sent instead of being sent.
    """

    batch: Batch
    again: bool = False
    in_doubt: bool = False
    accept: bool = False


def verify(batches: Iterable[Batch], receipts: Iterator[Receipt], *, finished: bool = False) -> Past:
    """
    Check, before anything is sent, that the batches are those that the ledger knows.

    Only what was sent or is in doubt binds. A batch that reached nobody may be another one now: nobody in it
    can be sent to twice.

    :param batches: The batches of this try, in order.
    :param receipts: The ledger's receipts, in order.
    :param finished: Whether they must be all of them. Default False: further batches may follow.
    :return: What is settled already.
    :raises SourceChangedError: If the source has changed; names the first batch that differs.
    """
    sent = in_doubt = 0
    binding = (one for one in receipts if one.state is State.SENT or one.state in IN_DOUBT)
    receipt = next(binding, None)
    for batch in batches:
        is_new = receipt is None or receipt.index != batch.index
        if is_new and finished:
            raise SourceChangedError(f"{batch} was not there at an earlier try")
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
        raise SourceChangedError(f"batch {receipt.index + 1} of an earlier try is no more")
    return Past(sent, in_doubt)


def plan(
    batches: Iterable[Batch], receipts: Iterator[Receipt], on_uncertain: OnUncertain
) -> Iterator[Planned]:
    """
    Tell which batches this try settles: those that are open, and those in doubt if the user has decided.

    :param batches: The batches of this try, verified.
    :param receipts: The ledger's receipts, in order.
    :param on_uncertain: What the user wants done about those in doubt.
    """
    receipt = next(receipts, None)
    for batch in batches:
        if receipt is None or receipt.index != batch.index:
            yield Planned(batch)
            continue
        state = receipt.state
        receipt = next(receipts, None)
        if state in IN_DOUBT:
            if on_uncertain != "hold":
                yield Planned(batch, again=True, in_doubt=True, accept=on_uncertain == "accept")
        elif state is not State.SENT:
            yield Planned(batch, again=True)


def tally(receipts: Iterable[Receipt]) -> tuple[Past, int]:
    """
    Count what is on record, whoever the source names now.

    :param receipts: The ledger's receipts.
    :return: What is settled, and the index after the last batch on record.
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
    Plan for a source that has changed: what is on record stays, whoever is in none of it is sent to.

    :param ledger: Has to keep who was in each batch.
    :param envelope: What the batches share.
    :param spool: This try's recipients; those who are on record are taken out of it.
    :param on_uncertain: What the user wants done about those in doubt.
    :return: What is settled, the batches of this try, and the index of the first one that is new.
    :raises SourceChangedError: If the campaign or audience is another one, or the people in doubt can't be
        found.
    """
    if not isinstance(ledger, AuditLedger) or not ledger.keeps_people:
        raise BrazeError("on_source_change='send_rest' needs a ledger in a SQL database (ledger_conn_id)")
    past, following = tally(ledger.receipts())
    if past.in_doubt and on_uncertain == "resend":
        raise SourceChangedError(
            f"on_uncertain='resend' can't find the {past.in_doubt:,} recipients in doubt in another source"
        )
    purpose = ledger.keyed(envelope.purpose)
    if not spool.drop_settled(ledger.settled_people(), ledger.keyed, marker=purpose) and any(past):
        raise SourceChangedError("The campaign, segment or audience is another one")
    in_doubt = _accepted(ledger.receipts()) if on_uncertain == "accept" else ()
    return past, chain(in_doubt, map(Planned, envelope.cut(spool, first=following))), following


def _accepted(receipts: Iterable[Receipt]) -> Iterator[Planned]:
    for receipt in receipts:
        if receipt.state in IN_DOUBT:
            # Its people are counted and not read: nothing is sent.
            batch = Batch(receipt.index, (b"",) * receipt.recipients, receipt.fingerprint)
            yield Planned(batch, again=True, in_doubt=True, accept=True)


def check_other_places(ledger: Ledger, attempt: Attempt, first: Batch | None) -> None:
    """
    Check that a new place of a mapped list is not an old one that has moved.

    :param ledger: Only one in a SQL database can tell.
    :param attempt: Which run of the task's code this is.
    :param first: The first batch; None if there is none.
    :raises SourceChangedError: If another place of the list has sent it before the Dag run was started again.
    """
    if first is None or not attempt.mapped or not attempt.run_started_at:
        return
    if isinstance(ledger, AuditLedger):
        place = ledger.found_elsewhere(
            first.fingerprint, before=attempt.run_started_at, clear_number=attempt.clear_number
        )
        if place is not None:
            raise SourceChangedError(f"{first} is one that map index {place} of this task has sent")
