"""Attributes of a user's profile. Braze's own fields have types; custom attributes may be any JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from braze_provider.api.base import BrazeObject, Breach
from braze_provider.api.instants import Day, ProfileInstant
from braze_provider.api.open_json import JsonObject, JsonValue
from braze_provider.api.values import Array, NonEmptyText, Omittable, Text

SubscriptionState = Literal["opted_in", "subscribed", "unsubscribed"]


class Location(BrazeObject):
    """
    Where a user is.

    :param longitude: Degrees, from -180 to 180.
    :param latitude: Degrees, from -90 to 90.
    """

    longitude: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]
    latitude: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]


class PushToken(BrazeObject):
    """
    A device that push messages may go to.

    :param app_id: The app's identifier.
    :param token: The device's push token.
    :param device_id: The device's id.
    """

    app_id: NonEmptyText
    token: NonEmptyText
    device_id: Omittable[NonEmptyText] = None


class SubscriptionGroupMembership(BrazeObject):
    """
    A user's state in one subscription group.

    :param subscription_group_id: The group.
    :param subscription_state: The state.
    :param use_double_opt_in_logic: Whether an SMS group asks the user to confirm.
    """

    subscription_group_id: NonEmptyText
    subscription_state: Literal["subscribed", "unsubscribed"]
    use_double_opt_in_logic: Omittable[bool] = None


class UserAttributes(BrazeObject):
    """
    Attributes that are written to a profile. ``None`` deletes one. A name not listed here is a custom
    attribute.

    A time may be a Python ``date`` or ``datetime``; one without a time zone is UTC. As text, it is ISO 8601
    or in one of the forms of Braze's page, such as ``07/22/2026``.

    :param country: ISO 3166-1 alpha-2 code.
    :param current_location: Longitude and latitude.
    :param date_of_first_session: When the user first used the app.
    :param date_of_last_session: When the user last used the app.
    :param dob: Date of birth as YYYY-MM-DD, or a ``date`` or ``datetime``.
    :param email: E-mail address.
    :param email_subscribe: Subscription state of e-mail.
    :param email_open_tracking_disabled: Whether opens of e-mails are not tracked.
    :param email_click_tracking_disabled: Whether clicks in e-mails are not tracked.
    :param external_id: An identifier; within a recipient it is implied.
    :param facebook: Facebook data.
    :param first_name: First name.
    :param gender: ``M``, ``F``, ``O`` (other), ``N`` (not applicable) or ``P`` (prefers not to say).
    :param home_city: Home city.
    :param language: ISO 639-1 code.
    :param last_name: Last name.
    :param marked_email_as_spam_at: When the user marked an e-mail as spam.
    :param phone: Telephone number, E.164.
    :param push_subscribe: Subscription state of push messages.
    :param push_tokens: The user's devices.
    :param subscription_groups: States in subscription groups.
    :param time_zone: IANA name of the time zone.
    :param twitter: Twitter data.
    :param alias_name: An identifier; within a recipient it is implied.
    :param alias_label: An identifier; within a recipient it is implied.
    :param braze_id: An identifier; within a recipient it is implied.
    :param push_token_import: Whether this imports tokens of users who have no id yet.
    :param update_existing_only: ``_update_existing_only``: True creates no user.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/user_attributes_object
    """

    other_fields = "custom"

    # The type of every custom attribute.
    __pydantic_extra__: dict[str, JsonValue]

    country: Text | None = None
    current_location: Location | None = None
    date_of_first_session: ProfileInstant | None = None
    date_of_last_session: ProfileInstant | None = None
    dob: Day | None = None
    email: Text | None = None
    email_subscribe: SubscriptionState | None = None
    email_open_tracking_disabled: bool | None = None
    email_click_tracking_disabled: bool | None = None
    external_id: Text | None = None
    facebook: JsonObject | None = None
    first_name: Text | None = None
    gender: Literal["M", "F", "O", "N", "P"] | None = None
    home_city: Text | None = None
    language: Text | None = None
    last_name: Text | None = None
    marked_email_as_spam_at: ProfileInstant | None = None
    phone: Text | None = None
    push_subscribe: SubscriptionState | None = None
    push_tokens: Array[PushToken] | None = None
    subscription_groups: Array[SubscriptionGroupMembership] | None = None
    time_zone: Text | None = None
    twitter: JsonObject | None = None
    alias_name: Text | None = None
    alias_label: Text | None = None
    braze_id: Text | None = None
    push_token_import: Omittable[bool] = None
    update_existing_only: Omittable[bool] = Field(default=None, alias="_update_existing_only")

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check an import of push tokens."""
        if given.get("push_token_import") is True:
            if not given.get("push_tokens"):
                yield Breach("must hold something with `push_token_import`", ("push_tokens",))
            for identifier in ("external_id", "braze_id"):
                if given.get(identifier) is not None:
                    yield Breach("is not allowed with `push_token_import`", (identifier,))
