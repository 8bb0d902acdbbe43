"""Requests that copy a campaign or a Canvas."""

from __future__ import annotations

from braze_provider.api.base import BrazeObject
from braze_provider.api.values import Array, NonEmptyText, Omittable, Text


class Duplicate(BrazeObject):
    """
    What copying a campaign and a Canvas have in common.

    :param name: Name of the copy.
    :param description: Description of the copy. Default: none.
    :param tag_names: Tags of the copy, which must exist. Default: those of the original.
    """

    name: NonEmptyText
    description: Omittable[Text] = None
    tag_names: Omittable[Array[NonEmptyText]] = None


class CampaignDuplicate(Duplicate):
    """
    Copy a campaign. Its other fields are those of
    :class:`~braze_provider.api.requests.duplicates.Duplicate`.

    :param campaign_id: The campaign to copy.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/duplicate_messages/post_duplicate_campaigns
    """

    campaign_id: NonEmptyText


class CanvasDuplicate(Duplicate):
    """
    Copy a Canvas. Its other fields are those of
    :class:`~braze_provider.api.requests.duplicates.Duplicate`.

    :param canvas_id: The Canvas to copy.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/duplicate_messages/post_duplicate_canvases
    """

    canvas_id: NonEmptyText
