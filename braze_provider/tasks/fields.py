"""The kinds of fields of a task. Each operator states its fields once, by kind."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """How a field is rendered, and how Airflow shows it."""

    TEXT = "text"
    """An id or a choice. It is rendered as text, and native rendering does not parse it again."""
    JSON = "json"
    """An object or a list. It is plain Jinja."""
    CONTENT = "content"
    """Message content. Everything that Airflow does not render reaches Braze byte for byte."""
    RECIPIENTS = "recipients"
    """Recipients. They are wrapped, so that Airflow stores their number and none of their data."""
    FIXED = "fixed"
    """A value that is not templated."""


@dataclass(frozen=True)
class Field:
    """
    One field of an operator.

    :param kind: How the field is rendered.
    :param item: For a list of recipients: the recipient's field that each bare item gives. Default: the items
        are recipient objects.
    :param placed: Whether each row is put into the argument's field of the request: the request has an array
        of that name, and others. With ``item``, the array holds bare values.
    """

    kind: Kind
    item: str | None = None
    placed: bool = False


TEXT = Field(Kind.TEXT)
JSON = Field(Kind.JSON)
CONTENT = Field(Kind.CONTENT)
RECIPIENTS = Field(Kind.RECIPIENTS)
FIXED = Field(Kind.FIXED)
