"""A workspace written down as JSON: the campaigns, Canvases and segments that exist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from braze_provider.sandbox.refusals import RefusedError
from braze_provider.sandbox.rules.checks import (
    array,
    boolean,
    choice,
    filled,
    mapping,
    shape,
    text,
    timestamp,
)
from braze_provider.sandbox.rules.messages import CHANNELS
from braze_provider.sandbox.workspace import Campaign


def _variations(value: object, path: str) -> None:
    mapping(value, path)
    if isinstance(value, dict):
        for variation, channel in value.items():
            choice(*CHANNELS)(channel, f"{path}.{variation}")


def _campaign(value: object, path: str) -> None:
    if isinstance(value, str):
        filled(value, path)
    else:
        _CAMPAIGN(value, path)


_CAMPAIGN = shape(
    {
        "id": filled,
        "name": text,
        "is_api_campaign": boolean,
        "tags": array(text),
        "last_edited": timestamp,
        "archived": boolean,
        "variations": _variations,
    },
    required=("id",),
)
_WORKSPACE = shape({"campaigns": array(_campaign), "canvases": array(filled), "segments": array(filled)})


def read_workspace(path: str) -> dict[str, list[Any]]:
    """
    Read a workspace from a file.

    The file holds ``{"campaigns": […], "canvases": […], "segments": […]}``, each of which may be left out:
    ids as strings, and campaigns also as objects with the fields of :class:`Campaign`.

    :param path: the file (str).
    :returns: the options of a sandbox that it stands for.
    :raises ValueError: when it cannot be read, or holds something else; says what.
    """
    try:
        given = json.loads(Path(path).read_text("utf-8"))
        _WORKSPACE(given, "")
    except (OSError, ValueError) as error:
        raise ValueError(f"The workspace {path} cannot be read: {error}") from None
    except RefusedError as refusal:
        message = refusal.message.replace("the request body", "it")
        raise ValueError(f"The workspace {path} is not right: {message}") from None
    return {**given, "campaigns": [campaign_of(entry) for entry in given.get("campaigns", [])]}


def campaign_of(entry: str | dict[str, Any]) -> Campaign:
    """
    A campaign of which only the id need be known.

    :param entry: its id (str), or its fields (dict).
    """
    fields = {"id": entry} if isinstance(entry, str) else entry
    return Campaign(**{"name": fields["id"], **fields})
