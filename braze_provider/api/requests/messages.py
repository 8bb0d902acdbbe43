"""``POST /messages/send``: message content from the Dag, to recipients, a segment or an audience."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from braze_provider.api.base import BrazeObject, Breach, part
from braze_provider.api.channels.messages import Messages
from braze_provider.api.endpoints import MESSAGES_SEND
from braze_provider.api.objects.audience import Audience
from braze_provider.api.objects.user_alias import UserAlias
from braze_provider.api.requests.named_users import NamedUsersRequest
from braze_provider.api.values import Array, ExternalUserId, NonEmptyText, Omittable, SendId


class MessageRequest(NamedUsersRequest):
    """
    The fields that sending messages now and scheduling them have in common.

    :param messages: The messages, for one or more channels.
    :param external_user_ids: External ids of recipients, at most 50 together with ``user_aliases``.
    :param user_aliases: Aliases of recipients.
    :param segment_id: A segment. Named recipients get the messages only if they are also in the segment.
    :param audience: A connected audience, which works like the segment.
    :param broadcast: Must be True if no recipients are named, and must not be True otherwise. Default: False.
    :param campaign_id: The API campaign whose statistics count the send. Every channel then needs its
        ``message_variation_id``. Default: no statistics show the send.
    :param send_id: The send identifier under which the send is counted, ASCII of 64 characters at most. It
        must be registered before.
    :param recipient_subscription_state: ``opted_in``, ``subscribed`` (default: also opted in) or ``all``
        (also unsubscribed).
    """

    hints: ClassVar[Mapping[str, str]] = {
        "recipients": "name recipients in `external_user_ids` or `user_aliases`",
        "trigger_properties": "they belong to campaigns; here, Liquid reads the profile",
        "attributes": "this endpoint writes to no profile",
    }

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
        """Check that the request reaches recipients, and that each channel names a campaign's variation."""
        yield from super().rules(given)
        if all(given.get(name) is None for name in cls.endpoint.arrays):
            if given.get("segment_id") is None and given.get("audience") is None:
                yield Breach(
                    "reaches no recipient: give `external_user_ids`, `user_aliases`, `segment_id` or "
                    "`audience`",
                    fields=(*cls.endpoint.arrays, "segment_id", "audience"),
                )
            elif given.get("broadcast") in (None, False):
                yield Breach(
                    "must be true if `external_user_ids` and `user_aliases` are both left out",
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


class MessagesSend(MessageRequest):
    """
    Send messages now. The recipients must exist already: this endpoint creates no users.

    Its other fields are those of
    :class:`~braze_provider.api.requests.messages.MessageRequest`.

    :param override_frequency_capping: Default: False. Whether frequency capping is ignored.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_messages
    """

    endpoint = MESSAGES_SEND
    content_fields = frozenset({"messages"})

    override_frequency_capping: Omittable[bool] = None
