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
    # It is not escaped to ASCII, so that Liquid in it stays as it was written.
    return json.dumps(plain_json(body), ensure_ascii=False, separators=(",", ":"))


class Webhook(Channel):
    """
    A request to a web service for each user.

    :param message_variation_id: A webhook variation of the campaign.
    :param url: Address of the web service.
    :param request_method: ``POST``, ``PUT``, ``DELETE`` or ``GET``.
    :param request_headers: Headers. Braze itself sets no ``Content-Type``.
    :param body: The content as text, because Braze takes only text. An object or array becomes JSON text, and
        may hold dates, decimals and UUIDs, as in other open JSON.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/messaging/webhook_object
    """

    url: NonEmptyText
    request_method: Literal["POST", "PUT", "DELETE", "GET"]
    request_headers: Omittable[JsonObject] = None
    body: Omittable[Annotated[Text, BeforeValidator(_as_json_text)]] = None
