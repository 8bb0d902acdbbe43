"""JSON of any shape, and the Python values of databases that become JSON."""

from __future__ import annotations

import enum
import json
from collections import UserDict
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from uuid import UUID

import pytest

from braze_provider.api.objects.recipients import CampaignRecipient
from braze_provider.api.validation import problems, validate


class Colour(str, enum.Enum):
    RED = "red"


class Size(enum.IntEnum):
    BIG = 3


class Share(float):
    pass


class NotATime(datetime):
    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = datetime.__hash__


def properties(value: object) -> object:
    row = validate(CampaignRecipient, {"external_user_id": "u", "trigger_properties": {"a": value}})
    sent = json.loads(row.to_json())["trigger_properties"]["a"]
    assert row.to_body()["trigger_properties"]["a"] == sent
    return sent


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (None, None),
        (True, True),
        ("Zoë 🎉", "Zoë 🎉"),
        ("{{params.x}}", "{{params.x}}"),
        ("00123", "00123"),
        (10**30, 10**30),
        (12.5, 12.5),
        (datetime.fromisoformat("2026-07-22T13:17:55"), "2026-07-22T13:17:55"),
        (datetime(2026, 7, 22, 13, 17, tzinfo=timezone(-timedelta(hours=5))), "2026-07-22T13:17:00-05:00"),
        (date(2026, 7, 22), "2026-07-22"),
        (time(13, 17), "13:17:00"),
        (Decimal("12.50"), 12.5),
        (Decimal("12345678901234567890"), 12345678901234567890),
        (Decimal("1E+3"), 1000),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Colour.RED, "red"),
        (Size.BIG, 3),
        (Share(0.5), 0.5),
        ((1, "b"), [1, "b"]),
        ({"b": [date(2026, 1, 1), {"c": Decimal(5)}]}, {"b": ["2026-01-01", {"c": 5}]}),
        (MappingProxyType({"b": 1}), {"b": 1}),
        (UserDict(b=1), {"b": 1}),
    ],
)
def test_values_become_plain_json(value, sent):
    result = properties(value)
    assert (result, type(result)) == (sent, type(sent))


@pytest.mark.parametrize(
    ("value", "path", "reason"),
    [
        (float("nan"), "trigger_properties.a", "must be a finite number: JSON has no NaN or Infinity"),
        (float("inf"), "trigger_properties.a", "must be a finite number: JSON has no NaN or Infinity"),
        (Decimal("NaN"), "trigger_properties.a", "must be a finite number: JSON has no NaN or Infinity"),
        (Decimal("sNaN"), "trigger_properties.a", "must be a finite number: JSON has no NaN or Infinity"),
        (NotATime(2026, 1, 1), "trigger_properties.a", "must be a date, not NaT"),
        (b"x", "trigger_properties.a", "must be JSON, not a Python bytes"),
        ({1}, "trigger_properties.a", "must be JSON, not a Python set"),
        (object(), "trigger_properties.a", "must be JSON, not a Python object"),
        (timedelta(1), "trigger_properties.a", "must be JSON, not a Python timedelta"),
        ({"b": [0, {"c": b""}]}, "trigger_properties.a.b[1].c", "must be JSON, not a Python bytes"),
        ("cut \ud83d", "trigger_properties.a", "is not valid Unicode text"),
        ({1: "x"}, "trigger_properties.a", "holds a name that is not valid Unicode text"),
        ({"\ud83d": b"x"}, "trigger_properties.a", "holds a name that is not valid Unicode text"),
    ],
)
def test_a_value_that_is_not_json_is_refused_with_its_path(value, path, reason):
    (problem,) = problems(CampaignRecipient, {"external_user_id": "u", "trigger_properties": {"a": value}})
    assert (problem.path, problem.reason) == (path, reason)


def test_every_value_that_is_not_json_is_named():
    found = problems(
        CampaignRecipient, {"external_user_id": "u", "trigger_properties": {"a": b"", "b": [{1}, {2}]}}
    )
    assert [problem.path for problem in found] == [
        "trigger_properties.a",
        "trigger_properties.b[0]",
        "trigger_properties.b[1]",
    ]


@pytest.mark.parametrize(("name", "path"), [(1, "trigger_properties[1]"), ("\ud83d", "trigger_properties")])
def test_the_names_of_properties_are_text(name, path):
    (problem,) = problems(CampaignRecipient, {"external_user_id": "u", "trigger_properties": {name: b"x"}})
    assert problem.path == path


def test_an_object_that_contains_itself_is_refused():
    loop: dict[str, object] = {}
    loop["again"] = [loop]
    (problem,) = problems(CampaignRecipient, {"external_user_id": "u", "trigger_properties": {"a": loop}})
    assert problem.path == "trigger_properties.a"
    assert "contains itself" in problem.reason


def test_the_callers_data_is_left_as_it_was():
    given = {"when": date(2026, 1, 1), "deep": {"amount": Decimal(5)}}
    validate(CampaignRecipient, {"external_user_id": "u", "trigger_properties": given})
    assert given == {"when": date(2026, 1, 1), "deep": {"amount": Decimal(5)}}


LIMIT = 50 * 1024


@pytest.mark.parametrize(
    "value",
    [
        {"a": "x" * (LIMIT - len('{"a":""}'))},
        {"a": ["x" * (LIMIT - len('{"a":[""]}'))]},
        {"a": "é" * ((LIMIT - len('{"a":""}')) // 2)},
        {f"{number:04}": 1 for number in range(LIMIT // len('"0000":1,'))},
    ],
    ids=["one text", "nested", "two bytes a character", "many numbers"],
)
def test_properties_of_50_kb_are_accepted_and_a_little_more_is_refused(value):
    row = {"external_user_id": "u", "trigger_properties": value}
    assert problems(CampaignRecipient, row) == []
    (problem,) = problems(CampaignRecipient, {**row, "trigger_properties": {**value, "more": "12345678"}})
    assert (problem.path, problem.reason) == ("trigger_properties", "must be at most 51,200 bytes of JSON")


@pytest.mark.parametrize(
    "value",
    [
        {"a": "\x00" * (LIMIT // 6)},
        {f"{number:0600}": number for number in range(90)},
        {"a": 10 ** (LIMIT + 1)},
        {f"b{number}": 10**5000 for number in range(11)},
    ],
    ids=["escaped characters", "long names", "a huge number", "several long numbers"],
)
def test_properties_of_any_kind_can_be_too_large(value):
    (problem,) = problems(CampaignRecipient, {"external_user_id": "u", "trigger_properties": value})
    assert problem.reason == "must be at most 51,200 bytes of JSON"
