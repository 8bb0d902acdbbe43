"""What passes between the gateway and an endpoint's rule: a request, and what is made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from braze_provider.sandbox.workspace import Workspace


@dataclass(frozen=True)
class Call:
    """
    A request whose sender is known and whose body could be read.

    :param workspace: the workspace (:class:`Workspace`) it is addressed to.
    :param body: its JSON object (dict); empty for a ``GET``.
    :param size: length (int) of the body in bytes.
    :param query: its query parameters (mapping of str to str).
    :param path: the parameters in its path (mapping of str to str).
    """

    workspace: Workspace
    body: dict[str, Any] = field(default_factory=dict)
    size: int = 0
    query: Mapping[str, str] = field(default_factory=dict)
    path: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Send:
    """
    A request that reaches people.

    :param recipients: those it names, each with its own entry of the request, by recipient key:
        duplicates have collapsed, the last one winning.
    :param content: what makes two messages the same (str): the campaign, or a digest of the content.
    :param common: what the request gives to all of its recipients (mapping).
    :param campaign_id: the campaign (str), if it has one.
    :param send_id: the label (str) its statistics go under, if it has one.
    :param broadcast: whether it goes to a whole audience (bool) rather than to named people.
    """

    recipients: Mapping[str, Mapping[str, Any]]
    content: str
    common: Mapping[str, Any] = field(default_factory=dict)
    campaign_id: str | None = None
    send_id: str | None = None
    broadcast: bool = False


@dataclass(frozen=True)
class Accepted:
    """
    What a rule answers to a request in which it finds no fault.

    :param status: HTTP status (int).
    :param answer: the endpoint's own keys (mapping) of the answer.
    :param send: who is reached (:class:`Send`), for an endpoint that sends; the answer then carries a
        ``dispatch_id``.
    """

    status: int = 201
    answer: Mapping[str, Any] = field(default_factory=dict)
    send: Send | None = None


Rule: TypeAlias = Callable[[Call], Accepted]
"""Judges a call: returns what becomes of it or raises :class:`RefusedError`. Changes nothing."""
