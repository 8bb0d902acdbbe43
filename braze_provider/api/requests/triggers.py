"""What the requests that trigger a campaign or a Canvas of the dashboard have in common."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from braze_provider.api.base import Breach
from braze_provider.api.objects.audience import Audience
from braze_provider.api.requests.base import SendRequest
from braze_provider.api.values import Omittable


class TriggerRequest(SendRequest):
    """
    Trigger what the dashboard holds, now or later. Only recipients who are in its own audience get it.

    :param audience: A connected audience, which narrows down the dashboard's own.
    :param broadcast: Default: False. True sends to the whole audience of the dashboard.
    """

    _stand_in: ClassVar[Mapping[str, Any]] = {"recipients": [{"external_user_id": "stand-in"}]}

    audience: Omittable[Audience] = None
    broadcast: Omittable[bool] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check whom it reaches."""
        yield from super().rules(given)
        broadcast = given.get("broadcast")
        if broadcast is True:
            if given.get("attachments") is not None:
                yield Breach(
                    "is not allowed with `broadcast: true`", ("attachments",), ("broadcast", "attachments")
                )
        elif broadcast in (None, False) and given.get("recipients") is None and given.get("audience") is None:
            # An audience by itself is sent as it is: Braze's pages disagree on whether it needs `broadcast`.
            yield Breach(
                "reaches nobody: give `recipients` or `audience`, or `broadcast: true`",
                fields=("recipients", "audience", "broadcast"),
            )

    @classmethod
    def join(cls, rows: Sequence[bytes]) -> dict[str, bytes]:
        """Put rows into ``recipients``."""
        return {"recipients": b"[%s]" % b",".join(rows)} if rows else {}
