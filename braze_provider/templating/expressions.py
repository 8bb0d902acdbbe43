"""Find out which ``{{ … }}`` of a text Airflow renders, and which are Liquid."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_LIQUID_BLOCK = re.compile(r"\{%-?\s*(raw|comment)\s*-?%\}.*?\{%-?\s*end\1\s*-?%\}", re.DOTALL)
_HEAD = re.compile(r"\{\{[-+]?\s*([^\W\d]\w*)")
_TOKEN = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[{}()\[\]]""", re.DOTALL)
_CLOSING = {"{": "}", "(": ")", "[": "]"}
DELIMITERS = ("{{", "{%", "{#")


@dataclass(frozen=True)
class Expression:
    """
    A ``{{ … }}`` in content that Airflow renders.

    :param start: Position of its opening braces in the content.
    :param end: Position after its closing braces.
    :param source: Its text, without the whitespace control.
    :param strip_before: Whether it begins with ``{{-``.
    :param strip_after: Whether it ends with ``-}}``.
    """

    start: int
    end: int
    source: str
    strip_before: bool
    strip_after: bool


def find_outputs(text: str, names: Collection[str]) -> Iterator[Expression | str]:
    """
    Find each ``{{ … }}`` in content. One that Airflow renders is given as an expression, Liquid as text.

    :param text: The content.
    :param names: The names with which an expression for Airflow can begin.
    """
    position = 0
    while (start := text.find("{", position)) >= 0:
        opening = text[start : start + 2]
        if opening == "{{":
            if expression := _expression_at(text, start, names):
                yield expression
                position = expression.end
            else:
                position = _after_liquid_output(text, start)
                if position > start + 2:
                    yield text[start:position]
        elif opening in DELIMITERS:
            block = _LIQUID_BLOCK.match(text, start)
            end = block.end() if block else text.find(opening[1] + "}", start + 2) + 2
            position = max(end, start + 2)
        else:
            position = start + 1


def _expression_at(text: str, start: int, names: Collection[str]) -> Expression | None:
    head = _HEAD.match(text, start)
    if head is None or head[1] not in names:
        return None
    awaited: list[str] = []
    for token in _TOKEN.finditer(text, head.end()):
        mark = token[0]
        if mark in _CLOSING:
            awaited.append(_CLOSING[mark])
        elif awaited and mark == awaited[-1]:
            awaited.pop()
        elif not awaited and text.startswith("}}", token.start()):
            inner = text[start + 2 : token.start()]
            if "${" in inner:
                return None
            strip_before, strip_after = inner.startswith("-"), inner.endswith("-")
            bare = inner[inner[0] in "-+" :].removesuffix("-" if strip_after else "").strip()
            return Expression(start, token.end() + 1, f"{{{{ {bare} }}}}", strip_before, strip_after)
    return None


def _after_liquid_output(text: str, start: int) -> int:
    """Find the end of a Liquid ``{{ … }}``, in which ``${name}`` and further braces may be nested."""
    depth = 0
    position = start
    while position < len(text):
        if text.startswith("{{", position):
            depth += 1
            position += 2
        elif text.startswith("${", position):
            end = text.find("}", position)
            position = end + 1 if end >= 0 else len(text)
        elif text.startswith("}}", position):
            depth -= 1
            position += 2
            if depth == 0:
                return position
        else:
            position += 1
    # It is never closed, so it is plain text. Expressions for Airflow may still follow in it.
    return start + 2
