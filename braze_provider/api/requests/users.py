"""Requests that give users aliases and ids, and that delete users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from braze_provider.api.base import Breach
from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.api.objects.identities import (
    AliasToIdentify,
    AliasUpdate,
    EmailToDelete,
    EmailToIdentify,
    NewAlias,
    PhoneToDelete,
    PhoneToIdentify,
    UserToDelete,
    UserToIdentify,
)
from braze_provider.api.objects.user_alias import UserAlias
from braze_provider.api.objects.user_updates import UserId
from braze_provider.api.outcomes import Repeat
from braze_provider.api.reasons import listed
from braze_provider.api.requests.base import SendRequest
from braze_provider.api.values import Array, IdText, Omittable


class UsersAliasNew(SendRequest):
    """
    Give users aliases: 50 at most in one request.

    :param user_aliases: The aliases, each with the user who gets it.

    .. seealso:: https://www.braze.com/docs/api/endpoints/user_data/post_user_alias
    """

    endpoint = ENDPOINTS["users_alias_new"]
    content_fields = frozenset()
    recipient_model = NewAlias
    row_noun = "alias"
    _stand_in: ClassVar[Mapping[str, Any]] = {"user_aliases": [{"alias_name": "a", "alias_label": "b"}]}

    user_aliases: Array[NewAlias]

    @classmethod
    def repeat_of(cls, rows: Sequence[bytes]) -> Repeat:
        """Tell what a repeat does: Braze skips an alias that is in use, so a repeat changes nothing."""
        return Repeat.SAFE


class UsersAliasUpdate(SendRequest):
    """
    Rename aliases: 50 at most in one request. An alias that is not in use is passed over.

    :param alias_updates: The aliases with their old and new names. Braze keeps no order among them.

    .. seealso:: https://www.braze.com/docs/api/endpoints/user_data/post_users_alias_update
    """

    endpoint = ENDPOINTS["users_alias_update"]
    content_fields = frozenset()
    recipient_model = AliasUpdate
    row_noun = "alias"
    _stand_in: ClassVar[Mapping[str, Any]] = {
        "alias_updates": [{"alias_label": "a", "old_alias_name": "b", "new_alias_name": "c"}]
    }

    alias_updates: Array[AliasUpdate]


class UsersIdentify(SendRequest):
    """
    Give users an id who have only an alias, an address or a number so far: 50 at most in one request.

    If a user has the id already, the profile that was found is merged into that user's, and disappears.

    :param aliases_to_identify: Users with an alias.
    :param emails_to_identify: Users with an e-mail address.
    :param phone_numbers_to_identify: Users with a telephone number.

    .. seealso:: https://www.braze.com/docs/api/endpoints/user_data/post_user_identify
    """

    endpoint = ENDPOINTS["users_identify"]
    content_fields = frozenset()
    recipient_model = UserToIdentify
    row_noun = "user"
    row_starts: ClassVar[Mapping[str, bytes]] = {
        name: b'{"%s":' % name.encode() for name in UserToIdentify.model_fields
    }
    _stand_in: ClassVar[Mapping[str, Any]] = {
        "aliases_to_identify": [
            {"external_id": "stand-in", "user_alias": {"alias_name": "a", "alias_label": "b"}}
        ]
    }

    aliases_to_identify: Omittable[Array[AliasToIdentify]] = None
    emails_to_identify: Omittable[Array[EmailToIdentify]] = None
    phone_numbers_to_identify: Omittable[Array[PhoneToIdentify]] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check that the request names a user."""
        yield from super().rules(given)
        arrays = cls.endpoint.arrays
        if all(given.get(name) is None for name in arrays):
            yield Breach(f"names no user: give {listed(arrays)}", fields=arrays)


class UsersDelete(SendRequest):
    """
    Delete users: 50 at most in one request, all named by the same kind of identifier. It can't be undone.

    :param external_ids: Their ids in your systems.
    :param user_aliases: Their aliases.
    :param braze_ids: Braze's own ids.
    :param email_addresses: Their e-mail addresses.
    :param phone_numbers: Their telephone numbers.

    .. seealso:: https://www.braze.com/docs/api/endpoints/user_data/post_user_delete
    """

    endpoint = ENDPOINTS["users_delete"]
    content_fields = frozenset()
    recipient_model = UserToDelete
    row_noun = "user"
    row_starts: ClassVar[Mapping[str, bytes]] = {
        name: b'{"%s":' % name.encode() for name in UserToDelete.model_fields
    }
    _stand_in: ClassVar[Mapping[str, Any]] = {"external_ids": ["stand-in"]}

    external_ids: Omittable[Array[UserId]] = None
    user_aliases: Omittable[Array[UserAlias]] = None
    braze_ids: Omittable[Array[IdText]] = None
    email_addresses: Omittable[Array[EmailToDelete]] = None
    phone_numbers: Omittable[Array[PhoneToDelete]] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check that there is exactly one kind of identifier."""
        yield from super().rules(given)
        arrays = cls.endpoint.arrays
        named = [name for name in arrays if given.get(name) is not None]
        if not named:
            yield Breach(f"names no user: give one of {listed(arrays)}", fields=arrays)
        elif len(named) > 1:
            yield Breach(f"has {listed(named, 'and')}; a request takes exactly one of them", fields=arrays)

    @classmethod
    def repeat_of(cls, rows: Sequence[bytes]) -> Repeat:
        """
        Tell what a repeat does. A request whose outcome is not known may be repeated.

        A whole delivery may not: it deletes whoever has the ids then. Somebody may have got one of them
        since, and a task may be cleared much later. So a ledger guards it as it guards messages.
        """
        return cls.endpoint.repeat if rows else Repeat.DUPLICATES
