"""Operators that copy campaigns and Canvases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

import pendulum

from braze_provider.api.endpoints import CAMPAIGNS_DUPLICATE, CANVAS_DUPLICATE, ENDPOINTS
from braze_provider.tasks.fields import JSON, TEXT, Field
from braze_provider.tasks.start import BrazeStartOperator
from braze_provider.triggers.look import Seen

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from braze_provider.hooks.braze import BrazeHook
    from braze_provider.tasks.arguments import StartArguments, Templated
    from braze_provider.tasks.jobs import JobNote

CLOCK_SKEW = timedelta(minutes=1)
"""How far Airflow's clock may be ahead of Braze's."""

_LIST_OF = {"campaigns": "campaigns", "canvas": "canvases"}
_ID_OF = {"campaigns": "campaign_id", "canvas": "canvas_id"}


def copy_is_listed(hook: BrazeHook, family: str, name: str, newest: str | None, since: str | None) -> Seen:
    """
    Look whether a copy is in the list.

    :param hook: The hook to look with.
    :param family: ``campaigns`` or ``canvas``.
    :param name: Name of the copy.
    :param newest: Id of the newest one before the copy was made. None: there was none, or it is not known.
    :param since: If the newest one is not known: when the copy was made at the earliest, ISO 8601.
    :return: The state. The result is the copy's id.
    """
    found: list[str] = []
    for one in _newest_first(hook, family):
        if one.get("id") == newest:
            break
        if one.get("name") == name and (since is None or _was_made_since(hook, family, one, since)):
            found.append(one["id"])
    if not found:
        return Seen(f"no copy with the name {name!r} is listed yet")
    others = f"; {len(found) - 1} newer with the same name" if len(found) > 1 else ""
    # The oldest of several is the first that was asked for.
    return Seen(f"the copy is {found[-1]}{others}", has_come=True, result=found[-1])


def _newest_first(hook: BrazeHook, family: str) -> Iterator[Mapping[str, Any]]:
    endpoint = ENDPOINTS[f"{family}_list"]
    page = 0
    while True:
        # With the archived ones, because the newest one may be archived while the task waits.
        params = {"page": page, "sort_direction": "desc", "include_archived": "true"}
        listed = hook.call(endpoint, params=params).body.get(_LIST_OF[family]) or []
        yield from listed
        if len(listed) < (endpoint.page_size or 1):
            return
        page += 1


def _was_made_since(hook: BrazeHook, family: str, one: Mapping[str, Any], since: str) -> bool:
    if _moment(one["last_edited"]) < _moment(since):
        return False
    # One that is older may have been edited since.
    details = hook.call(ENDPOINTS[f"{family}_details"], params={_ID_OF[family]: one["id"]}).body
    return _moment(details["created_at"]) >= _moment(since)


def _moment(text: str) -> pendulum.DateTime:
    moment = pendulum.parse(text, tz="UTC")
    assert isinstance(moment, pendulum.DateTime)  # noqa: S101 - parsed without `exact`
    return moment


_FIELDS_OF_COPY = {"name": TEXT, "description": TEXT, "tag_names": JSON}


class _DuplicateOperator(BrazeStartOperator):
    """Base of the two operators that copy."""

    family: ClassVar[str]
    look = staticmethod(copy_is_listed)
    begun = staticmethod(copy_is_listed)

    name: Any

    def __init__(
        self,
        *,
        name: Templated,
        description: Templated | None,
        tag_names: Sequence[str] | Templated | None,
        **kwargs: Unpack[StartArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.name = name
        self.description = description
        self.tag_names = tag_names

    def identity(self) -> dict[str, Any]:
        """Give the original and the name of the copy."""
        return {"family": self.family, "original": getattr(self, _ID_OF[self.family]), "name": self.name}

    def facts_before(self) -> dict[str, Any]:
        """Give the newest one there is: the copy is newer."""
        newest = next(_newest_first(self.hook, self.family), None)
        # Without an id to stop at, the copy is told by its age.
        since = pendulum.now("UTC") - CLOCK_SKEW if newest is None else None
        return {
            "newest": None if newest is None else newest["id"],
            "since": None if since is None else since.isoformat(),
        }

    def facts_since(self, moment: datetime) -> dict[str, Any]:
        """Give the start of the Dag run."""
        return {"newest": None, "since": (moment - CLOCK_SKEW).isoformat()}

    def arguments_of_look(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Give the name, and what tells the copy from older ones."""
        return {name: facts[name] for name in ("family", "name", "newest", "since")}

    def survives_clear(self, note: JobNote, seen: Seen) -> bool:
        """Take the copy of an earlier try if it is there: nobody has got its id."""
        return seen.has_come


class CampaignDuplicateOperator(_DuplicateOperator):
    """
    Copy a campaign, wait until the copy is in the list of campaigns, and return its id.

    Braze makes the copy later and does not tell its id, so the task looks for a campaign of that name that is
    newer than all others were. The API key needs the permissions ``campaigns.duplicate`` and
    ``campaigns.list``.

    A retry makes no second copy: it waits for the copy of the earlier try. Before Airflow 3.3, it takes a
    campaign of that name for it that was made since the Dag run began, and needs the permission
    ``campaigns.details`` too. If Braze may have accepted a request without saying so, the task looks for the
    copy for five minutes before it makes one.

    :class:`~braze_provider.tasks.start.BrazeStartOperator` explains how the task waits.

    .. seealso::
        - :ref:`howto/operator:CampaignDuplicateOperator`
        - https://www.braze.com/docs/api/endpoints/messaging/duplicate_messages/post_duplicate_campaigns

    :param campaign_id: Id of the campaign to copy. (templated)
    :param name: Name of the copy. Give each copy a name of its own, such as one with ``{{ ds }}`` in it.
        (templated)
    :param description: Description of the copy. (templated)
    :param tag_names: Tags of the copy, which must exist in Braze. Default: those of the original. (templated)
    :raises BrazeValidationError: For bad arguments, before the first request.
    """

    endpoint = CAMPAIGNS_DUPLICATE
    family = "campaigns"
    request_fields: ClassVar[Mapping[str, Field]] = {"campaign_id": TEXT, **_FIELDS_OF_COPY}

    def __init__(
        self,
        *,
        campaign_id: Templated,
        name: Templated,
        description: Templated | None = None,
        tag_names: Sequence[str] | Templated | None = None,
        **kwargs: Unpack[StartArguments],
    ) -> None:
        super().__init__(name=name, description=description, tag_names=tag_names, **kwargs)
        self.campaign_id = campaign_id
        self.check_constants()


class CanvasDuplicateOperator(_DuplicateOperator):
    """
    Copy a Canvas, wait until the copy is in the list of Canvases, and return its id.

    It works as :class:`CampaignDuplicateOperator` does. The API key needs the permissions
    ``canvas.duplicate`` and ``canvas.list``, and before Airflow 3.3 ``canvas.details`` for retries.

    .. seealso::
        - :ref:`howto/operator:CanvasDuplicateOperator`
        - https://www.braze.com/docs/api/endpoints/messaging/duplicate_messages/post_duplicate_canvases

    :param canvas_id: Id of the Canvas to copy. (templated)
    :param name: Name of the copy. Give each copy a name of its own, such as one with ``{{ ds }}`` in it.
        (templated)
    :param description: Description of the copy. (templated)
    :param tag_names: Tags of the copy, which must exist in Braze. Default: those of the original. (templated)
    :raises BrazeValidationError: For bad arguments, before the first request.
    """

    endpoint = CANVAS_DUPLICATE
    family = "canvas"
    request_fields: ClassVar[Mapping[str, Field]] = {"canvas_id": TEXT, **_FIELDS_OF_COPY}

    def __init__(
        self,
        *,
        canvas_id: Templated,
        name: Templated,
        description: Templated | None = None,
        tag_names: Sequence[str] | Templated | None = None,
        **kwargs: Unpack[StartArguments],
    ) -> None:
        super().__init__(name=name, description=description, tag_names=tag_names, **kwargs)
        self.canvas_id = canvas_id
        self.check_constants()
