"""What exists in the sandbox's Braze workspace: campaigns, Canvases, segments and users."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from braze_provider.sandbox.refusals import (
    INVALID_CAMPAIGN_ID,
    INVALID_CANVAS_ID,
    INVALID_SEGMENT_ID,
    refuse,
)

_INVALID: Mapping[str, str] = MappingProxyType(
    {"campaign": INVALID_CAMPAIGN_ID, "canvas": INVALID_CANVAS_ID, "segment": INVALID_SEGMENT_ID}
)


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """
    A campaign of the workspace.

    :param id: the campaign's API identifier (str).
    :param name: its name (str).
    :param is_api_campaign: whether its messages come with each API request (bool, default ``False``).
    :param tags: its tags (sequence of str, default none).
    :param last_edited: when it was last changed (str, ISO 8601).
    :param archived: whether it is archived (bool, default ``False``).
    :param variations: its message variations as ``{message_variation_id: channel}``; ``None`` (the
        default) leaves the ids of messages unchecked.
    """

    id: str
    name: str
    is_api_campaign: bool = False
    tags: Sequence[str] = ()
    last_edited: str = "2026-09-01T09:00:00+00:00"
    archived: bool = False
    variations: Mapping[str, str] | None = None

    def listed(self) -> dict[str, Any]:
        """The campaign as ``/campaigns/list`` shows it."""
        return {
            "id": self.id,
            "last_edited": self.last_edited,
            "name": self.name,
            "is_api_campaign": self.is_api_campaign,
            "tags": list(self.tags),
        }

    def described(self) -> dict[str, Any]:
        """The campaign as ``/campaigns/details`` shows it."""
        return {
            "name": self.name,
            "created_at": self.last_edited,
            "updated_at": self.last_edited,
            "archived": self.archived,
            "draft": False,
            "enabled": not self.archived,
            "tags": list(self.tags),
        }


CANNED_CAMPAIGNS: tuple[Campaign, ...] = (
    Campaign(id="417220e4-5a2a-b634-7f7d-9ec891532368", name="Win back", tags=("retention",)),
    Campaign(id="8d2c1f6a-03b7-4e55-1c90-6a7be2f4d913", name="Welcome", is_api_campaign=True),
    Campaign(
        id="f0a94c37-7be1-2d08-5b66-30c1d8e7a245",
        name="Summer sale",
        tags=("retention", "seasonal"),
        last_edited="2025-06-15T12:30:00+00:00",
        archived=True,
    ),
)


@dataclass
class Workspace:
    """
    What the rules need to know of it.

    Of campaigns, Canvases and segments, each kind that is given refuses all other ids. A kind that is not
    given takes any: a Dag under development uses the ids of its real workspace, which nobody may have
    told the sandbox.

    :param campaigns: the campaigns (sequence of :class:`Campaign`); without any, a few that
        ``/campaigns/list`` has to show.
    :param canvases: the ids (collection of str) of the Canvases.
    :param segments: the ids (collection of str) of the segments.
    :param unknown_ids: recipient keys (collection of str) of users who do not exist. Everybody else does.
    """

    campaigns: Sequence[Campaign] = ()
    canvases: Collection[str] = ()
    segments: Collection[str] = ()
    unknown_ids: Collection[str] = ()
    ids: Mapping[str, Collection[str]] = field(init=False)
    _by_id: dict[str, Campaign] = field(init=False, repr=False)
    _missing: set[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._by_id = {campaign.id: campaign for campaign in self.campaigns}
        self.ids = {
            "campaign": self._by_id.keys(),
            "canvas": dict.fromkeys(self.canvases).keys(),
            "segment": dict.fromkeys(self.segments).keys(),
        }
        self.campaigns = self.campaigns or CANNED_CAMPAIGNS
        self.reset()

    def reset(self) -> None:
        """Forget the users that requests have created."""
        self._missing = set(self.unknown_ids)

    def campaign(self, campaign_id: str) -> Campaign | None:
        """
        The campaign with an id, or ``None`` for one that only the real workspace knows.

        :param campaign_id: the id (str) of the request.
        :raises RefusedError: when campaigns are given and this is none of them.
        """
        self.require("campaign", campaign_id)
        return self._by_id.get(campaign_id)

    def require(self, kind: str, id: str) -> None:  # noqa: A002 - what Braze calls it
        """
        Refuse an id that does not exist.

        :param kind: ``campaign``, ``canvas`` or ``segment``.
        :param id: the id (str) of the request.
        :raises RefusedError: when ids of that kind are given and this is none of them.
        """
        if self.ids[kind] and id not in self.ids[kind]:
            refuse(_INVALID[kind])

    def reachable(self, recipients: Mapping[str, Mapping[str, Any]]) -> Collection[str]:
        """
        The keys of those recipients who exist, after creating those whose entry says so.

        :param recipients: the request's recipients by key.
        """
        if not self._missing:
            return recipients.keys()
        for key, entry in recipients.items():
            if key in self._missing and entry.get("send_to_existing_only") is False:
                self._missing.discard(key)
        return [key for key in recipients if key not in self._missing]
