"""Operators for messages whose content the Dag brings along."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from braze_provider.api.endpoints import MESSAGES_SEND
from braze_provider.tasks.fields import CONTENT, FIXED, JSON, RECIPIENTS, TEXT, Field, Kind
from braze_provider.tasks.send import BrazeSendOperator
from braze_provider.templating import ContentFile

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from braze_provider.tasks.arguments import People, SendArguments, Templated


class MessagesSendOperator(BrazeSendOperator):
    """
    Send messages whose content is given here, to named people, a segment or an audience.

    Liquid in the content reaches Braze byte for byte, and what is Airflow's is rendered; see
    :mod:`braze_provider.templating`. More than fifty recipients become several requests, each with a
    dispatch id. The people must exist in Braze already: this endpoint creates no profiles.

    See :class:`~braze_provider.tasks.send.BrazeSendOperator` for what a retry and a kill do, for the
    XComs, and for the parameters that all sending operators share.

    .. seealso::
        - :ref:`howto/operator:MessagesSendOperator`
        - https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_messages

    :param messages: Message objects by channel: ``apple_push``, ``android_push``, ``kindle_push``,
        ``web_push``, ``email``, ``webhook``, ``content_card``, ``sms``, ``whats_app``; or a
        :class:`~braze_provider.templating.ContentFile` that holds them. (templated, beside Liquid)
    :param external_user_ids: Ids of people: a list, an XComArg, or one column of a table. (templated)
    :param user_aliases: User aliases of people, besides the ids or alone. (templated)
    :param recipients: A source of ids and aliases, such as
        :class:`~braze_provider.recipients.SqlRecipients`, in the place of the two. Here and in the two, a
        table of pandas, polars or Arrow gives people by the names of its columns. (templated)
    :param segment_id: Id of a segment; alone it needs ``broadcast=True``, with named people it narrows them
        down. (templated)
    :param audience: Connected audience; as ``segment_id``. (templated)
    :param broadcast: True sends to the whole segment or audience. Default: not given.
    :param campaign_id: Id of an API campaign, for statistics; then every message object needs its
        ``message_variation_id``. (templated)
    :param send_id: Send identifier under which Braze tracks this send, as registered with
        ``/sends/id/create``. (templated)
    :param override_frequency_capping: Send also to people who have had enough messages. Default: not given.
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
        external_user_ids: Sequence[str | int] | People | None = None,
        user_aliases: Sequence[Mapping[str, Any]] | People | None = None,
        recipients: Sequence[Mapping[str, Any]] | People | None = None,
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
