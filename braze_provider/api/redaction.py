"""Texts without a secret: neither whole nor any part that is long enough to be of use."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

SHORTEST_PART = 8
"""Characters of a secret in a row that are hidden; fewer turn up by chance."""

Hide = Callable[[str], str]
"""Gives a text with ``***`` in place of each part of a secret."""


def hider(secret: str) -> Hide:
    """
    Make what hides one secret.

    :param secret: The secret.
    """
    length = min(SHORTEST_PART, len(secret))
    parts = {secret[start : start + length] for start in range(len(secret) - length + 1)}
    starts = "|".join(sorted(map(re.escape, parts)))
    # Every character at which a part starts, and the rest of the last part.
    pattern = re.compile(rf"(?:(?={starts}).)+.{{{length - 1}}}", re.DOTALL)

    def hide(text: str) -> str:
        return pattern.sub("***", text)

    return hide


def hidden(value: Any, hide: Hide) -> Any:
    """
    Give a JSON value with a secret hidden in all its texts, names and numbers.

    :param value: What JSON can hold.
    :param hide: From :func:`hider`.
    """
    if isinstance(value, Mapping):
        return {hide(name): hidden(item, hide) for name, item in value.items()}
    if isinstance(value, list):
        return [hidden(item, hide) for item in value]
    text = str(value)
    shown = hide(text)
    return value if shown == text else shown
