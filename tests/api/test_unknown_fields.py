"""Fields that the models don't know: refused, unless the caller asks to send them unchanged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from api.channel_helpers import LARGEST, REPLY_CARD, SMALLEST, TEMPLATE_CARD, WHATS_APP_MESSAGES, carousel

from braze_provider.api import requests
from braze_provider.api.base import BrazeObject, MessagePart
from braze_provider.api.channels.apple_push import ApplePush
from braze_provider.api.channels.base import Channel
from braze_provider.api.channels.messages import Messages
from braze_provider.api.channels.whats_app import WhatsAppMessage
from braze_provider.api.errors import BrazeValidationError
from braze_provider.api.objects.audience import Audience
from braze_provider.api.objects.identities import (
    OneOf,
    Prioritized,
    SubscriptionUser,
    UserToDelete,
    UserToIdentify,
)
from braze_provider.api.objects.recipients import (
    Addressee,
    CampaignRecipient,
    Recipient,
    TransactionalRow,
    UserIdentity,
)
from braze_provider.api.objects.row import Row
from braze_provider.api.objects.schedule import Schedule
from braze_provider.api.objects.user_attributes import UserAttributes
from braze_provider.api.objects.user_updates import Act, UserUpdate
from braze_provider.api.requests import CampaignTriggerSend, CanvasTriggerSend, MessagesSend, SendRequest
from braze_provider.api.requests.campaigns import CampaignTriggerRequest
from braze_provider.api.requests.canvas import CanvasTriggerRequest
from braze_provider.api.requests.catalogs import CatalogItemsRequest
from braze_provider.api.requests.duplicates import Duplicate
from braze_provider.api.requests.exports import UsersExport
from braze_provider.api.requests.messages import MessageRequest
from braze_provider.api.requests.named_users import NamedUsersRequest
from braze_provider.api.requests.triggers import TriggerRequest
from braze_provider.api.validation import problems, unknown_fields, validate

ALIAS = {"alias_name": "ada", "alias_label": "crm"}
AUDIENCE = {
    "AND": [
        {"custom_attribute": {"custom_attribute_name": "a", "comparison": "exists"}},
        {"push_subscription_status": {"comparison": "is", "value": "opted_in"}},
        {"last_used_app": {"comparison": "after", "value": "2026-01-01"}},
    ]
}
ATTRIBUTES = {
    "current_location": {"longitude": 0.5, "latitude": 1.5},
    "push_tokens": [{"app_id": "a", "token": "t"}],
    "subscription_groups": [{"subscription_group_id": "g", "subscription_state": "subscribed"}],
}
TRIGGER = {
    "campaign_id": "c",
    "recipients": [
        {"external_user_id": "u1"},
        {"external_user_id": "u2", "attributes": ATTRIBUTES},
        {"user_alias": ALIAS},
    ],
    "audience": AUDIENCE,
    "attachments": [{"file_name": "f", "url": "https://example.com/f.pdf"}],
}
ACT = {"external_id": "u", "time": "2026-10-01T12:00:00Z"}
TRACK = {
    "attributes": [{"user_alias": ALIAS, **ATTRIBUTES}],
    "events": [{"name": "visit", **ACT}],
    "purchases": [{"product_id": "p", "currency": "EUR", "price": 1, **ACT}],
}
BY_EMAIL = {"email": "a@example.com", "prioritization": ["identified"]}
BY_PHONE = {"phone": "+4930123456", "prioritization": ["identified"]}
SCHEDULE = {"time": "2026-10-01T12:00:00Z"}
ACTIVITY = {
    "app_id": "a",
    "activity_id": "match-7",
    "content_state": {"score": [0, 1]},
    "notification": {"alert": {"title": "Goal", "body": "0:1"}},
}
SMS = {"sms": SMALLEST["sms"]}
WHOLE: list[tuple[type[BrazeObject], dict[str, Any]]] = [
    (CampaignTriggerSend, TRIGGER),
    (MessagesSend, {"user_aliases": [ALIAS], "audience": AUDIENCE, "messages": LARGEST}),
    (Schedule, SCHEDULE),
    (requests.SendIdCreate, {"campaign_id": "c"}),
    (requests.UsersTrack, TRACK),
    (requests.UsersAliasNew, {"user_aliases": [ALIAS]}),
    (
        requests.UsersAliasUpdate,
        {"alias_updates": [{"alias_label": "crm", "old_alias_name": "a", "new_alias_name": "b"}]},
    ),
    (
        requests.UsersIdentify,
        {
            "aliases_to_identify": [{"external_id": "u", "user_alias": ALIAS}],
            "emails_to_identify": [{"external_id": "u", **BY_EMAIL}],
            "phone_numbers_to_identify": [{"external_id": "u", **BY_PHONE}],
        },
    ),
    (requests.UsersDelete, {"user_aliases": [ALIAS]}),
    (requests.UsersDelete, {"email_addresses": [BY_EMAIL]}),
    (requests.UsersDelete, {"phone_numbers": [BY_PHONE]}),
    (
        requests.SubscriptionStatusSet,
        {"subscription_group_id": "g", "subscription_state": "subscribed", "email": ["a@example.com"]},
    ),
    (requests.CatalogItemsReplace, {"catalog_name": "c", "items": [{"id": "i", "price": 1}]}),
    (requests.CatalogItemsUpdate, {"catalog_name": "c", "items": [{"id": "i", "price": 1}]}),
    (requests.CatalogItemsDelete, {"catalog_name": "c", "items": [{"id": "i"}]}),
    (requests.TransactionalSend, {"campaign_id": "c", "recipient": {"user_alias": ALIAS}}),
    (requests.MessagesScheduleCreate, {"user_aliases": [ALIAS], "messages": SMS, "schedule": SCHEDULE}),
    (requests.MessagesScheduleUpdate, {"schedule_id": "s", "messages": SMS, "schedule": SCHEDULE}),
    (requests.MessagesScheduleDelete, {"schedule_id": "s"}),
    (requests.CampaignScheduleCreate, {"campaign_id": "c", "broadcast": True, "schedule": SCHEDULE}),
    (requests.CampaignScheduleUpdate, {"campaign_id": "c", "schedule_id": "s", "schedule": SCHEDULE}),
    (requests.CampaignScheduleDelete, {"campaign_id": "c", "schedule_id": "s"}),
    (requests.CanvasScheduleCreate, {"canvas_id": "c", "broadcast": True, "schedule": SCHEDULE}),
    (requests.CanvasScheduleUpdate, {"canvas_id": "c", "schedule_id": "s", "schedule": SCHEDULE}),
    (requests.CanvasScheduleDelete, {"canvas_id": "c", "schedule_id": "s"}),
    (
        requests.LiveActivityStart,
        {**ACTIVITY, "user_aliases": [ALIAS], "activity_attributes_type": "t", "activity_attributes": {}},
    ),
    (requests.LiveActivityUpdate, {**ACTIVITY, "end_activity": True}),
    (requests.CampaignDuplicate, {"campaign_id": "c", "name": "n"}),
    (requests.CanvasDuplicate, {"canvas_id": "c", "name": "n"}),
    (requests.UsersExportIds, {"user_aliases": [ALIAS]}),
    (requests.UsersExportSegment, {"segment_id": "s", "fields_to_export": ["email"]}),
    (requests.UsersExportGlobalControlGroup, {"fields_to_export": ["email"]}),
    (requests.ExportSegmentCancel, {"segment_id": "s"}),
    (CanvasTriggerSend, {"canvas_id": "c", "recipients": TRIGGER["recipients"], "audience": AUDIENCE}),
    *(
        (Messages, {"whats_app": {**SMALLEST["whats_app"], "message_type": kind, "message": message}})
        for kind, message in [
            *WHATS_APP_MESSAGES,
            ("carousel_response_message", carousel("quick_reply", REPLY_CARD, REPLY_CARD)),
            (
                "template_message",
                {
                    "template_name": "t",
                    "template_language_code": "en",
                    "carousel_cards": [TEMPLATE_CARD, TEMPLATE_CARD],
                },
            ),
        ]
    ),
]


def objects(value: Any, *at: str | int) -> Iterator[tuple[tuple[str | int, ...], BrazeObject]]:
    """Every object of Braze inside a value, with its place."""
    if isinstance(value, BrazeObject):
        yield at, value
        for name, inner in value.by_wire_name().items():
            yield from objects(inner, *at, name)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from objects(inner, *at, index)


PLACES = [
    pytest.param(model, data, at, id=f"{model.__name__}-{'.'.join(map(str, at))}-{number}")
    for number, (model, data) in enumerate(WHOLE)
    for at, found in objects(validate(model, data))
    if found.other_fields == "unknown"
]
NEW = {"any": [{"thing": None}, 1.5, "Zoë {{${first_name}}}"]}


def with_new_field(data: dict[str, Any], at: tuple[str | int, ...]) -> dict[str, Any]:
    changed = json.loads(json.dumps(data))  # a copy, in which no object occurs twice
    inner: Any = changed
    for step in at:
        inner = inner[step]
    inner["new_field"] = NEW
    return changed


def test_every_object_is_tried():
    def below(model: type[BrazeObject]) -> Iterator[type[BrazeObject]]:
        for inner in model.__subclasses__():
            if inner.__module__.startswith("braze_provider.api."):  # the sandbox has some of its own
                yield inner
                yield from below(inner)

    tried = {type(found) for model, data in WHOLE for _, found in objects(validate(model, data))}
    bases = {MessagePart, Channel, WhatsAppMessage, SendRequest, Row, Addressee, Recipient, Act}
    bases |= {NamedUsersRequest, MessageRequest, TriggerRequest, CampaignTriggerRequest, CanvasTriggerRequest}
    bases |= {Duplicate, UsersExport, OneOf, Prioritized, CatalogItemsRequest}
    rows = {UserIdentity, UserUpdate, TransactionalRow, UserToIdentify, UserToDelete, SubscriptionUser}
    assert set(below(BrazeObject)) - tried - bases == rows


@pytest.mark.parametrize(("model", "data", "at"), PLACES)
def test_an_unknown_field_is_refused_by_name_at_every_level(model, data, at):
    (problem,) = problems(model, with_new_field(data, at))
    assert problem.path.endswith("new_field")
    assert problem.reason.startswith("unknown")


@pytest.mark.parametrize(("model", "data", "at"), PLACES)
def test_an_allowed_unknown_field_is_sent_unchanged_at_every_level(model, data, at):
    given = with_new_field(data, at)
    made = validate(model, given, allow_unknown_fields=True)
    assert made.to_body() == given
    assert json.loads(made.to_json()) == given
    assert unknown_fields(made) == [
        ".".join("[]" if isinstance(step, int) else step for step in (*at, "new_field")).replace(".[]", "[]")
    ]


def test_an_unknown_field_of_many_objects_is_named_once():
    recipients = [{"external_user_id": str(n), "new": n, "attributes": {"custom": n}} for n in range(3)]
    made = validate(CampaignTriggerSend, {**TRIGGER, "recipients": recipients}, allow_unknown_fields=True)
    assert unknown_fields(made) == ["recipients[].new"]


def test_a_request_of_known_fields_has_no_unknown_ones():
    assert unknown_fields(validate(MessagesSend, WHOLE[1][1], allow_unknown_fields=True)) == []


def test_a_custom_attribute_is_not_an_unknown_field():
    made = validate(UserAttributes, {"city": "Paris"})
    assert unknown_fields(made) == []
    assert made.to_body() == {"city": "Paris"}


def test_a_field_that_was_allowed_once_is_refused_later():
    data = {"external_user_id": "u1", "new": 1}
    made = validate(CampaignRecipient, data, allow_unknown_fields=True)
    for again in (data, made):
        assert [problem.path for problem in problems(CampaignRecipient, again)] == ["new"]


@pytest.mark.parametrize(
    ("model", "data", "reason"),
    [
        (CampaignRecipient, {"new_id": "u1"}, "names no recipient"),
        (CampaignTriggerSend, {"campaign_id": "c", "new": ["u1"]}, "reaches no recipient"),
        (CampaignTriggerSend, {**TRIGGER, "campaign_id": 5, "new": 1}, "must be text"),
        (Messages, {}, "holds no message"),
        (Messages, {"new": None}, "holds no message"),
        (Audience, {}, "is empty"),
    ],
)
def test_every_other_rule_still_holds(model, data, reason):
    (problem,) = problems(model, data, allow_unknown_fields=True)
    assert problem.reason.startswith(reason)


@pytest.mark.parametrize(
    ("model", "data"),
    [(Messages, {"rcs": {"body": "b"}}), (Audience, {"new_filter": {"comparison": "is"}})],
)
def test_a_new_channel_or_filter_of_braze_is_enough(model, data):
    assert validate(model, data, allow_unknown_fields=True).to_body() == data


def test_a_name_with_a_hint_is_allowed_too():
    given = {**TRIGGER, "segment_id": "s"}
    assert validate(CampaignTriggerSend, given, allow_unknown_fields=True).to_body() == given


def test_the_values_of_unknown_fields_become_json():
    made = validate(ApplePush, {"alert": "a", "on": (date(2026, 10, 1),)}, allow_unknown_fields=True)
    assert made.to_json() == b'{"alert":"a","on":["2026-10-01"]}'


def test_a_value_that_is_not_json_is_refused_with_its_place():
    (problem,) = problems(ApplePush, {"alert": "a", "new": [{"n": float("nan")}]}, allow_unknown_fields=True)
    assert str(problem) == "new[0].n: must be a finite number: JSON has no NaN or Infinity"


def test_a_row_of_messages_send_takes_one_only_in_its_alias():
    row = {"external_user_id": "u1", "new": 1}
    assert [problem.path for problem in problems(UserIdentity, row, allow_unknown_fields=True)] == ["new"]
    rows = [
        validate(UserIdentity, row, allow_unknown_fields=True).to_json()
        for row in ({"external_user_id": "u1"}, {"user_alias": {**ALIAS, "new": 1}})
    ]
    assert json.loads(MessagesSend.fill(b"{}", rows)) == {
        "external_user_ids": ["u1"],
        "user_aliases": [{**ALIAS, "new": 1}],
    }


def test_an_envelope_takes_them_too():
    fields = {"campaign_id": "c", "new": NEW, "audience": {**AUDIENCE, "newer": 1}}
    with pytest.raises(BrazeValidationError, match="2 mistakes"):
        CampaignTriggerSend.validate_envelope(fields)
    envelope = CampaignTriggerSend.validate_envelope(fields, allow_unknown_fields=True)
    assert json.loads(envelope.to_json()) == fields
    assert unknown_fields(envelope) == ["new", "audience.newer"]
    assert CampaignTriggerSend.envelope_problems(fields, allow_unknown_fields=True) == []
    assert len(CampaignTriggerSend.envelope_problems(fields)) == 2
