"""Receipts, and the ledger in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from braze_provider.ledger.base import Claim, Counters, Head, Opening, Receipt, State
from braze_provider.ledger.memory import MemoryLedger


def receipt(index: int, state: State = State.SENT) -> Receipt:
    return Receipt(index, recipients=50, fingerprint="f", state=state, at="2026-01-01T00:00:00+00:00")


def test_receipts_come_in_the_order_of_the_batches():
    ledger = MemoryLedger()
    for index in (2, 0, 3, 1):
        ledger.write([receipt(index)], [])

    assert [found.index for found in ledger.receipts()] == [0, 1, 2, 3]
    assert [found.index for found in ledger.receipts(start=2)] == [2, 3]


def test_every_claim_is_granted_and_leaves_no_receipt():
    ledger = MemoryLedger()

    assert set(ledger.write([], [Claim(0, 50, "f"), Claim(1, 50, "f")])) == {0, 1}
    assert list(ledger.receipts()) == []


def test_a_later_receipt_replaces_an_earlier_one_of_the_same_batch():
    ledger = MemoryLedger()
    ledger.write([receipt(0, State.UNCERTAIN)], [])
    ledger.write([receipt(0, State.SENT)], [])

    assert [found.state for found in ledger.receipts()] == [State.SENT]


def test_a_ledger_in_memory_knows_of_no_earlier_try():
    ledger = MemoryLedger()
    ledger.write([receipt(0)], [])
    known = []

    assert ledger.open(lambda head: known.append(head) or Opening(Counters(2, 0), starts_over=True)) is None
    assert known == [None]
    assert list(ledger.receipts()) == []


def test_a_refusal_to_open_a_ledger_in_memory_is_raised():
    def refuse(head: Head | None) -> Opening:
        raise RuntimeError("refused")

    with pytest.raises(RuntimeError, match="refused"):
        MemoryLedger().open(refuse)


def test_a_ledger_in_memory_is_not_durable():
    assert MemoryLedger.durable is False
    assert MemoryLedger.identity == "memory"


def test_a_receipt_is_a_value():
    assert replace(receipt(0), state=State.FAILED) == receipt(0, State.FAILED)
    assert State.SENT.value == "sent"
