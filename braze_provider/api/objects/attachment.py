"""A file attached to an e-mail."""

from __future__ import annotations

from braze_provider.api.base import MessagePart
from braze_provider.api.values import NonEmptyText, Omittable


class Attachment(MessagePart):
    """
    A file that Braze fetches and attaches, at most 2 MB. It keeps a copy for about a day: change the
    address when the file changes.

    :param file_name: Its name in the e-mail, without the ending.
    :param url: Its address, whose ending or ``Content-Type`` says what it is. No secrets or personal data in
        it: Braze's logs show it.
    :param basic_auth_credential: Name of a credential stored in Braze's settings for Connected Content.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/messaging/email_object
    """

    file_name: NonEmptyText
    url: NonEmptyText
    basic_auth_credential: Omittable[NonEmptyText] = None
