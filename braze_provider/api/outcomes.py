"""
The outcome table: what became of an attempted request, and what may follow.

Braze's send endpoints have no idempotency key, so whether a request may be repeated depends on one
question only: can Braze have accepted it? This module is the one place that answers it.

.. seealso:: https://www.braze.com/docs/api/errors
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType


class Outcome(str, Enum):
    """What became of one attempt; every attempt ends in exactly one."""

    SENT = "sent"
    """Braze accepted it. It must never be repeated."""
    NOT_SENT = "not_sent"
    """Braze cannot have accepted it: it is safe to try again."""
    REJECTED = "rejected"
    """Braze refused it, or took it and reaches nobody with it: a repeat would end the same way."""
    UNCERTAIN = "uncertain"
    """Braze may have accepted it. Whether to repeat it is the user's decision (``on_uncertain``)."""


_BY_STATUS: Mapping[int, Outcome] = MappingProxyType(
    {
        429: Outcome.NOT_SENT,
        # Braze documents both as "no messages sent".
        500: Outcome.NOT_SENT,
        503: Outcome.NOT_SENT,
    }
)


def outcome_of_status(status: int) -> Outcome:
    """
    Classify an answer by its status alone; a 2xx is classified by its body as well.

    :param status: HTTP status of the answer.
    :return: SENT for every 2xx. Of the 5xx, only those that Braze documents as "no messages sent" are
        NOT_SENT: any other comes from a proxy or CDN that had already passed the request on.
    """
    if 200 <= status < 300:
        return Outcome.SENT
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return Outcome.UNCERTAIN if status >= 500 else Outcome.REJECTED


def outcome_of_failure(*, writing_began: bool) -> Outcome:
    """
    Classify an attempt that ended without an answer.

    :param writing_began: Whether any byte of the request had been handed to the network.
    :return: NOT_SENT for a failure before the request was written (DNS, refused connection, TLS
        handshake), UNCERTAIN for a read timeout or a connection lost from then on.
    """
    return Outcome.UNCERTAIN if writing_began else Outcome.NOT_SENT
