"""The hook's methods for subscription groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.hooks.methods import HookMethods

if TYPE_CHECKING:
    from braze_provider.api.answers import Answer
    from braze_provider.api.base import BrazeObject


class SubscriptionMethods(HookMethods):
    """Set the state of users in subscription groups."""

    def subscription_status_set(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Set the state of users in one subscription group: 50 at most.

        :param request: A :class:`~braze_provider.api.requests.SubscriptionStatusSet` or its fields.
        :param allow_unknown_fields: Send fields that this package does not know as they are. Default False.
        :return: The answer.
        :raises BrazeValidationError: If the request breaks Braze's contract; no request was made.
        :raises BrazeRequestError: If Braze did not accept it, or may not have. A repeat does no harm.

        .. seealso:: https://www.braze.com/docs/api/endpoints/subscription_groups/post_update_user_subscription_group_status
        """
        return self._send(ENDPOINTS["subscription_status_set"], request, allow_unknown_fields)
