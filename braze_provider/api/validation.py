"""Validate data against Braze's contract, and report all mistakes at once, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import ValidationError

from braze_provider.api.base import ALLOW_UNKNOWN_FIELDS, BrazeObject
from braze_provider.api.errors import BrazeValidationError, Problem

M = TypeVar("M", bound=BrazeObject)

# Steps that pydantic adds: the name of a mapping's field rather than its value, and the branch of a union.
_MARKS = frozenset({"[key]", "<text>", "<object>"})
_PLAIN_NAME = re.compile(r"[\w$-]{1,100}")


def problems(model: type[BrazeObject], data: Any, *, allow_unknown_fields: bool = False) -> list[Problem]:
    """
    List every mistake in some data, in the order of the model's fields; its broken rules come last.

    :param model: What the data should be, such as a request or a recipient.
    :param data: The data: a mapping, or an instance of the model.
    :param allow_unknown_fields: As in :func:`validate`.
    :returns: The mistakes; empty when there are none.
    """
    try:
        validate(model, data, allow_unknown_fields=allow_unknown_fields)
    except BrazeValidationError as error:
        return list(error.problems)
    return []


def validate(
    model: type[M], data: Any, subject: str | None = None, *, allow_unknown_fields: bool = False
) -> M:
    """
    Make a model from some data.

    :param model: What the data should be, such as a request or a recipient.
    :param data: The data: a mapping, or an instance of the model.
    :param subject: What errors call the data, such as ``/messages/send`` or ``row 17``; default: the
        model's name.
    :param allow_unknown_fields: Default: False. True keeps fields that the models don't know, at every
        level, and sends them as they are; :func:`unknown_fields` names them.
    :raises BrazeValidationError: With every mistake.
    """
    allowed = ALLOW_UNKNOWN_FIELDS.set(True) if allow_unknown_fields else None
    try:
        # Not `model_validate`: it takes a third longer, which a million recipients pay for.
        made: M = model.__pydantic_validator__.validate_python(data)
    except ValidationError as error:
        raise BrazeValidationError(subject or model.__name__, _problems(error)) from None
    finally:
        if allowed:
            ALLOW_UNKNOWN_FIELDS.reset(allowed)
    return made


def unknown_fields(made: BrazeObject) -> list[str]:
    """
    Name the fields of an object that the models don't know, at every level.

    :param made: An object that :func:`validate` made with ``allow_unknown_fields``.
    :returns: Their paths without indexes, such as ``recipients[].new_field``, each once.
    """
    return list(dict.fromkeys(_unknown_below(made, "")))


def _unknown_below(value: object, path: str) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _unknown_below(item, f"{path}[]")
    elif isinstance(value, BrazeObject):
        if value.other_fields == "unknown":
            yield from (_step(path, name) for name in value.model_extra or ())
        for name, inner in value.by_wire_name().items():
            if isinstance(inner, (list, BrazeObject)):
                yield from _unknown_below(inner, _step(path, name))


def path_of(location: tuple[str | int, ...]) -> str:
    """Write the place of a mistake as a path, such as ``recipients[3].user_alias.alias_name``."""
    path = ""
    for step in location:
        if step not in _MARKS:
            path = _step(path, step)
    return path


def _step(path: str, step: str | int) -> str:
    if isinstance(step, int):
        return f"{path}[{step}]"
    if _PLAIN_NAME.fullmatch(step):
        return f"{path}.{step}" if path else step
    return f"{path}[{step[:100]!a}]"


def _problems(error: ValidationError) -> list[Problem]:
    found = []
    for mistake in error.errors(include_url=False, include_input=False):
        context = mistake["ctx"]
        found.append(Problem(path_of(mistake["loc"]), context["reason"], context["fields"]))
    return found
