"""A message as one recipient would see it: its fields with the recipient's values in them."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from braze_provider.sandbox.records import Receipt

if TYPE_CHECKING:
    from braze_provider.sandbox.rendering import Rendered

_MAX_FRAMES = 64

# An e-mail runs no script, sends no form, and has an origin of its own.
_FRAME_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_REMOTE_FRAME_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline' https: http:; img-src data: https: http:; "
    "font-src data: https: http:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


class Frames:
    """
    The e-mails that were opened last, each under an address that nobody can guess.

    A frame sends no token with its request. So the page asks for a frame's address with the token, and the
    address is the proof.
    """

    def __init__(self) -> None:
        self._frames: OrderedDict[str, tuple[bytes, str]] = OrderedDict()

    def add(self, html: str, *, remote: bool) -> str:
        """
        Keep an e-mail for its frame, and give the frame's name.

        :param html: The e-mail.
        :param remote: Whether it may load pictures, styles and fonts from elsewhere.
        """
        while len(self._frames) >= _MAX_FRAMES:
            self._frames.popitem(last=False)
        name = secrets.token_urlsafe(24)
        content = html.encode("utf-8", "replace")
        self._frames[name] = (content, _REMOTE_FRAME_POLICY if remote else _FRAME_POLICY)
        return name

    def get(self, name: str) -> tuple[bytes, str] | None:
        """
        Give an e-mail and its content security policy; None if there is none with a name.

        :param name: The frame's name.
        """
        return self._frames.get(name)

    def clear(self) -> None:
        """Forget all e-mails."""
        self._frames.clear()


def variables(
    key: str,
    receipt: Receipt,
    names: Mapping[str, str],
    delivery: Mapping[str, Any],
    profile: Mapping[str, Any],
) -> dict[str, Any]:
    """
    Give the variables of Braze's Liquid for one recipient of a send.

    :param key: The recipient's key; empty for one of a broadcast.
    :param receipt: The request that sent.
    :param names: Names of its ``campaign`` and its ``canvas``, as far as they are known.
    :param delivery: The recipient's own values and those of all, merged.
    :param profile: Attributes of the recipient's profile.
    """
    attributes = {**profile, **(delivery.get("attributes") or {})}
    user: dict[str, Any] = dict(attributes)
    if "email" in attributes:
        user.setdefault("email_address", attributes["email"])
    if "phone" in attributes:
        user.setdefault("phone_number", attributes["phone"])
    kind, _, value = key.partition(":")
    if kind == "email" and value:
        user.setdefault("email_address", value)
    elif kind == "braze_id" and value:
        user["braze_id"] = value
    elif key and not (kind == "alias" and value):
        user["user_id"] = key
    context = delivery.get("context") or {}
    return {
        "braze_user": user,
        "custom_attribute": attributes,
        "api_trigger_properties": delivery.get("trigger_properties") or {},
        "context": context,
        "canvas_entry_properties": context,
        "campaign": _known(
            api_id=receipt.campaign_id, name=names.get("campaign"), dispatch_id=receipt.dispatch_id
        ),
        "canvas": _known(api_id=receipt.canvas_id, name=names.get("canvas")),
    }


def preview(
    channel: str, message: Mapping[str, Any], values: Mapping[str, Any]
) -> tuple[dict[str, Any], str]:
    """
    Render a message.

    :param channel: Its channel.
    :param message: The message as the request has it.
    :param values: The variables.
    :returns: The message as JSON, with each text as ``{"text": …, "marks": […]}``, and the HTML of an e-mail.
    """
    # Liquid is imported here, because it takes half a second.
    from braze_provider.sandbox.rendering import AbortedError, render

    html = ""

    def shown(value: Any, name: str = "") -> Any:
        nonlocal html
        if isinstance(value, str):
            rendered: Rendered = render(value, values)
            if channel == "email" and name == "body":
                html = rendered.html()
            return rendered.shown()
        if isinstance(value, Mapping):
            return {key: shown(each) for key, each in value.items()}
        if isinstance(value, list):
            return [shown(each) for each in value]
        return value

    try:
        fields = {name: shown(value, name) for name, value in message.items()}
    except AbortedError as aborted:
        return {"channel": channel, "aborted": str(aborted)}, ""
    return {"channel": channel, "message": fields}, html


def _known(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
