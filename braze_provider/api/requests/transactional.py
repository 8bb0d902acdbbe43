"""``POST /transactional/v1/campaigns/{campaign_id}/send``: one e-mail to one recipient."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator

from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.api.objects.recipients import TransactionalRecipient, TransactionalRow
from braze_provider.api.open_json import Properties
from braze_provider.api.reasons import refusal
from braze_provider.api.requests.base import SendRequest
from braze_provider.api.values import NonEmptyText, Omittable, PathText

_ALPHABET = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_+/=")


def _external_send_id(text: str) -> str:
    if not _ALPHABET.issuperset(text):
        raise refusal("may hold letters, digits and - _ + / = only")
    return text


class TransactionalSend(SendRequest):
    """
    Send a transactional e-mail.

    :param campaign_id: A transactional e-mail campaign. It is part of the path.
    :param external_send_id: By it, Braze recognises a repeat for 24 hours. A delivery makes its own.
    :param recipient: The recipient.
    :param trigger_properties: Values for the campaign's Liquid, at most 50 KB.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_transactional_message
    """

    endpoint = ENDPOINTS["transactional_send"]
    content_fields = frozenset({"trigger_properties"})
    hints: ClassVar[Mapping[str, str]] = {"recipients": "one e-mail has one `recipient`"}
    recipient_model = TransactionalRow
    _stand_in: ClassVar[Mapping[str, Any]] = {"recipient": {"external_user_id": "stand-in"}}

    campaign_id: PathText
    external_send_id: Omittable[Annotated[NonEmptyText, AfterValidator(_external_send_id)]] = None
    recipient: TransactionalRecipient
    trigger_properties: Omittable[Properties] = None

    @classmethod
    def fill(cls, envelope: bytes, rows: Sequence[bytes]) -> bytes:
        """Make the body of one request. The recipient's own values override those of all."""
        body = json.loads(envelope)
        recipient = body["recipient"] = json.loads(rows[0])
        if own := recipient.pop("trigger_properties", None):
            body["trigger_properties"] = {**body.get("trigger_properties", {}), **own}
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
