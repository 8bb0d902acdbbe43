"""Validate against Braze's contract, and report every mistake at once, by its place."""

from __future__ import annotations

import re
from typing import Any, TypeVar

from pydantic import ValidationError

from braze_provider.api.base import BrazeObject
from braze_provider.api.errors import BrazeValidationError, Problem

M = TypeVar("M", bound=BrazeObject)

# Steps that pydantic adds: the name of a mapping's field rather than its value, and the branch of a union.
_MARKS = frozenset({"[key]", "<text>", "<object>"})
_PLAIN_NAME = re.compile(r"[\w$-]{1,100}")


def problems(model: type[BrazeObject], data: Any) -> list[Problem]:
    """
    List every mistake in some data, in the order of the model's fields; its broken rules come last.

    :param model: What the data should be, such as a request or a recipient.
    :param data: The data: a mapping, or an instance of the model.
    :returns: The mistakes; empty when there are none.
    """
    try:
        model.model_validate(data)
    except ValidationError as error:
        return _problems(error)
    return []


def validate(model: type[M], data: Any, subject: str | None = None) -> M:
    """
    Make a model of some data.

    :param model: What the data should be, such as a request or a recipient.
    :param data: The data: a mapping, or an instance of the model.
    :param subject: What errors call the data, such as ``/messages/send`` or ``row 17``; default: the
        model's name.
    :raises BrazeValidationError: With every mistake.
    """
    try:
        # The validator itself: what `model_validate` does around it costs a third more, a million times.
        made: M = model.__pydantic_validator__.validate_python(data)
    except ValidationError as error:
        raise BrazeValidationError(subject or model.__name__, _problems(error)) from None
    return made


def path_of(location: tuple[str | int, ...]) -> str:
    """Write the place of a mistake as people do: ``recipients[3].user_alias.alias_name``."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step in _MARKS:
            continue
        elif _PLAIN_NAME.fullmatch(step):
            path += f".{step}" if path else step
        else:
            path += f"[{step[:100]!a}]"
    return path


def _problems(error: ValidationError) -> list[Problem]:
    found = []
    for mistake in error.errors(include_url=False, include_input=False):
        context = mistake["ctx"]
        found.append(Problem(path_of(mistake["loc"]), context["reason"], context["fields"]))
    return found
