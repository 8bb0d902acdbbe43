"""What ``/users/track`` writes: attributes, events and purchases of users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from braze_provider.api.base import BrazeObject, Breach
from braze_provider.api.instants import Instant
from braze_provider.api.limits import MAX_EXTERNAL_ID_BYTES, MAX_QUANTITY
from braze_provider.api.objects.row import Row
from braze_provider.api.objects.user_alias import UserAlias
from braze_provider.api.objects.user_attributes import UserAttributes
from braze_provider.api.open_json import (
    EventProperties,
    JsonValue,  # noqa: F401 - older releases of pydantic look here for the type of an inherited extra
    PurchaseProperties,
)
from braze_provider.api.reasons import listed
from braze_provider.api.values import (
    IdText,
    NonEmptyText,
    Number,
    Omittable,
    ProductId,
    WholeNumber,
    max_bytes,
)

UserId = Annotated[IdText, max_bytes(MAX_EXTERNAL_ID_BYTES)]
"""A user's id in one's own systems. A whole number or a UUID becomes text."""

_PRIMARY = ("external_id", "user_alias", "braze_id")
_SECONDARY = ("email", "phone")
_HINTS: Mapping[str, str] = {
    "external_user_id": "here it is called `external_id`",
    "alias_name": "put it into `user_alias`",
    "alias_label": "put it into `user_alias`",
}


def identifier_breach(given: Mapping[str, Any]) -> Breach | None:
    """
    Check that exactly one primary identifier names the user, or an address or number alone.

    :param given: The fields of an object.
    """
    primary = [name for name in _PRIMARY if given.get(name) is not None]
    if len(primary) > 1:
        return Breach(f"has {len(primary)} identities, {listed(primary, 'and')}; give exactly one")
    if not primary and all(given.get(name) is None for name in _SECONDARY):
        return Breach(f"names no user: give one of {listed((*_PRIMARY, *_SECONDARY))}")
    return None


class AttributesOfUser(UserAttributes):
    """
    Attributes that are written to the profile of a user, with the user's identifier.

    Its other fields are those of :class:`~braze_provider.api.objects.user_attributes.UserAttributes`. A value
    may be an operation, such as ``{"inc": 1}`` or ``{"add": ["blue"]}``.

    :param external_id: The user's id in your systems, at most 987 bytes; case-sensitive.
    :param user_alias: A user alias. An unknown one creates a user only with ``_update_existing_only: false``.
    :param braze_id: Braze's own id of the user.
    :param email: An e-mail address. Without another identifier, it names the user.
    :param phone: A telephone number. Without another identifier, it names the user.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/user_attributes_object
    """

    external_id: Omittable[UserId] = None
    user_alias: Omittable[UserAlias] = None
    braze_id: Omittable[NonEmptyText] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check the identifier, and an import of push tokens."""
        yield from super().rules(given)
        is_import = given.get("push_token_import") is True
        if not is_import and (breach := identifier_breach(given)):
            yield breach


class Act(BrazeObject):
    """
    What an event and a purchase have in common.

    :param external_id: The user's id in your systems, at most 987 bytes; case-sensitive.
    :param user_alias: A user alias.
    :param braze_id: Braze's own id of the user.
    :param email: An e-mail address. It names the user if no other identifier is given.
    :param phone: A telephone number. It names the user if no other identifier is given.
    :param app_id: The app's identifier.
    :param time: When it happened: ISO 8601, a ``date`` or a ``datetime``. Braze makes a future time now.
    :param update_existing_only: ``_update_existing_only``: True creates no user.
    """

    hints: ClassVar[Mapping[str, str]] = _HINTS
    external_id: Omittable[UserId] = None
    user_alias: Omittable[UserAlias] = None
    braze_id: Omittable[NonEmptyText] = None
    email: Omittable[NonEmptyText] = None
    phone: Omittable[NonEmptyText] = None
    app_id: Omittable[NonEmptyText] = None
    time: Instant
    update_existing_only: Omittable[bool] = Field(default=None, alias="_update_existing_only")

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check the identifier."""
        if breach := identifier_breach(given):
            yield breach


class Event(Act):
    """
    A custom event of a user. The same event a second time is a second event.

    :param name: Name of the event.
    :param properties: Properties of any name but ``time`` and ``event_name``.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/event_object
    """

    name: NonEmptyText
    properties: Omittable[EventProperties] = None


class Purchase(Act):
    """
    A purchase of a user. The same purchase a second time is a second purchase.

    :param product_id: Id of the product, at most 255 characters.
    :param currency: ISO 4217 code of the currency.
    :param price: Price of one.
    :param quantity: How many, from 1 to 100. Default 1.
    :param properties: Properties of any name but those of these fields, ``time`` and ``event_name``.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/purchase_object
    """

    product_id: ProductId
    currency: Annotated[str, Field(min_length=3, max_length=3)]
    price: Number
    quantity: Omittable[Annotated[WholeNumber, Field(ge=1, le=MAX_QUANTITY)]] = None
    properties: Omittable[PurchaseProperties] = None


class UserUpdate(Row):
    """
    One object of ``/users/track``: attributes, an event or a purchase.

    :param attributes: Attributes of a user.
    :param events: An event.
    :param purchases: A purchase.

    .. seealso:: https://www.braze.com/docs/api/endpoints/user_data/post_user_track
    """

    # Braze has no such object: a request has an array for each kind.
    other_fields = "none"

    attributes: Omittable[AttributesOfUser] = None
    events: Omittable[Event] = None
    purchases: Omittable[Purchase] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check that there is exactly one object."""
        if sum(value is not None for value in given.values()) != 1:
            yield Breach(f"must be exactly one of {listed(tuple(cls.model_fields))}")
