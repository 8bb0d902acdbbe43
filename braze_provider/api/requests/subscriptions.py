"""Requests that set the state of users in subscription groups."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

from braze_provider.api.base import Breach
from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.api.objects.identities import SubscriptionUser
from braze_provider.api.objects.user_updates import UserId
from braze_provider.api.reasons import listed
from braze_provider.api.requests.base import SendRequest
from braze_provider.api.values import Array, NonEmptyText, Omittable, PhoneNumber


class SubscriptionStatusSet(SendRequest):
    """
    Set the state of users in one subscription group: 50 at most in one request.

    :param subscription_group_id: Id of the group.
    :param subscription_state: ``subscribed`` or ``unsubscribed``.
    :param external_id: The users' ids in your systems.
    :param email: E-mail addresses. All profiles that have one of them change.
    :param phone: Telephone numbers in E.164. All profiles that have one of them change.
    :param use_double_opt_in_logic: Whether an SMS group asks the users to confirm. Default: False.

    .. seealso:: https://www.braze.com/docs/api/endpoints/subscription_groups/post_update_user_subscription_group_status
    """

    endpoint = ENDPOINTS["subscription_status_set"]
    content_fields = frozenset()
    recipient_model = SubscriptionUser
    row_noun = "user"
    row_starts: ClassVar[Mapping[str, bytes]] = {
        name: b'{"%s":' % name.encode() for name in SubscriptionUser.model_fields
    }
    _stand_in: ClassVar[Mapping[str, Any]] = {"external_id": ["stand-in"]}

    subscription_group_id: NonEmptyText
    subscription_state: Literal["subscribed", "unsubscribed"]
    external_id: Omittable[Array[UserId]] = None
    email: Omittable[Array[NonEmptyText]] = None
    phone: Omittable[Array[PhoneNumber]] = None
    use_double_opt_in_logic: Omittable[bool] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check that the request names users, and not by both kinds of address."""
        yield from super().rules(given)
        arrays = cls.endpoint.arrays
        if all(given.get(name) is None for name in arrays):
            yield Breach(f"names no user: give one of {listed(arrays)}", fields=arrays)
        if given.get("email") is not None and given.get("phone") is not None:
            reason = "is not allowed with `email`: a request takes addresses or numbers"
            yield Breach(reason, ("phone",), ("email", "phone"))
