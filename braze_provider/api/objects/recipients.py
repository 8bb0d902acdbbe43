"""
The recipients that a request names.

A delivery may have a million of them. Their rules are therefore fast: they read few fields and create few
objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal

from braze_provider.api.base import Breach
from braze_provider.api.objects.row import Row
from braze_provider.api.objects.user_alias import UserAlias
from braze_provider.api.objects.user_attributes import UserAttributes
from braze_provider.api.open_json import Properties
from braze_provider.api.reasons import listed
from braze_provider.api.values import Array, ExternalUserId, NonEmptyText, Omittable

Prioritization = Literal["identified", "unidentified", "most_recently_updated", "least_recently_updated"]
"""
How Braze picks one of several profiles that have the same e-mail address.

.. seealso:: https://www.braze.com/docs/api/endpoints/user_data/post_user_identify
"""


def order_breaches(order: object) -> Iterator[Breach]:
    """
    Check a ``prioritization``.

    :param order: Its value; it may be of any type.
    """
    if isinstance(order, (list, tuple)):
        if not order:
            yield Breach("must not be empty", ("prioritization",))
        if "identified" in order and "unidentified" in order:
            yield Breach("takes one of `identified` and `unidentified`, not both", ("prioritization",))


_HINTS: Mapping[str, str] = {
    "external_id": "in a send it is called `external_user_id`",
    "alias_name": "put it into `user_alias`",
    "alias_label": "put it into `user_alias`",
}

OLDER_NAMES: Mapping[str, str] = {"canvas_entry_properties": "context"}
"""Names of a Canvas's fields that Braze has replaced, each with the name of today."""


class Addressee(Row):
    """
    A recipient who is named by exactly one identifier.

    :param external_user_id: The user's id in your systems, at most 987 bytes; case-sensitive.
    :param user_alias: A user alias.
    """

    hints: ClassVar[Mapping[str, str]] = _HINTS
    identifiers: ClassVar[tuple[str, ...]] = ("external_user_id", "user_alias")
    """Exactly one of these fields must be given."""

    external_user_id: Omittable[ExternalUserId] = None
    user_alias: Omittable[UserAlias] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check that there is exactly one identifier."""
        if breach := _identifier_breach(cls.identifiers, given):
            yield breach

    def identity(self) -> str:
        """
        Give the recipient's identity as one text, which no other recipient has. It begins with the kind of
        identifier.

        Two rows with the same identity are the same recipient to Braze, who would get one message.
        """
        if self.external_user_id is not None:
            return "external_user_id:" + self.external_user_id
        if self.user_alias is not None:
            return _identity_of_alias(self.user_alias.alias_name, self.user_alias.alias_label)
        others = ((name, getattr(self, name)) for name in self.identifiers)
        return next(f"{name}:{value}" for name, value in others if value is not None)

    @classmethod
    def identities(
        cls, given: Mapping[tuple[str, ...], Sequence[str]], bodies: Sequence[bytes]
    ) -> Iterator[str]:
        """
        Give the identities of many recipients with the same kind of identifier, as :meth:`identity` does.

        :param given: The identifiers' values, by the name of the field and the names below it.
        :param bodies: The recipients as JSON.
        """
        for name in cls.identifiers:
            if values := given.get((name,)):
                return map(f"{name}:".__add__, values)
        return map(_identity_of_alias, given["user_alias", "alias_name"], given["user_alias", "alias_label"])


class UserIdentity(Addressee):
    """
    One recipient of ``/messages/send`` or of a Live Activity: an identifier and nothing else.

    The request itself has ids and aliases in two arrays; :meth:`NamedUsersRequest.join
    <braze_provider.api.requests.named_users.NamedUsersRequest.join>` sorts the rows into them.

    :param external_user_id: The user's id in your systems.
    :param user_alias: A user alias.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_messages
    """

    # Braze has no such object, and the request's arrays have no place for another field.
    other_fields = "none"
    hints: ClassVar[Mapping[str, str]] = {
        **_HINTS,
        **dict.fromkeys(("email", "braze_id"), "this endpoint knows ids and aliases only"),
        **dict.fromkeys(
            ("trigger_properties", "attributes"), "this endpoint takes nothing for one recipient alone"
        ),
    }


class Recipient(Addressee):
    """
    Base of the recipients of campaigns and of Canvases.

    :param external_user_id: The user's id in your systems.
    :param user_alias: A user alias.
    :param braze_id: Braze's own id of the user.
    :param email: An e-mail address; needs ``prioritization``.
    :param prioritization: Rules that choose the profile if several have the address. They count in
        their order.
    :param send_to_existing_only: Default: True. False creates the user from ``attributes`` first, and is
        not allowed with an alias.
    :param attributes: Written to the profile before the message is sent.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/recipient_object
    """

    identifiers = ("external_user_id", "user_alias", "braze_id", "email")

    braze_id: Omittable[NonEmptyText] = None
    email: Omittable[NonEmptyText] = None
    prioritization: Omittable[Array[Prioritization]] = None
    send_to_existing_only: Omittable[bool] = None
    attributes: Omittable[UserAttributes] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check the identifier and what it needs."""
        if breach := _identifier_breach(cls.identifiers, given):
            yield breach
        order = given.get("prioritization")
        if order is None and given.get("email") is not None:
            yield Breach("is required with `email`", ("prioritization",))
        yield from order_breaches(order)
        if given.get("send_to_existing_only") is False:
            if _is_empty(given.get("attributes")):
                yield Breach("must hold something with `send_to_existing_only: false`", ("attributes",))
            if given.get("user_alias") is not None:
                yield Breach(
                    "must not be false with `user_alias`: Braze creates no alias-only user",
                    ("send_to_existing_only",),
                )


class CampaignRecipient(Recipient):
    """
    A recipient of an API-triggered campaign.

    :param trigger_properties: At most 50 KB of JSON. They override the request's ``trigger_properties``.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/recipient_object
    """

    hints: ClassVar[Mapping[str, str]] = {
        **_HINTS,
        "context": "it belongs to a Canvas; a campaign has `trigger_properties`",
        "canvas_entry_properties": "it belongs to a Canvas; a campaign has `trigger_properties`",
    }

    trigger_properties: Omittable[Properties] = None


class CanvasRecipient(Recipient):
    """
    A recipient of an API-triggered Canvas.

    :param context: At most 50 KB of JSON. It overrides the request's ``context``. The older name
        ``canvas_entry_properties`` is taken too.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/recipient_object
    """

    hints: ClassVar[Mapping[str, str]] = {
        **_HINTS,
        "trigger_properties": "they belong to a campaign; a Canvas has `context`",
    }

    older_names = OLDER_NAMES

    context: Omittable[Properties] = None


class TransactionalRecipient(Addressee):
    """
    The recipient of a transactional e-mail.

    :param attributes: Written to the profile before the e-mail is sent. They create a user who is not known.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_send_transactional_message
    """

    hints: ClassVar[Mapping[str, str]] = {
        **_HINTS,
        "email": "this endpoint knows ids and aliases only; put the address into `attributes`",
        "prioritization": "this endpoint knows ids and aliases only",
        "send_to_existing_only": "`attributes` create a user who is not known",
    }

    attributes: Omittable[UserAttributes] = None


class TransactionalRow(TransactionalRecipient):
    """
    A row of a delivery of transactional e-mails: a recipient with values of its own.

    :param trigger_properties: At most 50 KB of JSON. They override the task's ``trigger_properties``.
    """

    trigger_properties: Omittable[Properties] = None


def _identity_of_alias(name: str, label: str) -> str:
    # The label's length separates the parts, because both may hold any separator character.
    return f"user_alias:{len(label)}:{label}:{name}"


def _is_empty(attributes: object) -> bool:
    if isinstance(attributes, UserAttributes):
        return not attributes.model_fields_set
    return attributes is None or (isinstance(attributes, Mapping) and not attributes)


def _identifier_breach(identifiers: tuple[str, ...], given: Mapping[str, Any]) -> Breach | None:
    count = 0
    for name in identifiers:
        if given.get(name) is not None:
            count += 1
    if count == 1:
        return None
    if not count:
        return Breach(f"names no recipient: give exactly one of {listed(identifiers)}")
    named = [name for name in identifiers if given.get(name) is not None]
    return Breach(f"has {count} identities, {listed(named, 'and')}; give exactly one")
