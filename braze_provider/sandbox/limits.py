"""Rate limits: how many requests Braze admits, and its headers about them."""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from braze_provider.api.endpoints import Endpoint
from braze_provider.api.limits import BUCKETS

DEFAULT_BUCKET = Endpoint.bucket
"""The bucket of most endpoints."""

AUDIENCE = "audience"
"""The limit of a broadcast bucket for each unique audience."""


@dataclass(frozen=True)
class Limit:
    """
    A number of requests in each fixed window.

    :param requests: How many requests a window admits.
    :param seconds: Length of a window. Windows are aligned to the Unix epoch, so that those of an hour begin
        with the clock hour, as Braze documents. Braze documents nothing about shorter windows.
    """

    requests: int
    seconds: float

    def __post_init__(self) -> None:
        if self.requests < 1 or self.seconds <= 0:
            raise ValueError(f"A limit admits at least one request in more than zero seconds, not {self}")

    @classmethod
    def parse(cls, text: str) -> Limit:
        """
        Read ``COUNT/SECONDS``, such as ``70/1``.

        :param text: The limit.
        :raises ValueError: If the text has another form.
        """
        count, _, seconds = text.partition("/")
        return cls(int(count), float(seconds))


def _limits() -> Iterator[tuple[str, Limit]]:
    for bucket in BUCKETS.values():
        yield bucket.name, Limit(bucket.limit, bucket.window)
        if bucket.per_audience:
            yield AUDIENCE, Limit(bucket.per_audience, bucket.window)


DEFAULT_LIMITS: Mapping[str, Limit] = dict(_limits())
"""Braze's own limits."""


_MOST_HISTORIES = 100


class Charge(NamedTuple):
    """
    One budget that a request counts against.

    ``limit`` names the limit; ``key`` tells apart the budgets under it, one for each unique audience.
    """

    limit: str
    key: str = ""


class Standing(NamedTuple):
    """The rest of a budget, for the ``X-RateLimit-*`` headers; ``reset`` is a Unix time."""

    limit: int
    remaining: int
    reset: float


HISTORY_SECONDS = 120
"""For how long each second of a budget is remembered."""

_Second = tuple[int, int, int, int]
"""A second of a budget with requests: its Unix time, how many it admitted and refused, and what was left."""

DEFAULT_CHARGES = (Charge(DEFAULT_BUCKET),)


def charges(endpoint: Endpoint, body: Mapping[str, Any]) -> Sequence[Charge]:
    """
    Tell which budgets a request counts against.

    :param endpoint: Its endpoint.
    :param body: Its body, not yet checked.
    """
    named = body.get("recipients") or body.get("external_user_ids") or body.get("user_aliases")
    target = body.get("broadcast") or body.get("segment_id") or body.get("audience")
    bucket = endpoint.bucket_of(broadcast=bool(target and not named))
    if not BUCKETS[bucket].per_audience:
        return (Charge(bucket),)
    audience = [body.get(name) for name in ("campaign_id", "canvas_id", "segment_id", "audience")]
    return (Charge(bucket), Charge(AUDIENCE, json.dumps(audience, sort_keys=True)))


class RateLimiter:
    """
    Counts requests against their budgets in fixed windows.

    A refused request counts against nothing.

    :param limits: The limits by name.
    :param now: Gives the Unix time that windows follow.
    :param reset_in_seconds: Give the reset as the seconds that are left instead of as a Unix time. Braze uses
        both, under the same name. Default False.
    """

    def __init__(
        self, limits: Mapping[str, Limit], now: Callable[[], float], *, reset_in_seconds: bool = False
    ) -> None:
        self._limits = limits
        self._now = now
        self._reset_in_seconds = reset_in_seconds
        self._used: dict[tuple[Charge, int], int] = {}
        self._refused: dict[tuple[Charge, int], int] = {}
        self._history: dict[Charge, deque[_Second]] = {}

    def reset(self) -> None:
        """Fill all budgets again."""
        self._used.clear()
        self._refused.clear()
        self._history.clear()

    def admit(self, drawn: Sequence[Charge]) -> tuple[bool, Standing]:
        """
        Count a request, if all its budgets have room for it.

        :param drawn: The budgets.
        :returns: Whether it was admitted, and the standing of the tightest budget afterwards.
        """
        now = self._now()
        if len(self._used) > 1_000:
            self._forget_past_windows(now)
        admitted = all(self._left(charge, now) > 0 for charge in drawn)
        if admitted:
            for charge in drawn:
                window = self._window(charge, now)
                self._used[window] = self._used.get(window, 0) + 1
        else:
            for charge in drawn:
                if self._left(charge, now) <= 0:
                    window = self._window(charge, now)
                    self._refused[window] = self._refused.get(window, 0) + 1
        for charge in drawn:
            self._remember(charge, now, admitted=admitted)
        return admitted, self._tightest(drawn, now)

    def standing(self) -> Standing:
        """Give the standing of the default bucket, without counting a request."""
        return self._tightest(DEFAULT_CHARGES, self._now())

    def shown(self) -> list[dict[str, Any]]:
        """List the budgets that were drawn on in their present window, and the default one, as JSON."""
        now = self._now()
        drawn = {charge for charge, _ in self._used if self._used.get(self._window(charge, now))}
        drawn |= {charge for charge, seen in self._history.items() if seen[-1][0] > now - HISTORY_SECONDS}
        shown = []
        for charge in (*DEFAULT_CHARGES, *sorted(drawn - set(DEFAULT_CHARGES))):
            window = self._window(charge, now)
            standing = self._tightest((charge,), now)
            shown.append(
                {
                    "limit": charge.limit,
                    "key": charge.key,
                    "requests": standing.limit,
                    "seconds": self._limits[charge.limit].seconds,
                    "used": self._used.get(window, 0),
                    "left": standing.remaining,
                    "refused": self._refused.get(window, 0),
                    "reset": standing.reset,
                    "history": [
                        one for one in self._history.get(charge, ()) if one[0] > now - HISTORY_SECONDS
                    ],
                }
            )
        return shown

    def headers(self, standing: Standing, *, reset_after: float | None = None) -> dict[str, str]:
        """
        Give the rate-limit headers for a client.

        :param standing: The budget's standing.
        :param reset_after: Seconds until the reset. Default: the true seconds.
        """
        now = self._now()
        reset = standing.reset if reset_after is None else now + reset_after
        return {
            "X-RateLimit-Limit": str(standing.limit),
            "X-RateLimit-Remaining": str(standing.remaining),
            "X-RateLimit-Reset": str(math.ceil(reset - now if self._reset_in_seconds else reset)),
        }

    def _remember(self, charge: Charge, now: float, *, admitted: bool) -> None:
        second, left = int(now), self._left(charge, now)
        if charge not in self._history and len(self._history) >= _MOST_HISTORIES:
            return  # There may be a budget for each of very many audiences.
        history = self._history.setdefault(charge, deque(maxlen=HISTORY_SECONDS))
        taken = refused = 0
        if history and history[-1][0] == second:
            _, taken, refused, _ = history.pop()
        if admitted:
            taken += 1
        elif left <= 0:
            refused += 1
        history.append((second, taken, refused, max(left, 0)))

    def _window(self, charge: Charge, now: float) -> tuple[Charge, int]:
        return charge, int(now // self._limits[charge.limit].seconds)

    def _left(self, charge: Charge, now: float) -> int:
        return self._limits[charge.limit].requests - self._used.get(self._window(charge, now), 0)

    def _tightest(self, drawn: Sequence[Charge], now: float) -> Standing:
        # If two budgets are used up, the later reset counts, because no request succeeds before it.
        standings = []
        for charge in drawn:
            limit = self._limits[charge.limit]
            reset = (now // limit.seconds + 1) * limit.seconds
            standings.append(Standing(limit.requests, max(self._left(charge, now), 0), reset))
        return min(standings, key=lambda standing: (standing.remaining, -standing.reset))

    def _forget_past_windows(self, now: float) -> None:
        for counted in (self._used, self._refused):
            for window in [window for window in counted if window != self._window(window[0], now)]:
                del counted[window]
