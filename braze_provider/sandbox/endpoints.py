"""The table of endpoints: whoever adds one adds a row here and its rule function."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from braze_provider.sandbox.calls import Rule
from braze_provider.sandbox.limits import Charge, by_target, shared
from braze_provider.sandbox.rules.reads import campaigns_details, campaigns_list
from braze_provider.sandbox.rules.sends import campaigns_trigger_send, messages_send


@dataclass(frozen=True)
class Endpoint:
    """
    One of Braze's endpoints.

    :param method: ``GET`` or ``POST``.
    :param path: its path (str); parameters in braces.
    :param permission: the permission (str) a key needs for it.
    :param charges: tells from a body which budgets a request draws on.
    :param rule: judges its requests.
    """

    method: str
    path: str
    permission: str
    charges: Callable[[Mapping[str, Any]], Sequence[Charge]]
    rule: Rule


ENDPOINTS: tuple[Endpoint, ...] = (
    Endpoint("POST", "/messages/send", "messages.send", by_target, messages_send),
    Endpoint("POST", "/campaigns/trigger/send", "campaigns.trigger.send", by_target, campaigns_trigger_send),
    Endpoint("GET", "/campaigns/list", "campaigns.list", shared, campaigns_list),
    Endpoint("GET", "/campaigns/details", "campaigns.details", shared, campaigns_details),
)

BY_PATH: dict[str, Endpoint] = {endpoint.path: endpoint for endpoint in ENDPOINTS}
