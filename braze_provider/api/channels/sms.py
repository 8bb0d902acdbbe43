"""Text messages to telephones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from braze_provider.api.base import Breach
from braze_provider.api.channels.base import Channel
from braze_provider.api.open_json import JsonValue
from braze_provider.api.values import Array, NonEmptyText, Omittable


class Sms(Channel):
    """
    An SMS, or an MMS when it has media.

    :param message_variation_id: An SMS variation of the campaign.
    :param subscription_group_id: The subscription group, which has the sender's numbers.
    :param body: The text.
    :param app_id: Any app of the workspace.
    :param media_items: Pictures of an MMS. Braze does not document their form, so any JSON is accepted.
    :param link_shortening_enabled: Whether links are shortened.
    :param user_click_tracking_enabled: Whether clicks are tracked for each user. Only with shortened links.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/messaging/sms_object
    """

    subscription_group_id: NonEmptyText
    body: NonEmptyText
    app_id: NonEmptyText
    media_items: Omittable[Array[JsonValue]] = None
    link_shortening_enabled: Omittable[bool] = None
    user_click_tracking_enabled: Omittable[bool] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check that links are shortened if clicks are tracked."""
        if (
            given.get("user_click_tracking_enabled") is True
            and given.get("link_shortening_enabled") is not True
        ):
            yield Breach("needs `link_shortening_enabled`", ("user_click_tracking_enabled",))
