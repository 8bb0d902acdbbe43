"""
The table of Braze's endpoints: adding one is a row here, a request model and a thin operator.

.. seealso:: https://www.braze.com/docs/api/endpoints/messaging
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Endpoint:
    """
    One call of Braze's REST API.

    :param name: Its name here, which is also the name of the hook's method.
    :param method: HTTP method.
    :param path: Path below the REST endpoint; no trailing slash, which Braze answers with 403.
    :param permission: What the API key must be allowed.
    :param bucket: The rate-limit bucket it counts against.
    :param broadcast_bucket: The bucket when it is aimed at a segment or an audience instead of named people.
    :param sends: Whether a repeat would message people again.
    :param request: Name of its request model in :mod:`braze_provider.api.requests`, for a call with a body.
    """

    name: str
    method: str
    path: str
    permission: str
    bucket: str = "shared"
    broadcast_bucket: str | None = None
    sends: bool = False
    request: str | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def bucket_of(self, *, broadcast: bool) -> str:
        """
        Tell which bucket a request counts against.

        :param broadcast: Whether it is aimed at a segment or an audience instead of named people.
        """
        return self.broadcast_bucket if broadcast and self.broadcast_bucket else self.bucket


MESSAGES_SEND = Endpoint(
    "messages_send",
    "POST",
    "/messages/send",
    permission="messages.send",
    broadcast_bucket="broadcast",
    sends=True,
    request="MessagesSend",
)
CAMPAIGNS_TRIGGER_SEND = Endpoint(
    "campaigns_trigger_send",
    "POST",
    "/campaigns/trigger/send",
    permission="campaigns.trigger.send",
    broadcast_bucket="broadcast",
    sends=True,
    request="CampaignTriggerSend",
)
CAMPAIGNS_LIST = Endpoint("campaigns_list", "GET", "/campaigns/list", permission="campaigns.list")
CAMPAIGNS_DETAILS = Endpoint("campaigns_details", "GET", "/campaigns/details", permission="campaigns.details")

ENDPOINTS: Mapping[str, Endpoint] = MappingProxyType(
    {
        endpoint.name: endpoint
        for endpoint in (MESSAGES_SEND, CAMPAIGNS_TRIGGER_SEND, CAMPAIGNS_LIST, CAMPAIGNS_DETAILS)
    }
)
"""Endpoints by name."""
