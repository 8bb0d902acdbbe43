"""What exists in the sandbox's Braze workspace: campaigns, Canvases, segments and users."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from braze_provider.sandbox.answers import (
    INVALID_CAMPAIGN_ID,
    INVALID_CANVAS_ID,
    INVALID_SEGMENT_ID,
    refuse,
)

_INVALID: Mapping[str, str] = {
    "campaign": INVALID_CAMPAIGN_ID,
    "canvas": INVALID_CANVAS_ID,
    "segment": INVALID_SEGMENT_ID,
}


PAUSED_NOTICE = "The Canvas is paused. Resume the Canvas to ensure trigger requests will take effect."


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """
    A campaign of the workspace.

    :param id: The campaign's API identifier.
    :param name: Its name.
    :param is_api_campaign: Whether its messages come with each API request. Default False.
    :param tags: Its tags. Default: none.
    :param last_edited: When it was last changed, in ISO 8601.
    :param archived: Whether it is archived. Default False.
    :param variations: Its message variations as ``{message_variation_id: channel}``. Default: the ids of
        messages are not checked.
    """

    id: str
    name: str
    is_api_campaign: bool = False
    tags: Sequence[str] = ()
    last_edited: str = "2026-09-01T09:00:00+00:00"
    archived: bool = False
    variations: Mapping[str, str] | None = None

    def listed(self) -> dict[str, Any]:
        """Give the campaign as ``/campaigns/list`` shows it."""
        return {
            "id": self.id,
            "last_edited": self.last_edited,
            "name": self.name,
            "is_api_campaign": self.is_api_campaign,
            "tags": list(self.tags),
        }

    def described(self) -> dict[str, Any]:
        """Give the campaign as ``/campaigns/details`` shows it."""
        return {
            "name": self.name,
            "created_at": self.last_edited,
            "updated_at": self.last_edited,
            "archived": self.archived,
            "draft": False,
            "enabled": not self.archived,
            "tags": list(self.tags),
        }


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """
    A Canvas of the workspace.

    :param id: The Canvas's API identifier.
    :param name: Its name. Default: its id.
    :param tags: Its tags. Default: none.
    :param last_edited: When it was last changed, in ISO 8601.
    :param paused: Whether it is paused. Triggers are then accepted and reach no recipient. Default False.
    :param archived: Whether it is archived, with the same effect. Default False.
    """

    id: str
    name: str = ""
    tags: Sequence[str] = ()
    last_edited: str = "2026-09-01T09:00:00+00:00"
    paused: bool = False
    archived: bool = False

    def listed(self) -> dict[str, Any]:
        """Give the Canvas as ``/canvas/list`` shows it."""
        return {
            "id": self.id,
            "last_edited": self.last_edited,
            "name": self.name or self.id,
            "tags": list(self.tags),
        }

    def described(self) -> dict[str, Any]:
        """Give the Canvas as ``/canvas/details`` shows it."""
        return {
            "name": self.name or self.id,
            "created_at": self.last_edited,
            "updated_at": self.last_edited,
            "archived": self.archived,
            "draft": False,
            "enabled": not (self.archived or self.paused),
            "tags": list(self.tags),
        }

    @property
    def notice(self) -> str | None:
        """The text that Braze adds to the answer when a trigger has no effect."""
        if self.archived:
            return "The Canvas is archived. Unarchive the Canvas to ensure trigger requests will take effect."
        return PAUSED_NOTICE if self.paused else None


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


class Workspace:
    """
    The workspace, as far as endpoints need it.

    If campaigns are given, the ids of all other campaigns are refused. The same is true of Canvases and
    segments. If none of a kind is given, every id is accepted: a Dag under development uses the ids of its
    real workspace, which the sandbox may not know.

    :param campaigns: The campaigns. Default: a few, so that ``/campaigns/list`` shows something.
    :param canvases: The Canvases, as their ids or with more about them.
    :param segments: The ids of the segments.
    :param unknown_ids: Recipient keys of users who do not exist. All other users exist.
    """

    def __init__(
        self,
        campaigns: Sequence[Campaign] = (),
        canvases: Sequence[Canvas | str] = (),
        segments: Collection[str] = (),
        unknown_ids: Collection[str] = (),
    ) -> None:
        self._first_campaigns = campaigns
        self._first_canvases = [Canvas(id=one) if isinstance(one, str) else one for one in canvases]
        self._segments = segments
        self._unknown_ids = unknown_ids
        self.reset()

    def reset(self) -> None:
        """Forget the users and copies that requests have created, and the sends of campaigns."""
        self.campaigns = list(self._first_campaigns or CANNED_CAMPAIGNS)
        self.canvases = list(self._first_canvases)
        self._campaigns = {campaign.id: campaign for campaign in self._first_campaigns}
        self._canvases = {canvas.id: canvas for canvas in self._first_canvases}
        self.ids: Mapping[str, Collection[str]] = {
            "campaign": self._campaigns,
            "canvas": self._canvases,
            "segment": dict.fromkeys(self._segments),
        }
        self._missing = set(self._unknown_ids)
        self.sent: dict[str, tuple[float, float]] = {}
        """By campaign: when it first and last sent, in Unix time."""

    def note_sent(self, campaign_id: str, at: float) -> None:
        """
        Note that a campaign has sent.

        :param campaign_id: The campaign.
        :param at: When, in Unix time.
        """
        first, _ = self.sent.get(campaign_id, (at, at))
        self.sent[campaign_id] = (first, at)

    def add_campaign(self, campaign: Campaign) -> None:
        """
        Add a campaign.

        :param campaign: The campaign.
        """
        self.campaigns.append(campaign)
        if self._campaigns:  # Otherwise, any id is one.
            self._campaigns[campaign.id] = campaign

    def add_canvas(self, canvas: Canvas) -> None:
        """
        Add a Canvas.

        :param canvas: The Canvas.
        """
        self.canvases.append(canvas)
        if self._canvases:
            self._canvases[canvas.id] = canvas

    def campaign(self, campaign_id: str) -> Campaign | None:
        """
        Give the campaign with an id; None for one that only the real workspace knows.

        :param campaign_id: The id of the request.
        :raises RefusedError: If campaigns are given and this is none of them.
        """
        self.require("campaign", campaign_id)
        return self._campaigns.get(campaign_id)

    def canvas(self, canvas_id: str) -> Canvas | None:
        """
        Give the Canvas with an id; None for one that only the real workspace knows.

        :param canvas_id: The id of the request.
        :raises RefusedError: If Canvases are given and this is none of them.
        """
        self.require("canvas", canvas_id)
        return self._canvases.get(canvas_id)

    def require(self, kind: str, id: str) -> None:  # noqa: A002 - what Braze calls it
        """
        Refuse an id that does not exist.

        :param kind: ``campaign``, ``canvas`` or ``segment``.
        :param id: The id of the request.
        :raises RefusedError: If ids of that kind are given and this is none of them.
        """
        if self.ids[kind] and id not in self.ids[kind]:
            refuse(_INVALID[kind])

    def reachable(self, recipients: Mapping[str, Mapping[str, Any]]) -> Collection[str]:
        """
        Give the keys of the recipients who exist. Users whose entry says so are created first.

        :param recipients: The request's recipients by key.
        """
        if not self._missing:
            return recipients.keys()
        for key, entry in recipients.items():
            if key in self._missing and entry.get("send_to_existing_only") is False:
                self._missing.discard(key)
        return [key for key in recipients if key not in self._missing]
