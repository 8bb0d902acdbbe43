"""What exists in the sandbox's Braze workspace: campaigns, Canvases, segments and users."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pendulum

from braze_provider.api.instants import iso_8601
from braze_provider.sandbox.answers import (
    INVALID_CAMPAIGN_ID,
    INVALID_CANVAS_ID,
    INVALID_SEGMENT_ID,
    refuse,
)
from braze_provider.sandbox.catalogs import Catalog, Catalogs
from braze_provider.sandbox.profiles import Profiles, keys_of, write_attributes
from braze_provider.sandbox.records import Send
from braze_provider.sandbox.statistics import Statistics, day_of
from braze_provider.sandbox.store import Kept, Store

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
    :param audience: How many users a broadcast of it reaches. Default: none.
    :param messages: Its messages by channel, as ``/messages/send`` takes them. The inbox shows them. Default:
        the sandbox does not know them.
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
    audience: int = 0
    messages: Mapping[str, Any] = field(default_factory=dict)

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
    :param name: Its name. Default: its id.
    :param tags: Its tags. Default: none.
    :param last_edited: When it was last changed, in ISO 8601.
    :param paused: Whether it is paused. Triggers are then accepted and reach no recipient. Default False.
    :param archived: Whether it is archived, with the same effect. Default False.
    :param channels: The channels of its one step. Default: e-mail.
    :param audience: How many users a broadcast of it reaches. Default: none.
    :param messages: Its messages by channel, as for a campaign.
    :param draft: Whether it is a draft. Default False.
    :param schedule_type: How users enter it. Default: through the API.
    """

    id: str
    name: str = ""
    tags: Sequence[str] = ()
    last_edited: str = "2026-09-01T09:00:00+00:00"
    paused: bool = False
    archived: bool = False
    draft: bool = False
    schedule_type: str = API_TRIGGERED
    channels: Sequence[str] = ("email",)
    audience: int = 0
    messages: Mapping[str, Any] = field(default_factory=dict)

    @property
    def variant_id(self) -> str:
        """Id of its one variant."""
        return f"{self.id}-variant"

    @property
    def step_id(self) -> str:
        """Id of its one step."""
        return f"{self.id}-step"

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
        step = {
            "name": "Step",
            "type": "message",
            "id": self.step_id,
            "next_step_ids": [],
            "next_paths": [],
            "channels": list(self.channels),
            "messages": {},
        }
        variant = {
            "name": "Variant",
            "id": self.variant_id,
            "first_step_ids": [self.step_id],
            "first_step_id": self.step_id,
        }
        return {
            "name": self.name or self.id,
            "created_at": self.last_edited,
            "updated_at": self.last_edited,
            **_state(self, enabled=not self.paused),
            "tags": list(self.tags),
            "channels": list(self.channels),
            "variants": [variant],
            "steps": [step],
        }

    @property
    def notice(self) -> str | None:
        """The text that Braze adds to the answer when a trigger has no effect."""
        if self.archived:
            return "The Canvas is archived. Unarchive the Canvas to ensure trigger requests will take effect."
        return PAUSED_NOTICE if self.paused else None


@dataclass(frozen=True, kw_only=True)
class Segment:
    """
    A segment of the workspace.

    :param id: The segment's API identifier.
    :param name: Its name. Default: its id.
    :param size: How many users are in it. Default: none.
    :param tags: Its tags. Default: none.
    """

    id: str
    name: str = ""
    size: int = 0
    tags: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Broadcast:
    """
    A broadcast that the dashboard has scheduled. At its time it is sent once, on the sandbox's clock.

    :param campaign_id: The campaign that it sends, or
    :param canvas_id: The Canvas that it starts.
    :param next_send_time: When, in ISO 8601. Without a time zone it is a time by each user's own clock, which
        the sandbox takes as UTC.
    :param name: Its name. Default: the id.
    :param tags: Its tags. Default: none.
    """

    campaign_id: str | None = None
    canvas_id: str | None = None
    next_send_time: str
    name: str = ""
    tags: Sequence[str] = ()

    def __post_init__(self) -> None:
        if (self.campaign_id is None) == (self.canvas_id is None):
            raise ValueError("A scheduled broadcast has either a campaign_id or a canvas_id")
        if iso_8601(self.next_send_time) is None:
            raise ValueError("The next_send_time of a scheduled broadcast is an ISO 8601 datetime")

    @property
    def at(self) -> float:
        """When it is sent, in Unix time."""
        time = pendulum.parse(self.next_send_time)
        assert isinstance(time, pendulum.DateTime)  # noqa: S101 - parsed without `exact`
        return time.timestamp()

    def listed(self) -> dict[str, Any]:
        """Give it as ``/messages/scheduled_broadcasts`` shows it."""
        _, _, zone = iso_8601(self.next_send_time) or ("", "", "")
        one = self.campaign_id or self.canvas_id or ""
        return {
            "name": self.name or one,
            "id": one,
            "type": "Campaign" if self.campaign_id else "Canvas",
            "tags": list(self.tags),
            "next_send_time": self.next_send_time,
            "schedule_type": "UTC" if zone else "local_time_zones",
        }


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

    @classmethod
    def of(cls, shown: Mapping[str, Any]) -> LiveActivity:
        """
        Give the activity that is shown as JSON.

        :param shown: The JSON.
        """
        return cls(**{**shown, "users": dict.fromkeys(shown["users"])})


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
    :param segments: The segments, as their ids or with more about them.
    :param unknown_ids: Recipient keys of users who do not exist. All other users exist.
    :param broadcasts: What the dashboard has scheduled.
    :param names: Names of custom ``events`` and ``custom_attributes``, and ids of ``products``.
    :param catalogs: The catalogs, as their names or with their fields.
    :param store: Keeps what requests have made, but for copies. Default: nothing does.
    :param repeats: See :class:`~braze_provider.sandbox.statistics.Statistics`.
    """

    def __init__(
        self,
        campaigns: Sequence[Campaign] = (),
        canvases: Sequence[Canvas | str] = (),
        segments: Collection[Segment | str] = (),
        unknown_ids: Collection[str] = (),
        broadcasts: Sequence[Broadcast] = (),
        names: Mapping[str, Collection[str]] | None = None,
        catalogs: Sequence[Catalog | str] = (),
        store: Store | None = None,
        repeats: Callable[[tuple[str, ...]], int] = lambda thing: 0,
    ) -> None:
        self._first_campaigns = campaigns
        self._first_canvases = [Canvas(id=one) if isinstance(one, str) else one for one in canvases]
        described = (Segment(id=segment) if isinstance(segment, str) else segment for segment in segments)
        self.segments = {segment.id: segment for segment in described}
        self.broadcasts = broadcasts
        self.names = names or {}
        self._unknown_ids = unknown_ids
        self.profiles = Profiles(store)
        """What requests have written about users."""
        self.catalogs = Catalogs(catalogs, store)
        """The catalogs with the items that requests have written."""
        self.statistics = Statistics(store, repeats)
        self.activities: Kept[tuple[str, str], LiveActivity] = Kept(LiveActivity.shown, LiveActivity.of)
        """Live Activities, by app and id."""
        self.references: Kept[str, float] = Kept()
        """By reference of a transactional e-mail: until when it is known, in Unix time."""
        self.sent: Kept[str, tuple[float, float]] = Kept(load=tuple)
        """By campaign: when it first and last sent, in Unix time."""
        self.entered: Kept[str, tuple[float, float]] = Kept(load=tuple)
        """By Canvas: when a user first and last entered it, in Unix time."""
        self._existence: Kept[str, bool] = Kept()
        if store is not None:
            store.keep("activities", self.activities)
            store.keep("references", self.references)
            store.keep("sent", self.sent)
            store.keep("entered", self.entered)
            store.keep("existence", self._existence)
        self._begin()

    def reset(self) -> None:
        """Forget what requests have made: users, copies and Live Activities, and the sends of campaigns."""
        self.profiles.clear()
        self.catalogs.clear()
        self.statistics.clear()
        for kept in (self.activities, self.references, self.sent, self.entered, self._existence):
            kept.clear()
        self._begin()

    def _begin(self) -> None:
        self.campaigns = list(self._first_campaigns or CANNED_CAMPAIGNS)
        self.canvases = list(self._first_canvases)
        self._campaigns = {campaign.id: campaign for campaign in self._first_campaigns}
        self._canvases = {canvas.id: canvas for canvas in self._first_canvases}
        self.ids: Mapping[str, Collection[str]] = {
            "campaign": self._campaigns,
            "canvas": self._canvases,
            "segment": self.segments,
        }
        self._missing = set(self._unknown_ids)
        for key, exists in self._existence.items():
            (self._missing.discard if exists else self._missing.add)(key)

    @property
    def missing(self) -> int:
        """How many of the users who did not exist still do not."""
        return len(self._missing)

    def note_sent(self, campaign_id: str, at: float) -> None:
        """
        Note that a campaign has sent.

        :param campaign_id: The campaign.
        :param at: When, in Unix time.
        """
        first, _ = self.sent.get(campaign_id, (at, at))
        self.sent[campaign_id] = (first, at)

    def note(self, send: Send, send_id: str | None, reached: Collection[str], at: float) -> None:
        """
        Count a send.

        :param send: The send.
        :param send_id: The label that it goes under, if it has one.
        :param reached: Recipient keys of those whom it reaches.
        :param at: When, in Unix time.
        """
        things: list[tuple[str, ...]] = []
        variations = send.variations
        audience = 0
        if (campaign_id := send.campaign_id) is not None:
            things.append(("campaign", campaign_id))
            if send_id is not None:
                things.append(("send", campaign_id, send_id))
            if send.broadcast and campaign_id in self._campaigns:
                audience = self._campaigns[campaign_id].audience
        elif (canvas_id := send.canvas_id) is not None and send.notice is None:
            things.append(("canvas", canvas_id))
            canvas = self.canvas_of(canvas_id)
            variations = {channel: channel for channel in canvas.channels}
            audience = canvas.audience if send.broadcast else 0
            first, _ = self.entered.get(canvas_id, (at, at))
            self.entered[canvas_id] = (first, at)
        if things:
            self.statistics.add(day_of(at), things, variations, len(reached), audience)

    def canvas_of(self, canvas_id: str) -> Canvas:
        """
        Give a Canvas; a plain one for an id that only the real workspace knows.

        :param canvas_id: Its id.
        :raises RefusedError: If Canvases are given and this is none of them.
        """
        self.canvas(canvas_id)
        known = {canvas.id: canvas for canvas in self.canvases}
        return known.get(canvas_id) or Canvas(id=canvas_id)

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

    def note_exists(self, key: str) -> None:
        """
        Note that a user exists from now on.

        :param key: The user's recipient key.
        """
        if key in self._missing:
            self._missing.discard(key)
            self._existence[key] = True

    def know(self, users: Iterable[Mapping[str, Any]]) -> None:
        """
        Write the profiles of users, who exist from now on.

        :param users: An object for each, as ``/users/track`` takes it among its attributes.
        """
        for one in users:
            profile = self.profiles.named_by(one, create=True)
            if profile is not None:
                self.note_exists(keys_of(one)[0])
                write_attributes(profile, one)

    def note_gone(self, key: str) -> None:
        """
        Note that a user was deleted.

        :param key: The user's recipient key.
        """
        self._missing.add(key)
        self._existence[key] = False

    def exists(self, key: str) -> bool:
        """
        Tell whether a user exists.

        :param key: The user's recipient key.
        """
        return key not in self._missing

    def reachable(self, recipients: Mapping[str, Mapping[str, Any]]) -> Collection[str]:
        """
        Give the keys of the recipients who exist. Users whose entry says so are created first.

        :param recipients: The request's recipients by key.
        """
        if not self._missing:
            return recipients.keys()
        for key, entry in recipients.items():
            if entry.get("send_to_existing_only") is False:
                self.note_exists(key)
        return [key for key in recipients if key not in self._missing]
