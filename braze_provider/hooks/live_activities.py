"""The hook's methods for Live Activities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from braze_provider.api.endpoints import MESSAGES_LIVE_ACTIVITY_START, MESSAGES_LIVE_ACTIVITY_UPDATE
from braze_provider.hooks.methods import HookMethods

if TYPE_CHECKING:
    from braze_provider.api.answers import Answer
    from braze_provider.api.base import BrazeObject


class LiveActivityMethods(HookMethods):
    """Start, change and end Live Activities."""

    def messages_live_activity_start(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Start a Live Activity on the devices of named recipients, a segment or a custom audience.

        :param request: A :class:`~braze_provider.api.requests.LiveActivityStart` or its fields.
        :param allow_unknown_fields: Whether to send fields that this package does not know, unchanged.
            Default False: they are refused.
        :return: The answer. Braze gives no ids.
        :raises BrazeValidationError: If the request breaks Braze's contract. Nothing was sent.
        :raises BrazeRequestError: If Braze did not accept the request, or may not have accepted it.

        .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/live_activity/start
        """
        return self._send(MESSAGES_LIVE_ACTIVITY_START, request, allow_unknown_fields)

    def messages_live_activity_update(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Change a Live Activity, or end it.

        :param request: A :class:`~braze_provider.api.requests.LiveActivityUpdate` or its fields.
        :param allow_unknown_fields: Whether to send fields that this package does not know, unchanged.
            Default False: they are refused.
        :return: The answer.
        :raises BrazeValidationError: If the request breaks Braze's contract. No request was made.
        :raises BrazeRequestError: If Braze did not accept the request, or may not have accepted it.

        .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/live_activity/update
        """
        return self._send(MESSAGES_LIVE_ACTIVITY_UPDATE, request, allow_unknown_fields)
