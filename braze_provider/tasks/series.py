"""The shape of a day in Braze's statistics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def items_of(channels: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """
    Give the figures of messages, each with its channel.

    :param channels: Braze's ``messages``: by channel, a list of figures, one for each variation.
    """
    for channel, items in channels.items() if isinstance(channels, Mapping) else ():
        for item in items if isinstance(items, list) else [items]:
            if isinstance(item, Mapping):
                yield channel, item
