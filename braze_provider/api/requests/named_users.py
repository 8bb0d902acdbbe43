"""The base of the requests that name recipients in two arrays: external ids, and user aliases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from braze_provider.api.objects.recipients import UserIdentity
from braze_provider.api.requests.base import SendRequest


class NamedUsersRequest(SendRequest):
    """A request that names recipients in ``external_user_ids`` and ``user_aliases``."""

    recipient_model = UserIdentity
    row_starts: ClassVar[Mapping[str, bytes]] = {
        "external_user_ids": b'{"external_user_id":',
        "user_aliases": b'{"user_alias":',
    }
    _stand_in: ClassVar[Mapping[str, Any]] = {"external_user_ids": ["stand-in"]}
