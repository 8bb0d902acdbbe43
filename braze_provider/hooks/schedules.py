"""The hook's methods for schedules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.hooks.methods import HookMethods

if TYPE_CHECKING:
    from braze_provider.api.answers import Answer
    from braze_provider.api.base import BrazeObject


class ScheduleMethods(HookMethods):
    """Create, change and delete schedules."""

    def messages_schedule_create(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Schedule messages for named recipients, a segment or an audience, with content given here.

        :param request: A :class:`~braze_provider.api.requests.MessagesScheduleCreate` or its fields.
        :param allow_unknown_fields: Send fields that this package does not know as they are. Default False.
        :return: The answer, with its ``dispatch_id`` and ``schedule_id``.
        :raises BrazeValidationError: If the request breaks Braze's contract; no request was made.
        :raises BrazeRequestError: If Braze did not accept it, or may not have.

        .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_schedule_messages
        """
        return self._send(ENDPOINTS["messages_schedule_create"], request, allow_unknown_fields)

    def messages_schedule_update(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Change when scheduled messages are sent, or what they say.

        :param request: A :class:`~braze_provider.api.requests.MessagesScheduleUpdate` or its fields.
        :param allow_unknown_fields: Send fields that this package does not know as they are. Default False.
        :return: The answer.
        :raises BrazeValidationError: If the request breaks Braze's contract; no request was made.
        :raises BrazeRequestError: If Braze did not accept it, or may not have.

        .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_update_scheduled_messages
        """
        return self._send(ENDPOINTS["messages_schedule_update"], request, allow_unknown_fields)

    def messages_schedule_delete(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Cancel scheduled messages.

        :param request: A :class:`~braze_provider.api.requests.MessagesScheduleDelete` or its fields.
        :param allow_unknown_fields: Send fields that this package does not know as they are. Default False.
        :return: The answer.
        :raises BrazeValidationError: If the request breaks Braze's contract; no request was made.
        :raises BrazeRequestError: If Braze did not accept it, or may not have.

        .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_delete_scheduled_messages
        """
        return self._send(ENDPOINTS["messages_schedule_delete"], request, allow_unknown_fields)

    def campaigns_trigger_schedule_create(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Trigger an API-triggered campaign later.

        :param request: A :class:`~braze_provider.api.requests.CampaignScheduleCreate` or its fields.
        :param allow_unknown_fields: Send fields that this package does not know as they are. Default False.
        :return: The answer, with its ``dispatch_id`` and ``schedule_id``.
        :raises BrazeValidationError: If the request breaks Braze's contract; no request was made.
        :raises BrazeRequestError: If Braze did not accept it, or may not have.

        .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_schedule_triggered_campaigns
        """
        return self._send(ENDPOINTS["campaigns_trigger_schedule_create"], request, allow_unknown_fields)

    def campaigns_trigger_schedule_update(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Move a scheduled campaign.

        Near its time this is best effort: all, some or no users may be affected.

        :param request: A :class:`~braze_provider.api.requests.CampaignScheduleUpdate` or its fields.
        :param allow_unknown_fields: Send fields that this package does not know as they are. Default False.
        :return: The answer.
        :raises BrazeValidationError: If the request breaks Braze's contract; no request was made.
        :raises BrazeRequestError: If Braze did not accept it, or may not have.

        .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_update_scheduled_triggered_campaigns
        """
        return self._send(ENDPOINTS["campaigns_trigger_schedule_update"], request, allow_unknown_fields)

    def campaigns_trigger_schedule_delete(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Cancel a scheduled campaign.

        Near its time this is best effort: all, some or no users may be affected.

        :param request: A :class:`~braze_provider.api.requests.CampaignScheduleDelete` or its fields.
        :param allow_unknown_fields: Send fields that this package does not know as they are. Default False.
        :return: The answer.
        :raises BrazeValidationError: If the request breaks Braze's contract; no request was made.
        :raises BrazeRequestError: If Braze did not accept it, or may not have.

        .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_delete_scheduled_triggered_messages
        """
        return self._send(ENDPOINTS["campaigns_trigger_schedule_delete"], request, allow_unknown_fields)

    def canvas_trigger_schedule_create(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Let recipients enter an API-triggered Canvas later.

        :param request: A :class:`~braze_provider.api.requests.CanvasScheduleCreate` or its fields.
        :param allow_unknown_fields: Send fields that this package does not know as they are. Default False.
        :return: The answer, with its ``dispatch_id`` and ``schedule_id``.
        :raises BrazeValidationError: If the request breaks Braze's contract; no request was made.
        :raises BrazeRequestError: If Braze did not accept it, or may not have.

        .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_schedule_triggered_canvases
        """
        return self._send(ENDPOINTS["canvas_trigger_schedule_create"], request, allow_unknown_fields)

    def canvas_trigger_schedule_update(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Move a scheduled Canvas.

        Near its time this is best effort: all, some or no users may be affected.

        :param request: A :class:`~braze_provider.api.requests.CanvasScheduleUpdate` or its fields.
        :param allow_unknown_fields: Send fields that this package does not know as they are. Default False.
        :return: The answer.
        :raises BrazeValidationError: If the request breaks Braze's contract; no request was made.
        :raises BrazeRequestError: If Braze did not accept it, or may not have.

        .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_update_scheduled_triggered_canvases
        """
        return self._send(ENDPOINTS["canvas_trigger_schedule_update"], request, allow_unknown_fields)

    def canvas_trigger_schedule_delete(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Cancel a scheduled Canvas.

        Near its time this is best effort: all, some or no users may be affected.

        :param request: A :class:`~braze_provider.api.requests.CanvasScheduleDelete` or its fields.
        :param allow_unknown_fields: Send fields that this package does not know as they are. Default False.
        :return: The answer.
        :raises BrazeValidationError: If the request breaks Braze's contract; no request was made.
        :raises BrazeRequestError: If Braze did not accept it, or may not have.

        .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/post_delete_scheduled_triggered_canvases
        """
        return self._send(ENDPOINTS["canvas_trigger_schedule_delete"], request, allow_unknown_fields)
