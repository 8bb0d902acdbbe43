"""E-mails."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from braze_provider.api.base import Breach
from braze_provider.api.channels.base import Channel
from braze_provider.api.objects.attachment import Attachment
from braze_provider.api.open_json import JsonObject
from braze_provider.api.reasons import refusal
from braze_provider.api.values import Array, NonEmptyText, Omittable, Text, has_liquid

_SENDER = re.compile(r"[^<>]*<[^<>@\s]+@[^<>@\s]+>\s*")


def _sender(text: str) -> str:
    if not has_liquid(text) and not _SENDER.fullmatch(text):
        raise refusal("must be of the form Display Name <address@example.com>")
    return text


Sender = Annotated[NonEmptyText, AfterValidator(_sender)]


class Email(Channel):
    """
    An e-mail.

    :param message_variation_id: An e-mail variation of the campaign.
    :param app_id: Any app of the workspace.
    :param from_: ``from``: the sender as ``Display Name <address>``.
    :param subject: The subject. Default: the subject of the template.
    :param body: The content in HTML. Required without ``email_template_id``.
    :param email_template_id: A template of the dashboard.
    :param reply_to: The address for replies. ``NO_REPLY_TO``: there is none. Default: the one of the
        workspace.
    :param bcc: One of the addresses that the workspace allows.
    :param plaintext_body: The content as plain text. Default: made from ``body``.
    :param preheader: The line that a mailbox shows beside the subject. Braze advises 50 to 100 characters.
    :param extras: Keys and values for the e-mail provider.
    :param headers: Headers of the e-mail, such as the one-click unsubscription of an API campaign.
    :param should_inline_css: Whether styles are put into the elements. Default: the setting of the workspace.
    :param attachments: Files.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/messaging/email_object
    """

    app_id: NonEmptyText
    from_: Sender = Field(alias="from")
    subject: Omittable[Text] = None
    body: Omittable[NonEmptyText] = None
    email_template_id: Omittable[NonEmptyText] = None
    reply_to: Omittable[NonEmptyText] = None
    bcc: Omittable[NonEmptyText] = None
    plaintext_body: Omittable[Text] = None
    preheader: Omittable[Text] = None
    extras: Omittable[JsonObject] = None
    headers: Omittable[JsonObject] = None
    should_inline_css: Omittable[bool] = None
    attachments: Omittable[Array[Attachment]] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check that there is content."""
        if given.get("body") is None and given.get("email_template_id") is None:
            yield Breach("is required without `email_template_id`", ("body",))
