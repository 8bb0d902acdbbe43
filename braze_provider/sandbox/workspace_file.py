"""A workspace in a JSON file: the campaigns, Canvases, segments, integrations and catalogs that exist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from braze_provider.api.base import BrazeObject
from braze_provider.api.channels.messages import Messages
from braze_provider.api.instants import Instant
from braze_provider.api.open_json import JsonObject
from braze_provider.api.reasons import kind, listed, refusal
from braze_provider.api.validation import problems, validate
from braze_provider.api.values import Array, NonEmptyText, Omittable, Text
from braze_provider.sandbox.catalogs import Catalog
from braze_provider.sandbox.jobs import Integration
from braze_provider.sandbox.workspace import Broadcast, Campaign, Canvas, Segment

Count = Annotated[int, Field(ge=0)]


def _channel(name: str) -> str:
    if name not in Messages.model_fields:
        raise refusal(f"must be one of {listed(Messages.model_fields)}")
    return name


def _of_its_id(value: object) -> object:
    if not isinstance(value, (str, dict)):
        raise refusal(f"must be an id or an object, not {kind(value)}")
    return {"id": value} if isinstance(value, str) else value


def _of_its_name(value: object) -> object:
    if not isinstance(value, (str, dict)):
        raise refusal(f"must be a name or an object, not {kind(value)}")
    return {"name": value} if isinstance(value, str) else value


_MessagesByChannel = dict[Annotated[Text, AfterValidator(_channel)], JsonObject]


class _Campaign(BrazeObject):
    id: NonEmptyText
    name: Omittable[Text] = None
    is_api_campaign: Omittable[bool] = None
    tags: Omittable[Array[Text]] = None
    last_edited: Omittable[Instant] = None
    archived: Omittable[bool] = None
    draft: Omittable[bool] = None
    stopped: Omittable[bool] = None
    schedule_type: Omittable[Text] = None
    channels: Omittable[Array[Text]] = None
    variations: Omittable[dict[str, Annotated[Text, AfterValidator(_channel)]]] = None
    audience: Omittable[Count] = None
    messages: Omittable[_MessagesByChannel] = None


class _Canvas(BrazeObject):
    id: NonEmptyText
    paused: Omittable[bool] = None
    archived: Omittable[bool] = None
    draft: Omittable[bool] = None
    schedule_type: Omittable[Text] = None
    name: Omittable[Text] = None
    tags: Omittable[Array[Text]] = None
    last_edited: Omittable[Instant] = None
    channels: Omittable[Array[Annotated[Text, AfterValidator(_channel)]]] = None
    audience: Omittable[Count] = None
    messages: Omittable[_MessagesByChannel] = None


class _Segment(BrazeObject):
    id: NonEmptyText
    name: Omittable[Text] = None
    size: Omittable[Count] = None
    tags: Omittable[Array[Text]] = None


class _Broadcast(BrazeObject):
    campaign_id: Omittable[NonEmptyText] = None
    canvas_id: Omittable[NonEmptyText] = None
    next_send_time: Instant
    name: Omittable[Text] = None
    tags: Omittable[Array[Text]] = None
    draft: Omittable[bool] = None
    schedule_type: Omittable[Text] = None
    channels: Omittable[Array[Text]] = None


class _Integration(BrazeObject):
    id: NonEmptyText
    name: Omittable[Text] = None
    ends: Omittable[Literal["success", "partial", "error", "config_error"]] = None
    rows_synced: Omittable[int] = None
    rows_failed: Omittable[int] = None


class _Catalog(BrazeObject):
    name: NonEmptyText
    names_of_fields: Omittable[Array[NonEmptyText]] = Field(default=None, alias="fields")


class _Workspace(BrazeObject):
    campaigns: Omittable[Array[Annotated[_Campaign, BeforeValidator(_of_its_id)]]] = None
    canvases: Omittable[Array[Annotated[_Canvas, BeforeValidator(_of_its_id)]]] = None
    segments: Omittable[Array[Annotated[_Segment, BeforeValidator(_of_its_id)]]] = None
    scheduled_broadcasts: Omittable[Array[_Broadcast]] = None
    events: Omittable[Array[NonEmptyText]] = None
    custom_attributes: Omittable[Array[NonEmptyText]] = None
    products: Omittable[Array[NonEmptyText]] = None
    integrations: Omittable[Array[Annotated[_Integration, BeforeValidator(_of_its_id)]]] = None
    catalogs: Omittable[Array[Annotated[_Catalog, BeforeValidator(_of_its_name)]]] = None


def read_workspace(path: str) -> dict[str, list[Any]]:
    """
    Read a workspace from a file.

    The file holds ``{"campaigns": […], "canvases": […], "segments": […], "scheduled_broadcasts": […],
    "events": […], "custom_attributes": […], "products": […], "integrations": […], "catalogs": […]}``. Each
    part may be left out. The items are ids or names as texts. Campaigns, Canvases, segments, integrations and
    catalogs may also be objects with the fields of :class:`Campaign`, :class:`Canvas`, :class:`Segment`,
    :class:`Integration` and :class:`Catalog`. Scheduled broadcasts are objects with those of
    :class:`Broadcast`.

    :param path: The file.
    :returns: The options of a sandbox with this workspace.
    :raises ValueError: If the file cannot be read, or holds something else. Says what.
    """
    try:
        given = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"The workspace {path} cannot be read: {error}") from None
    if found := problems(_Workspace, given):
        raise ValueError(f"The workspace {path} is not right: {'; '.join(map(str, found))}")
    workspace = validate(_Workspace, given).to_body()
    if "campaigns" in workspace:
        workspace["campaigns"] = [campaign_of(**fields) for fields in workspace["campaigns"]]
    if "canvases" in workspace:
        workspace["canvases"] = [Canvas(**fields) for fields in workspace["canvases"]]
    if "segments" in workspace:
        workspace["segments"] = [Segment(**fields) for fields in workspace["segments"]]
    if "scheduled_broadcasts" in workspace:
        broadcasts = workspace["scheduled_broadcasts"]
        workspace["scheduled_broadcasts"] = [Broadcast(**fields) for fields in broadcasts]
    if "catalogs" in workspace:
        workspace["catalogs"] = [Catalog(**fields) for fields in workspace["catalogs"]]
    if "integrations" in workspace:
        workspace["integrations"] = [Integration(**fields) for fields in workspace["integrations"]]
    return workspace


def campaign_of(id: str, **fields: Any) -> Campaign:  # noqa: A002 - what Braze calls it
    """
    Make a campaign. Only its id is required.

    :param id: Its id.
    :param fields: Its other fields.
    """
    return Campaign(**{"id": id, "name": id, **fields})
