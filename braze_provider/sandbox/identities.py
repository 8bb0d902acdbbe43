"""The sandbox's functions for endpoints that change who a user is: aliases, ids, deletion, subscriptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from braze_provider.sandbox.endpoints import Accepted, Call, serves
from braze_provider.sandbox.profiles import Profile, keys_of

_FOUND_BY = {
    "aliases_to_identify": "user_alias",
    "emails_to_identify": "email",
    "phone_numbers_to_identify": "phone",
}


@serves("users_alias_new")
def users_alias_new(call: Call) -> Accepted:
    """Give users new aliases. One that is in use is skipped, and counted all the same."""
    profiles = call.workspace.profiles
    aliases = call.body["user_aliases"]

    def write() -> None:
        for alias in aliases:
            (key,) = keys_of({"user_alias": alias})
            if profiles.find(key) is not None:
                continue
            who = {"external_id": alias["external_id"]} if "external_id" in alias else {"user_alias": alias}
            if "external_id" in alias and not call.workspace.exists(alias["external_id"]):
                continue
            profile = profiles.named_by(who, create=True)
            if profile is not None:
                profiles.name(profile, key)
                call.workspace.note_exists(key)

    return Accepted(answer={"aliases_processed": len(aliases)}, change=write)


@serves("users_alias_update")
def users_alias_update(call: Call) -> Accepted:
    """Rename aliases. One that is not in use is passed over."""
    profiles = call.workspace.profiles

    def write() -> None:
        for one in call.body["alias_updates"]:
            old, new = (
                f"alias:{one['alias_label']}:{one[name]}" for name in ("old_alias_name", "new_alias_name")
            )
            if (profile := profiles.find(old)) is not None and profiles.find(new) is None:
                profiles.rename(profile, old, new)

    return Accepted(change=write)


@serves("users_identify")
def users_identify(call: Call) -> Accepted:
    """Put ids on users who have none, or merge them into the users who have these ids."""
    given = [(kind, one) for kind in _FOUND_BY for one in call.body.get(kind) or ()]

    def write() -> None:
        for kind, one in given:
            found_by = {name: one[name] for name in (_FOUND_BY[kind], "prioritization") if name in one}
            _identify(call, one["external_id"], found_by)

    return Accepted(answer={"aliases_processed": len(given)}, change=write)


def _identify(call: Call, external_id: str, found_by: Mapping[str, Any]) -> None:
    profiles = call.workspace.profiles
    found, target = _found(call, found_by), profiles.find(external_id)
    if found is None or found is target:
        return
    key = keys_of(found_by)[0]
    if target is None:
        profiles.name(found, external_id)
        call.workspace.note_exists(external_id)
    elif not (key.startswith("alias:") and _has_label(target, key)):
        profiles.merge(found, target)


def _found(call: Call, found_by: Mapping[str, Any]) -> Profile | None:
    """Find the user that an object names. Of several with an address, its order decides, or none is found."""
    profiles = call.workspace.profiles
    for name in ("email", "phone"):
        if name in found_by:
            found = profiles.with_value(name, found_by[name])
            for rule in found_by.get("prioritization", ()):
                if rule in ("identified", "unidentified"):
                    found = [one for one in found if _is_identified(one) == (rule == "identified")]
                elif found:
                    found = [found[-1 if rule == "most_recently_updated" else 0]]
            return found[0] if len(found) == 1 else None
    return profiles.named_by(found_by, create=False)


def _is_identified(profile: Profile) -> bool:
    return any(not key.startswith(("alias:", "braze_id:", "email:", "phone:")) for key in profile.keys)


def _has_label(profile: Profile, key: str) -> bool:
    label = key.split(":")[1]
    return any(known.startswith(f"alias:{label}:") for known in profile.keys)


@serves("users_delete")
def users_delete(call: Call) -> Accepted:
    """Delete users, whoever has the identifiers now."""
    body = call.body
    who = [
        *({"external_id": one} for one in body.get("external_ids") or ()),
        *({"user_alias": one} for one in body.get("user_aliases") or ()),
        *({"braze_id": one} for one in body.get("braze_ids") or ()),
        *(body.get("email_addresses") or ()),
        *(body.get("phone_numbers") or ()),
    ]

    def delete() -> None:
        for one in who:
            profile = _found(call, one)
            keys = keys_of(one) if profile is None else list(profile.keys)
            if profile is not None:
                call.workspace.profiles.remove(profile)
            for key in keys:
                call.workspace.note_gone(key)

    return Accepted(answer={"deleted": len(who)}, change=delete)


@serves("subscription_status_set")
def subscription_status_set(call: Call) -> Accepted:
    """Set the state of users in a subscription group."""
    body = call.body
    group, state = body["subscription_group_id"], body["subscription_state"]
    who = [(kind, one) for kind in ("external_id", "email", "phone") for one in body.get(kind) or ()]
    profiles = call.workspace.profiles

    def write() -> None:
        for kind, one in who:
            found = [] if kind == "external_id" else profiles.with_value(kind, one)
            created = None if found else profiles.named_by({kind: one}, create=True)
            for profile in [*found, *filter(None, [created])]:
                profile.subscriptions[group] = state

    return Accepted(change=write)
