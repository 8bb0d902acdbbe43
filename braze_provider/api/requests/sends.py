"""``POST /sends/id/create``: a label under which Braze tracks a send."""

from __future__ import annotations

from braze_provider.api.base import BrazeObject
from braze_provider.api.values import NonEmptyText, Omittable, SendId


class SendIdCreate(BrazeObject):
    """
    Register a send identifier. Braze registers at most 100 a day for a workspace.

    :param campaign_id: The campaign whose sends it will label.
    :param send_id: The identifier, ASCII of 64 characters at most. Default: Braze makes one.

    .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_create_send_ids
    """

    campaign_id: NonEmptyText
    send_id: Omittable[SendId] = None
