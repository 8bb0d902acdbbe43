"""Faults: which requests fail, how often, and in what way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from braze_provider.sandbox.fault_kinds import BEFORE_READ, KINDS, check_parameter, parameters_of


@dataclass
class Fault:
    """
    One fault.

    :param kind: the way to fail (str), one of :data:`KINDS`.
    :param endpoint: fail only requests to this path (str); default, all.
    :param after: how many (int, default 0) matching requests to let pass first.
    :param times: how many (int, default 1) to fail then; ``None`` for all that follow.
    :param recipient_id: fail only requests that name this recipient (key, str).
    :param status: HTTP status (int) of the answer.
    :param message: text (str) in the answer.
    :param body: the whole JSON body (dict) of the answer, instead of a message.
    :param errors: the minor errors (list of str or objects, default one text); an object's ``index``
        names a recipient by position in the request, who then receives nothing.
    :param delay: seconds (float) for which the answer is held back.
    :param processed: whether Braze really took the request before failing (bool).
    :param reset_after: seconds (float) until the limit resets, as a 429 tells; default, the true figure.
    :param retry_after: seconds (int) to wait, told by ``X-RateLimit-Retry-After`` in place of the
        other headers.
    :param reset: close the connection with a TCP reset (bool) instead of an orderly end.
    """

    kind: str
    endpoint: str | None = None
    after: int = 0
    times: int | None = 1
    recipient_id: str | None = None
    status: int = 500
    message: str | None = None
    body: dict[str, Any] | None = None
    errors: list[Any] = field(default_factory=lambda: ["A value could not be applied"])
    delay: float = 0.0
    processed: bool = True
    reset_after: float | None = None
    retry_after: int | None = None
    reset: bool = False
    seen: int = 0
    fired: int = 0

    @classmethod
    def parse(cls, values: Mapping[str, Any], endpoints: Collection[str]) -> Fault:
        """
        Make a fault of what a user gave.

        :param values: its parameters.
        :param endpoints: the paths (str) there are.
        :raises ValueError: saying what is wrong with them.
        """
        name = values.get("kind")
        if not isinstance(name, str) or name not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {name!r}")
        kind = KINDS[name]
        allowed = parameters_of(name)
        if strange := values.keys() - allowed:
            raise ValueError(f"A {name} fault has no {min(strange)}; it has {', '.join(sorted(allowed))}")
        for parameter, value in values.items():
            check_parameter(kind, parameter, value, endpoints)
        defaults: dict[str, Any] = {"delay": kind.delay}
        if kind.status is not None:
            defaults["status"] = kind.status
        if kind.processed is not None:
            defaults["processed"] = kind.processed
        elif name in ("rate_limited", BEFORE_READ):
            defaults["processed"] = False
        return cls(**{**defaults, **values})

    def ripe(self) -> bool:
        """Whether it fires at the request just seen."""
        return self.seen > self.after and (self.times is None or self.fired < self.times)

    def shown(self) -> dict[str, Any]:
        """The fault as the control endpoints show it."""
        shown = parameters_of(self.kind) | {"seen", "fired"}
        return {name: value for name, value in vars(self).items() if name in shown}


class FaultList:
    """
    The faults in force, in order: of several that are ripe, the first fires.

    :param endpoints: the paths (str) there are.
    """

    def __init__(self, endpoints: Collection[str]) -> None:
        self._endpoints = endpoints
        self._faults: list[Fault] = []

    def add(self, *faults: Mapping[str, Any]) -> list[dict[str, Any]]:
        """
        Put faults in force: all of them, or none if one is wrong.

        :param faults: their parameters.
        :returns: the faults as they were understood.
        :raises ValueError: saying what is wrong with one of them.
        """
        parsed = [Fault.parse(values, self._endpoints) for values in faults]
        self._faults += parsed
        return [fault.shown() for fault in parsed]

    def clear(self) -> None:
        """Let everything work again."""
        self._faults.clear()

    def shown(self) -> list[dict[str, Any]]:
        """Every fault, with how often it has matched and fired."""
        return [fault.shown() for fault in self._faults]

    def take(self, endpoint: str, names: Callable[[str], bool], *, before_read: bool = False) -> Fault | None:
        """
        The fault that fires at a request, if any.

        :param endpoint: the request's path (str).
        :param names: tells whether the request names a recipient key.
        :param before_read: whether only the request's head has arrived (bool).
        """
        fires: Fault | None = None
        for fault in self._faults:
            if (fault.kind == BEFORE_READ) is not before_read:
                continue
            if fault.endpoint not in (None, endpoint):
                continue
            if fault.recipient_id is not None and not names(fault.recipient_id):
                continue
            fault.seen += 1
            if fires is None and fault.ripe():
                fault.fired += 1
                fires = fault
        return fires
