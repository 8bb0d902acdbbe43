"""Operators that export user profiles."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from braze_provider._compat import AirflowFailException
from braze_provider.api.endpoints import USERS_EXPORT_IDS, USERS_EXPORT_SEGMENT
from braze_provider.api.errors import (
    BrazeConfigurationError,
    BrazeNoAnswerError,
    BrazeRejectedError,
    Problem,
)
from braze_provider.tasks.fields import FIXED, JSON, TEXT, Field, Kind
from braze_provider.tasks.start import BrazeStartOperator
from braze_provider.tasks.task import model_of
from braze_provider.triggers.look import NeverComesError, Seen

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from braze_provider._compat import Context
    from braze_provider.api.answers import Answer
    from braze_provider.hooks.braze import BrazeHook
    from braze_provider.tasks.arguments import Recipients, StartArguments, Templated
    from braze_provider.tasks.jobs import JobNote

LINK_SECONDS = 4 * 3600.0
"""How long the link to an archive is valid."""
MAX_DOWNLOADS = 3

_OF_SEGMENT = ("custom_attributes_to_export", "callback_endpoint", "output_format")


def archive_is_ready(hook: BrazeHook, sealed_link: str) -> Seen:
    """
    Look whether the archive of an export is there.

    :param hook: The hook to look with.
    :param sealed_link: The link to the archive, encrypted with the API key.
    :raises NeverComesError: If the link was encrypted with another API key.
    """
    link = hook.unsealed(sealed_link)
    if link is None:
        raise NeverComesError(
            "The link to the archive can't be read any more, because the API key has changed"
        )
    if not hook.archive_is_ready(link):
        return Seen("the archive is not there yet")
    return Seen("the archive is there", has_come=True, result={"has_link": True})


class UsersExportOperator(BrazeStartOperator):
    """
    Export the profiles of a segment's users, or of users that are named, to a file.

    **Named users.** The task asks Braze for 50 users at a time, and writes a line of JSON for each to
    ``output_path``. The result has ``users`` (their number) and ``unknown`` (how many of those named do not
    exist).

    **A segment, without own storage.** Braze makes one archive. The task waits until it is there, and copies
    it to ``output_path``. Whoever has Braze's link to it can read it for four hours, so the link is in no log
    and in no XCom. If the task keeps it for a retry or for the triggerer, it is encrypted with the API key.

    **A segment, with storage that is connected to Braze.** Braze writes the files there, below
    ``segment-export/<segment id>/<date>/<object_prefix>/``, and tells nobody but ``callback_endpoint`` when
    all of them are there. So the task can't wait: it returns ``object_prefix`` once the export has begun.
    Leave out ``output_path``.

    The result has ``object_prefix``, ``has_link`` (whether Braze has given a link) and ``output_path``. No
    log and no XCom holds users' data. The API key needs the permission ``users.export.segment`` or
    ``users.export.ids``.

    A retry goes on waiting for the archive of the earlier try. If its link is lost, as before Airflow 3.3, it
    treats an export of that segment that still runs as ``if_running`` says.

    :class:`~braze_provider.tasks.start.BrazeStartOperator` explains how the task waits.

    .. seealso::
        - :ref:`howto/operator:UsersExportOperator`
        - https://www.braze.com/docs/api/endpoints/export/user_data/post_users_segment

    :param segment_id: Id of the segment. (templated)
    :param external_ids: Instead of the segment: external ids of users. A list, or a table or a source with
        the column ``external_user_id``. (templated)
    :param user_aliases: Instead of the segment, alone or together with the ids: user aliases. (templated)
    :param fields_to_export: The fields of the profiles, such as ``external_id`` and ``email``. (templated)
    :param custom_attributes_to_export: For a segment: names of custom attributes, at most 500. (templated)
    :param callback_endpoint: For a segment: address to which Braze posts when the export is done. (templated)
    :param output_format: For a segment: ``zip`` (Braze's default) or ``gzip``, which needs your own S3
        bucket.
    :param output_path: Path or URL of the file, as ``ObjectStoragePath`` takes it. It appears only once it is
        whole. Only the task's user may read a local file. Required for named users. (templated)
    :param if_running: What to do if another export of the segment runs already, because Braze runs only one
        at a time: ``wait`` (default) until it has ended, and then start this one, or ``fail``.
    :raises BrazeValidationError: For bad arguments, before the first request.
    """

    endpoint = USERS_EXPORT_SEGMENT
    endpoints = (USERS_EXPORT_SEGMENT, USERS_EXPORT_IDS)
    request_fields: ClassVar[Mapping[str, Field]] = {
        "segment_id": TEXT,
        "external_ids": Field(Kind.RECIPIENTS, item="external_user_id"),
        "user_aliases": Field(Kind.RECIPIENTS, item="user_alias"),
        "fields_to_export": JSON,
        "custom_attributes_to_export": JSON,
        "callback_endpoint": TEXT,
        "output_format": FIXED,
        "output_path": TEXT,
        "if_running": FIXED,
    }
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {"if_running": ("wait", "fail")}
    look = staticmethod(archive_is_ready)

    # Text once it is rendered.
    output_path: Any

    def __init__(
        self,
        *,
        fields_to_export: Sequence[str] | Templated,
        segment_id: Templated | None = None,
        external_ids: Sequence[str | int] | Recipients | None = None,
        user_aliases: Sequence[Mapping[str, Any]] | Recipients | None = None,
        custom_attributes_to_export: Sequence[str] | Templated | None = None,
        callback_endpoint: Templated | None = None,
        output_format: Literal["zip", "gzip"] | None = None,
        output_path: Templated | None = None,
        if_running: Literal["wait", "fail"] = "wait",
        **kwargs: Unpack[StartArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.segment_id = segment_id
        self.external_ids = external_ids
        self.user_aliases = user_aliases
        self.fields_to_export = fields_to_export
        self.custom_attributes_to_export = custom_attributes_to_export
        self.callback_endpoint = callback_endpoint
        self.output_format = output_format
        self.output_path = output_path
        self.if_running = if_running
        self.check_constants()

    def check_constants(self) -> None:
        """
        Check the arguments that rendering will not change, at Dag parse.

        :raises BrazeValidationError: With all mistakes that can be found before rendering.
        """
        self.refuse(self._combination_problems())
        if not self._names_users:
            super().check_constants()
            return
        from braze_provider.tasks.named_users import problems_of_named_users
        from braze_provider.tasks.parse_checks import problems_of_fields

        users = self._set(self.recipient_fields)
        problems = [*self.problems_of_wait(), *problems_of_named_users(users, self.recipient_fields)]
        fields = {"external_ids": ["stand-in"], "fields_to_export": self.fields_to_export}
        self.refuse(problems + problems_of_fields(model_of(USERS_EXPORT_IDS), fields))

    @property
    def _names_users(self) -> bool:
        return bool(self._set(self.recipient_fields))

    def _combination_problems(self) -> list[Problem]:
        if not self._names_users:
            if self.segment_id is None:
                return [Problem("segment_id", "is required without `external_ids` and `user_aliases`")]
            if self.output_path is not None and not self.wait_for_completion:
                reason = "is not allowed with `wait_for_completion=False`: there is no archive yet to copy"
                return [Problem("output_path", reason)]
            return []
        others = [name for name in ("segment_id", *_OF_SEGMENT) if getattr(self, name) is not None]
        problems = [Problem(name, "is not allowed with `external_ids` or `user_aliases`") for name in others]
        if self.output_path is None:
            problems.append(Problem("output_path", "is required for named users: XCom never holds profiles"))
        return problems

    def execute(self, context: Context) -> Any:
        """Export, and return how it went. The result holds no user's data."""
        self.refuse(self._combination_problems())
        return self._export_users() if self._names_users else super().execute(context)

    # Named users --------------------------------------------------------------------------------------------

    def _export_users(self) -> dict[str, Any]:
        from braze_provider._compat import ObjectStoragePath
        from braze_provider.api.validation import validate
        from braze_provider.tasks.calls import call_patiently
        from braze_provider.tasks.output import whole_file

        # All of them are checked before the first request is made.
        model = model_of(USERS_EXPORT_IDS)
        requests = [
            validate(model, {**users, "fields_to_export": self.fields_to_export}, USERS_EXPORT_IDS.path)
            for users in self._users_by_request()
        ]
        users = unknown = 0
        with whole_file(ObjectStoragePath(self.output_path)) as file:
            for request in requests:
                try:
                    answer = call_patiently(self.hook, USERS_EXPORT_IDS, request, log=self.log)
                except (BrazeConfigurationError, BrazeRejectedError) as error:
                    raise AirflowFailException(str(error)) from None
                found = answer.body.get("users") or []
                file.writelines(json.dumps(user).encode() + b"\n" for user in found)
                users += len(found)
                unknown += len(answer.body.get("invalid_user_ids") or [])
        self.log.info(
            "%s users are in %s, and %s do not exist", f"{users:,}", self.output_path, f"{unknown:,}"
        )
        return {"users": users, "unknown": unknown, "output_path": self.output_path}

    def _users_by_request(self) -> list[dict[str, Any]]:
        """Give the users of each request, each user once."""
        from braze_provider.tasks.named_users import read_named_users

        rows, mistakes = read_named_users(self._set(self.recipient_fields), self.recipient_fields)
        self.refuse(mistakes)
        most = USERS_EXPORT_IDS.rows or 1
        batches = (rows[start : start + most] for start in range(0, len(rows), most))
        return [
            {
                field: users
                for field, name in (("external_ids", "external_user_id"), ("user_aliases", "user_alias"))
                if (users := [row[name] for row in batch if row.get(name) is not None])
            }
            for batch in batches
        ]

    # A segment ----------------------------------------------------------------------------------------------

    def identity(self) -> dict[str, Any]:
        """Give the segment."""
        return {"segment_id": self.segment_id}

    def facts_of(self, answer: Answer) -> dict[str, Any]:
        """Keep Braze's name for the export, and the link to its archive, which is encrypted."""
        link = answer.body.get("url")
        return {
            "object_prefix": answer.body.get("object_prefix"),
            "link": self.hook.sealed(link) if isinstance(link, str) and link else None,
        }

    def arguments_of_look(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Give the link."""
        return {"sealed_link": facts["link"]}

    def can_be_waited_for(self, facts: Mapping[str, Any]) -> bool:
        """Tell whether there is a link. No sign tells which file in your own storage is the last one."""
        return bool(facts.get("link"))

    def survives_clear(self, note: JobNote, seen: Seen) -> bool:
        """Go on while the link may be valid. Later, a look can't tell it from one that is not ready."""
        return not seen.has_come and time.time() - note.at < LINK_SECONDS

    def result_of(self, facts: Mapping[str, Any], found: Any) -> dict[str, Any]:
        """Copy the archive, and give Braze's name for the export."""
        prefix, has_link = facts.get("object_prefix"), bool(facts.get("link"))
        if not has_link:
            where = f"segment-export/{facts['segment_id']}/<date>/{prefix}/ in the storage connected to Braze"
            if self.output_path is not None:
                raise AirflowFailException(
                    f"output_path: Braze gives no archive to copy, because it writes files below {where}. "
                    "Leave output_path out, and read the files there"
                )
            self.log.info("Braze writes files below %s, and does not tell when all of them are there", where)
        elif self.output_path is not None:
            self._download(facts["link"])
        elif self.callback_endpoint is None:
            self.log.warning("Nothing takes the archive. Give output_path to copy it")
        return {"object_prefix": prefix, "has_link": has_link, "output_path": self.output_path}

    def _download(self, sealed_link: str) -> None:
        from braze_provider._compat import ObjectStoragePath
        from braze_provider.tasks.output import whole_file

        link = self.hook.unsealed(sealed_link) or ""
        for left in reversed(range(MAX_DOWNLOADS)):
            try:
                with whole_file(ObjectStoragePath(self.output_path)) as file:
                    size = self.hook.download_archive(link, file)
                break
            except BrazeNoAnswerError as error:
                if not left:
                    raise
                self.log.warning("%s: the archive is copied again", error)
        self.log.info("The archive is in %s: %s bytes", self.output_path, f"{size:,}")
