"""The users whom requests of the family ``/users`` and ``/subscription`` name, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Literal

from braze_provider.api.base import BrazeObject, Breach
from braze_provider.api.limits import MAX_ALIAS_BYTES
from braze_provider.api.objects.recipients import Prioritization, order_breaches
from braze_provider.api.objects.row import Row
from braze_provider.api.objects.user_alias import UserAlias
from braze_provider.api.objects.user_updates import UserId
from braze_provider.api.reasons import listed
from braze_provider.api.values import Array, IdText, NonEmptyText, Omittable, PhoneNumber, max_bytes

AliasText = Annotated[IdText, max_bytes(MAX_ALIAS_BYTES)]
"""A part of an alias. A whole number or a UUID, as databases have them, becomes text."""

PrioritizationOfDeletion = Literal["identified", "unidentified", "most_recently_updated"]


class OneOf(Row):
    """Base of a row that has exactly one field, which tells the array of the request that holds it."""

    # Braze has no such object: a request has an array for each kind.
    other_fields = "none"

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check that there is exactly one field."""
        if sum(value is not None for value in given.values()) != 1:
            yield Breach(f"must be exactly one of {listed(cls.model_fields)}")


class Prioritized(BrazeObject):
    """Base of an object that names users by an address or a number, which several of them may have."""

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check the order in which rules choose the profile."""
        yield from order_breaches(given.get("prioritization"))


# Aliases ----------------------------------------------------------------------------------------------------


class NewAlias(Row):
    """
    An alias that a user gets.

    :param alias_name: The identifier itself, at most 236 bytes; case-sensitive.
    :param alias_label: The kind of identifier, at most 236 bytes. A user has one name for each label.
    :param external_id: The user. Default: a new user, who has the alias alone.

    .. seealso:: https://www.braze.com/docs/api/endpoints/user_data/post_user_alias
    """

    alias_name: AliasText
    alias_label: AliasText
    external_id: Omittable[UserId] = None


class AliasUpdate(Row):
    """
    A new name for an alias.

    :param alias_label: The kind of identifier.
    :param old_alias_name: The identifier so far.
    :param new_alias_name: The identifier from now on.

    .. seealso:: https://www.braze.com/docs/api/endpoints/user_data/post_users_alias_update
    """

    alias_label: AliasText
    old_alias_name: AliasText
    new_alias_name: AliasText


# Identification ---------------------------------------------------------------------------------------------


class AliasToIdentify(BrazeObject):
    """
    A user with an alias, and the id that the user gets.

    :param external_id: The id in your systems.
    :param user_alias: The alias.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/aliases_to_identify
    """

    hints: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("alias_name", "alias_label"), "put it into `user_alias`"
    )

    external_id: UserId
    user_alias: UserAlias


class EmailToIdentify(Prioritized):
    """
    A user with an e-mail address, and the id that the user gets.

    :param external_id: The id in your systems.
    :param email: The address.
    :param prioritization: Rules that choose the profile if several have the address. They count in their
        order.

    .. seealso:: https://www.braze.com/docs/api/endpoints/user_data/post_user_identify
    """

    external_id: UserId
    email: NonEmptyText
    prioritization: Array[Prioritization]


class PhoneToIdentify(Prioritized):
    """
    A user with a telephone number, and the id that the user gets.

    :param external_id: The id in your systems.
    :param phone: The number.
    :param prioritization: Rules that choose the profile if several have the number. They count in their
        order.

    .. seealso:: https://www.braze.com/docs/api/endpoints/user_data/post_user_identify
    """

    external_id: UserId
    phone: NonEmptyText
    prioritization: Array[Prioritization]


class UserToIdentify(OneOf):
    """
    One object of ``/users/identify``.

    :param aliases_to_identify: A user with an alias.
    :param emails_to_identify: A user with an e-mail address.
    :param phone_numbers_to_identify: A user with a telephone number.

    .. seealso:: https://www.braze.com/docs/api/endpoints/user_data/post_user_identify
    """

    aliases_to_identify: Omittable[AliasToIdentify] = None
    emails_to_identify: Omittable[EmailToIdentify] = None
    phone_numbers_to_identify: Omittable[PhoneToIdentify] = None


# Deletion ---------------------------------------------------------------------------------------------------


class EmailToDelete(Prioritized):
    """
    The e-mail address of a user who is deleted.

    :param email: The address.
    :param prioritization: Rules that choose the profile if several have the address. They count in their
        order.

    .. seealso:: https://www.braze.com/docs/api/endpoints/user_data/post_user_delete
    """

    email: NonEmptyText
    prioritization: Array[PrioritizationOfDeletion]


class PhoneToDelete(Prioritized):
    """
    The telephone number of a user who is deleted.

    :param phone: The number.
    :param prioritization: Rules that choose the profile if several have the number. They count in their
        order.

    .. seealso:: https://www.braze.com/docs/api/endpoints/user_data/post_user_delete
    """

    phone: NonEmptyText
    prioritization: Array[PrioritizationOfDeletion]


class UserToDelete(OneOf):
    """
    One identifier of ``/users/delete``.

    :param external_ids: The user's id in your systems.
    :param user_aliases: A user alias.
    :param braze_ids: Braze's own id of the user.
    :param email_addresses: An e-mail address.
    :param phone_numbers: A telephone number.

    .. seealso:: https://www.braze.com/docs/api/endpoints/user_data/post_user_delete
    """

    external_ids: Omittable[UserId] = None
    user_aliases: Omittable[UserAlias] = None
    braze_ids: Omittable[IdText] = None
    email_addresses: Omittable[EmailToDelete] = None
    phone_numbers: Omittable[PhoneToDelete] = None


# Subscription groups ----------------------------------------------------------------------------------------


class SubscriptionUser(OneOf):
    """
    A user whose state in a subscription group is set.

    :param external_id: The user's id in your systems.
    :param email: An e-mail address: all profiles that have it.
    :param phone: A telephone number in E.164: all profiles that have it.

    .. seealso:: https://www.braze.com/docs/api/endpoints/subscription_groups/post_update_user_subscription_group_status
    """

    external_id: Omittable[UserId] = None
    email: Omittable[NonEmptyText] = None
    phone: Omittable[PhoneNumber] = None
