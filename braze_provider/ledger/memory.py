"""A ledger for a delivery that has no later try."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from braze_provider.ledger.base import Claim, Decide, Head, Receipt


class MemoryLedger:
    """A ledger that ends with the task's process. Once it has sent something, Airflow must not retry it."""

    durable = False
    identity = "memory"
    generation = 0

    def __init__(self) -> None:
        self._receipts: dict[int, Receipt] = {}

    def __str__(self) -> str:
        return "the memory of this process, which no later try can read"

    def open(self, decide: Decide) -> Head | None:
        """
        Begin the delivery: this ledger knows of no earlier try.

        :param decide: Is told that nothing is known, and may raise an error to refuse.
        """
        decide(None)
        self._receipts.clear()
        return None

    def receipts(self, start: int = 0) -> Iterator[Receipt]:
        """Read the receipts in the order of their batches."""
        return (receipt for index, receipt in sorted(self._receipts.items()) if index >= start)

    def write(self, settled: Sequence[Receipt], claims: Sequence[Claim]) -> Collection[int]:
        """Note the outcomes of claimed batches; every claim is granted."""
        self._receipts.update((receipt.index, receipt) for receipt in settled)
        return {claim.index for claim in claims}

    def take_back(self, receipts: Sequence[Receipt]) -> None:
        """Replace receipts."""
        self._receipts.update((receipt.index, receipt) for receipt in receipts)

    def confirm(self) -> None:
        """Do nothing: no other copy can be the owner."""

    def finish(self, report: Mapping[str, Any]) -> None:
        """Do nothing: no later try can read it."""

    def close(self) -> None:
        """Do nothing: there is nothing to close."""
