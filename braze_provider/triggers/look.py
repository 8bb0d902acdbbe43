"""One look at Braze, for a sensor or for the trigger that takes its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from braze_provider.api.errors import BrazeError, BrazeRequestError
from braze_provider.api.outcomes import Outcome

if TYPE_CHECKING:
    from braze_provider.hooks.braze import BrazeHook


class NeverComesError(BrazeError):
    """The state that is waited for can't come any more."""


@dataclass(frozen=True)
class Seen:
    """
    What a look at Braze showed.

    :param state: The state, in words for the log. Holds no recipient's data.
    :param has_come: Whether it is the state that is waited for. Default False.
    :param result: What the task returns then, as JSON. Default: nothing.
    """

    state: str
    has_come: bool = False
    result: Any = None


Look = Callable[..., Seen]
"""
Looks at Braze once. It takes a hook, and what to look for as JSON, by name. It raises
:class:`NeverComesError` when the state can't come any more.
"""


def glance(look: Look, hook: BrazeHook, arguments: Mapping[str, Any]) -> Seen:
    """
    Look once. A failure that may pass counts as nothing seen yet.

    :param look: Looks.
    :param hook: The hook to look with.
    :param arguments: What to look for.
    :raises NeverComesError: If the state can't come any more, or if no further look can succeed.
    """
    try:
        return look(hook, **arguments)
    except BrazeRequestError as error:
        if error.outcome in (Outcome.NOT_SENT, Outcome.REPEATABLE):
            return Seen(f"not known: {error}")
        raise NeverComesError(str(error)) from None
