"""Batches: how many recipients they take, how large they are, and the same JSON as the model writes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from braze_provider.api.endpoints import CAMPAIGNS_TRIGGER_SEND
from braze_provider.api.limits import MAX_BODY_BYTES
from braze_provider.api.requests import CampaignTriggerSend, MessagesSend
from braze_provider.delivery.batches import JOIN_BYTES, Batch, Envelope

CAMPAIGN = {"campaign_id": "c1", "trigger_properties": {"shop": "Zürich", "n": 1.5}}
MESSAGES = {
    "messages": {
        "email": {"app_id": "a", "from": "Shop <s@x.y>", "subject": "{{${first_name}}}", "body": "“"}
    },
    "send_id": "s",
}


def envelope_of(model: Any, fields: dict[str, Any]) -> Envelope:
    return Envelope(model.validate_envelope(fields))


def rows_of(model: Any, *recipients: dict[str, Any]) -> tuple[bytes, ...]:
    return tuple(model.recipient_model.model_validate(recipient).to_json() for recipient in recipients)


def cut(envelope: Envelope, rows: Iterable[bytes]) -> Iterator[Batch]:
    """Cut rows into batches. Each row is its own digest."""
    return envelope.cut((number, row, row) for number, row in enumerate(rows, start=1))


def recipients(count: int) -> list[bytes]:
    return [b'{"external_user_id":"%d"}' % number for number in range(count)]


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(0, []), (1, [1]), (49, [49]), (50, [50]), (51, [50, 1]), (100, [50, 50]), (120, [50, 50, 20])],
)
def test_a_request_takes_fifty_recipients(count, sizes):
    batches = list(cut(envelope_of(CampaignTriggerSend, CAMPAIGN), recipients(count)))

    assert [len(batch.rows) for batch in batches] == sizes
    assert [batch.index for batch in batches] == list(range(len(sizes)))


def test_each_recipient_is_in_one_batch_in_order():
    all_of_them = recipients(333)
    batches = cut(envelope_of(CampaignTriggerSend, CAMPAIGN), iter(all_of_them))

    assert [row for batch in batches for row in batch.rows] == all_of_them


def test_batches_are_cut_only_when_they_are_needed():
    stream = iter(recipients(200))

    next(cut(envelope_of(CampaignTriggerSend, CAMPAIGN), stream))

    assert len(list(stream)) == 200 - CAMPAIGNS_TRIGGER_SEND.rows - 1


def row_of_size(size: int, name: str = "a") -> bytes:
    row = b'{"external_user_id":"%s","attributes":{"x":""}}' % name.encode()
    return row[:-3] + b"x" * (size - len(row)) + row[-3:]


@pytest.mark.parametrize(
    "fields", [{"campaign_id": "c"}, {"campaign_id": "c", "trigger_properties": {"x": "x" * 50_000}}]
)
def test_bodies_stay_below_the_size_limit_and_no_recipient_is_lost(fields):
    envelope = envelope_of(CampaignTriggerSend, fields)
    all_of_them = [row_of_size(size, f"p{size}") for size in range(150_000, 450_000, 3_001)]

    batches = list(cut(envelope, all_of_them))

    sizes = [len(envelope.body(batch)) for batch in batches]
    assert max(sizes) <= MAX_BODY_BYTES
    assert [row for batch in batches for row in batch.rows] == all_of_them
    # Batches are as large as possible: the next recipient would not have fitted.
    for size, following in zip(sizes, batches[1:], strict=False):
        assert size + len(following.rows[0]) + 1 + JOIN_BYTES > MAX_BODY_BYTES


def test_the_largest_recipient_that_fits_gets_its_own_request():
    envelope = envelope_of(CampaignTriggerSend, CAMPAIGN)
    largest = row_of_size(envelope.room)

    batches = list(cut(envelope, [*recipients(1), largest, *recipients(1)]))

    assert [len(batch.rows) for batch in batches] == [1, 1, 1]
    assert MAX_BODY_BYTES - JOIN_BYTES < len(envelope.body(batches[1])) <= MAX_BODY_BYTES


@pytest.mark.parametrize(
    ("model", "fields", "recipients", "whole"),
    [
        (
            CampaignTriggerSend,
            CAMPAIGN,
            [
                {"external_user_id": "1", "trigger_properties": {"name": 'Zoë "Z" \\ \u2028', "x": None}},
                {"user_alias": {"alias_name": "a", "alias_label": "l"}, "attributes": {"country": None}},
                {"email": "a@b.c", "prioritization": ["identified"], "send_to_existing_only": True},
            ],
            lambda given: {**CAMPAIGN, "recipients": given},
        ),
        (
            MessagesSend,
            MESSAGES,
            [
                {"external_user_id": "1"},
                {"user_alias": {"alias_name": "a", "alias_label": "l"}},
                {"external_user_id": 'Zoë "Z" \\'},
            ],
            lambda given: {
                **MESSAGES,
                "external_user_ids": [given[0]["external_user_id"], given[2]["external_user_id"]],
                "user_aliases": [given[1]["user_alias"]],
            },
        ),
        (
            MessagesSend,
            MESSAGES,
            [{"external_user_id": "1"}],
            lambda given: {**MESSAGES, "external_user_ids": ["1"]},
        ),
    ],
    ids=["campaign", "messages to ids and aliases", "messages to ids alone"],
)
def test_a_body_is_the_compact_json_of_the_whole_model(model, fields, recipients, whole):
    envelope = envelope_of(model, fields)

    body = envelope.body(Batch(0, rows_of(model, *recipients)))

    request = model.model_validate(whole(recipients))
    # The model writes fields in their own order; the envelope writes the recipients last.
    assert json.loads(body) == json.loads(request.to_json()) == request.to_body()
    assert len(body) == len(request.to_json())


def test_the_body_of_a_broadcast_is_its_envelope():
    request = CampaignTriggerSend.model_validate({"campaign_id": "c1", "broadcast": True})

    envelope = Envelope(request)

    assert (envelope.whole().recipients, envelope.whole().weight) == (0, 1)
    assert envelope.body(envelope.whole()) == request.to_json()


def test_the_same_recipients_have_the_same_fingerprint():
    first, second = (list(cut(envelope_of(CampaignTriggerSend, CAMPAIGN), recipients(120))) for _ in range(2))

    assert [batch.fingerprint for batch in first] == [batch.fingerprint for batch in second]
    # It must be the same in every process, and in every version that can read this version's ledger.
    assert first[2].fingerprint == "f695ebf181a6045cb2f28d834cd8e3df"


@pytest.mark.parametrize(
    "others",
    [recipients(3)[:2], recipients(3)[::-1], [*recipients(2), b'{"external_user_id":"3"}']],
    ids=["one less", "another order", "another recipient"],
)
def test_other_recipients_have_another_fingerprint(others):
    envelope = envelope_of(CampaignTriggerSend, CAMPAIGN)
    (batch,), (other,) = cut(envelope, recipients(3)), cut(envelope, others)

    assert batch.fingerprint != other.fingerprint


def test_the_fingerprint_does_not_depend_on_the_content():
    envelope = envelope_of(CampaignTriggerSend, CAMPAIGN)
    (first,) = envelope.cut([(1, b"ada", b'{"external_user_id":"ada","trigger_properties":{"code":1}}')])
    (second,) = envelope.cut([(7, b"ada", b'{"external_user_id":"ada","trigger_properties":{"code":2}}')])

    assert first.fingerprint == second.fingerprint


CHANGES = [
    {"campaign_id": "c2"},
    {"audience": {"AND": [{"push_subscription_status": {"comparison": "is", "value": "opted_in"}}]}},
]


@pytest.mark.parametrize("changes", CHANGES, ids=["campaign", "audience"])
@pytest.mark.parametrize("broadcast", [False, True])
def test_another_campaign_or_audience_has_another_fingerprint(changes, broadcast):
    def fingerprint(fields: dict[str, Any]) -> str:
        if broadcast:
            return (
                Envelope(CampaignTriggerSend.model_validate({**fields, "broadcast": True}))
                .whole()
                .fingerprint
            )
        (batch,) = cut(envelope_of(CampaignTriggerSend, fields), recipients(3))
        return batch.fingerprint

    assert fingerprint(CAMPAIGN) == fingerprint({**CAMPAIGN, "trigger_properties": {}})
    assert fingerprint(CAMPAIGN) != fingerprint({**CAMPAIGN, **changes})


def test_the_repr_of_a_batch_shows_no_recipient():
    assert repr(Batch(3, tuple(recipients(1)))) == "Batch(index=3)"


# The name of a batch --------------------------------------------------------------------------------------


def test_the_name_of_a_batch_has_its_number_from_1_and_its_rows():
    envelope = envelope_of(CampaignTriggerSend, CAMPAIGN)
    rows = [(number, b"%d" % number, b"{}") for number in range(1, 201) if not 50 < number < 61]

    assert [str(batch) for batch in envelope.cut(rows, total=4)] == [
        "batch 1 of 4 (rows 1–50)",
        "batch 2 of 4 (rows 61–110)",
        "batch 3 of 4 (rows 111–160)",
        "batch 4 of 4 (rows 161–200)",
    ]


def test_the_name_of_a_batch_of_one_has_one_row_and_no_unknown_total():
    envelope = envelope_of(CampaignTriggerSend, CAMPAIGN)
    assert [str(batch) for batch in envelope.cut([(1_017, b"ada", b"{}")])] == ["batch 1 (row 1,017)"]


@pytest.mark.parametrize(("recipients", "batches"), [(0, 0), (1, 1), (50, 1), (51, 2), (1_000_000, 20_000)])
def test_the_number_of_batches_is_known_before_they_are_cut(recipients, batches):
    assert envelope_of(CampaignTriggerSend, CAMPAIGN).count(recipients, largest=1_000) == batches


def test_the_number_of_batches_is_unknown_if_fifty_may_not_fit():
    envelope = envelope_of(CampaignTriggerSend, CAMPAIGN)
    largest = (envelope.room) // CAMPAIGNS_TRIGGER_SEND.rows - 1
    assert envelope.count(100, largest) == 2
    assert envelope.count(100, largest + 1) is None
    assert len(list(cut(envelope, [b"x" * largest] * 100))) == 2
    assert len(list(cut(envelope, [b"x" * (largest + 1)] * 100))) == 3
