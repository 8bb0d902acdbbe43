"""The kinds of fields that tasks have. Each operator states its fields once, by kind."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How a field is rendered, and how Airflow shows it."""

    TEXT = "text"
    """An id or a choice. Rendered as text, and never parsed again, not even natively."""
    JSON = "json"
    """An object or a list. Plain Jinja."""
    CONTENT = "content"
    """Message content. What is not Airflow's reaches Braze byte for byte."""
    RECIPIENTS = "recipients"
    """Recipients. Wrapped, so that Airflow stores their number and none of their data."""
    FIXED = "fixed"
    """Not templated."""


@dataclass(frozen=True)
class Field:
    """
    One field of an operator.

    :param kind: How it is rendered.
    :param item: For recipients: the recipient's field that a bare item of a list is. Default: the items are
        recipient objects.
    """

    kind: Kind
    item: str | None = None


TEXT = Field(Kind.TEXT)
JSON = Field(Kind.JSON)
CONTENT = Field(Kind.CONTENT)
RECIPIENTS = Field(Kind.RECIPIENTS)
FIXED = Field(Kind.FIXED)
