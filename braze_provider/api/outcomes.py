"""
The outcome table: what became of an attempted request, and what may follow.

Braze's send endpoints have no idempotency key, so whether a request may be repeated depends on one
question only: can Braze have accepted it? This module is the one place that answers it.

.. seealso:: https://www.braze.com/docs/api/errors
"""

from __future__ import annotations

from enum import Enum


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


# Braze documents each of them as "no messages sent".
_NOT_SENT = frozenset({500, 502, 503})
_TIMED_OUT = 408


def outcome_of_answer(status: int, *, is_brazes: bool) -> Outcome:
    """
    Classify an answer to a request that sends.

    Only Braze's own answers are believed. A page of a CDN, a proxy or a firewall says nothing about what
    Braze did: the request may have been passed on before.

    :param status: HTTP status of the answer.
    :param is_brazes: Whether the body is one that Braze writes.
    :return: SENT for every 2xx of Braze's; its body may still say otherwise. 429 is NOT_SENT whoever says
        it: whoever counts requests refuses those above the limit before they are passed on.
    """
    if status == 429:
        return Outcome.NOT_SENT
    if not is_brazes:
        return Outcome.UNCERTAIN
    if 200 <= status < 300:
        return Outcome.SENT
    if status in _NOT_SENT:
        return Outcome.NOT_SENT
    # A 408, a 504 or a redirect comes from a server on the way, which may have passed the request on.
    return Outcome.REJECTED if 400 <= status < 500 and status != _TIMED_OUT else Outcome.UNCERTAIN


def outcome_of_failure(*, writing_began: bool) -> Outcome:
    """
    Classify an attempt that ended without an answer.

    :param writing_began: Whether any byte of the request had been handed to the network.
    :return: NOT_SENT for a failure before the request was written (DNS, refused connection, TLS
        handshake), UNCERTAIN for a read timeout or a connection lost from then on.
    """
    return Outcome.UNCERTAIN if writing_began else Outcome.NOT_SENT
