"""One look at Braze, made by a sensor or by its trigger."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from braze_provider.api.errors import BrazeError, BrazeRequestError
from braze_provider.api.outcomes import Outcome

if TYPE_CHECKING:
    from braze_provider.hooks.braze import BrazeHook


class NeverComesError(BrazeError):
    """The state that a task waits for can't come any more."""


@dataclass(frozen=True)
class Seen:
    """
    The result of a look at Braze.

    :param state: The state, in words for the log. It holds no recipient's data.
    :param has_come: Whether this is the state that the task waits for. Default False.
    :param result: The value that the task then returns, as JSON. Default: nothing.
    :param memory: What the next look has to know, as JSON. It gets it as its argument ``memory``. Default:
        nothing.
    """

    state: str
    has_come: bool = False
    result: Any = None
    memory: Any = None


Look = Callable[..., Seen]
"""
A function that looks at Braze once. It takes a hook, and JSON values by name that say what to look for. It
raises :class:`NeverComesError` if the state can't come any more.
"""


def moment_has_come(hook: BrazeHook, moment: float) -> Seen:
    """
    Look at the clock instead of Braze.

    :param hook: Is not used.
    :param moment: The moment, in seconds since the epoch.
    """
    return Seen("the task pauses", has_come=time.time() >= moment)


def glance(look: Look, hook: BrazeHook, arguments: Mapping[str, Any]) -> Seen:
    """
    Look once. If the look fails for a reason that may pass, the state has not come yet.

    :param look: The function that looks.
    :param hook: The hook to look with.
    :param arguments: The function's arguments.
    :raises NeverComesError: If the state can't come any more, or if all further looks would fail too.
    """
    try:
        return look(hook, **arguments)
    except BrazeRequestError as error:
        if error.outcome in (Outcome.NOT_SENT, Outcome.REPEATABLE):
            return Seen(f"not known: {error}")
        raise NeverComesError(str(error)) from None
