"""Operators for Live Activities: what an iOS app shows on the lock screen while something goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from braze_provider.api.endpoints import MESSAGES_LIVE_ACTIVITY_START, MESSAGES_LIVE_ACTIVITY_UPDATE
from braze_provider.tasks.fields import CONTENT, FIXED, JSON, RECIPIENTS, TEXT, Field, Kind
from braze_provider.tasks.request import BrazeRequestOperator
from braze_provider.tasks.send import BrazeSendOperator

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from braze_provider.api.answers import Answer
    from braze_provider.tasks.arguments import Recipients, RequestArguments, SendArguments, Templated
    from braze_provider.templating import ContentFile


class LiveActivityStartOperator(BrazeSendOperator):
    """
    Start a Live Activity on the devices of named recipients, a segment or a custom audience.

    More than fifty recipients become several requests. All of them start the same activity, which
    :class:`LiveActivityUpdateOperator` then changes and ends. Braze gives no ids for them.

    :class:`~braze_provider.tasks.send.BrazeSendOperator` explains what a retry and a kill do, and the
    parameters that all sending operators share.

    .. seealso::
        - :ref:`howto/operator:LiveActivityStartOperator`
        - https://www.braze.com/docs/api/endpoints/messaging/live_activity/start

    :param app_id: API identifier of the iOS app. (templated)
    :param activity_id: An id of your choice. Updates of the activity name it. (templated)
    :param activity_attributes_type: The type of activity that the app has registered. (templated)
    :param activity_attributes: The values of the activity that never change. (templated)
    :param content_state: The values that updates change, in the shape that the app defines. (templated)
    :param notification: The push that announces it, as Braze's ``apple_push`` object. Its ``alert`` needs
        ``title`` and ``body``, and takes the ``sound``. (templated, beside Liquid)
    :param stale_date: When the content is out of date: a datetime or ISO 8601 text. Default: never.
        (templated)
    :param external_user_ids: External ids of recipients: a list, an XComArg, or one column of a table.
        (templated)
    :param user_aliases: User aliases of recipients, with the ids or alone. (templated)
    :param recipients: A source of ids and aliases, such as
        :class:`~braze_provider.recipients.SqlRecipients`, instead of the two arguments before. (templated)
    :param segment_id: Id of a segment, instead of named recipients. (templated)
    :param custom_audience: Connected audience, instead of named recipients. (templated)
    :raises BrazeValidationError: For bad arguments or recipients, before anything is sent.
    """

    endpoint = MESSAGES_LIVE_ACTIVITY_START
    request_fields: ClassVar[Mapping[str, Field]] = {
        "app_id": TEXT,
        "activity_id": TEXT,
        "activity_attributes_type": TEXT,
        "activity_attributes": JSON,
        "content_state": JSON,
        "notification": CONTENT,
        "stale_date": TEXT,
        "external_user_ids": Field(Kind.RECIPIENTS, item="external_user_id"),
        "user_aliases": Field(Kind.RECIPIENTS, item="user_alias"),
        "recipients": RECIPIENTS,
        "segment_id": TEXT,
        "custom_audience": JSON,
    }

    def __init__(
        self,
        *,
        app_id: Templated,
        activity_id: Templated,
        activity_attributes_type: Templated,
        activity_attributes: Mapping[str, Any] | Templated,
        content_state: Mapping[str, Any] | Templated,
        notification: Mapping[str, Any] | ContentFile | Templated,
        stale_date: datetime | Templated | None = None,
        external_user_ids: Sequence[str | int] | Recipients | None = None,
        user_aliases: Sequence[Mapping[str, Any]] | Recipients | None = None,
        recipients: Sequence[Mapping[str, Any]] | Recipients | None = None,
        segment_id: Templated | None = None,
        custom_audience: Mapping[str, Any] | Templated | None = None,
        **kwargs: Unpack[SendArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.activity_id = activity_id
        self.activity_attributes_type = activity_attributes_type
        self.activity_attributes = activity_attributes
        self.content_state = content_state
        self.notification = notification
        self.stale_date = stale_date
        self.external_user_ids = external_user_ids
        self.user_aliases = user_aliases
        self.recipients = recipients
        self.segment_id = segment_id
        self.custom_audience = custom_audience
        self.check_constants()


class LiveActivityUpdateOperator(BrazeRequestOperator):
    """
    Change a Live Activity for all users who have it, or end it. Braze ends none by itself.

    The update is repeated after a failure, because the same state twice is the state once. A ``notification``
    may then alert twice.

    .. seealso::
        - :ref:`howto/operator:LiveActivityUpdateOperator`
        - https://www.braze.com/docs/api/endpoints/messaging/live_activity/update

    :param app_id: API identifier of the iOS app. (templated)
    :param activity_id: The id that the activity was started with, or the tag that the app has registered for
        its push token. (templated)
    :param content_state: The new values, in the shape that the app defines. (templated)
    :param end_activity: True ends the activity. Default: not given.
    :param dismissal_date: When it is removed from the screen: a datetime or ISO 8601 text. With
        ``end_activity`` and a moment in the past, it is removed at once. Default: the device decides.
        (templated)
    :param stale_date: When the content is out of date: a datetime or ISO 8601 text. Default: never.
        (templated)
    :param notification: A push that announces the change, as Braze's ``apple_push`` object. Its ``alert``
        takes the ``sound``. Default: none. (templated, beside Liquid)
    :raises BrazeValidationError: For bad arguments, before the request is made.
    """

    endpoint = MESSAGES_LIVE_ACTIVITY_UPDATE
    request_fields: ClassVar[Mapping[str, Field]] = {
        "app_id": TEXT,
        "activity_id": TEXT,
        "content_state": JSON,
        "end_activity": FIXED,
        "dismissal_date": TEXT,
        "stale_date": TEXT,
        "notification": CONTENT,
    }

    def __init__(
        self,
        *,
        app_id: Templated,
        activity_id: Templated,
        content_state: Mapping[str, Any] | Templated,
        end_activity: bool | None = None,
        dismissal_date: datetime | Templated | None = None,
        stale_date: datetime | Templated | None = None,
        notification: Mapping[str, Any] | ContentFile | Templated | None = None,
        **kwargs: Unpack[RequestArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.activity_id = activity_id
        self.content_state = content_state
        self.end_activity = end_activity
        self.dismissal_date = dismissal_date
        self.stale_date = stale_date
        self.notification = notification
        self.check_constants()

    def result_of(self, answer: Answer) -> Any:
        """Return Braze's message."""
        return answer.message
