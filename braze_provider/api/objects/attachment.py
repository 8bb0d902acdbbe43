"""A file attached to an e-mail."""

from __future__ import annotations

from braze_provider.api.base import MessagePart
from braze_provider.api.values import NonEmptyText, Omittable


class Attachment(MessagePart):
    """
    A file that Braze fetches and attaches, at most 2 MB. Braze keeps a copy for about a day, so a changed
    file needs a new address.

    :param file_name: The file's name in the e-mail, without the ending.
    :param url: The file's address. Its ending or the ``Content-Type`` says what kind of file it is. It must
        not hold secrets or personal data, because Braze's logs show it.
    :param basic_auth_credential: Name of a credential stored in Braze's settings for Connected Content.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/messaging/email_object
    """

    file_name: NonEmptyText
    url: NonEmptyText
    basic_auth_credential: Omittable[NonEmptyText] = None
