"""
The outcome table: what became of an attempt, and what may follow.

Only two questions decide what may follow. Can Braze have accepted the request? What does a repeat of the
request do? Only this module answers the first question. Each endpoint's row answers the second.

.. seealso:: https://www.braze.com/docs/api/errors
"""

from __future__ import annotations

from enum import Enum


class Repeat(str, Enum):
    """What the same request does a second time. Nothing else decides how a failure is handled."""

    SAFE = "safe"
    """The state is the same as after one request."""
    KEYED = "keyed"
    """Braze refuses or ignores a second request with the same key."""
    DUPLICATES = "duplicates"
    """Braze acts again: it sends or counts twice."""


class Outcome(str, Enum):
    """What became of one attempt. Every attempt has exactly one outcome."""

    SENT = "sent"
    """Braze accepted it. It must never be repeated."""
    NOT_SENT = "not_sent"
    """Braze cannot have accepted it: it is safe to try again."""
    REJECTED = "rejected"
    """Braze refused it, or accepted it but reaches no recipient with it: a repeat would end the same way."""
    UNCERTAIN = "uncertain"
    """Braze may have accepted it. Whether to repeat it is the user's decision (``on_uncertain``)."""
    REPEATABLE = "repeatable"
    """Braze may have accepted it, and a repeat does no harm: it is safe to try again."""


# Braze documents each of them as "no messages sent".
_NOT_SENT = frozenset({500, 502, 503})
_TIMED_OUT = 408


def outcome_of_answer(status: int, *, is_brazes: bool, repeat: Repeat) -> Outcome:
    """
    Classify an answer.

    Only Braze's own answers are believed. A page of a CDN, a proxy or a firewall does not say what Braze did,
    because that server may have passed the request on before. Where a repeat does no harm, this matters less:
    a refusal is then believed from any server, and a request without a usable answer may be made again.

    :param status: HTTP status of the answer.
    :param is_brazes: Whether the body is one that Braze writes.
    :param repeat: What a repeat of the request does.
    :return: SENT for every 2xx that Braze wrote, although its body may still say otherwise. NOT_SENT for
        every 429, also if Braze did not write it: a server that counts requests refuses those above the limit
        before it passes them on.
    """
    if status == 429:
        return Outcome.NOT_SENT
    if repeat is Repeat.SAFE:
        if 200 <= status < 300 and is_brazes:
            return Outcome.SENT
        is_refusal = 300 <= status < 500 and status != _TIMED_OUT
        return Outcome.REJECTED if is_refusal else Outcome.REPEATABLE
    if not is_brazes:
        return Outcome.UNCERTAIN
    if 200 <= status < 300:
        return Outcome.SENT
    if status in _NOT_SENT:
        return Outcome.NOT_SENT
    # A 408, a 504 or a redirect comes from a server on the way, which may have passed the request on.
    return Outcome.REJECTED if 400 <= status < 500 and status != _TIMED_OUT else Outcome.UNCERTAIN


def outcome_of_failure(*, writing_began: bool, repeat: Repeat) -> Outcome:
    """
    Classify an attempt that ended without an answer.

    :param writing_began: Whether any byte of the request was handed to the network.
    :param repeat: What a repeat of the request does.
    :return: NOT_SENT for a failure before the request was written (DNS, refused connection, TLS
        handshake). For a read timeout or a lost connection after that, REPEATABLE if a repeat does no harm,
        else UNCERTAIN.
    """
    if not writing_began:
        return Outcome.NOT_SENT
    return Outcome.REPEATABLE if repeat is Repeat.SAFE else Outcome.UNCERTAIN
