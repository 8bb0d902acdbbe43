"""The base of the requests that name recipients in two arrays: external ids, and user aliases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from braze_provider.api.objects.recipients import UserIdentity
from braze_provider.api.requests.base import SendRequest

# A row has one of two fields. UserIdentity.to_json() begins it like this.
_ARRAYS = {"external_user_ids": b'{"external_user_id":', "user_aliases": b'{"user_alias":'}


class NamedUsersRequest(SendRequest):
    """A request that names recipients in ``external_user_ids`` and ``user_aliases``."""

    recipient_model = UserIdentity
    _stand_in: ClassVar[Mapping[str, Any]] = {"external_user_ids": ["stand-in"]}

    @classmethod
    def join(cls, rows: Sequence[bytes]) -> dict[str, bytes]:
        """Put rows into ``external_user_ids`` and ``user_aliases``, and keep their order in each."""
        arrays = {}
        for field, start in _ARRAYS.items():
            if members := [row[len(start) : -1] for row in rows if row.startswith(start)]:
                arrays[field] = b"[%s]" % b",".join(members)
        return arrays
