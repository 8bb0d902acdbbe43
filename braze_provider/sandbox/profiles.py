"""The users of the sandbox's workspace: what requests have written to their profiles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from braze_provider.sandbox.store import Kept, Store

_IDENTIFIERS = ("external_id", "user_alias", "braze_id", "email", "phone")
_CONTROL = frozenset({"external_id", "user_alias", "braze_id", "_update_existing_only", "_merge_objects"})


@dataclass
class Profile:
    """
    A user.

    :param keys: The keys by which requests name the user; see :func:`keys_of`.
    :param attributes: Attributes by name.
    :param events: Events, in the order of their arrival.
    :param purchases: Purchases, in the order of their arrival.
    :param subscriptions: States by subscription group.
    :param number: Its place in the order of creation.
    """

    keys: list[str]
    attributes: dict[str, Any] = field(default_factory=dict)
    events: list[Mapping[str, Any]] = field(default_factory=list)
    purchases: list[Mapping[str, Any]] = field(default_factory=list)
    subscriptions: dict[str, str] = field(default_factory=dict)
    number: int = -1

    def shown(self) -> dict[str, Any]:
        """Give the profile as JSON."""
        return {name: deepcopy(value) for name, value in vars(self).items() if name != "number"}


class Profiles:
    """
    All profiles that requests have written to. Users without one may exist all the same.

    :param store: Keeps them. Default: nothing does.
    """

    def __init__(self, store: Store | None = None) -> None:
        self._profiles: Kept[int, Profile] = Kept(vars, lambda fields: Profile(**fields))
        if store is not None:
            store.keep("profiles", self._profiles)
        self._by_key = {key: profile for profile in self for key in profile.keys}
        self._next = max(self._profiles, default=-1) + 1

    def __iter__(self) -> Iterator[Profile]:
        return iter(self._profiles.values())

    def __len__(self) -> int:
        return len(self._profiles)

    def clear(self) -> None:
        """Forget all profiles."""
        self._profiles.clear()
        self._by_key.clear()

    def find(self, key: str) -> Profile | None:
        """
        Give the profile that a key names; None if there is none.

        :param key: The key.
        """
        return self._by_key.get(key)

    def named_by(self, entry: Mapping[str, Any], *, create: bool) -> Profile | None:
        """
        Give the profile that an object names, to change it.

        :param entry: The object, with its identifiers.
        :param create: Whether to create a profile that does not exist.
        """
        keys = keys_of(entry)
        if not keys:
            return None
        profile = self._by_key.get(keys[0])
        if profile is None and create:
            profile = Profile([], number=self._next)
            self._next += 1
            self._profiles[profile.number] = profile
            self.name(profile, keys[0])
        elif profile is not None:
            self._profiles.touch(profile.number)
        return profile

    def name(self, profile: Profile, key: str) -> None:
        """
        Let a key name a profile.

        :param profile: The profile.
        :param key: The key.
        """
        if key not in profile.keys:
            profile.keys.append(key)
        self._by_key[key] = profile
        self._profiles.touch(profile.number)

    def rename(self, profile: Profile, old: str, new: str) -> None:
        """
        Let another key name a profile instead of one of its keys.

        :param profile: The profile.
        :param old: The key so far.
        :param new: The key from now on.
        """
        profile.keys.remove(old)
        del self._by_key[old]
        self.name(profile, new)

    def with_value(self, name: str, value: Any) -> list[Profile]:
        """
        Give the profiles with an address or a number, which several users may have, to change them.

        :param name: ``email`` or ``phone``.
        :param value: The address or the number.
        """
        named = self.find(f"{name}:{value}")
        found = [one for one in self if one is named or one.attributes.get(name) == value]
        for one in found:
            self._profiles.touch(one.number)
        return found

    def remove(self, profile: Profile) -> None:
        """
        Delete a profile.

        :param profile: The profile.
        """
        for key in profile.keys:
            self._by_key.pop(key, None)
        del self._profiles[profile.number]

    def merge(self, lost: Profile, kept: Profile) -> None:
        """
        Merge a profile into another one, whose own values stay.

        :param lost: The profile that disappears.
        :param kept: The profile that stays.
        """
        for name, value in lost.attributes.items():
            kept.attributes.setdefault(name, value)
        kept.events += lost.events
        kept.purchases += lost.purchases
        for group, state in lost.subscriptions.items():
            kept.subscriptions.setdefault(group, state)
        for key in lost.keys:
            self.name(kept, key)
        del self._profiles[lost.number]


def keys_of(entry: Mapping[str, Any]) -> list[str]:
    """
    Give the keys of the user that an object names, the deciding one first.

    A key is the external id itself, ``alias:<label>:<name>``, ``braze_id:<id>``, ``email:<address>`` or
    ``phone:<number>``.

    :param entry: The object.
    """
    keys = []
    for name in _IDENTIFIERS:
        value = entry.get(name)
        if isinstance(value, Mapping):
            keys.append(f"alias:{value.get('alias_label', '')}:{value.get('alias_name', '')}")
        elif value is not None:
            keys.append(str(value) if name == "external_id" else f"{name}:{value}")
    return keys


def mistake_in(attributes: Mapping[str, Any]) -> str | None:
    """
    Say why Braze refuses an attributes object; None if it takes it.

    :param attributes: The object.
    """
    for name, value in attributes.items():
        if isinstance(value, dict) and "inc" in value and type(value["inc"]) is not int:
            return f"'{name}' can only be incremented by an integer"
    return None


def write_attributes(profile: Profile, attributes: Mapping[str, Any]) -> None:
    """
    Write attributes to a profile, with what their operations do.

    :param profile: The profile.
    :param attributes: An object of ``/users/track``.
    """
    merges = attributes.get("_merge_objects") is True
    for name, value in attributes.items():
        if name in _CONTROL:
            continue
        if value is None:
            profile.attributes.pop(name, None)
        else:
            profile.attributes[name] = _written(profile.attributes.get(name), value, merges=merges)


def _written(old: Any, value: Any, *, merges: bool) -> Any:
    if not isinstance(value, dict):
        return value
    there = old if isinstance(old, list) else []
    if "inc" in value:
        return (old if isinstance(old, int) else 0) + value["inc"]
    if value.keys() <= {"add", "remove"}:
        added = value.get("add", [])
        kept = [one for one in there if one not in added and one not in value.get("remove", [])]
        return [*kept, *added]
    if value.keys() & {"$add", "$remove", "$update"}:
        return _changed(there, value, merges=merges)
    return _merged(old, value) if merges and isinstance(old, dict) else value


def _changed(there: list[Any], value: Mapping[str, Any], *, merges: bool) -> list[Any]:
    """Change an array of objects: add, then remove, then update."""
    items = [*there, *value.get("$add", [])]
    for gone in value.get("$remove", []):
        items = [one for one in items if not _is_named(one, gone)]
    for change in value.get("$update", []):
        new = change["$new_object"]
        items = [(_merged(one, new) if merges else new) if _is_named(one, change) else one for one in items]
    return items


def _is_named(item: Any, by: Mapping[str, Any]) -> bool:
    return isinstance(item, dict) and item.get(by["$identifier_key"]) == by["$identifier_value"]


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for name, value in new.items():
        both = isinstance(value, dict) and isinstance(merged.get(name), dict)
        merged[name] = _merged(merged[name], value) if both else value
    return merged
