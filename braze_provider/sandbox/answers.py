"""An answer before it becomes HTTP: easily made, and easily spoilt by a fault."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json; charset=utf-8"


@dataclass
class Answer:
    """
    What a client is told.

    :param status: HTTP status (int).
    :param body: JSON object (mapping), or any bytes.
    :param content_type: the ``Content-Type`` header (str).
    :param headers: headers (dict) in place of the rate-limit headers of the moment, if given.
    """

    status: int
    body: Mapping[str, Any] | bytes
    content_type: str = JSON
    headers: dict[str, str] | None = field(default=None)

    @property
    def accepted(self) -> bool:
        """Whether Braze says that it took the request."""
        return 200 <= self.status < 300

    def content(self) -> bytes:
        """The body as it goes over the wire."""
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()

    def with_body(self, **changes: Any) -> Answer:
        """
        The same answer with some keys of its JSON body set, or removed where the value is ``None``.

        :param changes: the keys and their values.
        """
        if isinstance(self.body, bytes):
            return self
        merged = {key: value for key, value in {**self.body, **changes}.items() if value is not None}
        return Answer(self.status, merged, self.content_type, self.headers)
