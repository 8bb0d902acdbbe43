"""
Faults that a user sets, so that requests fail on purpose. Each way to fail is one class.

A fault is given as its kind and the fields of its class. By default it strikes the next request once. To add
a kind, add a class here.
"""

# ruff: noqa: D102 - what a method is for stands in the class that has it first

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from pydantic import Field

from braze_provider.api.base import BrazeObject, Breach
from braze_provider.api.open_json import JsonObject, JsonValue
from braze_provider.api.reasons import listed
from braze_provider.api.validation import problems, validate
from braze_provider.api.values import Array, is_empty_array
from braze_provider.sandbox.answers import Answer, status_text
from braze_provider.sandbox.limits import RateLimiter
from braze_provider.sandbox.records import Send
from braze_provider.sandbox.workspace import PAUSED_NOTICE

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
AnyStatus = Annotated[int, Field(ge=200, le=599)]
ErrorStatus = Annotated[int, Field(ge=400, le=599)]

_EDGE_PAGE = "<!DOCTYPE html>\n<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n"
# An answer that no client can read to its end.
_HALF_BAKED = Answer(201, {"message": "success", "dispatch_id": "0" * 32})


class Fault(BrazeObject):
    """
    Base of all faults.

    :param endpoint: Fail only requests to this path. Default: all.
    :param after: How many matching requests to let pass first. Default 0.
    :param times: How many requests then fail; None for all. Default 1.
    """

    kind: ClassVar[str]
    """The name of this way to fail."""

    endpoint: str | None = None
    after: Count = 0
    times: Annotated[int, Field(ge=1)] | None = 1

    @property
    def resets(self) -> bool:
        """Whether the connection closes with a TCP reset instead of an orderly end."""
        return False


class FaultOfRead(Fault):
    """
    A fault that strikes when the whole request has arrived.

    :param recipient_id: Fail only requests that name this recipient, by key. Default: any.
    :param delay: Seconds for which the answer is held back. Default 0.
    """

    halves: ClassVar[bool] = False
    """Whether the connection closes in the middle of the answer."""

    recipient_id: str | None = None
    delay: Seconds = 0.0

    @property
    def takes_request(self) -> bool:
        """Whether Braze really takes the request before it fails."""
        return True

    def spared(self, send: Send) -> frozenset[str]:
        """
        Give the keys of the recipients who receive nothing because of this fault.

        :param send: What the request sends.
        """
        return frozenset()

    def spoil(self, answer: Answer | None, limiter: RateLimiter) -> Answer | None:
        """
        Give the answer that the client gets.

        :param answer: Braze's true answer; None if it never took the request.
        :param limiter: The rate limiter. A made-up 429 shows its figures.
        :returns: The answer; None when the connection closes without one.
        """
        return answer


class _OfAccepted(FaultOfRead):
    """A fault of accepted requests. A request that breaks a rule is refused as always."""

    def spoil(self, answer: Answer | None, limiter: RateLimiter) -> Answer | None:
        return self.change(answer) if answer is not None and answer.accepted else answer

    def change(self, answer: Answer) -> Answer:
        """Give the answer that the client gets instead of the good one."""
        return answer


class _Resetting(Fault):
    reset: bool = False

    @property
    def resets(self) -> bool:
        return self.reset


class _NotProcessed(FaultOfRead):
    processed: bool = False

    @property
    def takes_request(self) -> bool:
        return self.processed


class _Processed(_NotProcessed):
    processed: bool = True


class Status(_NotProcessed):
    """
    A 4xx or 5xx with a JSON body.

    :param status: HTTP status. Default 500.
    :param message: Text of the answer. Default: what Braze says with that status.
    :param body: The whole JSON body, instead of a message.
    :param processed: Whether Braze took the request all the same. Default False.
    """

    kind = "status"
    status: ErrorStatus = 500
    message: str | None = None
    body: JsonObject | None = None

    def spoil(self, answer: Answer | None, limiter: RateLimiter) -> Answer:
        if self.body is not None:
            return Answer(self.status, self.body)
        return Answer(self.status, {"message": self.message or status_text(self.status)})


class Html(_NotProcessed):
    """
    A page of an edge server instead of Braze's answer.

    :param status: HTTP status. Default 502.
    :param message: Text of the page. Default: the status.
    :param processed: Whether Braze took the request all the same. Default False.
    """

    kind = "html"
    status: AnyStatus = 502
    message: str | None = None

    def spoil(self, answer: Answer | None, limiter: RateLimiter) -> Answer:
        page = _EDGE_PAGE.format(self.message or f"{self.status} {status_text(self.status)}")
        # The edge server does not know Braze's limits.
        return Answer(self.status, page.encode(), "text/html; charset=utf-8", headers={})


class Empty(_NotProcessed):
    """
    A status and no body.

    :param status: HTTP status. Default 500.
    :param processed: Whether Braze took the request all the same. Default False.
    """

    kind = "empty"
    status: AnyStatus = 500

    def spoil(self, answer: Answer | None, limiter: RateLimiter) -> Answer:
        return Answer(self.status, b"")


class Garbage(_Processed):
    """
    A body that cannot be read.

    :param status: HTTP status. Default 200.
    :param processed: Whether Braze took the request. Default True.
    """

    kind = "garbage"
    status: AnyStatus = 200

    def spoil(self, answer: Answer | None, limiter: RateLimiter) -> Answer:
        return Answer(self.status, b'{"message": "succ\xff\xfe\x00')


class RateLimited(FaultOfRead):
    """
    A 429. Braze does not take the request.

    :param message: Text of the answer. Default: Braze's.
    :param reset_after: Seconds until the limit resets, as the headers tell. Default: the true figure.
    :param retry_after: Seconds to wait, told by ``X-RateLimit-Retry-After`` in place of the other headers.
    """

    kind = "rate_limited"
    message: str | None = None
    reset_after: Seconds | None = None
    retry_after: Count | None = None

    @property
    def takes_request(self) -> bool:
        return False

    def spoil(self, answer: Answer | None, limiter: RateLimiter) -> Answer:
        if self.retry_after is not None:
            headers = {"X-RateLimit-Retry-After": str(self.retry_after)}
        else:
            exhausted = limiter.standing()._replace(remaining=0)
            headers = limiter.headers(exhausted, reset_after=self.reset_after)
        return Answer(429, {"message": self.message or status_text(429)}, headers=headers)


class Notice(_OfAccepted):
    """
    A success that reaches no recipient, as for a paused Canvas.

    :param message: The notice. Default: that of a paused Canvas.
    """

    kind = "notice"
    message: str | None = None

    def spared(self, send: Send) -> frozenset[str]:
        return frozenset(send.recipients)

    def change(self, answer: Answer) -> Answer:
        return answer.with_body(notice=self.message or PAUSED_NOTICE)


class MinorErrors(_OfAccepted):
    """
    A success with minor errors.

    :param errors: The minor errors: texts or objects. An object's ``index`` names a recipient by position in
        the request, who then receives nothing. Default: one text.
    """

    kind = "minor_errors"
    errors: Array[JsonValue] = Field(default_factory=lambda: ["A value could not be applied"])

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        if is_empty_array(given.get("errors")):
            yield Breach("must not be empty", ("errors",))

    def spared(self, send: Send) -> frozenset[str]:
        named = {error.get("index") for error in self.errors if isinstance(error, dict)}
        return frozenset(key for index, key in enumerate(send.recipients) if index in named)

    def change(self, answer: Answer) -> Answer:
        return answer.with_body(errors=self.errors)


class Queued(_OfAccepted):
    """A 202: Braze processes the request later."""

    kind = "queued"

    def change(self, answer: Answer) -> Answer:
        return Answer(202, {"message": "queued"})


class NoDispatchId(_OfAccepted):
    """A success without its ``dispatch_id``."""

    kind = "no_dispatch_id"

    def change(self, answer: Answer) -> Answer:
        return answer.with_body(dispatch_id=None)


class Slow(FaultOfRead):
    """
    A good answer, late.

    :param delay: Seconds for which it is held back. Default 1.
    """

    kind = "slow"
    delay: Seconds = 1.0


class ReadTimeout(_Processed):
    """
    An answer so late that no client waits for it.

    :param delay: Seconds for which it is held back. Default 30.
    :param processed: Whether Braze took the request. Default True.
    """

    kind = "read_timeout"
    delay: Seconds = 30.0


class Disconnect(_Processed, _Resetting):
    """
    The connection closes without an answer.

    :param processed: Whether Braze took the request. Default True.
    :param reset: Close with a TCP reset instead of an orderly end. Default False.
    """

    kind = "disconnect"

    def spoil(self, answer: Answer | None, limiter: RateLimiter) -> None:
        return None


class DisconnectBeforeRead(_Resetting):
    """
    The connection closes as soon as the request's head has arrived.

    :param reset: Close with a TCP reset instead of an orderly end. Default False.
    """

    kind = "disconnect_before_read"


class CutAnswer(_Processed, _Resetting):
    """
    The connection closes in the middle of the answer.

    :param processed: Whether Braze took the request. Default True.
    :param reset: Close with a TCP reset instead of an orderly end. Default False.
    """

    kind = "cut_answer"
    halves = True

    def spoil(self, answer: Answer | None, limiter: RateLimiter) -> Answer:
        return answer or _HALF_BAKED


KINDS: Mapping[str, type[Fault]] = {
    fault.kind: fault
    for fault in (
        Status, Html, Empty, Garbage, RateLimited, Notice, MinorErrors, Queued, NoDispatchId, Slow,
        ReadTimeout, Disconnect, DisconnectBeforeRead, CutAnswer,
    )
}  # fmt: skip
"""The ways to fail, by name."""


@dataclass
class _InForce:
    fault: Fault
    seen: int = 0
    fired: int = 0

    def strikes(self) -> bool:
        """Count a request that matches, and tell whether the fault fires now."""
        self.seen += 1
        return self.seen > self.fault.after and (self.fault.times is None or self.fired < self.fault.times)

    def shown(self) -> dict[str, Any]:
        fields = {name: getattr(self.fault, name) for name in type(self.fault).model_fields}
        return {"kind": self.fault.kind, **fields, "seen": self.seen, "fired": self.fired}


class FaultList:
    """
    The active faults, in order. If several could fire, the first fires.

    :param endpoints: The paths that are served.
    """

    def __init__(self, endpoints: Sequence[str]) -> None:
        self._endpoints = endpoints
        self._in_force: list[_InForce] = []

    def add(self, *faults: Mapping[str, Any]) -> list[dict[str, Any]]:
        """
        Activate faults: all of them, or none if one is wrong.

        :param faults: Each one's ``kind`` and the fields of its class.
        :returns: The faults as they were understood.
        :raises ValueError: If one of them is wrong. Says why.
        """
        added = [_InForce(self._made(fields)) for fields in faults]
        self._in_force += added
        return [each.shown() for each in added]

    def clear(self) -> None:
        """Let everything work again."""
        self._in_force.clear()

    def remove(self, number: int) -> bool:
        """
        Switch one fault off. Tells whether there was one.

        :param number: Its place in the list, from 0.
        """
        if not 0 <= number < len(self._in_force):
            return False
        del self._in_force[number]
        return True

    def shown(self) -> list[dict[str, Any]]:
        """Give every fault, with how often it has matched and fired."""
        return [each.shown() for each in self._in_force]

    def before_reading(self, endpoint: str) -> Fault | None:
        """
        Give the fault that fires once the head of a request has arrived, if any.

        :param endpoint: The request's path.
        """
        return self._first(lambda fault: not isinstance(fault, FaultOfRead), endpoint)

    def after_reading(self, endpoint: str, names: Callable[[str], bool]) -> FaultOfRead | None:
        """
        Give the fault that fires once a request has arrived in full, if any.

        :param endpoint: The request's path.
        :param names: Tells whether the request names a recipient key.
        """

        def matches(fault: Fault) -> bool:
            return isinstance(fault, FaultOfRead) and (
                fault.recipient_id is None or names(fault.recipient_id)
            )

        fault = self._first(matches, endpoint)
        return fault if isinstance(fault, FaultOfRead) else None

    def _first(self, matches: Callable[[Fault], bool], endpoint: str) -> Fault | None:
        fires: _InForce | None = None
        for each in self._in_force:
            if each.fault.endpoint not in (None, endpoint) or not matches(each.fault):
                continue
            if each.strikes() and fires is None:
                each.fired += 1
                fires = each
        return fires.fault if fires else None

    def _made(self, fields: Mapping[str, Any]) -> Fault:
        kind = fields.get("kind")
        if not isinstance(kind, str) or kind not in KINDS:
            raise ValueError(f"kind: must be one of {listed(KINDS)}")
        model = KINDS[kind]
        others = {name: value for name, value in fields.items() if name != "kind"}
        if found := problems(model, others):
            raise ValueError(f"A {kind} fault: {'; '.join(map(str, found))}")
        fault = validate(model, others)
        if fault.endpoint is not None and fault.endpoint not in self._endpoints:
            raise ValueError(f"endpoint: must be one of {listed(self._endpoints)}")
        return fault
