"""Operators for messages whose content is in the Dag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from braze_provider.api.endpoints import MESSAGES_SEND
from braze_provider.tasks.fields import CONTENT, FIXED, JSON, RECIPIENTS, TEXT, Field, Kind
from braze_provider.tasks.send import BrazeSendOperator
from braze_provider.templating import ContentFile

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from braze_provider.tasks.arguments import Recipients, SendArguments, Templated


class MessagesSendOperator(BrazeSendOperator):
    """
    Send messages whose content is given here, to named recipients, a segment or an audience.

    Liquid in the content reaches Braze byte for byte, and Airflow renders its own expressions; see
    :mod:`braze_provider.templating`. More than fifty recipients become several requests, each with a
    dispatch id. The recipients must exist in Braze already: this endpoint creates no profiles.

    :class:`~braze_provider.tasks.send.BrazeSendOperator` explains what a retry and a kill do, the XComs, and
    the parameters that all sending operators share.

    .. seealso::
        - :ref:`howto/operator:MessagesSendOperator`
        - https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_messages

    :param messages: Message objects by channel: ``apple_push``, ``android_push``, ``kindle_push``,
        ``web_push``, ``email``, ``webhook``, ``content_card``, ``sms``, ``whats_app``; or a
        :class:`~braze_provider.templating.ContentFile` that holds them. (templated, beside Liquid)
    :param external_user_ids: External ids of recipients: a list, an XComArg, or one column of a table.
        (templated)
    :param user_aliases: User aliases of recipients, with the ids or alone. (templated)
    :param recipients: A source of ids and aliases, such as
        :class:`~braze_provider.recipients.SqlRecipients`, instead of the two arguments before. All three also
        take a table of pandas, polars or Arrow with columns that are named like a recipient's fields.
        (templated)
    :param segment_id: Id of a segment. Alone it needs ``broadcast=True``. With named recipients, only those
        in the segment get the messages. (templated)
    :param audience: Connected audience, which works like ``segment_id``. (templated)
    :param broadcast: True sends to the whole segment or audience. Default: not given.
    :param campaign_id: Id of an API campaign, for statistics. Every message object then needs its
        ``message_variation_id``. (templated)
    :param send_id: Send identifier under which Braze tracks this send. It must be registered before with
        ``/sends/id/create``. (templated)
    :param override_frequency_capping: True ignores frequency capping, so that also recipients above its limit
        get the messages. Default: not given.
    :param recipient_subscription_state: ``subscribed`` (Braze's default), ``opted_in`` or ``all``.
        (templated)
    :raises BrazeValidationError: For bad arguments or recipients, before anything is sent.
    """

    endpoint = MESSAGES_SEND
    request_fields: ClassVar[Mapping[str, Field]] = {
        "messages": CONTENT,
        "external_user_ids": Field(Kind.RECIPIENTS, item="external_user_id"),
        "user_aliases": Field(Kind.RECIPIENTS, item="user_alias"),
        "recipients": RECIPIENTS,
        "segment_id": TEXT,
        "audience": JSON,
        "campaign_id": TEXT,
        "send_id": TEXT,
        "recipient_subscription_state": TEXT,
        "broadcast": FIXED,
        "override_frequency_capping": FIXED,
    }
    template_fields_renderers: ClassVar[dict[str, str]] = {
        "messages.email.body": "html",
        "messages.email.amp_body": "html",
    }

    def __init__(
        self,
        *,
        messages: Mapping[str, Any] | ContentFile | Templated,
        external_user_ids: Sequence[str | int] | Recipients | None = None,
        user_aliases: Sequence[Mapping[str, Any]] | Recipients | None = None,
        recipients: Sequence[Mapping[str, Any]] | Recipients | None = None,
        segment_id: Templated | None = None,
        audience: Mapping[str, Any] | Templated | None = None,
        broadcast: bool | None = None,
        campaign_id: Templated | None = None,
        send_id: Templated | None = None,
        override_frequency_capping: bool | None = None,
        recipient_subscription_state: Literal["opted_in", "subscribed", "all"] | Templated | None = None,
        **kwargs: Unpack[SendArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.messages = messages
        self.external_user_ids = external_user_ids
        self.user_aliases = user_aliases
        self.recipients = recipients
        self.segment_id = segment_id
        self.audience = audience
        self.broadcast = broadcast
        self.campaign_id = campaign_id
        self.send_id = send_id
        self.override_frequency_capping = override_frequency_capping
        self.recipient_subscription_state = recipient_subscription_state
        self.check_constants()
