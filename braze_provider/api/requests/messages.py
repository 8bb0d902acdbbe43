"""``POST /messages/send``: message content from the Dag, to people, a segment or an audience."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from braze_provider.api.base import BrazeObject, Breach, part
from braze_provider.api.channels.messages import Messages
from braze_provider.api.endpoints import MESSAGES_SEND
from braze_provider.api.objects.audience import Audience
from braze_provider.api.objects.recipients import UserIdentity
from braze_provider.api.objects.user_alias import UserAlias
from braze_provider.api.requests.base import SendRequest
from braze_provider.api.values import Array, ExternalUserId, NonEmptyText, Omittable, SendId

# How rows of the two kinds begin, as UserIdentity.to_json() writes them: the one field they have.
_ARRAYS = {"external_user_ids": b'{"external_user_id":', "user_aliases": b'{"user_alias":'}


class MessageRequest(SendRequest):
    """
    What sending messages now and scheduling them have in common.

    :param messages: What is sent, in one or more channels.
    :param external_user_ids: Ids of people, at most 50 together with ``user_aliases``.
    :param user_aliases: Aliases of people.
    :param segment_id: A segment; with people, only those who are in it as well.
    :param audience: A connected audience, in the same way.
    :param broadcast: Default: False. Must be True when no people are given, and only then.
    :param campaign_id: The API campaign that it counts for; every channel then needs its
        ``message_variation_id``. Default: the send shows up in no statistics.
    :param send_id: The send that it counts for, ASCII of 64 characters at most; must have been registered.
    :param recipient_subscription_state: ``opted_in``, ``subscribed`` (default: also opted in) or ``all``
        (also unsubscribed).
    """

    hints: ClassVar[Mapping[str, str]] = {
        "recipients": "name people in `external_user_ids` or `user_aliases`",
        "trigger_properties": "they belong to campaigns; here, Liquid reads the profile",
        "attributes": "this endpoint writes to no profile",
    }
    recipient_model = UserIdentity
    _stand_in: ClassVar[Mapping[str, Any]] = {"external_user_ids": ["stand-in"]}

    messages: Messages
    external_user_ids: Omittable[Array[ExternalUserId]] = None
    user_aliases: Omittable[Array[UserAlias]] = None
    segment_id: Omittable[NonEmptyText] = None
    audience: Omittable[Audience] = None
    broadcast: Omittable[bool] = None
    campaign_id: Omittable[NonEmptyText] = None
    send_id: Omittable[SendId] = None
    recipient_subscription_state: Omittable[Literal["opted_in", "subscribed", "all"]] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check whom it reaches, and what a campaign asks of each channel."""
        yield from super().rules(given)
        if all(given.get(name) is None for name in cls.endpoint.arrays):
            if given.get("segment_id") is None and given.get("audience") is None:
                yield Breach(
                    "reaches nobody: give `external_user_ids`, `user_aliases`, `segment_id` or `audience`",
                    fields=(*cls.endpoint.arrays, "segment_id", "audience"),
                )
            elif given.get("broadcast") in (None, False):
                yield Breach(
                    "must be true when neither `external_user_ids` nor `user_aliases` are given",
                    ("broadcast",),
                    ("broadcast", *cls.endpoint.arrays, "segment_id", "audience"),
                )
        if given.get("campaign_id") is not None:
            for channel in Messages.model_fields:
                message = part(given.get("messages"), channel)
                if (
                    isinstance(message, (Mapping, BrazeObject))
                    and part(message, "message_variation_id") is None
                ):
                    yield Breach(
                        "is required with `campaign_id`",
                        ("messages", channel, "message_variation_id"),
                        ("campaign_id", "messages"),
                    )

    @classmethod
    def join(cls, rows: Sequence[bytes]) -> dict[str, bytes]:
        """Put rows into ``external_user_ids`` and ``user_aliases``, each in the order of the rows."""
        arrays = {}
        for field, start in _ARRAYS.items():
            if members := [row[len(start) : -1] for row in rows if row.startswith(start)]:
                arrays[field] = b"[%s]" % b",".join(members)
        return arrays


class MessagesSend(MessageRequest):
    """
    Send messages now. The recipients must exist already: this endpoint creates no users.

    Its other fields are those of :class:`MessageRequest`.

    :param override_frequency_capping: Default: False. Whether frequency capping is ignored.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_messages
    """

    endpoint = MESSAGES_SEND
    content_fields = frozenset({"messages"})

    override_frequency_capping: Omittable[bool] = None
