"""What an earlier try left, held against the batches of this one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from braze_provider.api.errors import BrazeError
from braze_provider.delivery.batches import Batch
from braze_provider.delivery.ledger.base import Receipt, State
from braze_provider.delivery.sender import OnUncertain

IN_DOUBT = (State.CLAIMED, State.UNCERTAIN)
"""A claim without an outcome is a batch that Braze may have: whoever claimed it is gone."""


class SourceChangedError(BrazeError):
    """The delivery is another one than at an earlier try. Nothing was sent in this try."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what}: the source, the campaign or the audience has changed since, or a mapped list has "
            "expanded differently. Nothing was sent now. Restore it, or clear the task with resend=True to "
            "start over with everybody"
        )


@dataclass(frozen=True)
class Past:
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

    :param batches: The batches of this try, in order.
    :param receipts: The ledger's receipts, in order.
    :param finished: Whether they must be all of them. Default False: further batches may follow.
    :return: What is settled already.
    :raises SourceChangedError: If the source has changed; names the first batch that differs.
    """
    sent = in_doubt = 0
    receipt = next(receipts, None)
    for batch in batches:
        is_new = receipt is None or receipt.index != batch.index
        if is_new and finished:
            raise SourceChangedError(f"Batch {batch.index} was not there at an earlier try")
        if receipt is None:
            break
        if is_new:
            continue
        if receipt.fingerprint != batch.fingerprint:
            raise SourceChangedError(f"Batch {batch.index} is not the one of an earlier try")
        if receipt.state is State.SENT:
            sent += batch.weight
        elif receipt.state in IN_DOUBT:
            in_doubt += batch.weight
        receipt = next(receipts, None)
    if receipt is not None:
        raise SourceChangedError(f"Batch {receipt.index} of an earlier try is no more")
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
