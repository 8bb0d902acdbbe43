"""Flat rows become recipients by the columns' names and values."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from uuid import UUID

import pytest

from braze_provider.api.objects.recipients import CampaignRecipient, UserIdentity
from braze_provider.delivery.prepare import columns_of
from braze_provider.recipients.columns import MAX_PLANS, ColumnError, ColumnShaper


@pytest.fixture
def shape() -> ColumnShaper:
    """Shapes the rows of a campaign."""
    return ColumnShaper(columns_of(CampaignRecipient))


# Identities -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["external_user_id", "email", "braze_id"])
@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("ada", "ada"),
        ("00123", "00123"),
        ("1e5", "1e5"),
        ("", ""),
        (17, "17"),
        (-17, "-17"),
        (2**70, "1180591620717411303424"),
        (Decimal(17), "17"),
        (Decimal("17.00"), "17"),
        (Decimal("1E+3"), "1000"),
        (UUID("6f1c3a52-8f0e-4b7e-9a8e-0d2f6a1b2c3d"), "6f1c3a52-8f0e-4b7e-9a8e-0d2f6a1b2c3d"),
    ],
)
def test_an_identity_becomes_text(shape, column, value, text):
    assert shape({column: value}) == {column: text}


@pytest.mark.parametrize(
    "value", [1.0, True, Decimal("1.5"), Decimal("NaN"), Decimal("Infinity"), b"ada", ["ada"], {"id": 1}]
)
def test_an_ambiguous_identity_is_left_unchanged_for_the_model(shape, value):
    assert shape({"external_user_id": value})["external_user_id"] is value


def test_a_decimal_with_too_many_digits_does_not_crash(shape):
    assert len(shape({"external_user_id": Decimal("1E+5000")})["external_user_id"]) == 5001


@pytest.mark.parametrize(
    "row",
    [
        {"alias_name": "ada", "alias_label": "shop"},
        {"ALIAS_LABEL": "shop", "Alias_Name": "ada"},
        {"user_alias.alias_name": "ada", "alias_label": "shop"},
        {"user_alias": {"alias_name": "ada", "alias_label": "shop"}},
        {"user_alias": '{"alias_name": "ada", "alias_label": "shop"}'},
    ],
)
def test_name_and_label_become_an_alias(shape, row):
    assert shape(row) == {"user_alias": {"alias_name": "ada", "alias_label": "shop"}}


@pytest.mark.parametrize("column", ["alias_name", "user_alias.alias_name"])
def test_a_whole_number_is_an_alias_name(shape, column):
    assert shape({column: 5}) == {"user_alias": {"alias_name": "5"}}


# Objects ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["trigger_properties", "attributes"])
@pytest.mark.parametrize("value", ["V1", 7, 1.5, False, ["a", None], {"deep": [1]}, Decimal("1.50"), ""])
def test_a_dotted_column_is_one_value_of_its_object_as_it_is(shape, field, value):
    assert shape({f"{field}.x": value}) == {field: {"x": value}}


def test_further_dots_nest_deeper(shape):
    row = {"trigger_properties.order.total": 5, "trigger_properties.order.item.sku": "A"}

    assert shape(row) == {"trigger_properties": {"order": {"total": 5, "item": {"sku": "A"}}}}


@pytest.mark.parametrize(
    "value",
    [
        {"a": 1, "b": None},
        '{"a": 1, "b": null}',
        b'{"a": 1, "b": null}',
        bytearray(b'{"a": 1, "b": null}'),
    ],
    ids=["dict", "text", "bytes", "bytearray"],
)
def test_a_json_column_is_the_whole_object(shape, value):
    assert shape({"trigger_properties": value}) == {"trigger_properties": {"a": 1, "b": None}}


@pytest.mark.parametrize("names", [["trigger_properties", "dotted"], ["dotted", "trigger_properties"]])
def test_a_dotted_column_rules_over_a_json_column_wherever_it_stands(shape, names):
    values = {"trigger_properties": '{"a": 1, "b": {"c": 2, "d": 3}}', "dotted": 9}
    row = {("trigger_properties.b.c" if name == "dotted" else name): values[name] for name in names}

    assert shape(row) == {"trigger_properties": {"a": 1, "b": {"c": 9, "d": 3}}}


def test_dotted_columns_change_a_copy_of_an_object_that_rows_share(shape):
    common = {"shop": {"name": "Berlin"}}

    shape({"trigger_properties": common, "trigger_properties.shop.voucher": "of Ada alone"})

    assert common == {"shop": {"name": "Berlin"}}


@pytest.mark.parametrize(
    "row",
    [
        {"trigger_properties.a": 1, "trigger_properties.a.b": 2},
        {"trigger_properties.a.b": 2, "trigger_properties.a": 1},
        {"trigger_properties": [1], "trigger_properties.a": 2},
    ],
)
def test_a_plain_value_cannot_hold_another_value(shape, row):
    with pytest.raises(
        ColumnError, match=r"^(a|trigger_properties) is both a value and an object$"
    ) as caught:
        shape(row)
    assert not caught.value.concerns_all_rows


@pytest.mark.parametrize("text", ["{broken", "", "ada@example.com", b"\xff", "[" * 100_000])
def test_a_json_column_without_json_is_refused_without_its_text(shape, text):
    with pytest.raises(ColumnError) as caught:
        shape({"attributes": text})
    assert str(caught.value) == "attributes: the column does not hold JSON"
    assert not caught.value.concerns_all_rows


# The other columns ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "boolean"),
    [
        *[(value, True) for value in (True, 1, Decimal(1), "true", "True", " TRUE ", "1")],
        *[(value, False) for value in (False, 0, Decimal(0), "false", "False", "FALSE", "0")],
    ],
)
def test_send_to_existing_only_is_a_boolean_in_all_its_guises(shape, value, boolean):
    assert shape({"send_to_existing_only": value})["send_to_existing_only"] is boolean


@pytest.mark.parametrize("value", [2, -1, 1.0, "yes", "t", "", Decimal("0.5")])
def test_a_value_that_is_not_a_boolean_is_left_unchanged_for_the_model(shape, value):
    assert shape({"send_to_existing_only": value})["send_to_existing_only"] is value


@pytest.mark.parametrize(
    "value",
    [
        ["identified", "most_recently_updated"],
        ("identified", "most_recently_updated"),
        '["identified", "most_recently_updated"]',
        ' ["identified","most_recently_updated"]',
        "identified,most_recently_updated",
        " identified , most_recently_updated, ",
    ],
)
def test_prioritization_is_a_list_in_all_its_guises(shape, value):
    assert shape({"prioritization": value}) == {"prioritization": ["identified", "most_recently_updated"]}


def test_prioritization_of_one_rule_needs_no_comma(shape):
    assert shape({"prioritization": "identified"}) == {"prioritization": ["identified"]}


def test_prioritization_that_begins_as_json_must_be_json(shape):
    with pytest.raises(ColumnError, match="prioritization: the column does not hold JSON"):
        shape({"prioritization": "[identified"})


# NULL -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "column",
    [
        "email",
        "alias_name",
        "trigger_properties",
        "trigger_properties.x",
        "attributes.country",
        "send_to_existing_only",
        "prioritization",
    ],
)
def test_null_means_not_given(shape, column):
    assert shape({"external_user_id": "ada", column: None}) == {"external_user_id": "ada"}


@pytest.mark.parametrize("null", ["null", b"null", None])
def test_a_json_null_means_not_given_too(shape, null):
    row = {"external_user_id": "ada", "attributes": null, "attributes.country": "DE"}

    assert shape(row) == {"external_user_id": "ada", "attributes": {"country": "DE"}}


def test_a_row_of_nulls_is_a_recipient_without_anything(shape):
    assert shape({"external_user_id": None, "trigger_properties.x": None}) == {}


# Names ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("EXTERNAL_USER_ID", "external_user_id"),
        ("Email", "email"),
        ("SEND_TO_EXISTING_ONLY", "send_to_existing_only"),
    ],
)
def test_a_name_is_matched_in_any_case(shape, column, field):
    assert list(shape({column: "true"})) == [field]


def test_only_the_first_part_of_a_name_is_matched_in_any_case(shape):
    assert shape({"TRIGGER_PROPERTIES.FirstName": "Ada"}) == {"trigger_properties": {"FirstName": "Ada"}}


@pytest.mark.parametrize(
    ("column", "suggestion"),
    [
        ("external_userid", "external_user_id"),
        ("EXTERNAL_ID", "external_user_id"),
        ("e_mail", "email"),
        ("alias", "alias_name"),
        ("trigger_property.voucher_of_the_first_order", "trigger_properties.<name>"),
        ("attribute.country", "attributes.<name>"),
        ("send_to_existing", "send_to_existing_only"),
    ],
)
def test_an_unknown_column_is_named_with_a_suggestion(shape, column, suggestion):
    with pytest.raises(ColumnError) as caught:
        shape({"braze_id": "b", column: "x"})
    assert str(caught.value) == (
        f"column {column!r} fits no field of a recipient; did you mean {suggestion!r}? "
        "A row_mapper takes any columns"
    )
    assert caught.value.concerns_all_rows


@pytest.mark.parametrize(
    "column",
    ["zip", "email.x", "external_user_id.x", "trigger_properties.", "attributes.a..b", ".", "", "context.x"],
)
def test_a_column_unlike_any_is_answered_with_all_there_are(shape, column):
    with pytest.raises(ColumnError) as caught:
        shape({"braze_id": "b", column: "x"})
    text = str(caught.value)
    assert text.startswith(f"column {column!r} fits no field of a recipient; ")
    if "there are" in text:
        listed = text.partition("there are ")[2].partition(". A row_mapper")[0].split(", ")
        assert set(listed) == {
            *("external_user_id", "alias_name", "alias_label", "braze_id", "email", "prioritization"),
            *("send_to_existing_only", "attributes.<name>", "trigger_properties.<name>"),
        }


def test_unknown_columns_are_not_quoted_if_all_are_unknown(shape):
    with pytest.raises(
        ColumnError, match=r"^none of its columns fits a field of a recipient; there are "
    ) as caught:
        shape({"ada@example.com": "bob@example.com", "Ada Lovelace": "Bob"})
    assert "Ada" not in str(caught.value)
    assert "@" not in str(caught.value)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("email", "EMAIL"),
        ("trigger_properties.x", "TRIGGER_PROPERTIES.x"),
        ("alias_name", "user_alias.alias_name"),
    ],
)
def test_two_columns_for_the_same_value_are_refused(shape, first, second):
    with pytest.raises(ColumnError, match=f"^columns '{first}' and '{second}' are the same$"):
        shape({first: "a", second: "b"})


@pytest.mark.parametrize("column", ["email", "trigger_properties.x", "attributes", "braze_id"])
def test_a_field_that_the_endpoint_does_not_have_is_unknown(column):
    with pytest.raises(ColumnError, match=f"column '{column}' fits no field"):
        ColumnShaper(columns_of(UserIdentity))({"external_user_id": "ada", column: "x"})


def test_rows_may_differ_in_their_columns(shape):
    rows = [{"external_user_id": 1}, {"email": "e", "external_user_id": None}, {"external_user_id": 3}]

    assert [shape(row) for row in rows] == [
        {"external_user_id": "1"},
        {"email": "e"},
        {"external_user_id": "3"},
    ]


def test_rows_that_all_differ_in_their_columns_do_not_pile_up(shape):
    for number in range(3 * MAX_PLANS):
        shape({f"attributes.a{number}": 1})

    assert len(shape._plans) <= MAX_PLANS


def test_any_mapping_is_a_row(shape):
    row: Mapping[str, object] = MappingProxyType({"external_user_id": 1})

    assert shape(row) == {"external_user_id": "1"}


@pytest.mark.parametrize("row", [None, "ada", ["external_user_id"], 5])
def test_a_row_must_be_a_mapping(shape, row):
    with pytest.raises(ColumnError, match="must be an object"):
        shape(row)
