"""Users that a task names for a request that is no send, such as an export."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from braze_provider.api.errors import Problem
from braze_provider.api.objects.recipients import UserIdentity
from braze_provider.api.validation import problems
from braze_provider.recipients.blocks import BadRow
from braze_provider.recipients.given import reason_against, source_of
from braze_provider.templating import may_be_templated


def problems_of_named_users(given: Mapping[str, Any], keys: Mapping[str, str | None]) -> list[Problem]:
    """
    List the arguments that can't name users, at Dag parse.

    :param given: The arguments.
    :param keys: By argument: the field that a bare item of its list gives.
    """
    return [
        Problem(argument, reason)
        for argument, users in given.items()
        if (reason := reason_against(users, argument=argument, keys=keys)) and not may_be_templated(users)
    ]


def read_named_users(
    given: Mapping[str, Any], keys: Mapping[str, str | None]
) -> tuple[list[Mapping[str, Any]], list[Problem]]:
    """
    Read the users, each once, and list the rows that name none.

    :param given: The arguments, rendered.
    :param keys: By argument: the field that a bare item of its list gives.
    """
    from braze_provider.delivery.prepare import columns_of

    mistakes: list[Problem] = []
    named: dict[str, Mapping[str, Any]] = {}
    for argument, users in given.items():
        source = source_of(users, argument=argument, keys=keys)
        for number, row in enumerate(source.recipients(columns_of(UserIdentity)), start=1):
            place = f"{argument}, row {number:,}"
            if isinstance(row, BadRow):
                mistakes.append(Problem(place, row.reason))
            elif found := problems(UserIdentity, row):
                mistakes += (Problem(place, str(problem)) for problem in found)
            else:
                named.setdefault(json.dumps(row, sort_keys=True), row)
    if not named and not mistakes:
        mistakes = [Problem(argument, "names no user") for argument in given]
    return list(named.values()), mistakes
