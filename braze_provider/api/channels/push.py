"""What the push channels have in common: the size of a push on its way to a device."""

from __future__ import annotations

from pydantic_core import PydanticSerializationError, to_json


def payload_size(payload: object) -> int | None:
    """
    Measure a push payload as compact JSON, in bytes.

    :param payload: The part of the message that is sent to the device, as JSON data or models.
    :returns: The size. None: it can't be known, because Braze renders Liquid in it for each user, or because
        it is not JSON.
    """
    try:
        content = to_json(payload, by_alias=True, exclude_none=True)
    except (PydanticSerializationError, ValueError):
        return None
    return None if b"{{" in content or b"{%" in content else len(content)
