"""The two requests that send: their rules, and how batches of recipients are put into one envelope."""

from __future__ import annotations

import json
from typing import Any

import pytest

from braze_provider.api.base import BrazeObject
from braze_provider.api.errors import BrazeValidationError
from braze_provider.api.objects.recipients import CampaignRecipient, UserIdentity
from braze_provider.api.requests import CampaignTriggerSend, MessagesSend
from braze_provider.api.validation import problems, validate

ALIAS = {"alias_name": "n", "alias_label": "l"}
AUDIENCE = {"custom_attribute": {"custom_attribute_name": "a", "comparison": "exists"}}
ATTACHMENTS = [{"file_name": "f", "url": "https://example.com/f.pdf"}]
SMS = {"subscription_group_id": "g", "body": "b", "app_id": "a"}
MESSAGES = {"messages": {"sms": SMS}}


def mistakes(model: type[BrazeObject], data: Any) -> dict[str, str]:
    return {problem.path: problem.reason for problem in problems(model, data)}


def recipients(count: int) -> list[dict[str, str]]:
    return [{"external_user_id": f"u{number}"} for number in range(count)]


class TestMessagesSend:
    @pytest.mark.parametrize(
        "fields",
        [
            {"external_user_ids": ["u"]},
            {"external_user_ids": ["u"], "broadcast": False},
            {"user_aliases": [ALIAS]},
            {
                "external_user_ids": ["u"] * 25,
                "user_aliases": [ALIAS] * 25,
                "segment_id": "s",
                "audience": AUDIENCE,
            },
            {"segment_id": "s", "broadcast": True},
            {"audience": AUDIENCE, "broadcast": True},
            {
                "external_user_ids": ["u"],
                "send_id": "x" * 64,
                "override_frequency_capping": True,
                "recipient_subscription_state": "opted_in",
            },
            {
                "external_user_ids": ["u"],
                "campaign_id": "not-a-uuid",
                "messages": {"sms": {**SMS, "message_variation_id": "v"}},
            },
        ],
    )
    def test_what_braze_takes_is_accepted_and_sent_as_it_is(self, fields):
        request = validate(MessagesSend, {**MESSAGES, **fields})
        assert request.to_body() == {**MESSAGES, **fields}

    @pytest.mark.parametrize(
        ("fields", "path", "reason"),
        [
            (
                {},
                "",
                "reaches no recipient: give `external_user_ids`, `user_aliases`, `segment_id` or `audience`",
            ),
            (
                {"broadcast": True},
                "",
                "reaches no recipient: give `external_user_ids`, `user_aliases`, `segment_id` or `audience`",
            ),
            (
                {"segment_id": "s"},
                "broadcast",
                "must be true if `external_user_ids` and `user_aliases` are both left out",
            ),
            (
                {"audience": AUDIENCE, "broadcast": False},
                "broadcast",
                "must be true if `external_user_ids` and `user_aliases` are both left out",
            ),
            ({"segment_id": "s", "broadcast": "true"}, "broadcast", "must be a JSON Boolean, not text"),
            (
                {"external_user_ids": ["u"], "broadcast": True},
                "external_user_ids",
                "is not allowed with `broadcast: true`",
            ),
            (
                {"user_aliases": [ALIAS], "broadcast": True},
                "user_aliases",
                "is not allowed with `broadcast: true`",
            ),
            (
                {"external_user_ids": ["u"] * 26, "user_aliases": [ALIAS] * 25},
                "",
                "51 in `external_user_ids` and `user_aliases`; one request takes 50 at most",
            ),
            (
                {"external_user_ids": []},
                "external_user_ids",
                "is empty: name a recipient, or leave the field out on purpose",
            ),
            ({"external_user_ids": ["u", ""]}, "external_user_ids[1]", "must not be empty"),
            ({"external_user_ids": ["u", 5]}, "external_user_ids[1]", "must be text, not a number"),
            ({"external_user_ids": ["x" * 988]}, "external_user_ids[0]", "must be at most 987 bytes long"),
            ({"user_aliases": [{"alias_name": "n"}]}, "user_aliases[0].alias_label", "is required"),
            ({"external_user_ids": ["u"], "send_id": "é"}, "send_id", "must be ASCII"),
            (
                {"external_user_ids": ["u"], "send_id": "x" * 65},
                "send_id",
                "must be at most 64 characters long",
            ),
            ({"external_user_ids": ["u"], "segment_id": ""}, "segment_id", "must not be empty"),
            (
                {"external_user_ids": ["u"], "recipient_subscription_state": "subcribed"},
                "recipient_subscription_state",
                "must be one of `opted_in`, `subscribed` or `all`; did you mean `subscribed`?",
            ),
            (
                {"external_user_ids": ["u"], "campaign_id": "c"},
                "messages.sms.message_variation_id",
                "is required with `campaign_id`",
            ),
            (
                {"external_user_ids": ["u"], "recipients": []},
                "recipients",
                "unknown field; name recipients in `external_user_ids` or `user_aliases`",
            ),
            (
                {"external_user_ids": ["u"], "external_user_idss": []},
                "external_user_idss",
                "unknown field; did you mean `external_user_ids`?",
            ),
        ],
    )
    def test_what_braze_refuses_is_refused_by_name(self, fields, path, reason):
        assert mistakes(MessagesSend, {**MESSAGES, **fields}) == {path: reason}

    def test_messages_are_required_and_not_empty(self):
        assert mistakes(MessagesSend, {"external_user_ids": ["u"]}) == {"messages": "is required"}
        assert list(mistakes(MessagesSend, {"external_user_ids": ["u"], "messages": {}})) == ["messages"]

    def test_with_a_campaign_every_channel_needs_its_variation(self):
        channels = {
            "sms": SMS,
            "webhook": {"url": "u", "request_method": "POST", "message_variation_id": "v"},
            "web_push": {"alert": "a", "title": "t", "message_variation_id": None},
        }
        found = problems(MessagesSend, {"external_user_ids": ["u"], "campaign_id": "c", "messages": channels})
        missing = [problem for problem in found if problem.reason == "is required with `campaign_id`"]
        assert [problem.path for problem in missing] == [
            "messages.sms.message_variation_id",
            "messages.web_push.message_variation_id",
        ]
        assert {problem.fields for problem in missing} == {("campaign_id", "messages")}


class TestCampaignTriggerSend:
    @pytest.mark.parametrize(
        "fields",
        [
            {"recipients": recipients(50)},
            {"recipients": recipients(1), "broadcast": False, "attachments": ATTACHMENTS, "send_id": "s"},
            {"recipients": recipients(1), "audience": AUDIENCE, "trigger_properties": {"a": {"b": [None]}}},
            {"broadcast": True},
            {"broadcast": True, "audience": AUDIENCE},
            {"audience": AUDIENCE},
            {"audience": AUDIENCE, "broadcast": False},
        ],
    )
    def test_what_braze_takes_is_accepted_and_sent_as_it_is(self, fields):
        request = validate(CampaignTriggerSend, {"campaign_id": "c", **fields})
        assert request.to_body() == {"campaign_id": "c", **fields}

    @pytest.mark.parametrize(
        ("fields", "path", "reason"),
        [
            ({}, "", "reaches no recipient: give `recipients` or `audience`, or `broadcast: true`"),
            (
                {"broadcast": False},
                "",
                "reaches no recipient: give `recipients` or `audience`, or `broadcast: true`",
            ),
            ({"broadcast": "false", "audience": AUDIENCE}, "broadcast", "must be a JSON Boolean, not text"),
            (
                {"recipients": []},
                "recipients",
                "is empty: name a recipient, or leave the field out on purpose",
            ),
            (
                {"recipients": recipients(51)},
                "recipients",
                "51 in `recipients`; one request takes 50 at most",
            ),
            (
                {"recipients": recipients(1), "broadcast": True},
                "recipients",
                "is not allowed with `broadcast: true`",
            ),
            (
                {"attachments": ATTACHMENTS, "broadcast": True},
                "attachments",
                "is not allowed with `broadcast: true`",
            ),
            (
                {"broadcast": True, "trigger_properties": {"a": "x" * 51_200}},
                "trigger_properties",
                "must be at most 51,200 bytes of JSON",
            ),
            (
                {"recipients": [{"external_user_id": "u", "trigger_properties": {"a": "x" * 51_200}}]},
                "recipients[0].trigger_properties",
                "must be at most 51,200 bytes of JSON",
            ),
            (
                {"recipients": [*recipients(2), {"email": "a@b.c"}]},
                "recipients[2].prioritization",
                "is required with `email`",
            ),
            (
                {"broadcast": True, "segment_id": "s"},
                "segment_id",
                "unknown field; this endpoint takes no segment: choose it in the campaign",
            ),
            ({"broadcast": True, "campaign_id": ""}, "campaign_id", "must not be empty"),
        ],
    )
    def test_what_braze_refuses_is_refused_by_name(self, fields, path, reason):
        assert mistakes(CampaignTriggerSend, {"campaign_id": "c", **fields}) == {path: reason}

    @pytest.mark.parametrize(
        ("fields", "looked_at"),
        [
            ({}, ("recipients", "audience", "broadcast")),
            ({"recipients": recipients(51)}, ("recipients",)),
            ({"recipients": recipients(1), "broadcast": True}, ("broadcast", "recipients")),
            ({"attachments": ATTACHMENTS, "broadcast": True}, ("broadcast", "attachments")),
        ],
    )
    def test_rules_over_several_fields_name_them(self, fields, looked_at):
        (problem,) = problems(CampaignTriggerSend, {"campaign_id": "c", **fields})
        assert problem.fields == looked_at


class TestEnvelope:
    def test_an_envelope_is_a_request_without_its_recipients(self):
        fields = {
            "campaign_id": "c",
            "trigger_properties": {"a": 1},
            "attachments": ATTACHMENTS,
            "broadcast": False,
        }
        assert CampaignTriggerSend.validate_envelope(fields).to_body() == fields
        assert MessagesSend.validate_envelope(MESSAGES).to_body() == MESSAGES

    @pytest.mark.parametrize(
        ("fields", "paths"),
        [
            ({"broadcast": True}, ["campaign_id", "recipients"]),
            ({"campaign_id": "c", "recipients": recipients(1)}, ["recipients"]),
            ({"campaign_id": "c", "trigger_propertys": {}}, ["trigger_propertys"]),
        ],
    )
    def test_its_rules_count_the_recipients_as_named(self, fields, paths):
        assert sorted(problem.path for problem in CampaignTriggerSend.envelope_problems(fields)) == paths
        with pytest.raises(BrazeValidationError, match=r"^the task: "):
            CampaignTriggerSend.validate_envelope(fields, "the task")

    @pytest.mark.parametrize("field", ["external_user_ids", "user_aliases"])
    def test_an_envelope_that_names_recipients_is_refused(self, field):
        (problem,) = MessagesSend.envelope_problems({**MESSAGES, field: ["u"]})
        assert (problem.path, problem.fields) == (field, (field,))

    def test_a_segment_beside_recipients_needs_no_broadcast(self):
        assert MessagesSend.envelope_problems({**MESSAGES, "segment_id": "s"}) == []


class TestFill:
    def test_rows_of_a_campaign_become_its_recipients_in_order(self):
        rows = [validate(CampaignRecipient, row).to_json() for row in recipients(3)]
        assert CampaignTriggerSend.join(rows) == {"recipients": b"[" + b",".join(rows) + b"]"}
        assert CampaignTriggerSend.recipient_model is CampaignRecipient

    def test_rows_of_messages_are_sorted_into_ids_and_aliases(self):
        given = [{"external_user_id": "ü1"}, {"user_alias": ALIAS}, {"external_user_id": '"],"'}]
        rows = [validate(MessagesSend.recipient_model, row).to_json() for row in given]
        arrays = MessagesSend.join(rows)
        assert {name: json.loads(array) for name, array in arrays.items()} == {
            "external_user_ids": ["ü1", '"],"'],
            "user_aliases": [ALIAS],
        }
        assert MessagesSend.recipient_model is UserIdentity

    def test_no_array_is_empty(self):
        rows = [validate(UserIdentity, {"external_user_id": "u"}).to_json()]
        assert MessagesSend.join(rows) == {"external_user_ids": b'["u"]'}
        assert MessagesSend.join([]) == {}
        assert CampaignTriggerSend.join([]) == {}

    @pytest.mark.parametrize(
        ("model", "fields", "rows", "expected"),
        [
            (CampaignTriggerSend, {"campaign_id": "c"}, recipients(2), {"recipients": recipients(2)}),
            (
                MessagesSend,
                MESSAGES,
                [*recipients(1), {"user_alias": ALIAS}],
                {"external_user_ids": ["u0"], "user_aliases": [ALIAS]},
            ),
        ],
    )
    def test_a_filled_envelope_is_the_body_of_a_valid_request(self, model, fields, rows, expected):
        envelope = model.validate_envelope(fields).to_json()
        body = model.fill(envelope, [validate(model.recipient_model, row).to_json() for row in rows])
        assert json.loads(body) == {**fields, **expected}
        assert validate(model, json.loads(body)).to_json() == body

    def test_an_empty_envelope_can_be_filled(self):
        assert CampaignTriggerSend.fill(b"{}", [b'{"braze_id":"b"}']) == b'{"recipients":[{"braze_id":"b"}]}'
