"""The hook's methods for exports of user profiles."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from braze_provider._compat import mask_secret
from braze_provider.api.endpoints import (
    EXPORT_SEGMENT_CANCEL,
    USERS_EXPORT_GLOBAL_CONTROL_GROUP,
    USERS_EXPORT_IDS,
    USERS_EXPORT_SEGMENT,
)
from braze_provider.api.errors import BrazeError, BrazeNoAnswerError
from braze_provider.api.outcomes import Outcome
from braze_provider.hooks.methods import HookMethods

if TYPE_CHECKING:
    import requests
    from cryptography.fernet import Fernet

    from braze_provider.api.answers import Answer
    from braze_provider.api.base import BrazeObject

CHUNK_BYTES = 1024 * 1024
# The storage's answers to a link whose file is not there: not yet, or not any more.
_NOT_THERE = (403, 404)


class ExportMethods(HookMethods):
    """Export user profiles. The answers, and the files that they lead to, hold users' data."""

    def users_export_ids(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Export the users that are named, at most 50.

        :param request: A :class:`~braze_provider.api.requests.UsersExportIds` or its fields.
        :param allow_unknown_fields: Whether to send fields that this package does not know, unchanged.
            Default False: they are refused.
        :return: The answer, with profiles under ``users`` and ids that no user has under
            ``invalid_user_ids``.
        :raises BrazeValidationError: If the request breaks Braze's contract. No request was made.
        :raises BrazeRequestError: If Braze did not answer with the profiles.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/user_data/post_users_identifier
        """
        return self._send(USERS_EXPORT_IDS, request, allow_unknown_fields)

    def users_export_segment(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Start to export the users of a segment to files.

        :param request: A :class:`~braze_provider.api.requests.UsersExportSegment` or its fields.
        :param allow_unknown_fields: Whether to send fields that this package does not know, unchanged.
            Default False: they are refused.
        :return: The answer, with ``object_prefix``. It has the ``url`` of an archive if Braze writes to no
            storage of your own: whoever has it can read the users' data for four hours.
        :raises BrazeValidationError: If the request breaks Braze's contract. No request was made.
        :raises BrazeConflictError: If an export of the segment runs already.
        :raises BrazeRequestError: If Braze did not accept the request, or may not have accepted it.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/user_data/post_users_segment
        """
        return self._send(USERS_EXPORT_SEGMENT, request, allow_unknown_fields)

    def users_export_global_control_group(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Start to export the users of the global control group to files.

        :param request: A :class:`~braze_provider.api.requests.UsersExportGlobalControlGroup` or its fields.
        :param allow_unknown_fields: Whether to send fields that this package does not know, unchanged.
            Default False: they are refused.
        :return: The answer, as that of :meth:`users_export_segment`.
        :raises BrazeValidationError: If the request breaks Braze's contract. No request was made.
        :raises BrazeRequestError: If Braze did not accept the request, or may not have accepted it.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/user_data/post_users_global_control_group
        """
        return self._send(USERS_EXPORT_GLOBAL_CONTROL_GROUP, request, allow_unknown_fields)

    def export_segment_cancel(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Stop all running exports of a segment, also those that others have started.

        :param request: A :class:`~braze_provider.api.requests.ExportSegmentCancel` or its fields.
        :param allow_unknown_fields: Whether to send fields that this package does not know, unchanged.
            Default False: they are refused.
        :return: The answer.
        :raises BrazeValidationError: If the request breaks Braze's contract. No request was made.
        :raises BrazeRequestError: If Braze did not accept the request.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/segments/post_cancel_export
        """
        return self._send(EXPORT_SEGMENT_CANCEL, request, allow_unknown_fields)

    def archive_is_ready(self, link: str) -> bool:
        """
        Tell whether the archive of an export is there. If not, it is not yet, or not any more.

        :param link: The ``url`` of an export's answer. It is masked in logs.
        :raises BrazeError: If the link is not one that may be opened.
        :raises BrazeNoAnswerError: If the storage did not answer, or failed.
        """
        with self._archive(link) as archive:
            return archive is not None

    def download_archive(self, link: str, file: IO[bytes]) -> int:
        """
        Copy the archive of an export to a file, piece by piece.

        :param link: The ``url`` of an export's answer. It is masked in logs.
        :param file: The file, opened for writing.
        :return: Number of bytes.
        :raises BrazeError: If the link is not one that may be opened.
        :raises BrazeNoAnswerError: If the archive is not there, or did not come whole.
        """
        import requests

        failure, size = "", 0
        with self._archive(link) as archive:
            if archive is None:
                raise _no_archive("it is not there")
            try:
                for piece in archive.iter_content(CHUNK_BYTES):
                    size += file.write(piece)
            except requests.RequestException as error:
                failure = type(error).__name__
            length = archive.headers.get("Content-Length", str(size))
        if failure or length != str(size):
            raise _no_archive(failure or f"{size:,} bytes came, and {length} were announced")
        return size

    def sealed(self, link: str) -> str:
        """
        Encrypt a link with the API key, so that it can be stored: only who has the key can use it.

        :param link: The link. It is masked in logs.
        """
        _mask(link)
        return self._fernet().encrypt(link.encode()).decode()

    def unsealed(self, text: str) -> str | None:
        """
        Decrypt a link. None: it was encrypted with another API key.

        :param text: What :meth:`sealed` has made.
        """
        from cryptography.fernet import InvalidToken

        try:
            link = self._fernet().decrypt(text.encode()).decode()
        except InvalidToken:
            return None
        _mask(link)
        return link

    def _fernet(self) -> Fernet:
        from cryptography.fernet import Fernet

        digest = blake2b(self.connection.api_key.encode(), digest_size=32, person=b"braze-export")
        return Fernet(urlsafe_b64encode(digest.digest()))

    @contextmanager
    def _archive(self, link: str) -> Iterator[requests.Response | None]:
        """
        Open an archive; None if it is not there.

        The API key is not sent with the request: the storage is not Braze's API.
        """
        import requests

        scheme = urlsplit(link).scheme
        connection = self.connection
        if scheme != "https" and not connection.base_url.startswith("http:"):
            raise BrazeError("Braze's link to the archive is no https address, so it is not opened")
        with requests.Session() as session:
            if scheme == "https":
                settings = session.merge_environment_settings(
                    link, dict(connection.proxies), None, connection.verify, None
                )
                session.proxies, session.verify = dict(settings["proxies"]), settings["verify"]
            # Otherwise, requests would add a password that .netrc has for the storage's host.
            session.trust_env = False
            session.headers["Accept-Encoding"] = "identity"
            failure = ""
            try:
                answer = session.get(link, stream=True, timeout=connection.timeout)
            except requests.RequestException as error:
                failure = type(error).__name__
            if not failure and answer.status_code >= 400 and answer.status_code not in _NOT_THERE:
                failure = f"it answered {answer.status_code}"
                answer.close()
            if failure:
                # The caught error holds the link, so nothing is raised inside the handler.
                raise _no_archive(failure)
            with answer:
                yield None if answer.status_code in _NOT_THERE else answer


def _mask(link: str) -> None:
    parts = urlsplit(link)
    # Some logs show only the path and the signature.
    for secret in (link, f"{parts.path}?{parts.query}"):
        mask_secret(secret)


def _no_archive(reason: str) -> BrazeNoAnswerError:
    return BrazeNoAnswerError(
        f"The storage did not give the archive of the export ({reason})", outcome=Outcome.REPEATABLE
    )
