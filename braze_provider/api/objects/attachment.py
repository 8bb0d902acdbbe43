"""A file attached to an e-mail."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from braze_provider.api.base import BrazeObject, Breach
from braze_provider.api.values import NonEmptyText, Omittable, has_liquid

FILE_TYPES = frozenset(
    {
        *("txt", "csv", "log", "css", "ics", "rtf", "odt", "ott", "pdf", "pub", "pages", "mobi", "epub"),
        *("doc", "docx", "xls", "xlsx", "ods", "numbers", "odp", "ppt", "pptx", "pps", "key"),
        *("jpg", "jpe", "jpeg", "gif", "png", "bmp", "psd", "tif", "tiff", "svg", "indd", "ai", "eps"),
        *("mp3", "m4a", "m4v", "wma", "ogg", "flac", "wav", "aif", "aifc", "aiff"),
        *("mp4", "mov", "avi", "mkv", "mpeg", "mpg", "wmv"),
        *("zip", "vcf", "pkpass"),
    }
)
"""Endings of the files that Braze attaches."""


class Attachment(BrazeObject):
    """
    A file that Braze fetches and attaches, at most 2 MB. It keeps a copy for about a day: change the
    address when the file changes.

    :param file_name: Its name in the e-mail, without the ending.
    :param url: Its ``https`` address. No secrets or personal data in it: Braze's logs show it.
    :param basic_auth_credential: Name of a credential stored in Braze's settings for Connected Content.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/messaging/email_object
    """

    file_name: NonEmptyText
    url: NonEmptyText
    basic_auth_credential: Omittable[NonEmptyText] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check the address as far as it can be read before Liquid is rendered."""
        url = given.get("url")
        if not isinstance(url, str) or not url or has_liquid(url):
            return
        try:
            address = urlsplit(url)
        except ValueError:
            yield Breach("must be an https URL", ("url",))
            return
        if address.scheme.lower() != "https" or not address.netloc:
            yield Breach("must be an https URL", ("url",))
            return
        # Without an ending, the answer's Content-Type decides, which only Braze gets to see.
        ending = PurePosixPath(unquote(address.path)).suffix[1:].lower()
        if ending and ending not in FILE_TYPES:
            yield Breach("names a file of a type that Braze does not attach", ("url",))
