"""The parameters that all sending operators share, and the values that each of them accepts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

from braze_provider.api.errors import Problem

MAX_RESEND_LENGTH = 250


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_number_or_share(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0
    return is_number and (isinstance(value, int) or value < 1)


def _is_resend(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and len(value) <= MAX_RESEND_LENGTH)


# A template turns a Boolean into text.
BOOLEANS: dict[bool | str, bool] = {
    **dict.fromkeys((True, "True", "true"), True),
    **dict.fromkeys((False, "False", "false", ""), False),
}
_CHOICES = {
    "on_uncertain": ("hold", "resend", "accept"),
    "on_invalid": ("fail", "skip"),
    "on_empty": ("succeed", "skip", "fail"),
    "on_source_change": ("fail", "send_rest"),
}

_A_BOOLEAN: tuple[Callable[[Any], bool], str] = (lambda value: isinstance(value, bool), "a Boolean")
_OPTIONS: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("concurrency", _is_count, "a number above 0"),
    ("max_recipients", _is_count, "a number above 0"),
    ("max_rejected", _is_number_or_share, "a number of recipients, or a share below 1"),
    ("max_lateness", lambda value: isinstance(value, timedelta), "a timedelta or a pendulum duration"),
    ("resend", _is_resend, f"true, false or a text of at most {MAX_RESEND_LENGTH} characters"),
    ("allow_duplicates", *_A_BOOLEAN),
    ("deferrable", *_A_BOOLEAN),
    ("max_slot_wait", lambda value: isinstance(value, (int, float)) and value > 0, "a number of seconds"),
    ("dry_run", *_A_BOOLEAN),
    ("allow_unknown_fields", *_A_BOOLEAN),
)
_OPTIONAL = ("max_recipients", "max_rejected", "max_lateness")


def option_problems(operator: Any) -> list[Problem]:
    """
    List the mistakes in an operator's shared parameters.

    :param operator: The operator.
    """
    problems = []
    for name, choices in _CHOICES.items():
        if (value := getattr(operator, name)) not in choices:
            near = get_close_matches(str(value), choices, n=1)
            meant = f"; did you mean {near[0]!r}?" if near else ""
            problems.append(Problem(name, f"must be one of {', '.join(choices)}, not {_shown(value)}{meant}"))
    own = (name for base in type(operator).__mro__ for name in vars(base).get("flags", ()))
    flags = ((name, *_A_BOOLEAN) for name in own)
    for name, is_fit, what in (*_OPTIONS, *flags):
        value = getattr(operator, name)
        if not is_fit(value) and not (value is None and name in _OPTIONAL):
            problems.append(Problem(name, f"must be {what}, not {_shown(value)}"))
    if operator.on_source_change == "send_rest" and not operator.ledger_conn_id:
        reason = "'send_rest' needs a ledger in a SQL database: set ledger_conn_id"
        problems.append(Problem("on_source_change", reason))
    return problems


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 50 else text[:49] + "…"
