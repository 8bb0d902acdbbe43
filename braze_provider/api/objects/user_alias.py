"""The user alias: a user's identifier in another system."""

from __future__ import annotations

from typing import Annotated

from braze_provider.api.base import BrazeObject
from braze_provider.api.limits import MAX_ALIAS_BYTES
from braze_provider.api.values import NonEmptyText, max_bytes

AliasText = Annotated[NonEmptyText, max_bytes(MAX_ALIAS_BYTES)]


class UserAlias(BrazeObject):
    """
    An alternative identifier of a user.

    :param alias_name: The identifier itself, at most 236 bytes, case-sensitive.
    :param alias_label: The kind of identifier, at most 236 bytes. A user has one name for each label.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/user_alias_object
    """

    alias_name: AliasText
    alias_label: AliasText
