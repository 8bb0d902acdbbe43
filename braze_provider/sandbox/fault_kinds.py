"""
The ways to fail, and what each of them lets one choose.

=========================  ==============================================================================
``status``                 a 4xx or 5xx with a JSON body
``html``                   an edge server's page in place of Braze's answer
``empty``                  a status and no body
``garbage``                a body that cannot be read
``rate_limited``           429, with the reset or the seconds to wait
``notice``                 a success that reaches nobody, as for a paused Canvas
``minor_errors``           a success with complaints
``queued``                 202, taken for later
``no_dispatch_id``         a success without its ``dispatch_id``
``slow``                   a good answer, late
``read_timeout``           an answer so late that no client waits for it
``disconnect``             the connection closes without an answer
``disconnect_before_read`` the same as soon as the request's head has arrived
``cut_answer``             the connection closes in the middle of the answer
=========================  ==============================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Kind:
    """
    A way to fail, with what is assumed where a fault does not say.

    :param status: HTTP status (int) of the answer; ``None`` where it cannot be chosen.
    :param lowest_status: the lowest status (int) that may be chosen.
    :param processed: whether Braze took the request before failing (bool); ``None`` where a fault may
        not choose.
    :param delay: seconds (float) for which the answer is held back.
    :param also: the further parameters (set of str) it understands.
    """

    status: int | None = None
    lowest_status: int = 200
    processed: bool | None = None
    delay: float = 0.0
    also: frozenset[str] = frozenset()


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "status": Kind(status=500, lowest_status=400, processed=False, also=frozenset({"message", "body"})),
        "html": Kind(status=502, processed=False, also=frozenset({"message"})),
        "empty": Kind(status=500, processed=False),
        "garbage": Kind(status=200, processed=True),
        "rate_limited": Kind(also=frozenset({"message", "reset_after", "retry_after"})),
        "notice": Kind(also=frozenset({"message"})),
        "minor_errors": Kind(also=frozenset({"errors"})),
        "queued": Kind(),
        "no_dispatch_id": Kind(),
        "slow": Kind(delay=1.0),
        "read_timeout": Kind(processed=True, delay=30.0),
        "disconnect": Kind(processed=True, also=frozenset({"reset"})),
        "disconnect_before_read": Kind(also=frozenset({"reset"})),
        "cut_answer": Kind(processed=True, also=frozenset({"reset"})),
    }
)

BEFORE_READ = "disconnect_before_read"
_COMMON = frozenset({"kind", "endpoint", "after", "times", "recipient_id", "delay"})


def parameters_of(name: str) -> frozenset[str]:
    """
    The parameters that a kind of fault has.

    :param name: the kind (str).
    """
    kind = KINDS[name]
    names = _COMMON | kind.also
    if kind.status is not None:
        names |= {"status"}
    if kind.processed is not None:
        names |= {"processed"}
    if name == BEFORE_READ:
        # Nobody knows whom a request names before it has been read, and there is no answer to delay.
        names -= {"recipient_id", "delay"}
    return names


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _seconds(value: Any) -> bool:
    return _whole(value) or (isinstance(value, float) and value >= 0)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


# What each parameter's value must be; those in _NULLABLE may also be null, and then say nothing.
_NULLABLE = frozenset({"endpoint", "times", "recipient_id", "message", "body", "reset_after", "retry_after"})
_EXPECTED: Mapping[str, tuple[Callable[[Any], bool], str]] = MappingProxyType(
    {
        "kind": (_text, "a string"),
        "endpoint": (_text, "a path"),
        "after": (_whole, "a whole number, zero or more"),
        "times": (lambda value: _whole(value) and value > 0, "a whole number of at least one, or null"),
        "recipient_id": (_text, "a string"),
        "status": (_whole, "an HTTP status"),
        "message": (_text, "a string"),
        "body": (lambda value: isinstance(value, dict), "an object"),
        "errors": (lambda value: isinstance(value, list) and bool(value), "an array that is not empty"),
        "delay": (_seconds, "seconds, zero or more"),
        "processed": (_flag, "a boolean"),
        "reset_after": (_seconds, "seconds, zero or more"),
        "retry_after": (_whole, "whole seconds, zero or more"),
        "reset": (_flag, "a boolean"),
    }
)


def check_parameter(kind: Kind, name: str, value: Any, endpoints: Collection[str]) -> None:
    """
    Check one parameter of a fault.

    :param kind: the fault's kind.
    :param name: the parameter (str).
    :param value: its value.
    :param endpoints: the paths (str) there are.
    :raises ValueError: saying what the value must be.
    """
    if value is None and name in _NULLABLE:
        return
    is_right, expected = _EXPECTED[name]
    if not is_right(value):
        raise ValueError(f"{name} must be {expected}, not {value!r}")
    if name == "endpoint" and value not in endpoints:
        raise ValueError(f"endpoint must be one of {', '.join(endpoints)}, not {value!r}")
    if name == "status" and not kind.lowest_status <= value <= 599:
        raise ValueError(f"status must be from {kind.lowest_status} to 599, not {value!r}")
