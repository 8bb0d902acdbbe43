"""Looks for the tests of sensors. They have their own module, because the triggerer finds them by name."""

from __future__ import annotations

from pathlib import Path

from braze_provider.api.errors import BrazeNoAnswerError, BrazePermissionError
from braze_provider.api.outcomes import Outcome
from braze_provider.hooks.braze import BrazeHook
from braze_provider.triggers.look import NeverComesError, Seen


def look(hook: BrazeHook, path: str, plan: str, memory: int | None = None) -> Seen:
    """Note the look in a file, and show the next word of the plan. The last word is repeated."""
    assert hook.connection.api_key
    looks = Path(path)
    number = looks.read_text().count("\n") if looks.exists() else 0
    with looks.open("a") as file:
        file.write("look\n")
    words = plan.split()
    word = words[min(number, len(words) - 1)]
    if word == "count":
        seen = (memory or 0) + 1
        return Seen(f"counted {seen}", has_come=seen == 3, result={"counted": seen}, memory=seen)
    if word == "broken":
        raise RuntimeError("the worker is out of memory")
    if word == "never":
        raise NeverComesError("it is archived")
    if word == "lost":
        raise BrazeNoAnswerError("no answer", outcome=Outcome.REPEATABLE)
    if word == "forbidden":
        raise BrazePermissionError("lacks the permission", outcome=Outcome.REJECTED, status=403)
    return Seen(f"state {number + 1}", has_come=word == "come", result={"looks": number + 1})
