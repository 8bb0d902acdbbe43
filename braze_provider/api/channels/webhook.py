"""Requests that Braze makes to a web service for each user."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator

from braze_provider.api.channels.base import Channel
from braze_provider.api.open_json import JsonObject, plain_json
from braze_provider.api.values import NonEmptyText, Omittable, Text


def _as_json_text(body: object) -> object:
    if not isinstance(body, (Mapping, list, tuple)):
        return body
    # Not escaped to ASCII: Liquid in it should read as it was written.
    return json.dumps(plain_json(body), ensure_ascii=False, separators=(",", ":"))


class Webhook(Channel):
    """
    A request to a web service for each user.

    :param message_variation_id: A webhook variation of the campaign.
    :param url: Where to.
    :param request_method: ``POST``, ``PUT``, ``DELETE`` or ``GET``.
    :param request_headers: Headers; Braze sets no ``Content-Type`` by itself.
    :param body: The content as text, which is what Braze takes; an object or array is serialised to it,
        with the values of other open JSON: dates, decimals and UUIDs too.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/messaging/webhook_object
    """

    url: NonEmptyText
    request_method: Literal["POST", "PUT", "DELETE", "GET"]
    request_headers: Omittable[JsonObject] = None
    body: Omittable[Annotated[Text, BeforeValidator(_as_json_text)]] = None
