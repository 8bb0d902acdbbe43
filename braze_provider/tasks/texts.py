"""Checks of arguments that have no model: texts that a read needs."""

from __future__ import annotations

from typing import Any

from braze_provider.api.errors import Problem
from braze_provider.templating import may_be_templated


def problems_of_texts(task: Any, *names: str, optional: bool = False) -> list[Problem]:
    """
    List the arguments that must be texts, and are not. A template may still become one.

    :param task: The task.
    :param names: Names of the arguments.
    :param optional: Whether they may be None. Default False.
    """
    problems = []
    for name in names:
        value = getattr(task, name)
        if may_be_templated(value) or (optional and value is None):
            continue
        if not isinstance(value, str) or not value.strip():
            problems.append(Problem(name, "must be a text that is not empty"))
    return problems
