"""What can be said of an operator's arguments at Dag parse, before Airflow has rendered them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from braze_provider.api.errors import Problem
from braze_provider.api.validation import problems
from braze_provider.recipients.columns import with_ids_as_text
from braze_provider.recipients.given import reason_against
from braze_provider.templating import may_be_templated

if TYPE_CHECKING:
    from braze_provider.api.base import BrazeObject
    from braze_provider.api.requests.base import SendRequest

MAX_ROWS_CHECKED = 1_000
_STEP = re.compile(r"[^.\[\]]+")


def problems_of_constants(
    model: type[SendRequest],
    fields: Mapping[str, Any],
    people: Mapping[str, Any],
    people_keys: Mapping[str, str | None],
    *,
    allow_unknown_fields: bool = False,
) -> list[Problem]:
    """
    List the mistakes that rendering can't mend.

    :param model: The endpoint's request model.
    :param fields: The request's fields as given, but those that name people.
    :param people: What was given to name people, by argument.
    :param people_keys: By argument: for a list of bare values, the recipient's field that each of them is.
    :param allow_unknown_fields: Whether fields that the models don't know are no mistakes. Default False.
    :return: The mistakes in constant arguments, and in how arguments go together. Of a long list of people
        the first thousand are looked at: all of them are checked before the first request.
    """
    if people:
        found = model.envelope_problems(fields, allow_unknown_fields=allow_unknown_fields)
    else:
        found = problems(model, fields, allow_unknown_fields=allow_unknown_fields)
    for argument, rows in people.items():
        if rows is None:  # Whoever is given here is checked later.
            continue
        if reason := reason_against(rows, argument=argument, keys=people_keys):
            found.append(Problem(argument, reason))
        elif isinstance(rows, (list, tuple)):
            found += _problems_of_rows(
                model.recipient_model,
                argument,
                rows[:MAX_ROWS_CHECKED],
                people_keys[argument],
                allow_unknown_fields=allow_unknown_fields,
            )
    given = {**fields, **people}
    return [problem for problem in found if not _may_be_mended(problem, given)]


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
        recipient = row if key is None else {key: row}
        if isinstance(recipient, Mapping):
            recipient = with_ids_as_text(recipient)
        for problem in problems(model, recipient, allow_unknown_fields=allow_unknown_fields):
            inner = problem.path if key is None else problem.path.removeprefix(key).lstrip(".")
            path = f"{argument}[{index}]" + (f".{inner}" if inner else "")
            found.append(Problem(path, problem.reason))
    return found


def _may_be_mended(problem: Problem, fields: Mapping[str, Any]) -> bool:
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
