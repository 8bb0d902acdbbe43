"""What the push channels have in common: the size of what travels to a device."""

from __future__ import annotations

from pydantic_core import PydanticSerializationError, to_json


def payload_size(payload: object) -> int | None:
    """
    Measure a push payload as compact JSON, in bytes.

    :param payload: The part of the message that travels to the device, as JSON data or models.
    :returns: Its size; None when it can't be known, because Liquid in it is rendered for each user, or
        because it is not JSON to begin with.
    """
    try:
        content = to_json(payload, by_alias=True, exclude_none=True)
    except (PydanticSerializationError, ValueError):
        return None
    return None if b"{{" in content or b"{%" in content else len(content)
