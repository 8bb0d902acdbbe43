"""Rate limits: which requests share a budget, how large it is, and when it starts anew."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from braze_provider.sandbox.clock import Clock


@dataclass(frozen=True)
class Limit:
    """
    So many requests in each fixed window.

    :param requests: how many (int) a window admits.
    :param seconds: length (float) of a window. Windows are aligned to the Unix epoch, so that an hour's
        begin at the top of the clock hour, as Braze documents; for shorter ones nothing is documented.
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

        :param text: the limit (str).
        :raises ValueError: when it does not read so.
        """
        count, _, seconds = text.partition("/")
        return cls(int(count), float(seconds))


DEFAULT_LIMITS: Mapping[str, Limit] = MappingProxyType(
    {
        "default": Limit(250_000, 3600),
        "broadcast": Limit(250, 60),
        "audience": Limit(10, 60),
    }
)


class Charge(NamedTuple):
    """
    One budget that a request draws on.

    ``bucket`` names the limit; ``key`` tells apart the budgets under it, one for each unique audience.
    """

    bucket: str
    key: str = ""


class Standing(NamedTuple):
    """What is left of a budget, as the ``X-RateLimit-*`` headers tell it; ``reset`` is a Unix time."""

    limit: int
    remaining: int
    reset: float


SHARED = (Charge("default"),)


def shared(body: Mapping[str, Any]) -> Sequence[Charge]:
    """The charge of a request that counts against the workspace's common budget, whatever it says."""
    return SHARED


def by_target(body: Mapping[str, Any]) -> Sequence[Charge]:
    """
    The charges of a send: the common budget when it names people, those of broadcasts otherwise.

    :param body: the request's body (not yet checked).
    """
    if body.get("recipients") or body.get("external_user_ids") or body.get("user_aliases"):
        return SHARED
    if not (body.get("broadcast") or body.get("segment_id") or body.get("audience")):
        return SHARED
    audience = [body.get(name) for name in ("campaign_id", "canvas_id", "segment_id", "audience")]
    return (Charge("broadcast"), Charge("audience", json.dumps(audience, sort_keys=True)))


class RateLimiter:
    """
    Counts requests against their budgets in fixed windows.

    A refused request counts against nothing.

    :param limits: the limits (mapping of bucket name to :class:`Limit`).
    :param clock: the clock (:class:`Clock`) that windows follow.
    :param reset_in_seconds: tell the reset as the seconds left (bool, default ``False``) instead of as a
        Unix time; Braze uses both, under the same name.
    """

    def __init__(self, limits: Mapping[str, Limit], clock: Clock, *, reset_in_seconds: bool = False) -> None:
        self._limits = limits
        self._clock = clock
        self._reset_in_seconds = reset_in_seconds
        self._used: dict[tuple[Charge, int], int] = {}

    def reset(self) -> None:
        """Give every budget back."""
        self._used.clear()

    def admit(self, charges: Sequence[Charge]) -> tuple[bool, Standing]:
        """
        Count a request, if every budget it draws on has room for it.

        :param charges: the budgets.
        :returns: whether it was admitted, and the standing of the tightest budget afterwards.
        """
        now = self._clock.now()
        if len(self._used) > 1_000:
            self._forget_past_windows(now)
        admitted = all(self._left(charge, now) > 0 for charge in charges)
        if admitted:
            for charge in charges:
                window = self._window(charge, now)
                self._used[window] = self._used.get(window, 0) + 1
        return admitted, self._tightest(charges, now)

    def standing(self, charges: Sequence[Charge] = SHARED) -> Standing:
        """
        The standing of the tightest of some budgets, without drawing on them.

        :param charges: the budgets; default, the workspace's common one.
        """
        return self._tightest(charges, self._clock.now())

    def headers(self, standing: Standing) -> dict[str, str]:
        """
        The headers that tell a client where it stands.

        :param standing: the budget's standing.
        """
        reset = standing.reset - self._clock.now() if self._reset_in_seconds else standing.reset
        return {
            "X-RateLimit-Limit": str(standing.limit),
            "X-RateLimit-Remaining": str(standing.remaining),
            "X-RateLimit-Reset": str(math.ceil(reset)),
        }

    def _window(self, charge: Charge, now: float) -> tuple[Charge, int]:
        return charge, int(now // self._limits[charge.bucket].seconds)

    def _left(self, charge: Charge, now: float) -> int:
        return self._limits[charge.bucket].requests - self._used.get(self._window(charge, now), 0)

    def _tightest(self, charges: Sequence[Charge], now: float) -> Standing:
        # The later reset wins between two exhausted budgets: before it there is no point in trying.
        standings = []
        for charge in charges:
            limit = self._limits[charge.bucket]
            reset = (now // limit.seconds + 1) * limit.seconds
            standings.append(Standing(limit.requests, max(self._left(charge, now), 0), reset))
        return min(standings, key=lambda standing: (standing.remaining, -standing.reset))

    def _forget_past_windows(self, now: float) -> None:
        self._used = {
            window: used for window, used in self._used.items() if window == self._window(window[0], now)
        }
