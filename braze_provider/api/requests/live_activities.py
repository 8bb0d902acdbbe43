"""Requests that start, change and end Live Activities: what an iOS app shows on the lock screen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from braze_provider.api.base import BrazeObject, Breach, part
from braze_provider.api.channels.apple_push import ApplePush
from braze_provider.api.endpoints import MESSAGES_LIVE_ACTIVITY_START
from braze_provider.api.instants import Instant
from braze_provider.api.objects.audience import Audience
from braze_provider.api.objects.user_alias import UserAlias
from braze_provider.api.open_json import JsonObject
from braze_provider.api.requests.named_users import NamedUsersRequest
from braze_provider.api.values import Array, ExternalUserId, NonEmptyText, Omittable

AUDIENCES = ("segment_id", "custom_audience")


class LiveActivityStart(NamedUsersRequest):
    """
    Start a Live Activity on the devices of users who exist.

    :param app_id: API identifier of the iOS app.
    :param activity_id: An id of your choice. Updates of the activity name it.
    :param activity_attributes_type: The type of activity that the app has registered.
    :param activity_attributes: The values of the activity that never change.
    :param content_state: The values that updates change, in the shape that the app defines.
    :param notification: The push that announces it; its ``alert`` has ``title`` and ``body``.
    :param stale_date: When the content is out of date.
    :param external_user_ids: External ids of recipients, at most 50 together with ``user_aliases``.
    :param user_aliases: Aliases of recipients.
    :param segment_id: A segment, instead of named recipients.
    :param custom_audience: A connected audience, instead of named recipients.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/live_activity/start
    """

    endpoint = MESSAGES_LIVE_ACTIVITY_START
    content_fields = frozenset({"activity_attributes", "content_state", "notification", "stale_date"})
    hints: ClassVar[Mapping[str, str]] = {
        "recipients": "name recipients in `external_user_ids` or `user_aliases`",
        "audience": "here it is called `custom_audience`",
        "broadcast": "leave it out: a segment or a custom audience needs no mark here",
        "dismissal_date": "only an update takes it",
        "end_activity": "only an update takes it",
    }

    app_id: NonEmptyText
    activity_id: NonEmptyText
    activity_attributes_type: NonEmptyText
    activity_attributes: JsonObject
    content_state: JsonObject
    notification: ApplePush
    stale_date: Omittable[Instant] = None
    external_user_ids: Omittable[Array[ExternalUserId]] = None
    user_aliases: Omittable[Array[UserAlias]] = None
    segment_id: Omittable[NonEmptyText] = None
    custom_audience: Omittable[Audience] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check that it reaches recipients in one way, and that its push says something."""
        yield from super().rules(given)
        named = [name for name in cls.endpoint.arrays if given.get(name) is not None]
        audiences = [name for name in AUDIENCES if given.get(name) is not None]
        every = (*cls.endpoint.arrays, *AUDIENCES)
        if not named and not audiences:
            yield Breach(
                "reaches no recipient: give `external_user_ids`, `user_aliases`, `segment_id` or "
                "`custom_audience`",
                fields=every,
            )
        elif named:
            for name in audiences:
                yield Breach("is not allowed with named recipients", (name,), every)
        yield from _breaches_of(given.get("notification"), needs_title=True)


class LiveActivityUpdate(BrazeObject):
    """
    Change a Live Activity, or end it.

    :param app_id: API identifier of the iOS app.
    :param activity_id: The id that the activity was started with, or the tag that the app has registered for
        its push token.
    :param content_state: The new values, in the shape that the app defines.
    :param end_activity: True ends it.
    :param dismissal_date: When it is removed from the screen. In the past and with ``end_activity``: at once.
    :param stale_date: When the content is out of date.
    :param notification: A push that announces the change.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/live_activity/update
    """

    hints: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("external_user_ids", "user_aliases", *AUDIENCES, "activity_attributes", "activity_attributes_type"),
        "only the start takes it: `activity_id` names the activity",
    )

    app_id: NonEmptyText
    activity_id: NonEmptyText
    content_state: JsonObject
    end_activity: Omittable[bool] = None
    dismissal_date: Omittable[Instant] = None
    stale_date: Omittable[Instant] = None
    notification: Omittable[ApplePush] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check the push."""
        yield from _breaches_of(given.get("notification"))


def _breaches_of(notification: object, *, needs_title: bool = False) -> Iterator[Breach]:
    if not isinstance(notification, (Mapping, ApplePush)):
        return
    alert = part(notification, "alert")
    if part(notification, "sound") is not None:
        yield Breach("belongs into `alert`, if the push is of a Live Activity", ("notification", "sound"))
    if not needs_title:
        return
    if isinstance(alert, str):
        yield Breach("must be an object with `title` and `body`", ("notification", "alert"))
    elif isinstance(alert, (Mapping, BrazeObject)) and not part(alert, "title"):
        yield Breach("is required to start a Live Activity", ("notification", "alert", "title"))
