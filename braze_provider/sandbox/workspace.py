"""What exists in the sandbox's Braze workspace: campaigns, Canvases, segments and users."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
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


API_TRIGGERED = "api_triggered"


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
    :param draft: Whether it is a draft. Default False.
    :param stopped: Whether it is stopped. Default False.
    :param schedule_type: How it starts. Default: through the API.
    :param channels: Its channels. Default: those of its variations.
    :param variations: Its message variations as ``{message_variation_id: channel}``. Default: the ids of
        messages are not checked.
    """

    id: str
    name: str
    is_api_campaign: bool = False
    tags: Sequence[str] = ()
    last_edited: str = "2026-09-01T09:00:00+00:00"
    archived: bool = False
    draft: bool = False
    stopped: bool = False
    schedule_type: str = API_TRIGGERED
    channels: Sequence[str] = ()
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
            **_state(self, enabled=not self.stopped),
            "channels": list(self.channels or dict.fromkeys((self.variations or {}).values())),
            "tags": list(self.tags),
        }


def _state(one: Campaign | Canvas, *, enabled: bool) -> dict[str, Any]:
    return {
        "archived": one.archived,
        "draft": one.draft,
        "enabled": enabled and not one.archived and not one.draft,
        "schedule_type": one.schedule_type,
    }


@dataclass(frozen=True, kw_only=True)
class Canvas:
    """
    A Canvas of the workspace.

    :param id: The Canvas's API identifier.
    :param paused: Whether it is paused. Triggers are then accepted and reach no recipient. Default False.
    :param archived: Whether it is archived, with the same effect. Default False.
    :param draft: Whether it is a draft. Default False.
    :param schedule_type: How users enter it. Default: through the API.
    :param channels: The channels of its messages. Default: none.
    """

    id: str
    paused: bool = False
    archived: bool = False
    draft: bool = False
    schedule_type: str = API_TRIGGERED
    channels: Sequence[str] = ()

    def described(self) -> dict[str, Any]:
        """Give the Canvas as ``/canvas/details`` shows it."""
        return {
            "name": self.id,
            **_state(self, enabled=not self.paused),
            "channels": list(self.channels),
            "variants": [],
            "steps": [],
            "tags": [],
        }

    @property
    def notice(self) -> str | None:
        """The text that Braze adds to the answer when a trigger has no effect."""
        if self.archived:
            return "The Canvas is archived. Unarchive the Canvas to ensure trigger requests will take effect."
        return PAUSED_NOTICE if self.paused else None


@dataclass
class LiveActivity:
    """
    A Live Activity.

    :param app_id: The app that shows it.
    :param activity_id: Its id.
    :param content_state: Its values now.
    :param users: The recipient keys of the users whose devices have started it.
    :param updates: How often it was changed.
    :param ended: Whether it has ended. It does not change any more then.
    """

    app_id: str
    activity_id: str
    content_state: Mapping[str, Any] = field(default_factory=dict)
    users: dict[str, None] = field(default_factory=dict)
    updates: int = 0
    ended: bool = False

    def shown(self) -> dict[str, Any]:
        """Give it as JSON."""
        return {**vars(self), "users": list(self.users)}


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
        self.campaigns = campaigns or CANNED_CAMPAIGNS
        self._campaigns = {campaign.id: campaign for campaign in campaigns}
        named = (Canvas(id=canvas) if isinstance(canvas, str) else canvas for canvas in canvases)
        self._canvases = {canvas.id: canvas for canvas in named}
        self.ids: Mapping[str, Collection[str]] = {
            "campaign": self._campaigns,
            "canvas": self._canvases,
            "segment": dict.fromkeys(segments),
        }
        self._unknown_ids = unknown_ids
        self.reset()

    def reset(self) -> None:
        """Forget the users that requests have created, the sends of campaigns, and Live Activities."""
        self.activities: dict[tuple[str, str], LiveActivity] = {}
        """Live Activities, by app and id."""
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
