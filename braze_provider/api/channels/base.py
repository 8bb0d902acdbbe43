"""What the channels have in common."""

from __future__ import annotations

from braze_provider.api.base import MessagePart
from braze_provider.api.values import NonEmptyText, Omittable


class Channel(MessagePart):
    """
    A message in one channel.

    :param message_variation_id: The variation of the campaign that the message counts for; required when
        the request has a ``campaign_id``.
    """

    message_variation_id: Omittable[NonEmptyText] = None
