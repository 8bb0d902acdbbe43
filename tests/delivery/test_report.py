"""The figures of a delivery."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from braze_provider.delivery.report import DeliveryReport, counted


def test_a_finished_delivery_is_reported_as_already_sent():
    was = DeliveryReport(recipients=5, requests=1, sent=3, already_sent=2, started_at="then")

    assert DeliveryReport.of_finished(was.to_dict()) == DeliveryReport(
        recipients=5, requests=0, sent=0, already_sent=5, started_at="then"
    )


def test_a_report_of_another_release_is_read_with_the_figures_both_know():
    assert DeliveryReport.of_finished({"recipients": 5, "sent": 5, "new_figure": 1}) == DeliveryReport(
        recipients=5, sent=0, already_sent=5
    )


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


@pytest.mark.parametrize(
    ("number", "noun", "text"),
    [
        (1, "recipient", "1 recipient"),
        (2_000, "recipient", "2,000 recipients"),
        (1, "alias", "1 alias"),
        (0, "alias", "0 aliases"),
        (2, "item", "2 items"),
    ],
)
def test_a_number_is_written_with_its_noun(number, noun, text):
    assert counted(number, noun) == text


def test_a_report_about_items_says_so_and_its_dict_does_not():
    report = DeliveryReport(recipients=2, requests=1, sent=2).about("item")

    assert str(report) == "2 items in 1 request: 2 sent"
    assert report.to_dict() == DeliveryReport(recipients=2, requests=1, sent=2).to_dict()
    assert str(DeliveryReport.of_finished(report.to_dict(), "item")).startswith("2 items in 0 requests")
