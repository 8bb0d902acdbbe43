"""Operators for transactional e-mail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.tasks.fields import JSON, RECIPIENTS, TEXT, Field
from braze_provider.tasks.send import BrazeSendOperator

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from braze_provider.tasks.arguments import Recipients, SendArguments, Templated


class TransactionalEmailOperator(BrazeSendOperator):
    """
    Send a transactional e-mail to each recipient: one request for each of them.

    Each request has an ``external_send_id`` that is made from the task instance and the recipient. By it
    Braze recognises a repeat for 24 hours. So a request that Braze may have accepted is made again within 23
    hours, by this try or by a later one, and nobody gets the e-mail twice. After that ``on_uncertain``
    decides. ``resend`` starts over with new ids.

    :class:`~braze_provider.tasks.send.BrazeSendOperator` explains what a retry and a kill do, the XComs, and
    the parameters that all sending operators share.

    .. seealso::
        - :ref:`howto/operator:TransactionalEmailOperator`
        - https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_transactional_message

    :param campaign_id: Id of a transactional e-mail campaign. (templated)
    :param recipients: The recipients: a list of objects with ``external_user_id`` or ``user_alias``,
        ``attributes`` and ``trigger_properties``, a source such as
        :class:`~braze_provider.recipients.SqlRecipients`, a table of pandas, polars or Arrow with columns
        that are named like these fields, or an XComArg. (templated)
    :param trigger_properties: Values for the campaign's Liquid, for all recipients, at most 50 KB. A
        recipient's own values override those of the same name. (templated)
    :raises BrazeValidationError: For bad arguments or recipients, before anything is sent.
    """

    endpoint = ENDPOINTS["transactional_send"]
    request_fields: ClassVar[Mapping[str, Field]] = {
        "campaign_id": TEXT,
        "recipients": RECIPIENTS,
        "trigger_properties": JSON,
    }
    composed_fields: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "recipient": ("recipients",),
        "external_send_id": (),
    }

    def __init__(
        self,
        *,
        campaign_id: Templated,
        recipients: Sequence[Mapping[str, Any]] | Recipients,
        trigger_properties: Mapping[str, Any] | Templated | None = None,
        **kwargs: Unpack[SendArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.campaign_id = campaign_id
        self.recipients = recipients
        self.trigger_properties = trigger_properties
        self.check_constants()
