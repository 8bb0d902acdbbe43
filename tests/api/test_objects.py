"""The objects that requests share: aliases, recipients, audiences, attachments, schedules, attributes."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import product
from typing import Any

import pendulum
import pytest

from braze_provider.api.base import BrazeObject
from braze_provider.api.objects.attachment import Attachment
from braze_provider.api.objects.audience import Audience, LastUsedAppFilter
from braze_provider.api.objects.recipients import CampaignRecipient, UserIdentity
from braze_provider.api.objects.schedule import Schedule
from braze_provider.api.objects.user_alias import UserAlias
from braze_provider.api.objects.user_attributes import UserAttributes
from braze_provider.api.validation import problems, validate

ALIAS = {"alias_name": "n", "alias_label": "l"}


def mistakes(model: type[BrazeObject], data: Any) -> dict[str, str]:
    return {problem.path: problem.reason for problem in problems(model, data)}


class TestUserAlias:
    @pytest.mark.parametrize("field", ["alias_name", "alias_label"])
    def test_each_part_is_required(self, field):
        rest = {name: value for name, value in ALIAS.items() if name != field}
        assert mistakes(UserAlias, rest) == {field: "is required"}

    @pytest.mark.parametrize("field", ["alias_name", "alias_label"])
    def test_each_part_takes_236_bytes(self, field):
        assert mistakes(UserAlias, {**ALIAS, field: "é" * 118}) == {}
        assert mistakes(UserAlias, {**ALIAS, field: "é" * 118 + "x"}) == {
            field: "must be at most 236 bytes long"
        }


class TestRecipient:
    @pytest.mark.parametrize(
        "row",
        [
            {"external_user_id": "00123"},
            {"user_alias": ALIAS},
            {"braze_id": "b"},
            {"email": "a@b.c", "prioritization": ["identified", "most_recently_updated"]},
            {"external_user_id": "u", "send_to_existing_only": False, "attributes": {"first_name": None}},
            {"external_user_id": "u", "send_to_existing_only": False, "attributes": {"custom": 1}},
            {"user_alias": ALIAS, "send_to_existing_only": True, "attributes": {}},
            {"external_user_id": "u", "trigger_properties": {}},
        ],
    )
    def test_what_braze_takes_is_accepted_and_sent_as_it_is(self, row):
        assert validate(CampaignRecipient, row).to_body() == row

    @pytest.mark.parametrize(
        ("row", "path", "reason"),
        [
            (
                {},
                "",
                (
                    "names no recipient: "
                    "give exactly one of `external_user_id`, `user_alias`, `braze_id` or `email`"
                ),
            ),
            (
                {"external_user_id": "u", "braze_id": "b", "user_alias": ALIAS},
                "",
                "has 3 identities, `external_user_id`, `user_alias` and `braze_id`; give exactly one",
            ),
            ({"external_user_id": ""}, "external_user_id", "must not be empty"),
            ({"external_user_id": 123}, "external_user_id", "must be text, not a number"),
            ({"external_user_id": "é" * 494}, "external_user_id", "must be at most 987 bytes long"),
            ({"email": "a@b.c"}, "prioritization", "is required with `email`"),
            ({"email": "a@b.c", "prioritization": []}, "prioritization", "must not be empty"),
            (
                {"email": "a@b.c", "prioritization": ["identified", "unidentified"]},
                "prioritization",
                "takes one of `identified` and `unidentified`, not both",
            ),
            (
                {"email": "a@b.c", "prioritization": ["identifed"]},
                "prioritization[0]",
                (
                    "must be one of `identified`, `unidentified`, `most_recently_updated` or "
                    "`least_recently_updated`; did you mean `identified`?"
                ),
            ),
            (
                {"external_user_id": "u", "send_to_existing_only": False},
                "attributes",
                "must hold something with `send_to_existing_only: false`",
            ),
            (
                {"external_user_id": "u", "send_to_existing_only": False, "attributes": {}},
                "attributes",
                "must hold something with `send_to_existing_only: false`",
            ),
            (
                {"user_alias": ALIAS, "send_to_existing_only": False, "attributes": {"a": 1}},
                "send_to_existing_only",
                "must not be false with `user_alias`: Braze creates no alias-only user",
            ),
            ({"external_user_id": "u", "attributes": []}, "attributes", "must be an object, not an array"),
            (
                {"external_user_id": "u", "context": {}},
                "context",
                "unknown field; it belongs to a Canvas; a campaign has `trigger_properties`",
            ),
            (
                {"braze_id": "b", "external_id": "u"},
                "external_id",
                "unknown field; in a send it is called `external_user_id`",
            ),
        ],
    )
    def test_what_braze_refuses_is_refused_by_name(self, row, path, reason):
        assert mistakes(CampaignRecipient, row) == {path: reason}

    def test_attributes_may_be_a_model(self):
        row = {
            "external_user_id": "u",
            "send_to_existing_only": False,
            "attributes": UserAttributes(custom=1),
        }
        assert validate(CampaignRecipient, row).to_body()["attributes"] == {"custom": 1}
        assert list(mistakes(CampaignRecipient, {**row, "attributes": UserAttributes()})) == ["attributes"]

    @pytest.mark.parametrize("order", ["identified", 5, {}])
    def test_a_prioritization_of_another_type_is_one_mistake(self, order):
        assert list(mistakes(CampaignRecipient, {"email": "a@b.c", "prioritization": order})) == [
            "prioritization"
        ]

    def test_an_alias_that_is_text_is_refused(self):
        assert mistakes(CampaignRecipient, {"user_alias": "example_alias"}) == {
            "user_alias": "must be an object, not text"
        }

    def test_a_row_of_messages_send_holds_only_an_identifier(self):
        assert validate(UserIdentity, {"user_alias": ALIAS}).to_body() == {"user_alias": ALIAS}
        assert mistakes(UserIdentity, {}) == {
            "": "names no recipient: give exactly one of `external_user_id` or `user_alias`"
        }
        assert mistakes(
            UserIdentity, {"external_user_id": "u", "email": "a@b.c", "trigger_properties": {}}
        ) == {
            "email": "unknown field; this endpoint knows ids and aliases only",
            "trigger_properties": "unknown field; this endpoint takes nothing for one recipient alone",
        }


class TestIdentity:
    def test_it_names_the_kind_and_the_value(self):
        identities = [
            validate(CampaignRecipient, row).identity()
            for row in (
                {"external_user_id": "u"},
                {"user_alias": ALIAS},
                {"braze_id": "u"},
                {"email": "u", "prioritization": ["identified"]},
            )
        ]
        assert identities == ["external_user_id:u", "user_alias:1:l:n", "braze_id:u", "email:u"]

    def test_it_does_not_depend_on_the_other_fields_of_a_row(self):
        row = {"external_user_id": "u", "trigger_properties": {"a": 1}, "attributes": {"b": 2}}
        assert (
            validate(CampaignRecipient, row).identity()
            == validate(UserIdentity, {"external_user_id": "u"}).identity()
        )

    def test_two_aliases_never_have_the_same_identity(self):
        parts = ["a", ":", "a:", ":a", "1:a", "a:a", "1", "1:", "::"]
        identities = {
            validate(UserIdentity, {"user_alias": {"alias_label": label, "alias_name": name}}).identity()
            for label, name in product(parts, parts)
        }
        assert len(identities) == len(parts) ** 2


def attribute(comparison: str, *value: object) -> dict[str, Any]:
    filter_ = {
        "custom_attribute_name": "a",
        "comparison": comparison,
        **({"value": value[0]} if value else {}),
    }
    return {"custom_attribute": filter_}


class NotATime(datetime):
    """A datetime that holds no time, like pandas' NaT."""

    def __eq__(self, other: object) -> bool:
        return False

    def __ne__(self, other: object) -> bool:
        return True

    __hash__ = datetime.__hash__


INSTANT = "2019-07-22T13:17:55+0000"
SCALARS = ("equals", "not_equal")
REGEXES = ("matches_regex", "does_not_match_regex")
SETS = ("is_any_of", "is_none_of")
NUMBERS = ("greater_than", "greater_than_or_equal_to", "less_than", "less_than_or_equal_to")
DAYS = (
    "less_than_x_days_ago",
    "greater_than_x_days_ago",
    "less_than_x_days_in_the_future",
    "greater_than_x_days_in_the_future",
)
TIMES = ("after", "before")


class TestAudience:
    @pytest.mark.parametrize(
        "audience",
        [
            *(attribute(comparison) for comparison in ("exists", "does_not_exist")),
            *(attribute(*each) for each in product(SCALARS, ("blue", "", 5, 1.5, True))),
            *(attribute(comparison, "^a.*$") for comparison in REGEXES),
            *(attribute(*each) for each in product(SETS, ("a", ["a", "b"]))),
            *(attribute("includes_value", value) for value in ("pizza", 5, ["pizza", "pasta"])),
            attribute("does_not_include_value", "pizza"),
            *(attribute(*each) for each in product(NUMBERS, (5, 1.5, -1))),
            *(attribute(*each) for each in product(DAYS, (2, 0.5))),
            *(attribute(*each) for each in product(TIMES, (INSTANT, "2026-01-01", "{{${x}}}"))),
            *(
                {f"{channel}_subscription_status": {"comparison": comparison, "value": value}}
                for channel, comparison, value in product(
                    ("push", "email"), ("is", "is_not"), ("opted_in", "subscribed", "unsubscribed")
                )
            ),
            *({"last_used_app": {"comparison": comparison, "value": INSTANT}} for comparison in TIMES),
            {"AND": [attribute("exists"), {"OR": [attribute("exists"), {"AND": [attribute("exists")]}]}]},
        ],
        ids=str,
    )
    def test_each_filter_takes_each_comparison_with_its_values(self, audience):
        assert validate(Audience, audience).to_body() == audience

    @pytest.mark.parametrize(
        ("comparison", "value", "what"),
        [
            *((*each, "a text, a number or a Boolean") for each in product(SCALARS, (["a"], {}))),
            *((*each, "a regular expression") for each in product(REGEXES, (5, True, ["a"]))),
            *((*each, "a text or an array of texts") for each in product(SETS, (5, True, [], [5], {}))),
            *(("includes_value", value, "a value or an array of values") for value in ([], [[]], {})),
            ("does_not_include_value", ["a"], "a text, a number or a Boolean"),
            *((*each, "a number") for each in product(NUMBERS, ("5", True, [5]))),
            *((*each, "a number of days") for each in product(DAYS, ("2", True))),
            *(
                (*each, "an ISO 8601 date and time")
                for each in product(TIMES, (5, "2019-07-22T13:17:55-5:00"))
            ),
        ],
    )
    def test_each_comparison_refuses_other_values(self, comparison, value, what):
        found = mistakes(Audience, attribute(comparison, value))
        assert list(found) == ["custom_attribute.value"]
        assert found["custom_attribute.value"].startswith(f"must be {what} with `{comparison}`, not ")

    @pytest.mark.parametrize("comparison", ["exists", "does_not_exist"])
    def test_existence_takes_no_value(self, comparison):
        assert mistakes(Audience, attribute(comparison, 5)) == {
            "custom_attribute.value": f"must be left out with `{comparison}`"
        }

    @pytest.mark.parametrize(
        "comparison", [*SCALARS, *REGEXES, *SETS, "includes_value", *NUMBERS, *DAYS, *TIMES]
    )
    def test_every_other_comparison_needs_a_value(self, comparison):
        expected = {"custom_attribute.value": f"is required with `{comparison}`"}
        assert mistakes(Audience, attribute(comparison)) == expected
        assert mistakes(Audience, attribute(comparison, None)) == expected

    def test_the_old_spelling_of_not_equal_is_refused_with_the_new_one(self):
        reason = mistakes(Audience, attribute("does_not_equal", True))["custom_attribute.comparison"]
        assert reason.endswith("; Braze has renamed `does_not_equal` to `not_equal`")

    @pytest.mark.parametrize(
        ("audience", "path", "reason"),
        [
            ({"AND": []}, "AND", "must not be empty"),
            ({"and": []}, "and", "unknown field; it is called `AND`"),
            ({"AND": {}}, "AND", "must be an array, not an object"),
            ({"AND": [{"OR": ["x"]}]}, "AND[0].OR[0]", "must be an object, not text"),
            (
                {"AND": [{"custom_atribute": {}}]},
                "AND[0].custom_atribute",
                "unknown field; did you mean `custom_attribute`?",
            ),
            (
                {"AND": [attribute("exists")], "OR": [attribute("exists")]},
                "",
                "holds `AND` and `OR`; combine them in an `AND` or an `OR`",
            ),
            (
                {"email_subscription_status": {"comparison": "equals", "value": "subscribed"}},
                "email_subscription_status.comparison",
                "must be one of `is` or `is_not`",
            ),
            (
                {"push_subscription_status": {"comparison": "is", "value": "subcribed"}},
                "push_subscription_status.value",
                "must be one of `opted_in`, `subscribed` or `unsubscribed`; did you mean `subscribed`?",
            ),
            ({"last_used_app": {"comparison": "after"}}, "last_used_app.value", "is required"),
        ],
    )
    def test_mistakes_are_named_by_their_place(self, audience, path, reason):
        assert mistakes(Audience, audience) == {path: reason}

    @pytest.mark.parametrize("audience", [{}, {"AND": [{}]}])
    def test_an_empty_audience_is_refused(self, audience):
        (reason,) = mistakes(Audience, audience).values()
        assert reason.startswith("is empty: give one of ")

    def test_an_audience_that_contains_itself_is_refused(self):
        audience: dict[str, Any] = {"AND": []}
        audience["AND"].append(audience)
        assert mistakes(Audience, audience) == {"AND[0]": "is nested too deep, or contains itself"}

    @pytest.mark.parametrize("comparison", [5, [], {}])
    def test_a_comparison_of_another_type_is_one_mistake(self, comparison):
        assert list(mistakes(Audience, attribute(comparison, 5))) == ["custom_attribute.comparison"]


class TestInstants:
    @pytest.mark.parametrize(
        "text",
        [
            "2019-07-22T13:17:55+0000",
            "2019-07-22T13:17:55Z",
            "2019-07-22T13:17:55-05:00",
            "2019-07-22T13:17:55.123456+01",
            "2019-07-22 13:17",
            "2019-07-22",
            "{{ ${date} }}",
            "{% if true %}2019{% endif %}",
        ],
    )
    def test_iso_8601_and_liquid_are_accepted_as_they_are(self, text):
        assert validate(LastUsedAppFilter, {"comparison": "after", "value": text}).value == text

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "yesterday",
            "22/07/2019",
            "2019-13-01",
            "2019-02-30T00:00:00Z",
            "2019-07-22T25:00:00Z",
            "2019-07-22T10:61:00Z",
            "2019-07-22T13:17:55+25:00",
            "2019-07-22T13:17:55-05:99",
            "2019-07-22T13:17:55Z\n",
        ],
    )
    def test_other_text_is_refused(self, text):
        assert mistakes(LastUsedAppFilter, {"comparison": "after", "value": text}) == {
            "value": "must be an ISO 8601 date and time, such as 2026-07-22T13:17:55Z"
        }

    def test_the_wrong_offset_of_brazes_examples_is_refused(self):
        (reason,) = mistakes(
            LastUsedAppFilter, {"comparison": "after", "value": "2019-07-22T13:17:55-5:00"}
        ).values()
        assert reason.endswith("its offset needs two digits for the hour, as in -05:00")

    def test_a_datetime_with_a_zone_becomes_text(self):
        value = datetime(2026, 7, 22, 13, 17, 55, tzinfo=timezone(-timedelta(hours=5)))
        assert validate(LastUsedAppFilter, {"comparison": "after", "value": value}).to_body() == {
            "comparison": "after",
            "value": "2026-07-22T13:17:55-05:00",
        }

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (datetime.fromisoformat("2026-07-22T09:00:00"), "2026-07-22T09:00:00+00:00"),
            (date(2026, 7, 22), "2026-07-22"),
        ],
    )
    def test_a_datetime_without_a_zone_is_utc_and_a_date_is_a_date(self, value, text):
        assert validate(LastUsedAppFilter, {"comparison": "after", "value": value}).value == text

    @pytest.mark.parametrize("value", [NotATime(2026, 7, 22), 1_753_190_275, None])
    def test_values_that_hold_no_time_are_refused(self, value):
        assert list(mistakes(LastUsedAppFilter, {"comparison": "after", "value": value})) == ["value"]


class TestSchedule:
    @pytest.mark.parametrize(
        "schedule",
        [
            {"time": "2026-07-22T13:17:55Z"},
            {"time": "2026-07-22T13:17:55"},
            {"time": "2026-07-22T13:17:55", "in_local_time": True},
            {"time": "2026-07-22", "at_optimal_time": True},
            {"time": "2026-07-22T13:17:55Z", "in_local_time": False},
        ],
    )
    def test_what_braze_takes_is_accepted(self, schedule):
        assert validate(Schedule, schedule).to_body() == schedule

    @pytest.mark.parametrize("flag", ["in_local_time", "at_optimal_time"])
    @pytest.mark.parametrize("time", ["2026-07-22T13:17:55Z", datetime(2026, 7, 22, tzinfo=timezone.utc)])
    def test_a_time_by_users_clocks_must_not_have_a_zone(self, time, flag):
        assert mistakes(Schedule, {"time": time, flag: True}) == {
            "time": f"must have no time zone with `{flag}`"
        }

    def test_a_datetime_without_a_zone_is_a_clock_time(self):
        schedule = {"time": datetime.fromisoformat("2026-07-22T09:00:00"), "in_local_time": True}
        assert validate(Schedule, schedule).time == "2026-07-22T09:00:00"

    @pytest.mark.parametrize(
        ("time", "text"),
        [
            (pendulum.datetime(2026, 7, 22, 9), "2026-07-22T09:00:00+00:00"),
            (pendulum.datetime(2026, 7, 22, 9, tz="Europe/Berlin"), "2026-07-22T09:00:00+02:00"),
            (pendulum.datetime(2026, 12, 22, 9, tz="Europe/Berlin"), "2026-12-22T09:00:00+01:00"),
            (pendulum.naive(2026, 7, 22, 9), "2026-07-22T09:00:00"),
        ],
    )
    def test_a_pendulum_datetime_keeps_its_zone(self, time, text):
        assert validate(Schedule, {"time": time}).time == text

    @pytest.mark.parametrize("time", ["", None, 5])
    def test_a_placeholder_is_not_a_time(self, time):
        assert list(mistakes(Schedule, {"time": time})) == ["time"]


class TestAttachment:
    @pytest.mark.parametrize(
        "url",
        [
            "https://example.com/FILE.PDF?version=2#page",
            "http://example.com/file.pdf",
            "https://example.com/v1.2/download",
            "https://example.com/download?file=report.pdf",
            "https://example.com/report.2026",
            "https://example.com/page.html",
            "{{api_trigger_properties.${url}}}",
        ],
    )
    def test_the_check_of_an_address_is_left_to_braze(self, url):
        attachment = {"file_name": "f", "url": url, "basic_auth_credential": "c"}
        assert validate(Attachment, attachment).to_body() == attachment

    @pytest.mark.parametrize(
        ("url", "reason"), [("", "must not be empty"), (5, "must be text, not a number")]
    )
    def test_an_address_is_text(self, url, reason):
        assert mistakes(Attachment, {"file_name": "f", "url": url}) == {"url": reason}

    def test_name_and_address_are_required(self):
        assert mistakes(Attachment, {}) == {"file_name": "is required", "url": "is required"}


class TestUserAttributes:
    KNOWN = (
        ("country", "DE"),
        ("current_location", {"longitude": 9.99, "latitude": 53.55}),
        ("date_of_first_session", INSTANT),
        ("date_of_last_session", INSTANT),
        ("dob", "1990-02-28"),
        ("email", "a@b.c"),
        ("email_subscribe", "opted_in"),
        ("email_open_tracking_disabled", True),
        ("email_click_tracking_disabled", False),
        ("external_id", "u"),
        ("facebook", {"id": "1", "likes": ["a"]}),
        ("first_name", "Alex"),
        ("gender", "P"),
        ("home_city", "Hamburg"),
        ("language", "de"),
        ("last_name", "Doe"),
        ("marked_email_as_spam_at", INSTANT),
        ("phone", "+4940123456"),
        ("push_subscribe", "unsubscribed"),
        ("push_tokens", [{"app_id": "a", "token": "t", "device_id": "d"}]),
        ("subscription_groups", [{"subscription_group_id": "g", "subscription_state": "subscribed"}]),
        ("time_zone", "Europe/Berlin"),
        ("twitter", {"id": 1}),
        ("alias_name", "n"),
        ("alias_label", "l"),
        ("braze_id", "b"),
    )

    @pytest.mark.parametrize(("name", "value"), KNOWN)
    def test_a_known_field_takes_its_values_and_null_to_delete(self, name, value):
        assert validate(UserAttributes, {name: value}).to_body() == {name: value}
        assert validate(UserAttributes, {name: None}).to_body() == {name: None}

    @pytest.mark.parametrize(
        "value",
        [5, "x", None, True, [1, 2], {"inc": 5}, {"add": ["a"]}, {"$update": [{"$identifier_key": "id"}]}],
    )
    def test_a_custom_attribute_takes_any_json(self, value):
        attributes = validate(UserAttributes, {"my_attribute": value, "First_Name": value})
        assert attributes.to_body() == {"my_attribute": value, "First_Name": value}

    def test_values_of_databases_become_json(self):
        given = {"dob": date(1990, 2, 28), "spent": Decimal("9.5"), "since": date(2026, 1, 1)}
        assert (
            validate(UserAttributes, given).to_json()
            == b'{"dob":"1990-02-28","spent":9.5,"since":"2026-01-01"}'
        )

    @pytest.mark.parametrize(
        "field", ["date_of_first_session", "date_of_last_session", "marked_email_as_spam_at"]
    )
    @pytest.mark.parametrize(
        "text",
        [
            "2026-07-22T13:17:55:123Z",
            "2026-07-22T13:17:55:123+0200",
            "2026-07-22T13:17:55:123",
            "2026-07-22T13:17:55",
            "2026-07-22 13:17:55",
            "2026-07-22",
            "07/22/2026",
            "Wed 07 22 13:17:55.Z 2026",
            "Wed 07 22 13:17:55.+02:00 2026",
        ],
    )
    def test_every_documented_form_of_a_time_is_sent_as_it_is(self, field, text):
        assert validate(UserAttributes, {field: text}).to_body() == {field: text}

    @pytest.mark.parametrize("text", ["22/07/2026", "yesterday", "2026-07-22T13:17:55:123-5:00", ""])
    def test_a_time_in_no_documented_form_is_refused(self, text):
        assert list(mistakes(UserAttributes, {"date_of_last_session": text})) == ["date_of_last_session"]

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (date(2026, 7, 22), "2026-07-22"),
            (datetime.fromisoformat("2026-07-22T13:17:55"), "2026-07-22T13:17:55+00:00"),
            (
                datetime(2026, 7, 22, 13, tzinfo=timezone(-timedelta(hours=5))),
                "2026-07-22T13:00:00-05:00",
            ),
        ],
    )
    def test_a_time_may_be_a_python_date_and_is_utc_without_a_zone(self, value, text):
        assert validate(UserAttributes, {"date_of_last_session": value}).date_of_last_session == text

    @pytest.mark.parametrize(
        "dob", [date(1990, 2, 28), datetime.fromisoformat("1990-02-28T00:00:00"), "1990-02-28"]
    )
    def test_a_date_of_birth_may_be_a_date_or_a_datetime(self, dob):
        assert validate(UserAttributes, {"dob": dob}).dob == "1990-02-28"

    @pytest.mark.parametrize("field", ["dob", "date_of_last_session"])
    def test_a_datetime_that_holds_no_time_is_refused(self, field):
        assert "NaT" in mistakes(UserAttributes, {field: NotATime(2026, 1, 1)})[field]

    def test_control_keys_keep_their_names(self):
        given = {"_update_existing_only": False, "push_token_import": False, "update_existing_only": "custom"}
        assert validate(UserAttributes, given).to_body() == given

    @pytest.mark.parametrize(
        ("attributes", "path", "reason"),
        [
            ({"custom": {1, 2}}, "custom", "must be JSON, not a Python set"),
            ({"first_name": 5}, "first_name", "must be text, not a number"),
            ({"gender": "X"}, "gender", "must be one of `M`, `F`, `O`, `N` or `P`"),
            ({"dob": "28.02.1990"}, "dob", "must be a date as YYYY-MM-DD"),
            ({"dob": "1990-02-28T00:00:00Z"}, "dob", "must be a date as YYYY-MM-DD"),
            ({"dob": 1990}, "dob", "must be a date as YYYY-MM-DD, not a number"),
            ({"current_location": {"longitude": 9.9}}, "current_location.latitude", "is required"),
            (
                {"current_location": {"longitude": 181, "latitude": 0}},
                "current_location.longitude",
                "must be at most 180.0",
            ),
            ({"push_tokens": [{"app_id": "a"}]}, "push_tokens[0].token", "is required"),
            (
                {"subscription_groups": [{"subscription_group_id": "g", "subscription_state": "opted_in"}]},
                "subscription_groups[0].subscription_state",
                "must be one of `subscribed` or `unsubscribed`",
            ),
            ({"_update_existing_only": "false"}, "_update_existing_only", "must be a JSON Boolean, not text"),
            ({"push_token_import": True}, "push_tokens", "must hold something with `push_token_import`"),
            (
                {
                    "push_token_import": True,
                    "push_tokens": [{"app_id": "a", "token": "t"}],
                    "external_id": "u",
                },
                "external_id",
                "is not allowed with `push_token_import`",
            ),
        ],
    )
    def test_what_braze_refuses_is_refused_by_name(self, attributes, path, reason):
        assert mistakes(UserAttributes, attributes) == {path: reason}
