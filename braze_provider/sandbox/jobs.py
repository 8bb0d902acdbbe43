"""What goes on after a request was answered: syncs, exports and copies, on the sandbox's clock."""

from __future__ import annotations

import io
import json
import secrets
import uuid
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pendulum

from braze_provider.sandbox.answers import Answer, RefusedError

ARCHIVES = "/_archives/"
"""Where the archives of exports are. They need no API key, and refuse one as object storage does."""
LINK_SECONDS = 4 * 3600
ANOTHER_JOB = "Another job is in progress"
# Not on Braze's page. The words follow those of Cloud Data Ingestion.
ANOTHER_EXPORT = "This segment is already being exported"
_REFUSED_LINK = "<Error><Code>AccessDenied</Code></Error>"


@dataclass(frozen=True, kw_only=True)
class Integration:
    """
    An integration of Cloud Data Ingestion.

    :param id: Its id.
    :param name: Its name. Default: its id.
    :param ends: How its syncs end. Default ``success``.
    :param rows_synced: Rows that a sync brings. Default 100.
    :param rows_failed: Rows of which it says that they failed. Default 0.
    """

    id: str
    name: str = ""
    ends: Literal["success", "partial", "error", "config_error"] = "success"
    rows_synced: int = 100
    rows_failed: int = 0


@dataclass
class Sync:
    """
    One sync.

    :param integration: Its integration.
    :param began: When it began, in Unix time.
    :param ends: When it ends.
    """

    integration: Integration
    began: float
    ends: float

    def shown(self, now: float) -> dict[str, Any]:
        """
        Give the sync as ``job_sync_status`` shows it.

        :param now: The time by the sandbox's clock.
        """
        is_done = now >= self.ends
        has_rows = is_done and self.integration.ends in ("success", "partial")
        return {
            "job_status": self.integration.ends if is_done else "running",
            "sync_start_time": _iso(self.began),
            "sync_finish_time": _iso(self.ends) if is_done else None,
            "last_timestamp_synced": _iso(self.began) if has_rows else None,
            "rows_synced": self.integration.rows_synced if has_rows else 0,
            "rows_failed_with_errors": self.integration.rows_failed if is_done else 0,
        }


@dataclass
class Export:
    """
    One export to files.

    :param segment_id: Its segment; None for the global control group.
    :param users: The users, as they go into the archive.
    :param began: When it began, in Unix time.
    :param ends: When it ends.
    :param prefix: Braze's name for it.
    """

    segment_id: str | None
    users: Sequence[Mapping[str, Any]]
    began: float
    ends: float
    prefix: str = field(default="")

    def __post_init__(self) -> None:
        self.prefix = f"{uuid.uuid4()}-{int(self.began)}"

    def archive(self) -> bytes:
        """Give the archive: files of JSON, a user in each line."""
        lines = "".join(json.dumps(user) + "\n" for user in self.users)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{secrets.token_hex(8)}.json", lines)
        return packed.getvalue()


class Jobs:
    """
    All syncs, exports and copies of a sandbox.

    :param now: Gives the time by the sandbox's clock.
    :param seconds: Seconds that each of them takes.
    :param integrations: The integrations that exist. If there are none, any id is one.
    :param users: Gives the ids of all users of a segment.
    :param has_own_storage: Whether exports go to storage that is connected to Braze.
    """

    def __init__(
        self,
        now: Callable[[], float],
        seconds: float,
        integrations: Iterable[Integration | str],
        users: Callable[[], Iterable[str]],
        *,
        has_own_storage: bool,
    ) -> None:
        self.now = now
        self.users = users
        self.has_own_storage = has_own_storage
        self._seconds = seconds
        named = (Integration(id=one) if isinstance(one, str) else one for one in integrations)
        self._named = {one.id: one for one in named}
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self._integrations = dict(self._named)
        self._syncs: list[Sync] = []
        self._exports: dict[str, Export] = {}
        self._copies: list[tuple[float, Callable[[], None]]] = []

    def integrations(self) -> list[Integration]:
        """List the integrations in the order in which they became known."""
        return list(self._integrations.values())

    def integration(self, integration_id: str) -> Integration:
        """
        Give an integration.

        :param integration_id: Its id.
        :raises RefusedError: If integrations are given and this is none of them.
        """
        found = self._integrations.get(integration_id)
        if found is None:
            if self._named:
                raise RefusedError(404, "Integration not found")
            found = self._integrations[integration_id] = Integration(id=integration_id)
        return found

    def syncs(self, integration_id: str) -> list[Sync]:
        """
        List the syncs of an integration, the newest first.

        :param integration_id: Its id.
        """
        return [sync for sync in reversed(self._syncs) if sync.integration.id == integration_id]

    def refuse_second_sync(self, integration_id: str) -> None:
        """
        Refuse a sync while another one of the integration runs.

        :param integration_id: Id of the integration.
        :raises RefusedError: If one runs.
        """
        if any(sync.ends > self.now() for sync in self.syncs(integration_id)):
            raise RefusedError(429, ANOTHER_JOB)

    def sync(self, integration: Integration) -> None:
        """
        Start a sync.

        :param integration: The integration.
        """
        self._syncs.append(Sync(integration, self.now(), self.now() + self._seconds))

    def refuse_second_export(self, segment_id: str) -> None:
        """
        Refuse an export while another one of the segment runs.

        :param segment_id: Id of the segment.
        :raises RefusedError: If one runs.
        """
        if any(one.segment_id == segment_id and one.ends > self.now() for one in self._exports.values()):
            raise RefusedError(429, ANOTHER_EXPORT)

    def new_export(self, segment_id: str | None, users: Sequence[Mapping[str, Any]]) -> Export:
        """
        Make an export that has not begun.

        :param segment_id: Its segment; None for the global control group.
        :param users: The users.
        """
        return Export(segment_id, users, self.now(), self.now() + self._seconds)

    def export(self, export: Export) -> None:
        """
        Begin an export.

        :param export: The export.
        """
        self._exports[export.prefix] = export

    def cancel_exports(self, segment_id: str) -> None:
        """
        Stop the running exports of a segment. Their archives never appear.

        :param segment_id: Id of the segment.
        """
        for prefix, one in list(self._exports.items()):
            if one.segment_id == segment_id and one.ends > self.now():
                del self._exports[prefix]

    def archive(self, path: str, *, has_key: bool) -> Answer:
        """
        Answer a request for an archive as object storage does.

        :param path: Path of the request.
        :param has_key: Whether it has an ``Authorization`` header.
        """
        if has_key:
            return _of_storage(400, b"<Error><Code>InvalidArgument</Code></Error>")
        export = self._exports.get(path.removeprefix(ARCHIVES).removesuffix(".zip"))
        if export is None or not 0 <= self.now() - export.ends < LINK_SECONDS:
            return _of_storage(403, _REFUSED_LINK.encode())
        return Answer(200, export.archive(), "application/zip", headers={})

    def copy(self, add: Callable[[], None]) -> None:
        """
        Make a copy of something. It appears in its list later.

        :param add: A function that adds it to the list.
        """
        self._copies.append((self.now() + self._seconds, add))

    def finish_due(self) -> None:
        """Add all copies to their lists that are due."""
        due = [add for at, add in self._copies if at <= self.now()]
        self._copies = [copy for copy in self._copies if copy[0] > self.now()]
        for add in due:
            add()

    def shown(self) -> dict[str, Any]:
        """List all syncs and exports in the order of their beginning, as JSON."""
        now = self.now()
        return {
            "syncs": [{"integration_id": sync.integration.id, **sync.shown(now)} for sync in self._syncs],
            "exports": [
                {
                    "object_prefix": one.prefix,
                    "segment_id": one.segment_id,
                    "users": len(one.users),
                    "state": "done" if now >= one.ends else "running",
                }
                for one in self._exports.values()
            ],
            "copies_to_come": len(self._copies),
        }


def _iso(at: float) -> str:
    return pendulum.from_timestamp(at).to_iso8601_string()


def _of_storage(status: int, body: bytes) -> Answer:
    return Answer(status, body, "application/xml", headers={})
