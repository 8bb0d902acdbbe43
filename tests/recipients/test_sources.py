"""Common behaviour of all sources, and the simple sources: lists, XComs, several sources in a row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any
from uuid import UUID

import pytest

from braze_provider.api.objects.recipients import CampaignRecipient
from braze_provider.delivery.prepare import columns_of
from braze_provider.recipients import BadRow, InlineRecipients, RecipientSource
from braze_provider.recipients.inline import JoinedRecipients, PlacedRecipients

COLUMNS = columns_of(CampaignRecipient)
ADA, BOB = {"external_user_id": "ada"}, {"external_user_id": "bob"}


class Table(RecipientSource):
    """A source that a user has written."""

    def __init__(self, *rows: Any, **options: Any) -> None:
        super().__init__(**options)
        self._rows = rows

    def rows(self) -> Iterator[Mapping[str, Any] | BadRow]:
        return iter(self._rows)

    def __str__(self) -> str:
        return "Table()"


def read(source: RecipientSource) -> list[Any]:
    return list(source.recipients(COLUMNS))


# A user's source -----------------------------------------------------------------------------------------


def test_a_source_gives_rows_and_their_columns_decide():
    assert read(Table({"EXTERNAL_USER_ID": 5}, {"email": None})) == [{"external_user_id": "5"}, {}]


def test_a_source_may_call_a_row_bad_itself():
    assert read(Table(ADA, BadRow("left us"), BOB)) == [ADA, BadRow("left us"), BOB]


def test_a_column_that_does_not_fit_concerns_its_row_where_rows_may_differ():
    unknown, bob = read(Table({"braze_id": "b", "zip": 1}, BOB))

    assert isinstance(unknown, BadRow)
    assert bob == BOB


def test_airflow_stores_the_text_of_a_source():
    assert Table(ADA).serialize() == "Table()"


# row_mapper ----------------------------------------------------------------------------------------------


def test_a_row_mapper_takes_any_columns_and_its_recipient_is_taken_as_it_is():
    mapped = {"external_user_id": 5, "EMAIL": "not looked at here"}

    assert read(Table({"ID": 5}, row_mapper=lambda row: {**mapped, "id": row["ID"]})) == [{**mapped, "id": 5}]


def test_bad_rows_are_not_given_to_the_row_mapper():
    seen = []

    assert read(Table(BadRow("x"), ADA, row_mapper=lambda row: seen.append(row) or row)) == [BadRow("x"), ADA]
    assert seen == [ADA]


def test_a_row_mapper_may_call_a_row_bad():
    source = Table(ADA, row_mapper=lambda row: BadRow("left us"))  # type: ignore[arg-type,return-value]

    assert read(source) == [BadRow("left us")]


@pytest.mark.parametrize(
    "error",
    [KeyError("ada@example.com"), ValueError("ada@example.com"), ZeroDivisionError("ada@example.com")],
)
def test_a_row_mapper_that_raises_makes_a_bad_row_with_the_error_type(error):
    def mapper(row: Mapping[str, Any]) -> Mapping[str, Any]:
        if row is ADA:
            raise error
        return row

    assert read(Table(ADA, BOB, row_mapper=mapper)) == [
        BadRow(f"row_mapper raised {type(error).__name__}"),
        BOB,
    ]


def test_a_row_mapper_that_is_interrupted_interrupts():
    def mapper(row: Mapping[str, Any]) -> Mapping[str, Any]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        read(Table(ADA, row_mapper=mapper))


# Lists ---------------------------------------------------------------------------------------------------


def test_a_list_is_taken_as_it_is():
    rows = [ADA, {"external_user_id": "5", "attributes": {"country": None}}, {}, {"zip": 1}]

    assert read(InlineRecipients(rows)) == rows


@pytest.mark.parametrize("item", ["ada", 5, None, ["ada"], ("external_user_id", "ada")])
def test_an_item_that_is_not_an_object_is_a_bad_row(item):
    reason = f"must be an object, such as a dict, not {type(item).__name__}"

    assert read(InlineRecipients([ADA, item])) == [ADA, BadRow(reason)]


def test_bare_values_become_the_field_that_they_are():
    assert read(InlineRecipients(["ada", 5.5, None], key="external_user_id")) == [
        {"external_user_id": "ada"},
        {"external_user_id": 5.5},
        {"external_user_id": None},
    ]


def test_an_object_with_the_field_of_bare_values_is_a_whole_recipient():
    given = [{"external_user_id": "ada", "attributes": {}}, {"name": "ada"}]

    assert read(InlineRecipients(given, key="external_user_id")) == [
        given[0],
        {"external_user_id": {"name": "ada"}},
    ]


NUMBER = UUID(int=5)


@pytest.mark.parametrize(
    ("recipient", "expected"),
    [
        ({"external_user_id": 5}, {"external_user_id": "5"}),
        (
            {"external_user_id": NUMBER, "attributes": {"n": 5}},
            {"external_user_id": str(NUMBER), "attributes": {"n": 5}},
        ),
        ({"braze_id": 5}, {"braze_id": "5"}),
        (
            {"user_alias": {"alias_name": 5, "alias_label": "crm"}},
            {"user_alias": {"alias_name": "5", "alias_label": "crm"}},
        ),
        ({"external_user_id": True}, {"external_user_id": True}),
    ],
)
def test_whole_numbers_that_are_ids_become_text_as_from_sql(recipient, expected):
    given = deepcopy(recipient)

    assert read(InlineRecipients([given])) == [expected]
    assert given == recipient


def test_bare_whole_numbers_become_text_as_from_sql():
    assert read(InlineRecipients([5], key="external_user_id")) == [{"external_user_id": "5"}]


def test_a_list_can_be_read_again():
    source = InlineRecipients((ADA, BOB))

    assert read(source) == read(source) == [ADA, BOB]


def test_anything_that_can_be_iterated_over_will_do():
    assert read(InlineRecipients({"a": ADA, "b": BOB}.values())) == [ADA, BOB]


@pytest.mark.parametrize(
    ("items", "shown"),
    [
        ([ADA, BOB], "2 recipients"),
        ([ADA], "1 recipient"),
        ((ADA,) * 1_500, "1,500 recipients"),
        ({"a": ADA}.values(), "recipients"),
        (iter([ADA]), "recipients"),
    ],
)
def test_logs_and_stored_fields_show_the_number_of_items_only(items, shown):
    source = InlineRecipients(items)

    assert (repr(source), str(source), f"{source}", source.serialize()) == (shown,) * 4


# Placed --------------------------------------------------------------------------------------------------


def test_the_only_column_of_a_row_is_put_into_a_field_bare():
    table = Table(*({"External_ID": number} for number in range(20)), {"other": 1}, {"external_id": None})

    placed = list(PlacedRecipients(table, "external_ids", "external_id").recipients(COLUMNS))

    assert placed[:20] == [{"external_ids": number} for number in range(20)]
    wrong = "none of its columns fits a field of a recipient; there are external_id. A row_mapper"
    assert [type(row) for row in placed[20:]] == [BadRow, BadRow]
    assert placed[20].reason.startswith(wrong)
    assert placed[21].reason == "must have external_id, and nothing else"


def test_bare_values_of_a_list_are_put_into_a_field():
    listed = InlineRecipients(["ada", 5], key="external_id")

    placed = list(PlacedRecipients(listed, "external_ids", "external_id").recipients(COLUMNS))

    assert placed == [{"external_ids": "ada"}, {"external_ids": 5}]


def test_a_row_mapper_can_t_put_anything_else_into_a_field_of_bare_values():
    table = Table({"n": 1}, {"n": 2}, row_mapper=lambda row: {"external_id": "u", "email": row["n"]})

    placed = list(PlacedRecipients(table, "external_ids", "external_id").recipients(COLUMNS))

    assert placed == [BadRow("must have external_id, and nothing else")] * 2


# Several -------------------------------------------------------------------------------------------------


def test_sources_can_follow_each_other_each_in_its_own_way():
    source = JoinedRecipients([InlineRecipients(["ada"], key="external_user_id"), Table({"BRAZE_ID": 5})])

    assert read(source) == [ADA, {"braze_id": "5"}]
    assert list(source.rows()) == [ADA, {"BRAZE_ID": 5}]
    assert source.serialize() == "1 recipient and Table()"
