"""The base of all channels."""

from __future__ import annotations

from braze_provider.api.base import MessagePart
from braze_provider.api.values import NonEmptyText, Omittable


class Channel(MessagePart):
    """
    A message in one channel.

    :param message_variation_id: The variation of the campaign whose statistics count the message. Required if
        the request has a ``campaign_id``.
    """

    message_variation_id: Omittable[NonEmptyText] = None
