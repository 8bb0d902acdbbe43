"""
Braze's size limits and rate limits: how large a request may be, and how many requests a workspace may make.

Every figure is Braze's published default. A contract with Braze can raise them, so each connection can
override the rate limits (extra ``rate_limits``). The headers of Braze's answers always count more than these
figures.

.. seealso:: https://www.braze.com/docs/api/api_limits
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from types import MappingProxyType

MEGABYTE = 1024 * 1024
MAX_BODY_BYTES = 4 * MEGABYTE
"""Bytes of a request's body, if its endpoint has no size limit of its own."""
MAX_PROPERTIES_BYTES = 50 * 1024
"""Serialised size of one ``trigger_properties`` or ``context`` object."""
MAX_EXTERNAL_ID_BYTES = 987
MAX_ALIAS_BYTES = 236
MAX_PRODUCT_ID_LENGTH = 255
MAX_QUANTITY = 100
MAX_ITEM_ID_LENGTH = 250
MAX_ITEM_VALUE_LENGTH = 5_000
MAX_ITEM_DEPTH = 50
MAX_SEND_ID_LENGTH = 64
MAX_TIME_TO_LIVE_SECONDS = 2_419_200
APPLE_PUSH_BYTES = 1_912
ANDROID_PUSH_BYTES = 4_000
CONTENT_CARD_MAX_DAYS = 30

SECOND, MINUTE, HOUR, DAY = 1, 60, 3_600, 86_400


@dataclass(frozen=True)
class Bucket:
    """
    A rate limit that some endpoints share: a number of requests that Braze admits in each window.

    :param name: The key used in the connection's ``rate_limits`` and ``pools``.
    :param limit: Requests in each window, for the whole workspace.
    :param window: Length of the window in seconds. Braze's hourly windows begin with the clock hour.
    :param per_audience: Requests in each window for one *unique audience*, which is the audience that a task
        sends to (broadcasts only). A broadcast is one request and needs no pace. So this figure sets the pace
        only for named recipients beside an audience, and only after a 429.
    """

    name: str
    limit: int
    window: int
    per_audience: int | None = None


BUCKETS: Mapping[str, Bucket] = MappingProxyType(
    {
        bucket.name: bucket
        for bucket in (
            Bucket("default", limit=250_000, window=HOUR),
            Bucket("broadcast", limit=250, window=MINUTE, per_audience=10),
            Bucket("send_ids", limit=100, window=DAY),
            Bucket("campaign_series", limit=50_000, window=MINUTE),
            Bucket("duplicate_campaign", limit=100, window=MINUTE),
            Bucket("duplicate_canvas", limit=100, window=MINUTE),
            Bucket("cdi_list", limit=50, window=MINUTE),
            Bucket("cdi_sync", limit=20, window=MINUTE),
            Bucket("cdi_status", limit=100, window=MINUTE),
            Bucket("users_track", limit=3_000, window=3 * SECOND),
            Bucket("users_track_sync", limit=500, window=MINUTE),
            Bucket("users_track_bulk", limit=50, window=SECOND),
            Bucket("identity", limit=20_000, window=MINUTE),
            Bucket("external_ids_rename", limit=1_000, window=MINUTE),
            Bucket("external_ids_remove", limit=1_000, window=MINUTE),
            Bucket("export_ids", limit=250, window=MINUTE),
            Bucket("lists", limit=1_000, window=HOUR),
            Bucket("subscription_set", limit=5_000, window=MINUTE),
            Bucket("preference_center", limit=1_000, window=MINUTE),
            Bucket("catalogs", limit=50, window=MINUTE),
            Bucket("catalog_items_async", limit=16_000, window=MINUTE),
            Bucket("catalog_items_sync", limit=50, window=MINUTE),
            Bucket("catalog_schema", limit=50, window=MINUTE),
        )
    }
)
"""The rate-limit buckets of the endpoints in :mod:`braze_provider.api.endpoints`."""


@dataclass(frozen=True)
class RateLimitState:
    """
    The state of a rate-limit bucket, from an answer's headers.

    :param limit: Requests that Braze admits in the window.
    :param remaining: Requests left in the window.
    :param reset: When the window ends, as Braze wrote it: UTC epoch seconds (above 1e9), or seconds left.
    :param retry_after: Seconds to wait, if the answer says so.
    :param date: The answer's ``Date`` header: the time of Braze's clock.
    """

    limit: int | None = None
    remaining: int | None = None
    reset: float | None = None
    retry_after: float | None = None
    date: str | None = None

    @classmethod
    def from_headers(cls, headers: Mapping[str, str]) -> RateLimitState:
        """
        Read the headers. A header that is missing or can't be read counts as not given.

        ``Retry-After`` may also be a date, as proxies and CDNs write it. The wait is then the time from the
        answer's ``Date`` until that date. Without a ``Date``, it is counted from this machine's time.

        :param headers: The answer's headers, with case-insensitive look-up as ``requests`` gives them.
        """

        def number(name: str) -> float | None:
            try:
                value = float(headers[name])
            except (KeyError, ValueError):
                return None
            return max(value, 0.0) if math.isfinite(value) else None

        def epoch(name: str) -> float | None:
            try:
                return parsedate_to_datetime(headers[name]).timestamp()
            except (KeyError, ValueError, OverflowError):
                return None

        limit, remaining = number("X-RateLimit-Limit"), number("X-RateLimit-Remaining")
        retry_after = number("X-RateLimit-Retry-After")
        if retry_after is None:
            retry_after = number("Retry-After")
        if retry_after is None and (until := epoch("Retry-After")) is not None:
            now = epoch("Date")
            retry_after = max(until - (time() if now is None else now), 0.0)
        return cls(
            limit=None if limit is None else int(limit),
            remaining=None if remaining is None else int(remaining),
            reset=number("X-RateLimit-Reset"),
            retry_after=retry_after,
            date=headers.get("Date"),
        )
