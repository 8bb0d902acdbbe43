"""What each kind of fault makes of an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from braze_provider.sandbox.answers import Answer
from braze_provider.sandbox.calls import Send
from braze_provider.sandbox.clock import Clock
from braze_provider.sandbox.faults import Fault
from braze_provider.sandbox.limits import RateLimiter
from braze_provider.sandbox.refusals import status_text

Spoiler: TypeAlias = Callable[[Fault, Answer | None], Answer | None]
"""Takes a fault and Braze's true answer (``None`` if it never took the request); returns what leaves."""

_NOTICE = "The Canvas is paused. Resume the Canvas to ensure trigger requests will take effect."
_EDGE_PAGE = "<!DOCTYPE html>\n<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n"
# An answer that nobody will be able to read to its end.
_HALF_BAKED = Answer(201, {"message": "success", "dispatch_id": "0" * 32})


def _status(fault: Fault, answer: Answer | None) -> Answer:
    if fault.body is not None:
        return Answer(fault.status, fault.body)
    return Answer(fault.status, {"message": fault.message or status_text(fault.status)})


def _html(fault: Fault, answer: Answer | None) -> Answer:
    page = _EDGE_PAGE.format(fault.message or f"{fault.status} {status_text(fault.status)}")
    # The edge knows nothing of Braze's limits.
    return Answer(fault.status, page.encode(), "text/html; charset=utf-8", headers={})


def _empty(fault: Fault, answer: Answer | None) -> Answer:
    return Answer(fault.status, b"")


def _garbage(fault: Fault, answer: Answer | None) -> Answer:
    return Answer(fault.status, b'{"message": "succ\xff\xfe\x00')


def _notice(fault: Fault, answer: Answer | None) -> Answer | None:
    return _if_accepted(answer, lambda good: good.with_body(notice=fault.message or _NOTICE))


def _minor_errors(fault: Fault, answer: Answer | None) -> Answer | None:
    return _if_accepted(answer, lambda good: good.with_body(errors=fault.errors))


def _queued(fault: Fault, answer: Answer | None) -> Answer | None:
    return _if_accepted(answer, lambda good: Answer(202, {"message": "queued"}))


def _no_dispatch_id(fault: Fault, answer: Answer | None) -> Answer | None:
    return _if_accepted(answer, lambda good: good.with_body(dispatch_id=None))


def _nothing(fault: Fault, answer: Answer | None) -> None:
    return None


def _as_it_is(fault: Fault, answer: Answer | None) -> Answer | None:
    return answer


def _half(fault: Fault, answer: Answer | None) -> Answer:
    return answer or _HALF_BAKED


_SPOILERS: Mapping[str, Spoiler] = MappingProxyType(
    {
        "status": _status,
        "html": _html,
        "empty": _empty,
        "garbage": _garbage,
        "notice": _notice,
        "minor_errors": _minor_errors,
        "queued": _queued,
        "no_dispatch_id": _no_dispatch_id,
        "slow": _as_it_is,
        "read_timeout": _as_it_is,
        "disconnect": _nothing,
        "disconnect_before_read": _nothing,
        "cut_answer": _half,
    }
)


def spoil(fault: Fault, answer: Answer | None, limiter: RateLimiter, clock: Clock) -> Answer | None:
    """
    The answer that leaves when a fault fires.

    :param fault: the fault.
    :param answer: Braze's true answer, or ``None`` if the fault struck before Braze took the request.
    :param limiter: the rate limiter, whose figures a made-up 429 borrows.
    :param clock: the sandbox's clock.
    :returns: the answer, or ``None`` when the connection closes without one.
    """
    if fault.kind == "rate_limited":
        return _rate_limited(fault, limiter, clock.now())
    return _SPOILERS[fault.kind](fault, answer)


def left_out(fault: Fault | None, send: Send) -> frozenset[str]:
    """
    The recipient keys of those in a request whom a fault keeps from receiving anything.

    :param fault: the fault, if one fires.
    :param send: what the request sends.
    """
    if fault is None:
        return frozenset()
    if fault.kind == "notice":
        return frozenset(send.recipients)
    if fault.kind == "minor_errors":
        named = {error.get("index") for error in fault.errors if isinstance(error, dict)}
        return frozenset(key for index, key in enumerate(send.recipients) if index in named)
    return frozenset()


def _rate_limited(fault: Fault, limiter: RateLimiter, now: float) -> Answer:
    if fault.retry_after is not None:
        headers = {"X-RateLimit-Retry-After": str(fault.retry_after)}
    else:
        standing = limiter.standing()._replace(remaining=0)
        if fault.reset_after is not None:
            standing = standing._replace(reset=now + fault.reset_after)
        headers = limiter.headers(standing)
    return Answer(429, {"message": fault.message or status_text(429)}, headers=headers)


def _if_accepted(answer: Answer | None, change: Callable[[Answer], Answer]) -> Answer | None:
    # A request that breaks a rule is refused as ever: these faults are about what Braze accepts.
    return change(answer) if answer is not None and answer.accepted else answer
