"""The engine against the sandbox, over real HTTP: the recipients that it reaches, and its receipts."""

from __future__ import annotations

import pytest
from delivery.engine_helpers import Job, figures, names_of, people, reached

from braze_provider.api.endpoints import MESSAGES_SEND
from braze_provider.api.requests import CampaignTriggerSend, MessagesSend
from braze_provider.delivery.batches import Batch, Envelope


@pytest.mark.parametrize("concurrency", [1, 2, 8, 50])
def test_every_recipient_is_sent_to_once(sandbox, concurrency):
    job = Job(1_030, concurrency=concurrency)

    report = job.run()

    assert figures(report) == {"sent": 1_030}
    assert report.requests == 21
    assert reached(sandbox) == names_of(*range(1_030))
    assert sandbox.summary()["duplicates"] == 0


def test_no_recipients_make_no_request(sandbox):
    report = Job(0).run()

    assert (report.recipients, report.requests, report.sent) == (0, 0, 0)
    assert sandbox.requests() == []


def test_receipts_hold_the_dispatch_ids_in_the_order_of_the_batches(sandbox):
    job = Job(520, concurrency=4)

    job.run()

    by_first_person = {
        request["body"]["recipients"][0]["external_user_id"]: request["dispatch_id"]
        for request in sandbox.requests()
    }
    assert [receipt.dispatch_id for receipt in job.receipts] == [
        by_first_person[f"p{50 * index}"] for index in range(11)
    ]
    assert [receipt.index for receipt in job.receipts] == list(range(11))
    assert [receipt.recipients for receipt in job.receipts] == [50] * 10 + [20]


def test_a_receipt_bears_the_fingerprint_of_its_batch(sandbox):
    job = Job()
    prints = [batch.fingerprint for batch in job.envelope.cut(people(120))]

    job.run()

    assert [receipt.fingerprint for receipt in job.receipts] == prints
    assert {receipt.reason for receipt in job.receipts} == {None}


def test_the_report_tells_when_it_was(sandbox):
    report = Job(1).run()

    assert "2026" <= report.started_at <= report.finished_at
    assert report.started_at.endswith("+00:00")


def test_a_broadcast_is_one_request_and_counts_as_one(sandbox):
    request = CampaignTriggerSend.model_validate({"campaign_id": "c1", "broadcast": True})
    job = Job(recipients=None, envelope=Envelope(request))
    job.batches = iter([Batch(0, ())])

    report = job.run()

    assert (report.recipients, report.requests, report.sent, report.failed) == (None, 1, 1, 0)
    assert sandbox.requests()[0]["body"] == {"campaign_id": "c1", "broadcast": True}
    assert job.receipts[0].recipients == 0


def test_ids_and_aliases_go_into_the_arrays_of_a_message(sandbox):
    email = {"app_id": "a", "from": "Shop <s@example.com>", "subject": "Hi {{${first_name}}}", "body": "x"}
    envelope = Envelope(MessagesSend.validate_envelope({"messages": {"email": email}}))
    rows = [*people(2), (3, b"l:a", b'{"user_alias":{"alias_name":"a","alias_label":"l"}}')]
    job = Job(recipients=3, endpoint=MESSAGES_SEND, envelope=envelope)
    job.batches = envelope.cut(rows)

    assert figures(job.run()) == {"sent": 3}
    assert reached(sandbox) == {"p0", "p1", "alias:l:a"}
    assert sandbox.requests()[0]["body"]["messages"] == {"email": email}
