"""Hide a secret in texts: the whole secret, and every part of it that is long enough to be useful."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

SHORTEST_PART = 8
"""Length of the shortest part that is hidden, in characters. Shorter parts occur in any text by chance."""

Hide = Callable[[str], str]
"""A function that gives a text with ``***`` in the place of each part of a secret."""


def hider(secret: str) -> Hide:
    """
    Make a function that hides one secret.

    :param secret: The secret.
    """
    length = min(SHORTEST_PART, len(secret))
    parts = {secret[start : start + length] for start in range(len(secret) - length + 1)}
    starts = "|".join(sorted(map(re.escape, parts)))
    # Match every character at which a part starts, and then the rest of the last part.
    pattern = re.compile(rf"(?:(?={starts}).)+.{{{length - 1}}}", re.DOTALL)

    def hide(text: str) -> str:
        return pattern.sub("***", text)

    return hide


def hidden(value: Any, hide: Hide) -> Any:
    """
    Give a JSON value with a secret hidden in all its texts, names and numbers.

    :param value: Any value that JSON can hold.
    :param hide: From :func:`hider`.
    """
    if isinstance(value, Mapping):
        return {hide(name): hidden(item, hide) for name, item in value.items()}
    if isinstance(value, list):
        return [hidden(item, hide) for item in value]
    text = str(value)
    shown = hide(text)
    return value if shown == text else shown
