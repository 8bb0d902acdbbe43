"""What the sandbox counts of sends: messages and recipients by day, in UTC."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

from braze_provider.api.limits import DAY
from braze_provider.sandbox.store import Kept, Store

_EPOCH = date(1970, 1, 1)

_NAMES: Mapping[str, str] = {"apple_push": "ios_push", "content_card": "content_cards"}
"""The channels that statistics name otherwise than sends do."""

_PUSH = ("sent", "direct_opens", "total_opens", "bounces", "body_clicks")
_COUNTERS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("ios_push", "android_push", "kindle_push", "web_push"), _PUSH),
    "email": (
        "sent", "opens", "unique_opens", "clicks", "unique_clicks", "unsubscribes", "bounces", "delivered",
        "reported_spam",
    ),
    "webhook": ("sent", "errors"),
    "sms": (
        "sent", "sent_to_carrier", "delivered", "rejected", "delivery_failed", "clicks", "opt_out", "help",
    ),
    "whats_app": ("sent", "delivered", "failed", "read"),
    "content_cards": ("sent", "total_clicks", "unique_clicks"),
}  # fmt: skip
"""By channel: what Braze counts. In the sandbox all messages arrive, and no recipient reacts to one."""

_ARRIVED = {"sent", "sent_to_carrier", "delivered"}

UNSTATED: Mapping[str, str] = {"email": "email"}
"""The variation of a campaign that does not state its variations."""


def day_of(at: float) -> str:
    """
    Give the day of a moment.

    :param at: The moment, in Unix time.
    """
    return _day(int(at // DAY))


@lru_cache(maxsize=100)
def _day(number: int) -> str:
    return (_EPOCH + timedelta(days=number)).isoformat()


@dataclass
class Tally:
    """
    What was sent on a day.

    :param messages: By channel and variation: how many messages.
    :param reached: How many named recipients got one, each as often as it did.
    :param repeats: How many of these had got one before on that day.
    :param audience: How many others got one by a broadcast. It names none of them.
    """

    messages: Counter[tuple[str, str]] = field(default_factory=Counter)
    reached: int = 0
    repeats: int = 0
    audience: int = 0

    @property
    def unique_recipients(self) -> int:
        """How many recipients got a message."""
        return self.reached - self.repeats + self.audience

    def add(self, variations: Mapping[str, str], reached: int, audience: int) -> None:
        """
        Count a send.

        :param variations: Its variations with their channels. Of several in a channel, the first is sent.
        :param reached: How many recipients it names and reaches.
        :param audience: How many a broadcast reaches.
        """
        self.reached += reached
        self.audience += audience
        channels = {channel: variation for variation, channel in reversed(list(variations.items()))}
        for channel, variation in channels.items():
            self.messages[_NAMES.get(channel, channel), variation] += reached + audience

    def shown(self) -> dict[str, list[dict[str, Any]]]:
        """Give the messages as Braze shows them, by channel."""
        shown: dict[str, list[dict[str, Any]]] = {}
        for (channel, variation), sent in self.messages.items():
            counters = {name: sent if name in _ARRIVED else 0 for name in _COUNTERS.get(channel, ("sent",))}
            names = {"variation_name": variation, "variation_api_id": variation}
            totals = {"unique_recipients": self.unique_recipients, "conversions": 0, "revenue": 0}
            shown.setdefault(channel, []).append({**names, **counters, **totals})
        return shown


def _dumped(tally: Tally) -> list[Any]:
    return [[[*one, sent] for one, sent in tally.messages.items()], tally.reached, tally.audience]


def _loaded(dumped: list[Any]) -> Tally:
    messages, reached, audience = dumped
    counted = Counter({(channel, variation): sent for channel, variation, sent in messages})
    return Tally(counted, reached=reached, audience=audience)


class Statistics:
    """
    All that the sandbox has counted.

    :param store: Keeps it. Default: nothing does.
    :param repeats: Counts the deliveries of a thing on a day to recipients whom it had reached that day.
    """

    def __init__(
        self, store: Store | None = None, repeats: Callable[[tuple[str, ...]], int] = lambda thing: 0
    ) -> None:
        self._repeats = repeats
        self._tallies: Kept[tuple[str, ...], Tally] = Kept(_dumped, _loaded)
        self.new_users: Kept[str, int] = Kept()
        """By day: the users whom requests have created."""
        if store is not None:
            store.keep("tallies", self._tallies)
            store.keep("new_users", self.new_users)

    def clear(self) -> None:
        """Forget all."""
        self._tallies.clear()
        self.new_users.clear()

    def tally(self, *key: str) -> Tally:
        """
        Give what was sent of one thing on one day.

        :param key: ``campaign``, ``send`` or ``canvas``, its ids, and the day.
        """
        found = self._tallies.get(key)
        return Tally() if found is None else replace(found, repeats=self._repeats(key))

    def add(
        self,
        day: str,
        things: Collection[tuple[str, ...]],
        variations: Mapping[str, str],
        reached: int,
        audience: int,
    ) -> None:
        """
        Count a send.

        :param day: Its day.
        :param things: What it is a send of: for each, its kind and its ids.
        :param variations: Its message variations with their channels.
        :param reached: How many recipients it names and reaches.
        :param audience: How many a broadcast reaches.
        """
        for thing in things:
            key = (*thing, day)
            tally = self._tallies.get(key) or Tally()
            tally.add(variations or UNSTATED, reached, audience)
            self._tallies[key] = tally
