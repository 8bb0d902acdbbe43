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

    def users_alias_new(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Give users new aliases: 50 at most. Braze skips an alias that is in use.

        :param request: A :class:`~braze_provider.api.requests.UsersAliasNew` or its fields.
        :param allow_unknown_fields: Send fields that this package does not know as they are. Default False.
        :return: The answer. Its count also has the aliases that were skipped.
        :raises BrazeValidationError: If the request breaks Braze's contract; no request was made.
        :raises BrazeRequestError: If Braze did not accept it, or may not have. A repeat does no harm.

        .. seealso:: https://www.braze.com/docs/api/endpoints/user_data/post_user_alias
        """
        return self._send(ENDPOINTS["users_alias_new"], request, allow_unknown_fields)

    def users_alias_update(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Rename aliases: 50 at most.

        :param request: A :class:`~braze_provider.api.requests.UsersAliasUpdate` or its fields.
        :param allow_unknown_fields: Send fields that this package does not know as they are. Default False.
        :return: The answer.
        :raises BrazeValidationError: If the request breaks Braze's contract; no request was made.
        :raises BrazeRequestError: If Braze did not accept it, or may not have. A repeat does no harm.

        .. seealso:: https://www.braze.com/docs/api/endpoints/user_data/post_users_alias_update
        """
        return self._send(ENDPOINTS["users_alias_update"], request, allow_unknown_fields)

    def users_identify(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Give an id to users who have only an alias, an e-mail address or a telephone number: 50 at most.

        :param request: A :class:`~braze_provider.api.requests.UsersIdentify` or its fields.
        :param allow_unknown_fields: Send fields that this package does not know as they are. Default False.
        :return: The answer. Its count also has the users for whom nothing was done.
        :raises BrazeValidationError: If the request breaks Braze's contract; no request was made.
        :raises BrazeRequestError: If Braze did not accept it, or may not have. A repeat does no harm.

        .. seealso:: https://www.braze.com/docs/api/endpoints/user_data/post_user_identify
        """
        return self._send(ENDPOINTS["users_identify"], request, allow_unknown_fields)

    def users_delete(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Delete users: 50 at most, all named by the same kind of identifier. It can't be undone.

        :param request: A :class:`~braze_provider.api.requests.UsersDelete` or its fields.
        :param allow_unknown_fields: Send fields that this package does not know as they are. Default False.
        :return: The answer. Its ``body["deleted"]`` is the number of users that were queued.
        :raises BrazeValidationError: If the request breaks Braze's contract; no request was made.
        :raises BrazeRequestError: If Braze did not accept it, or may not have. A repeat deletes whoever has
            the identifiers then.

        .. seealso:: https://www.braze.com/docs/api/endpoints/user_data/post_user_delete
        """
        return self._send(ENDPOINTS["users_delete"], request, allow_unknown_fields)
