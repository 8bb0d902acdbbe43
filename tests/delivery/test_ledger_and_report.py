"""The delivery's book and its figures."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest

from braze_provider.delivery.report import DeliveryReport
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


def test_a_finished_delivery_is_reported_as_already_sent():
    was = DeliveryReport(recipients=5, requests=1, sent=3, already_sent=2, started_at="then")

    assert DeliveryReport.of_finished(was.to_dict()) == DeliveryReport(
        recipients=5, requests=0, sent=0, already_sent=5, started_at="then"
    )


def test_a_report_of_another_release_is_read_with_the_figures_both_know():
    assert DeliveryReport.of_finished({"recipients": 5, "sent": 5, "new_figure": 1}) == DeliveryReport(
        recipients=5, sent=0, already_sent=5
    )


def test_a_ledger_in_memory_is_not_durable():
    assert MemoryLedger.durable is False
    assert MemoryLedger.identity == "memory"


def test_a_report_is_a_plain_dict_with_the_documented_keys():
    report = DeliveryReport(recipients=5, sent=5)

    assert report.to_dict() == asdict(report)
    assert set(report.to_dict()) == {
        *("recipients", "requests", "sent", "rejected", "uncertain", "failed", "invalid"),
        *("duplicates_dropped", "already_sent", "started_at", "finished_at"),
    }


@pytest.mark.parametrize(
    ("report", "text"),
    [
        (DeliveryReport(recipients=0), "0 recipients in 0 requests: 0 sent"),
        (
            DeliveryReport(recipients=12_050, requests=241, sent=12_000, failed=50),
            "12,050 recipients in 241 requests: 12,000 sent, 50 failed",
        ),
        (
            DeliveryReport(recipients=8, requests=4, sent=1, already_sent=2, rejected=3, failed=2, invalid=5),
            "8 recipients in 4 requests: 1 sent, 2 already sent, 3 rejected, 2 failed, 5 invalid",
        ),
        (DeliveryReport(recipients=None, requests=1, sent=1), "a broadcast in 1 request: 1 sent"),
    ],
)
def test_the_text_of_a_report_names_only_figures_that_matter(report, text):
    assert str(report) == text


def test_a_receipt_is_a_value():
    assert replace(receipt(0), state=State.FAILED) == receipt(0, State.FAILED)
    assert State.SENT.value == "sent"
