"""The sandbox's functions for endpoints that write to profiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from braze_provider.sandbox.answers import refuse
from braze_provider.sandbox.endpoints import Accepted, Call, serves
from braze_provider.sandbox.profiles import keys_of, mistake_in, write_attributes

_KINDS = ("attributes", "events", "purchases")


@serves("users_track")
def users_track(call: Call) -> Accepted:
    """Write attributes, events and purchases, and name the objects that are refused."""
    errors: list[dict[str, Any]] = []
    good: list[tuple[str, Mapping[str, Any]]] = []
    for kind in _KINDS:
        for index, one in enumerate(call.body.get(kind) or ()):
            if kind == "attributes" and (mistake := mistake_in(one)):
                errors.append({"type": mistake, "input_array": kind, "index": index})
            else:
                good.append((kind, one))
    if errors and not good:
        refuse(errors[0]["type"])

    def write() -> None:
        for kind, one in good:
            _write(call, kind, one)

    counts = {f"{kind}_processed": sum(one == kind for one, _ in good) for kind in _KINDS}
    answer = {name: count for name, count in counts.items() if count}
    return Accepted(answer={**answer, **({"errors": errors} if errors else {})}, change=write)


def _write(call: Call, kind: str, one: Mapping[str, Any]) -> None:
    # An unknown alias creates a user only if the object says so; all other identifiers do unless it forbids.
    creates = one.get("_update_existing_only", "user_alias" in one) is False
    profile = call.workspace.profiles.named_by(one, create=creates)
    if profile is None:
        return
    call.workspace.note_exists(keys_of(one)[0])
    if kind == "attributes":
        write_attributes(profile, one)
    elif kind == "events":
        profile.events.append(one)
    else:
        profile.purchases.append(one)
