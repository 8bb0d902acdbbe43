"""``POST /users/track``: attributes, events and purchases of users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from braze_provider.api.base import Breach
from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.api.objects.user_updates import AttributesOfUser, Event, Purchase, UserUpdate
from braze_provider.api.outcomes import Repeat
from braze_provider.api.reasons import listed
from braze_provider.api.requests.base import SendRequest
from braze_provider.api.values import Array, Omittable

_ADDS = (b'"inc":', b'"$add":')
"""What an attribute's value holds if a repeat adds again. A text of the same letters is only more care."""


class UsersTrack(SendRequest):
    """
    Write attributes, events and purchases to the profiles of users: 75 objects at most in one request.

    Plain attributes may be written again. An event, a purchase and an increment would count twice.

    :param attributes: Attributes of users.
    :param events: Events.
    :param purchases: Purchases.

    .. seealso:: https://www.braze.com/docs/api/endpoints/user_data/post_user_track
    """

    endpoint = ENDPOINTS["users_track"]
    content_fields = frozenset()
    recipient_model = UserUpdate
    row_noun = "object"
    row_starts: ClassVar[Mapping[str, bytes]] = {
        "attributes": b'{"attributes":',
        "events": b'{"events":',
        "purchases": b'{"purchases":',
    }
    refuses_rows = True
    _stand_in: ClassVar[Mapping[str, Any]] = {"attributes": [{"external_id": "stand-in"}]}

    attributes: Omittable[Array[AttributesOfUser]] = None
    events: Omittable[Array[Event]] = None
    purchases: Omittable[Array[Purchase]] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check that the request writes something."""
        yield from super().rules(given)
        if all(given.get(name) is None for name in cls.endpoint.arrays):
            yield Breach(f"writes nothing: give {listed(cls.endpoint.arrays)}", fields=cls.endpoint.arrays)

    @classmethod
    def repeat_of(cls, rows: Sequence[bytes]) -> Repeat:
        """Tell what a repeat does: plain attributes may be repeated."""
        plain = cls.row_starts["attributes"]
        are_plain = all(row.startswith(plain) and not any(add in row for add in _ADDS) for row in rows)
        return Repeat.SAFE if are_plain else Repeat.DUPLICATES
