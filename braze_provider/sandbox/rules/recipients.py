"""People as requests name them: ids, aliases and recipient objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from braze_provider.sandbox.refusals import (
    NO_RECIPIENTS,
    TOO_MANY_IDS,
    TOO_MANY_IDS_AND_ALIASES,
    refuse,
)
from braze_provider.sandbox.rules.checks import MAX_PROPERTIES_BYTES, boolean, json_name, mapping, properties

MAX_RECIPIENTS = 50
MAX_EXTERNAL_ID_BYTES = 987
MAX_ALIAS_BYTES = 236

_IDENTITIES = ("external_user_id", "user_alias", "braze_id", "email")
_PRIORITIES = frozenset({"identified", "unidentified", "most_recently_updated", "least_recently_updated"})
_NOTHING: Mapping[str, Any] = {}


def alias_key(alias: Mapping[str, str]) -> str:
    """The recipient key of a user alias: ``alias:<label>:<name>``."""
    return f"alias:{alias['alias_label']}:{alias['alias_name']}"


def named_users(body: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """
    The people named in ``external_user_ids`` and ``user_aliases``, by recipient key.

    :param body: the request's body.
    :raises RefusedError: when there are more than 50 in all, or one of them is malformed.
    """
    ids = _array(body, "external_user_ids")
    aliases = _array(body, "user_aliases")
    if len(ids) + len(aliases) > MAX_RECIPIENTS:
        refuse(TOO_MANY_IDS_AND_ALIASES)
    named: dict[str, Mapping[str, Any]] = {}
    for index, external_id in enumerate(ids):
        named[_external_id(external_id, f"external_user_ids[{index}]")] = _NOTHING
    for index, alias in enumerate(aliases):
        named[_alias(alias, f"user_aliases[{index}]")] = _NOTHING
    return named


def recipient_objects(body: Mapping[str, Any], *, properties_field: str, small: bool) -> dict[str, Any]:
    """
    The objects in ``recipients`` by recipient key, the last of any duplicates.

    :param body: the request's body.
    :param properties_field: the field (str) that holds a recipient's personalisation.
    :param small: whether the whole body is so small (bool) that no object in it needs measuring.
    :raises RefusedError: when there are none or more than 50, or one of them breaks a rule.
    """
    entries = _array(body, "recipients")
    if not entries:
        refuse(NO_RECIPIENTS)
    if len(entries) > MAX_RECIPIENTS:
        refuse(TOO_MANY_IDS)
    allowed = {*_IDENTITIES, properties_field, "prioritization", "send_to_existing_only", "attributes"}
    check_properties = mapping if small else properties
    named: dict[str, Any] = {}
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            refuse(f"recipients[{index}] must be an object, not {json_name(entry)}")
        if not entry.keys() <= allowed:
            refuse(f"recipients[{index}].{min(entry.keys() - allowed)} is not a known field")
        if properties_field in entry:
            check_properties(entry[properties_field], f"recipients[{index}].{properties_field}")
        key = _identity(entry, index)
        if len(entry) > 1:
            _check_creation(entry, index)
        named[key] = entry
    return named


def names_recipient(body: Mapping[str, Any], key: str) -> bool:
    """
    Whether a request names a recipient, in whatever way and however wrong it is otherwise.

    :param body: the request's body, unchecked.
    :param key: the recipient's key (str).
    """
    if key in _list(body, "external_user_ids"):
        return True
    candidates = [{"user_alias": alias} for alias in _list(body, "user_aliases")]
    candidates += [entry for entry in _list(body, "recipients") if isinstance(entry, dict)]
    return any(_loose_key(candidate) == key for candidate in candidates)


def is_small(size: int) -> bool:
    """Whether a body of that many bytes is too small to hold properties over the limit."""
    return size <= MAX_PROPERTIES_BYTES


def _identity(entry: dict[str, Any], index: int) -> str:
    given = [name for name in _IDENTITIES if name in entry]
    if len(given) != 1:
        refuse(f"recipients[{index}] must have exactly one of {', '.join(_IDENTITIES)}")
    name = given[0]
    value, path = entry[name], f"recipients[{index}].{name}"
    if name == "external_user_id":
        return _external_id(value, path)
    if name == "user_alias":
        return _alias(value, path)
    if name == "email":
        _check_prioritization(entry.get("prioritization"), index)
    return f"{name}:{_string(value, path)}"


def _check_prioritization(value: object, index: int) -> None:
    path = f"recipients[{index}].prioritization"
    if not isinstance(value, list) or not value:
        refuse(f"{path} is required with email, as an array with at least one item")
    for item in value:
        if not isinstance(item, str) or item not in _PRIORITIES:
            refuse(f"{path} may only hold {', '.join(sorted(_PRIORITIES))}")
    if "identified" in value and "unidentified" in value:
        refuse(f"{path} may hold only one of identified and unidentified")


def _check_creation(entry: dict[str, Any], index: int) -> None:
    attributes = entry.get("attributes")
    if "attributes" in entry:
        mapping(attributes, f"recipients[{index}].attributes")
    if "send_to_existing_only" not in entry:
        return
    path = f"recipients[{index}].send_to_existing_only"
    boolean(entry["send_to_existing_only"], path)
    if entry["send_to_existing_only"] is False:
        if "user_alias" in entry:
            refuse(f"{path} cannot be false with user_alias")
        if not attributes:
            refuse(f"{path} cannot be false without attributes")


def _external_id(value: object, path: str) -> str:
    key = _string(value, path)
    if len(key) * 4 > MAX_EXTERNAL_ID_BYTES and len(_bytes(key)) > MAX_EXTERNAL_ID_BYTES:
        refuse(f"{path} exceeds {MAX_EXTERNAL_ID_BYTES} bytes")
    return key


def _alias(value: object, path: str) -> str:
    if not isinstance(value, dict):
        refuse(f"{path} must be an object, not {json_name(value)}")
    for name in ("alias_name", "alias_label"):
        if len(_bytes(_string(value.get(name), f"{path}.{name}"))) > MAX_ALIAS_BYTES:
            refuse(f"{path}.{name} exceeds {MAX_ALIAS_BYTES} bytes")
    if len(value) > 2:
        refuse(f"{path} may only hold alias_name and alias_label")
    return alias_key(value)


def _string(value: object, path: str) -> str:
    if not isinstance(value, str) or not value:
        refuse(f"{path} must be a string that is not empty")
    return value


def _array(body: Mapping[str, Any], name: str) -> Sequence[Any]:
    value = body.get(name, [])
    if not isinstance(value, list):
        refuse(f"{name} must be an array, not {json_name(value)}")
    return value


def _list(body: Mapping[str, Any], name: str) -> list[Any]:
    value = body.get(name)
    return value if isinstance(value, list) else []


def _loose_key(entry: Mapping[str, Any]) -> str | None:
    alias = entry.get("user_alias")
    if isinstance(alias, dict):
        return alias_key({"alias_label": "", "alias_name": "", **alias})
    for name in ("email", "braze_id"):
        if name in entry:
            return f"{name}:{entry[name]}"
    return entry.get("external_user_id")


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")
