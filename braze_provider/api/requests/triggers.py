"""The base of the two requests that trigger a campaign or a Canvas of the dashboard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from braze_provider.api.base import Breach
from braze_provider.api.objects.audience import Audience
from braze_provider.api.requests.base import SendRequest
from braze_provider.api.values import Omittable


class TriggerRequest(SendRequest):
    """
    Trigger what the dashboard holds, now or later. Only recipients who are in its own audience get it.

    :param audience: A connected audience, which narrows the one that the dashboard holds.
    :param broadcast: True sends to the whole audience that the dashboard holds. Default: False.
    """

    _stand_in: ClassVar[Mapping[str, Any]] = {"recipients": [{"external_user_id": "stand-in"}]}

    audience: Omittable[Audience] = None
    broadcast: Omittable[bool] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check that the request reaches recipients."""
        yield from super().rules(given)
        broadcast = given.get("broadcast")
        if broadcast is True:
            if given.get("attachments") is not None:
                yield Breach(
                    "is not allowed with `broadcast: true`", ("attachments",), ("broadcast", "attachments")
                )
        elif broadcast in (None, False) and given.get("recipients") is None and given.get("audience") is None:
            # An audience alone is allowed without `broadcast`: Braze's pages disagree on whether it needs it.
            yield Breach(
                "reaches no recipient: give `recipients` or `audience`, or `broadcast: true`",
                fields=("recipients", "audience", "broadcast"),
            )
