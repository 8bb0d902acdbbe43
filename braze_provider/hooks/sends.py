"""The hook's methods for sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from braze_provider.api.endpoints import (
    CAMPAIGNS_TRIGGER_SEND,
    CANVAS_TRIGGER_SEND,
    ENDPOINTS,
    MESSAGES_SEND,
    SENDS_ID_CREATE,
)
from braze_provider.hooks.methods import HookMethods

if TYPE_CHECKING:
    from braze_provider.api.answers import Answer
    from braze_provider.api.base import BrazeObject


class SendMethods(HookMethods):
    """Send messages, trigger campaigns and Canvases, and register send ids."""

    def messages_send(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Send messages to named recipients, a segment or an audience. The request brings the content.

        :param request: A :class:`~braze_provider.api.requests.MessagesSend` or its fields.
        :param allow_unknown_fields: Whether to send fields that this package does not know, unchanged.
            Default False: they are refused.
        :return: The answer, with its ``dispatch_id``.
        :raises BrazeValidationError: If the request breaks Braze's contract. Nothing was sent.
        :raises BrazeRequestError: If Braze did not accept the request, or may not have accepted it.

        .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_messages
        """
        return self._send(MESSAGES_SEND, request, allow_unknown_fields)

    def campaigns_trigger_send(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Trigger an API-triggered campaign for named recipients, for an audience, or for the whole audience of
        the campaign.

        :param request: A :class:`~braze_provider.api.requests.CampaignTriggerSend` or its fields.
        :param allow_unknown_fields: Whether to send fields that this package does not know, unchanged.
            Default False: they are refused.
        :return: The answer, with its ``dispatch_id``.
        :raises BrazeValidationError: If the request breaks Braze's contract. Nothing was sent.
        :raises BrazeRequestError: If Braze did not accept the request, or may not have accepted it.

        .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_triggered_campaigns
        """
        return self._send(CAMPAIGNS_TRIGGER_SEND, request, allow_unknown_fields)

    def canvas_trigger_send(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Let named recipients, an audience, or the whole audience of the Canvas enter an API-triggered Canvas.

        :param request: A :class:`~braze_provider.api.requests.CanvasTriggerSend` or its fields.
        :param allow_unknown_fields: Whether to send fields that this package does not know, unchanged.
            Default False: they are refused.
        :return: The answer, with its ``dispatch_id``.
        :raises BrazeValidationError: If the request breaks Braze's contract. Nothing was sent.
        :raises BrazeInertError: If the Canvas is paused or archived: no recipient enters it.
        :raises BrazeRequestError: If Braze did not accept the request, or may not have accepted it.

        .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_triggered_canvases
        """
        return self._send(CANVAS_TRIGGER_SEND, request, allow_unknown_fields)

    def transactional_send(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Send a transactional e-mail to one recipient.

        With an ``external_send_id``, Braze recognises a repeat for 24 hours and does not send again.

        :param request: A :class:`~braze_provider.api.requests.TransactionalSend` or its fields, with the
            ``campaign_id`` that is part of the path.
        :param allow_unknown_fields: Whether to send fields that this package does not know, unchanged.
            Default False: they are refused.
        :return: The answer, with its ``dispatch_id``. A repeat that Braze recognises may have none.
        :raises BrazeValidationError: If the request breaks Braze's contract. Nothing was sent.
        :raises BrazeRequestError: If Braze did not accept the request, or may not have accepted it.

        .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_transactional_message
        """
        return self._send(ENDPOINTS["transactional_send"], request, allow_unknown_fields)

    def sends_id_create(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Register a send identifier, under which Braze tracks a send. Braze registers 100 a day.

        :param request: A :class:`~braze_provider.api.requests.SendIdCreate` or its fields.
        :param allow_unknown_fields: Whether to send fields that this package does not know, unchanged.
            Default False: they are refused.
        :return: The answer, with its ``send_id``.
        :raises BrazeValidationError: If the request breaks Braze's contract. No request was made.
        :raises BrazeRequestError: If Braze did not accept the request, or may not have accepted it.

        .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_create_send_ids
        """
        return self._send(SENDS_ID_CREATE, request, allow_unknown_fields)
