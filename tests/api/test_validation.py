"""How mistakes in any object are found and named."""

from __future__ import annotations

import subprocess
import sys
from collections import OrderedDict
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import ValidationError

from braze_provider.api.base import BrazeObject
from braze_provider.api.channels.apple_push import ApplePush
from braze_provider.api.channels.content_card import ContentCard
from braze_provider.api.channels.email import Email
from braze_provider.api.errors import BrazeValidationError, Problem
from braze_provider.api.objects.recipients import CampaignRecipient
from braze_provider.api.requests import CampaignTriggerSend, MessagesSend
from braze_provider.api.validation import path_of, problems, validate

SECRET = "jane.doe@example.com"


def mistakes(model: type[BrazeObject], data: Any) -> dict[str, str]:
    return {problem.path: problem.reason for problem in problems(model, data)}


def test_wrong_fields_and_broken_rules_are_reported_together():
    data = {
        "external_user_id": "u1",
        "email": "a@b.c",
        "prioritization": ["identified"],
        "trigger_properties": "",
    }
    assert mistakes(CampaignRecipient, data) == {
        "trigger_properties": "must be an object, not text",
        "": "has 2 identities, `external_user_id` and `email`; give exactly one",
    }


def test_mistakes_at_every_level_are_reported_together():
    found = mistakes(
        CampaignTriggerSend,
        {
            "send_id": "",
            "broadcast": True,
            "recipients": [
                {"external_user_id": "u1"},
                {
                    "user_alias": {"alias_name": "", "alias_lable": "l"},
                    "trigger_properties": {"when": {1, 2}},
                },
            ],
        },
    )
    assert found == {
        "campaign_id": "is required",
        "send_id": "must not be empty",
        "recipients": "is not allowed with `broadcast: true`",
        "recipients[1].user_alias.alias_name": "must not be empty",
        "recipients[1].user_alias.alias_label": "is required",
        "recipients[1].user_alias.alias_lable": "unknown field; did you mean `alias_label`?",
        "recipients[1].trigger_properties.when": "must be JSON, not a Python set",
    }


def test_one_error_carries_every_problem_and_the_subject():
    with pytest.raises(BrazeValidationError) as caught:
        validate(CampaignRecipient, {"email": 5}, "row 17")
    assert caught.value.subject == "row 17"
    assert {problem.path for problem in caught.value.problems} == {"email", "prioritization"}
    assert str(caught.value).startswith("row 17: ")


def test_the_subject_is_the_models_name_unless_given():
    with pytest.raises(BrazeValidationError, match=r"^CampaignRecipient: "):
        validate(CampaignRecipient, {})


def test_a_valid_object_has_no_problems():
    assert problems(CampaignRecipient, {"external_user_id": "u1"}) == []


def test_a_rule_over_request_fields_names_the_fields_it_looks_at():
    (problem,) = problems(CampaignTriggerSend, {"campaign_id": "c"})
    assert problem == Problem(
        "",
        "reaches no recipient: give `recipients` or `audience`, or `broadcast: true`",
        ("recipients", "audience", "broadcast"),
    )


def test_a_problem_of_a_single_field_names_no_others():
    (problem,) = problems(CampaignTriggerSend, {"campaign_id": 5, "broadcast": True})
    assert problem.fields == ()


@pytest.mark.parametrize(
    ("model", "data", "path", "reason"),
    [
        (MessagesSend, {"broadcast": "false"}, "broadcast", "must be a JSON Boolean, not text"),
        (MessagesSend, {"broadcast": 0}, "broadcast", "must be a JSON Boolean, not a number"),
        (MessagesSend, {"segment_id": 5}, "segment_id", "must be text, not a number"),
        (MessagesSend, {"segment_id": b"x"}, "segment_id", "must be text, not a Python bytes"),
        (MessagesSend, {"segment_id": None}, "segment_id", "must not be null; leave it out instead"),
        (MessagesSend, {"segment_id": "\ud83d"}, "segment_id", "is not valid Unicode text"),
        (MessagesSend, {"external_user_ids": "u1"}, "external_user_ids", "must be an array, not text"),
        (MessagesSend, {"user_aliases": {}}, "user_aliases", "must be an array, not an object"),
        (MessagesSend, {"messages": []}, "messages", "must be an object, not an array"),
        (MessagesSend, {"user_aliases": ["a"]}, "user_aliases[0]", "must be an object, not text"),
        (MessagesSend, {1: 2}, "[1]", "the name of a field must be text"),
        (ApplePush, {"badge": "5"}, "badge", "must be a whole number, not text"),
        (ApplePush, {"badge": True}, "badge", "must be a whole number, not a Boolean"),
        (ApplePush, {"badge": 5.5}, "badge", "must be a whole number"),
        (ApplePush, {"relevance_score": "1"}, "relevance_score", "must be a number, not text"),
        (
            ApplePush,
            {"relevance_score": float("nan")},
            "relevance_score",
            "must be a finite number: JSON has no NaN or Infinity",
        ),
        (ApplePush, {"apns_priority": 11}, "apns_priority", "must be at most 10"),
        (ApplePush, {"apns_priority": 0}, "apns_priority", "must be at least 1"),
        (
            ContentCard,
            {"type": "CLASIC"},
            "type",
            "must be one of `CLASSIC`, `CAPTIONED_IMAGE` or `BANNER`; did you mean `CLASSIC`?",
        ),
        (ContentCard, {"type": 1}, "type", "must be one of `CLASSIC`, `CAPTIONED_IMAGE` or `BANNER`"),
    ],
)
def test_reasons_say_what_is_expected_and_what_was_given(model, data, path, reason):
    assert mistakes(model, data)[path] == reason


@pytest.mark.parametrize("data", [None, 5, "text", [], b"{}"])
def test_a_value_that_is_not_an_object_is_refused(data):
    (problem,) = problems(CampaignRecipient, data)
    assert problem.path == ""
    assert problem.reason.startswith("must")


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("campain_id", "unknown field; did you mean `campaign_id`?"),
        ("recipient", "unknown field; did you mean `recipients`?"),
        ("segment_id", "unknown field; this endpoint takes no segment: choose it in the campaign"),
        (
            "canvas_entry_properties",
            "unknown field; it belongs to a Canvas; a campaign has `trigger_properties`",
        ),
        ("zzz", "unknown field"),
    ],
)
def test_an_unknown_field_is_refused_with_the_nearest_name(name, hint):
    assert mistakes(CampaignTriggerSend, {"campaign_id": "c", "broadcast": True, name: 1}) == {name: hint}


def test_no_reason_error_or_repr_shows_a_value():
    data = {
        "external_user_id": SECRET,
        "email": SECRET,
        "prioritization": [SECRET],
        "attributes": {"email_subscribe": SECRET, "dob": SECRET, "gender": SECRET},
        "trigger_properties": SECRET,
        "send_to_existing_only": SECRET,
    }
    with pytest.raises(BrazeValidationError) as caught:
        validate(CampaignRecipient, data, "row 1")
    with pytest.raises(ValidationError) as pydantics:
        CampaignRecipient.model_validate(data)
    valid = validate(CampaignRecipient, {"external_user_id": SECRET, "trigger_properties": {"a": SECRET}})
    for text in (str(caught.value), repr(caught.value), str(pydantics.value), repr(valid), str(valid)):
        assert SECRET not in text
    assert repr(valid) == "CampaignRecipient('external_user_id', 'trigger_properties')"


@pytest.mark.parametrize("wrap", [dict, OrderedDict, MappingProxyType])
def test_any_mapping_counts_as_an_object(wrap):
    recipient = {"user_alias": wrap({"alias_name": "n", "alias_label": "l"})}
    assert validate(CampaignRecipient, wrap(recipient)).identity() == "user_alias:1:l:n"


def test_a_tuple_counts_as_an_array():
    request = validate(MessagesSend, {"external_user_ids": ("a", "b"), "messages": {"webhook": WEBHOOK}})
    assert request.to_body()["external_user_ids"] == ["a", "b"]


def test_an_instance_of_the_model_is_accepted():
    recipient = CampaignRecipient(external_user_id="u1")
    assert validate(CampaignRecipient, recipient) is recipient
    assert problems(CampaignTriggerSend, {"campaign_id": "c", "recipients": [recipient]}) == []


def test_a_models_constructor_makes_the_same_checks():
    with pytest.raises(ValidationError, match="give exactly one"):
        CampaignRecipient(external_user_id="u1", braze_id="b")


WEBHOOK = {"url": "https://example.com", "request_method": "POST"}


def test_a_body_holds_exactly_what_was_given_under_brazes_names():
    push = {"content-available": True, "extra": {"a": None, "b": [1, {"c": 0.5}]}}
    email = {"app_id": "a", "from": "Shop <shop@example.com>", "body": "<p>{{${first_name}}}</p>"}
    assert validate(ApplePush, push).to_body() == push
    assert validate(Email, email).to_body() == email


def test_json_is_compact_utf_8():
    recipient = validate(
        CampaignRecipient, {"external_user_id": "Zoë", "trigger_properties": {"n": None, "x": 1.5}}
    )
    assert (
        recipient.to_json() == '{"external_user_id":"Zoë","trigger_properties":{"n":null,"x":1.5}}'.encode()
    )


def test_models_can_not_be_changed_after_their_validation():
    recipient = validate(CampaignRecipient, {"external_user_id": "u1"})
    with pytest.raises(ValidationError):
        recipient.external_user_id = "u2"


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ((), ""),
        (("campaign_id",), "campaign_id"),
        (("recipients", 3, "user_alias", "alias_name"), "recipients[3].user_alias.alias_name"),
        (("messages", "apple_push", "content-available"), "messages.apple_push.content-available"),
        (("messages", "apple_push", "alert", "<object>", "body"), "messages.apple_push.alert.body"),
        (("trigger_properties", "a b"), "trigger_properties['a b']"),
        (("trigger_properties", 1, "[key]"), "trigger_properties[1]"),
    ],
)
def test_paths_are_written_with_dots_and_brackets(location, path):
    assert path_of(location) == path


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("braze_provider.api.requests.campaigns", "braze_provider.api.channels"),
        ("braze_provider.api.requests.messages", "airflow"),
    ],
)
def test_importing_a_request_does_not_import_what_it_does_not_need(module, absent):
    code = f"import sys, {module}; sys.exit({absent!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_requests_offers_its_names_and_no_others():
    import braze_provider.api.requests as package

    assert [getattr(package, name).__name__ for name in package.__all__] == package.__all__
    with pytest.raises(AttributeError, match="CanvasTrigger"):
        _ = package.CanvasTrigger
