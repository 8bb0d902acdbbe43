"""Profiles in a file, CSV or JSON lines: a user in each row, with attributes as ``/users/track`` has them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from braze_provider.api.objects.user_updates import AttributesOfUser
from braze_provider.api.validation import problems
from braze_provider.sandbox.profiles import mistake_in

_PROBLEMS_SHOWN = 10


class BadProfilesError(ValueError):
    """
    A file with profiles is not right.

    :param bad: What is wrong, by row, without the data. A row of 0 stands for the whole file.
    """

    def __init__(self, bad: list[tuple[int, str]]) -> None:
        self.bad = bad
        shown = [f"row {row}: {reason}" if row else reason for row, reason in bad[:_PROBLEMS_SHOWN]]
        more = f"; and {len(bad) - _PROBLEMS_SHOWN:,} more rows" if len(bad) > _PROBLEMS_SHOWN else ""
        super().__init__("; ".join(shown) + more)


def read_profile_file(path: str) -> list[dict[str, Any]]:
    """
    Read profiles from a file.

    :param path: The file. Its ending tells what it is: ``.csv``, ``.jsonl`` or ``.ndjson``.
    :returns: An object for each user, as ``/users/track`` takes it among its attributes.
    :raises ValueError: If the file can't be read, or a row of it is not right. Says which.
    """
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in READERS:
        raise ValueError(f"The profiles {path} end in none of {', '.join(f'.{name}' for name in READERS)}")
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise ValueError(f"The profiles {path} cannot be read: {error.strerror}") from None
    try:
        return read_profiles(content, kind)
    except BadProfilesError as error:
        raise ValueError(f"The profiles {path} are not right: {error}") from None


def read_profiles(content: bytes, kind: str) -> list[dict[str, Any]]:
    """
    Read profiles.

    In CSV, a column of ``external_id`` or ``external_user_id``, ``braze_id``, ``email``, ``phone``, or
    ``alias_name`` and ``alias_label`` names the user. Each other column is an attribute, with the prefix
    ``attributes.`` or without. An empty field means *not given*.

    :param content: What the file holds.
    :param kind: One of :data:`READERS`.
    :returns: An object for each user, as ``/users/track`` takes it among its attributes.
    :raises BadProfilesError: If a row is not right. None is taken then.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BadProfilesError([(0, f"line {line} is not UTF-8")]) from None
    read: list[dict[str, Any]] = []
    bad: list[tuple[int, str]] = []
    for row, found in enumerate(READERS[kind](text), 1):
        reason = found if isinstance(found, str) else _mistake_in(found)
        if reason is not None:
            bad.append((row, reason))
        elif isinstance(found, dict):
            read.append(found)
    if bad:
        raise BadProfilesError(bad)
    return read


def _mistake_in(profile: Mapping[str, Any]) -> str | None:
    if found := problems(AttributesOfUser, profile, allow_unknown_fields=True):
        return str(found[0])
    return mistake_in(profile)


def _of_json_lines(text: str) -> Iterator[dict[str, Any] | str]:
    for line in text.rstrip().split("\n"):
        yield _of_line(line)


def _of_line(line: str) -> dict[str, Any] | str:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return "is not JSON"
    return _renamed(found) if isinstance(found, dict) else "is not a JSON object"


def _of_csv(text: str) -> Iterator[dict[str, Any] | str]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = next(rows, [])
        if len(set(columns)) < len(columns):
            raise BadProfilesError([(0, "the header names a column more than once")])
        for row in rows:
            if row and len(row) != len(columns):
                yield f"has {len(row)} fields, and the header has {len(columns)}"
            elif row:
                yield _named(dict(zip(columns, row, strict=True)))
    except csv.Error as error:
        raise BadProfilesError([(0, f"line {rows.line_num} is not CSV: {error}")]) from None


def _named(row: Mapping[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = {name.removeprefix("attributes."): value for name, value in row.items() if value}
    given = _renamed(given)
    alias = {name: given.pop(name) for name in ("alias_name", "alias_label") if name in given}
    return {**given, **({"user_alias": alias} if alias else {})}


def _renamed(given: dict[str, Any]) -> dict[str, Any]:
    """Call the id as ``/users/track`` does. Endpoints that send call it otherwise."""
    if "external_user_id" in given and "external_id" not in given:
        return {"external_id": given.pop("external_user_id"), **given}
    return given


READERS: Mapping[str, Callable[[str], Iterator[dict[str, Any] | str]]] = {
    "csv": _of_csv,
    "jsonl": _of_json_lines,
    "ndjson": _of_json_lines,
}
"""What reads each kind of file, by the ending of its name."""
