"""How fast a delivery may go: the rate limit of its requests, and the part of it that its task may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from braze_provider.api.endpoints import Endpoint
from braze_provider.api.limits import Bucket
from braze_provider.delivery.pacing import Pacer

if TYPE_CHECKING:
    from braze_provider.hooks.braze import BrazeHook


@dataclass(frozen=True)
class Share:
    """
    A part of a rate limit.

    :param bucket: The rate limit.
    :param part: The part of it, above 0 and up to 1.
    """

    bucket: Bucket
    part: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.bucket.limit * self.part / self.bucket.window


@dataclass(frozen=True)
class Budget:
    """
    The rate limits of a task's requests.

    :param hook: The hook to send with. Its connection knows the limits and the pools.
    :param endpoint: Where to send.
    :param pool: The Airflow pool that the task runs in.
    :param pool_slots: The slots of the pool that the task holds.
    """

    hook: BrazeHook
    endpoint: Endpoint
    pool: str
    pool_slots: int

    def of(self, *, is_broadcast: bool) -> Share:
        """
        Give this task's share of the rate limit of its requests.

        :param is_broadcast: Whether they name no recipients.
        """
        connection = self.hook.connection
        bucket = connection.bucket(self.endpoint.bucket_of(broadcast=is_broadcast))
        return Share(bucket, connection.share(self.pool, self.pool_slots, bucket.name))

    def pacer(self, fields: Mapping[str, Any], *, is_broadcast: bool) -> Pacer:
        """
        Make the pacer of the requests.

        :param fields: Their fields without the recipients.
        :param is_broadcast: Whether they name no recipients.
        """
        share = self.of(is_broadcast=is_broadcast)
        return Pacer(
            share.bucket.limit,
            share.bucket.window,
            share=share.part,
            after_refusal={} if is_broadcast else self._paces_of_broadcasts(fields),
        )

    def _paces_of_broadcasts(self, fields: Mapping[str, Any]) -> dict[int, float]:
        """
        Return the paces for recipients with an audience or a segment, by the limit that a 429 may name.

        Braze's pages disagree on whether requests with both are broadcasts. If they are, all of them go to
        one audience.
        """
        is_narrowed = "audience" in fields or "segment_id" in fields
        if not is_narrowed or self.endpoint.broadcast_bucket is None:
            return {}
        share = self.of(is_broadcast=True)
        bucket = share.bucket
        one_audience = min(bucket.per_audience or bucket.limit, bucket.limit)
        return dict.fromkeys((bucket.limit, one_audience), one_audience * share.part / bucket.window)
