"""The hook's methods for users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.hooks.methods import HookMethods

if TYPE_CHECKING:
    from braze_provider.api.answers import Answer
    from braze_provider.api.base import BrazeObject


class UserMethods(HookMethods):
    """Write to the profiles of users."""

    def users_track(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Write attributes, events and purchases of users: 75 objects at most.

        :param request: A :class:`~braze_provider.api.requests.UsersTrack` or its fields.
        :param allow_unknown_fields: Whether to send fields that this package does not know, unchanged.
            Default False: they are refused.
        :return: The answer. Its ``row_errors`` name the objects that Braze refused.
        :raises BrazeValidationError: If the request breaks Braze's contract. Nothing was written.
        :raises BrazeRequestError: If Braze did not accept the request, or may not have accepted it.

        .. seealso:: https://www.braze.com/docs/api/endpoints/user_data/post_user_track
        """
        return self._send(ENDPOINTS["users_track"], request, allow_unknown_fields)
