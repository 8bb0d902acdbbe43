"""Preparing reads, checks and counts the whole source before the first request."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from braze_provider.api.errors import MAX_PROBLEMS_SHOWN, BrazeValidationError
from braze_provider.api.limits import MAX_BODY_BYTES
from braze_provider.api.objects.recipients import CampaignRecipient, UserIdentity
from braze_provider.delivery.prepare import Prepared, TooManyRecipientsError, prepare
from braze_provider.delivery.spool import Spool
from braze_provider.recipients import BadRow, InlineRecipients, RecipientSource
from braze_provider.recipients.base import ROWS_PER_CHUNK


class Source(RecipientSource):
    """A source that notes how many rows were read, and whether reading has ended."""

    def __init__(self, *rows: Any, endless: bool = False) -> None:
        super().__init__()
        self._rows = rows
        self._endless = endless
        self.read = 0
        self.closed = False

    def __repr__(self) -> str:
        return "Source()"

    def rows(self) -> Iterator[Mapping[str, Any] | BadRow]:
        try:
            for row in self._rows:
                self.read += 1
                yield row
            while self._endless:
                self.read += 1
                yield {"external_user_id": self.read}
        finally:
            self.closed = True


@pytest.fixture
def spool() -> Iterator[Spool]:
    with Spool() as spool:
        yield spool


def ids(*names: object) -> list[dict[str, object]]:
    return [{"external_user_id": name} for name in names]


def test_valid_recipients_are_spooled_as_json_in_order_and_counted(spool):
    rows = [
        {"external_user_id": 7, "trigger_properties.name": "Zoë"},
        {"alias_name": "ada", "alias_label": "shop"},
        {"email": "a@b.c", "prioritization": "identified"},
    ]

    assert prepare(Source(*rows), spool, CampaignRecipient) == Prepared(recipients=3)
    assert [body for _, _, body in spool] == [
        '{"external_user_id":"7","trigger_properties":{"name":"Zoë"}}'.encode(),
        b'{"user_alias":{"alias_name":"ada","alias_label":"shop"}}',
        b'{"email":"a@b.c","prioritization":["identified"]}',
    ]


def test_an_empty_source_gives_no_recipients(spool):
    assert prepare(Source(), spool, CampaignRecipient) == Prepared()


# Bad rows ------------------------------------------------------------------------------------------------

BAD = [
    ({"zip": 1, "external_user_id": "a"}, "column 'zip' fits no field of a recipient"),
    (BadRow("the line is not JSON"), "the line is not JSON"),
    ({"external_user_id": None}, "names no recipient: give exactly one of"),
    ({"external_user_id": "a", "braze_id": "b"}, "has 2 identities, `external_user_id` and `braze_id`"),
    ({"email": "ada@example.com"}, "prioritization: is required with `email`"),
    (
        {"external_user_id": "a", "send_to_existing_only": False},
        "attributes: must hold something with `send_to_existing_only: false`",
    ),
    ({"external_user_id": "a" * 988}, "external_user_id: must be at most 987 bytes long"),
    ({"external_user_id": 1.5}, "external_user_id: must be text, not a number"),
    ({"alias_name": "a"}, "user_alias.alias_label: is required"),
    ({"external_user_id": "a", "trigger_properties": "[]"}, "trigger_properties: must be an object"),
    (
        {"external_user_id": "a", "trigger_properties.x": "x" * 51_200},
        "trigger_properties: must be at most 51,200",
    ),
    (
        {"external_user_id": "a", "trigger_properties.x": float("nan")},
        "trigger_properties.x: must be a finite",
    ),
]


@pytest.mark.parametrize(("row", "reason"), BAD, ids=[reason for _, reason in BAD])
def test_a_bad_row_is_named_by_number_and_reason_without_its_data(spool, row, reason):
    source = Source(*ids(1, 2), row, *ids(3))

    with pytest.raises(BrazeValidationError) as caught:
        prepare(source, spool, CampaignRecipient)

    text = str(caught.value)
    assert text.startswith("Source(): 1 mistake, nothing was sent\n")
    assert f"\n  - row 3: {reason}" in text
    assert "ada@example.com" not in text
    assert "aaa" not in text
    assert "xxx" not in text


def test_all_mistakes_of_a_row_are_one_bad_row(spool):
    row = {"email": "", "send_to_existing_only": "maybe"}

    with pytest.raises(BrazeValidationError) as caught:
        prepare(Source(row), spool, CampaignRecipient)

    (problem,) = caught.value.problems
    assert problem.path == "row 1"
    assert problem.reason.split("; ") == [
        "email: must not be empty",
        "send_to_existing_only: must be a JSON Boolean, not text",
        "prioritization: is required with `email`",
    ]


def test_the_whole_source_is_read_before_bad_rows_end_it(spool):
    source = Source(*ids(None, 1, None, 2, None))

    with pytest.raises(BrazeValidationError) as caught:
        prepare(source, spool, CampaignRecipient)

    assert source.read == 5
    assert [problem.path for problem in caught.value.problems] == ["row 1", "row 3", "row 5"]


def test_bad_rows_are_named_up_to_a_number_and_counted_beyond(spool):
    count = 20 * MAX_PROBLEMS_SHOWN

    with pytest.raises(BrazeValidationError) as caught:
        prepare(Source(*ids(*[None] * count)), spool, CampaignRecipient)

    assert caught.value.total == count
    assert len(caught.value.problems) == MAX_PROBLEMS_SHOWN
    text = str(caught.value)
    assert f"{count:,} mistakes" in text
    assert text.count("\n  - row ") == MAX_PROBLEMS_SHOWN
    assert text.endswith(f"  … and {count - MAX_PROBLEMS_SHOWN:,} more")


def test_bad_rows_can_be_skipped(spool):
    source = Source(*ids(1), {"zip": 1}, BadRow("broken"), *ids(2))

    result = prepare(source, spool, CampaignRecipient, on_invalid="skip")

    assert (result.recipients, result.invalid, result.duplicates) == (2, 2, 0)
    assert [problem.path for problem in result.bad_rows] == ["row 2", "row 3"]
    assert len(list(spool)) == 2


def test_an_unknown_column_fails_even_if_bad_rows_are_skipped(spool):
    class Table(Source):
        same_columns = True

    source = Table({"braze_id": "a", "zip": 1}, *ids(*range(2 * ROWS_PER_CHUNK)))

    with pytest.raises(BrazeValidationError, match="column 'zip'"):
        prepare(source, spool, CampaignRecipient, on_invalid="skip")
    assert source.read == ROWS_PER_CHUNK


def test_a_row_of_another_endpoint_is_bad(spool):
    source = InlineRecipients([{"external_user_id": "a", "attributes": {"x": 1}}])

    with pytest.raises(BrazeValidationError, match="row 1: attributes: unknown field"):
        prepare(source, spool, UserIdentity)


# Too large -----------------------------------------------------------------------------------------------


def test_a_recipient_too_large_for_a_request_is_a_bad_row(spool):
    row = {"external_user_id": "a", "attributes.x": "x" * MAX_BODY_BYTES}

    with pytest.raises(BrazeValidationError, match=r"row 2: 4,194,\d{3} bytes are too many for a request"):
        prepare(Source(*ids(1), row), spool, CampaignRecipient, max_size=MAX_BODY_BYTES)


@pytest.mark.parametrize(("excess", "invalid"), [(0, 0), (1, 1)])
def test_the_room_for_a_recipient_depends_on_the_rest_of_the_request(spool, excess, invalid):
    room = 1_000_000
    frame = len(b'{"external_user_id":"a","attributes":{"x":""}}')
    row = {"external_user_id": "a", "attributes.x": "x" * (room - frame + excess)}

    result = prepare(Source(row), spool, CampaignRecipient, on_invalid="skip", max_size=room)

    assert (result.recipients, result.invalid) == (1 - invalid, invalid)


# Duplicates ----------------------------------------------------------------------------------------------


def test_the_first_row_of_a_recipient_counts(spool):
    rows = [
        {"external_user_id": name, "trigger_properties.n": n} for n, name in enumerate(["1", 1, "2", "1"])
    ]

    result = prepare(Source(*rows), spool, CampaignRecipient)

    assert (result.recipients, result.duplicates) == (2, 2)
    assert [body for _, _, body in spool] == [
        b'{"external_user_id":"1","trigger_properties":{"n":0}}',
        b'{"external_user_id":"2","trigger_properties":{"n":2}}',
    ]


def test_duplicates_are_found_even_far_apart(spool):
    numbers = range(2 * ROWS_PER_CHUNK + 10)

    result = prepare(Source(*ids(*numbers, *numbers)), spool, CampaignRecipient)

    assert (result.recipients, result.duplicates) == (len(numbers), len(numbers))


def test_a_bad_row_is_not_a_duplicate(spool):
    rows = [{"external_user_id": "a", "send_to_existing_only": 5}, {"external_user_id": "a"}]

    result = prepare(Source(*rows), spool, CampaignRecipient, on_invalid="skip")

    assert (result.recipients, result.invalid, result.duplicates) == (1, 1, 0)


@pytest.mark.parametrize(
    "rows",
    [
        [{"external_user_id": "x"}, {"braze_id": "x"}, {"email": "x", "prioritization": "identified"}],
        [{"alias_name": "a", "alias_label": "b"}, {"alias_name": "b", "alias_label": "a"}],
        [{"alias_name": "b:c", "alias_label": "a"}, {"alias_name": "c", "alias_label": "a:b"}],
        [{"alias_name": "x", "alias_label": "l"}, {"external_user_id": "user_alias:1:l:x"}],
        [{"external_user_id": "ada"}, {"external_user_id": "Ada"}, {"external_user_id": "ada "}],
    ],
    ids=["kinds", "swapped alias", "separators", "look-alike", "case and space"],
)
def test_different_recipients_with_similar_names_are_not_duplicates(spool, rows):
    result = prepare(Source(*rows), spool, CampaignRecipient)

    assert (result.recipients, result.duplicates) == (len(rows), 0)


@pytest.mark.parametrize(
    "row",
    [
        {"external_user_id": "x"},
        {"braze_id": "x"},
        {"email": "x", "prioritization": "identified"},
        {"alias_name": "a", "alias_label": "b"},
    ],
    ids=lambda row: next(iter(row)),
)
def test_duplicates_are_found_for_every_kind_of_identity(spool, row):
    result = prepare(Source(row, {**row, "trigger_properties.n": 1}), spool, CampaignRecipient)

    assert (result.recipients, result.duplicates) == (1, 1)


# max_recipients ------------------------------------------------------------------------------------------


def test_as_many_as_allowed_are_not_too_many(spool):
    assert prepare(Source(*ids(1, 2, 1)), spool, CampaignRecipient, max_recipients=2).recipients == 2


def test_one_more_than_allowed_is_too_many(spool):
    with pytest.raises(TooManyRecipientsError) as caught:
        prepare(Source(*ids(*range(1_001))), spool, CampaignRecipient, max_recipients=1_000)
    assert str(caught.value) == ("Source() has more than 1,000 recipients (max_recipients); nothing was sent")


def test_the_brake_stops_the_reading_and_ends_the_source_at_once(spool):
    source = Source(endless=True)

    with pytest.raises(TooManyRecipientsError) as caught:
        prepare(source, spool, CampaignRecipient, max_recipients=5_000)

    assert 5_000 < source.read <= 5_000 + ROWS_PER_CHUNK
    assert source.closed
    assert caught  # The exception lives until here, and it must not keep the source open.


def test_duplicates_do_not_count_for_max_recipients(spool):
    source = Source(*ids(*range(1_000)) * 10)

    result = prepare(source, spool, CampaignRecipient, max_recipients=1_000)

    assert (result.recipients, result.duplicates) == (1_000, 9_000)


def test_the_brake_counts_every_row_where_each_is_a_message(spool):
    with pytest.raises(TooManyRecipientsError):
        prepare(Source(*ids(1, 2, 1)), spool, CampaignRecipient, max_recipients=2, allow_duplicates=True)


def test_an_error_of_the_source_ends_it_and_arrives_as_it_is(spool):
    class Broken(Source):
        def rows(self) -> Iterator[Mapping[str, Any] | BadRow]:
            yield {"external_user_id": "a"}
            raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError, match="gone"):
        prepare(Broken(), spool, CampaignRecipient)


# Memory --------------------------------------------------------------------------------------------------

MEASURE = """
import resource
from braze_provider.api.requests import CampaignTriggerSend
from braze_provider.delivery.batches import Envelope
from braze_provider.delivery.prepare import prepare
from braze_provider.delivery.spool import Spool
from braze_provider.recipients import RecipientSource

class Source(RecipientSource):
    def __init__(self, count):
        super().__init__()
        self.count = count
    def rows(self):
        for number in range(self.count):
            yield {"external_user_id": number, "trigger_properties.voucher": "V%d" % number}

def peak(count):
    envelope = Envelope(CampaignTriggerSend.validate_envelope({"campaign_id": "c"}))
    with Spool() as spool:
        prepared = prepare(Source(count), spool, CampaignTriggerSend.recipient_model)
        assert prepared.recipients == count
        assert sum(len(batch.rows) for batch in envelope.cut(spool)) == count
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

few, many = peak(3_000), peak(300_000)
print((many - few) // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_recipients():
    ran = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < 20, "MiB more for 300,000 recipients than for 3,000"
