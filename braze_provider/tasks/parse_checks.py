"""Checks of an operator's arguments at Dag parse, before Airflow has rendered them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from braze_provider.api.errors import Problem
from braze_provider.api.validation import problems
from braze_provider.recipients.columns import with_ids_as_text
from braze_provider.recipients.given import reason_against
from braze_provider.recipients.inline import recipient_of
from braze_provider.templating import may_be_templated

if TYPE_CHECKING:
    from braze_provider.api.base import BrazeObject
    from braze_provider.api.requests.base import SendRequest

MAX_ROWS_CHECKED = 1_000
_STEP = re.compile(r"[^.\[\]]+")


def problems_of_fields(
    model: type[BrazeObject], fields: Mapping[str, Any], *, allow_unknown_fields: bool = False
) -> list[Problem]:
    """
    List the mistakes in a request's fields that rendering can't correct.

    :param model: The endpoint's request model.
    :param fields: The fields as given.
    :param allow_unknown_fields: Whether fields that the models don't know are allowed. Default False.
    """
    found = problems(model, fields, allow_unknown_fields=allow_unknown_fields)
    return [problem for problem in found if not _may_be_corrected(problem, fields)]


def problems_of_constants(
    model: type[SendRequest],
    fields: Mapping[str, Any],
    recipients: Mapping[str, Any],
    recipient_keys: Mapping[str, str | None],
    *,
    allow_unknown_fields: bool = False,
) -> list[Problem]:
    """
    List the mistakes in a sending operator's arguments that rendering can't correct.

    :param model: The endpoint's request model.
    :param fields: The request's fields as given, without those that name recipients.
    :param recipients: The arguments that name recipients, as given.
    :param recipient_keys: By argument, for a list of bare values: the recipient's field that each value
        gives.
    :param allow_unknown_fields: Whether fields that the models don't know are allowed. Default False.
    :return: The mistakes in constant arguments, and in the combination of arguments. Only the first thousand
        recipients of a list are checked here. All are checked before the first request.
    """
    if recipients:
        found = model.envelope_problems(fields, allow_unknown_fields=allow_unknown_fields)
    else:
        found = problems(model, fields, allow_unknown_fields=allow_unknown_fields)
    for argument, rows in recipients.items():
        if rows is None:  # These recipients are checked only later.
            continue
        if reason := reason_against(rows, argument=argument, keys=recipient_keys):
            found.append(Problem(argument, reason))
        elif isinstance(rows, (list, tuple)):
            found += _problems_of_rows(
                model.recipient_model,
                argument,
                rows[:MAX_ROWS_CHECKED],
                recipient_keys[argument],
                allow_unknown_fields=allow_unknown_fields,
            )
    given = {**fields, **recipients}
    return [problem for problem in found if not _may_be_corrected(problem, given)]


def _problems_of_rows(
    model: type[BrazeObject],
    argument: str,
    rows: Sequence[Any],
    key: str | None,
    *,
    allow_unknown_fields: bool,
) -> list[Problem]:
    found = []
    for index, row in enumerate(rows):
        recipient = recipient_of(row, key)
        if isinstance(recipient, Mapping):
            recipient = with_ids_as_text(recipient)
        for problem in problems(model, recipient, allow_unknown_fields=allow_unknown_fields):
            inner = problem.path if key is None else problem.path.removeprefix(key).lstrip(".")
            path = f"{argument}[{index}]" + (f".{inner}" if inner else "")
            found.append(Problem(path, problem.reason))
    return found


def _may_be_corrected(problem: Problem, fields: Mapping[str, Any]) -> bool:
    if problem.fields:
        return any(may_be_templated(fields.get(field)) for field in problem.fields)
    value: Any = fields
    for step in _STEP.findall(problem.path):
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, (list, tuple)) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            break
    return not isinstance(value, (Mapping, list, tuple)) and may_be_templated(value)
