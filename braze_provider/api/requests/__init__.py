"""
One module for each request that Braze's API takes.

Each name is imported when it is first used, so a Dag that triggers a campaign loads no message channels.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from braze_provider.api.requests.base import SendRequest
    from braze_provider.api.requests.campaigns import (
        CampaignScheduleCreate,
        CampaignScheduleDelete,
        CampaignScheduleUpdate,
        CampaignTriggerSend,
    )
    from braze_provider.api.requests.canvas import (
        CanvasScheduleCreate,
        CanvasScheduleDelete,
        CanvasScheduleUpdate,
        CanvasTriggerSend,
    )
    from braze_provider.api.requests.catalogs import (
        CatalogItemsDelete,
        CatalogItemsReplace,
        CatalogItemsUpdate,
    )
    from braze_provider.api.requests.duplicates import CampaignDuplicate, CanvasDuplicate
    from braze_provider.api.requests.exports import (
        ExportSegmentCancel,
        UsersExportGlobalControlGroup,
        UsersExportIds,
        UsersExportSegment,
    )
    from braze_provider.api.requests.live_activities import LiveActivityStart, LiveActivityUpdate
    from braze_provider.api.requests.messages import MessagesSend
    from braze_provider.api.requests.schedules import (
        MessagesScheduleCreate,
        MessagesScheduleDelete,
        MessagesScheduleUpdate,
    )
    from braze_provider.api.requests.sends import SendIdCreate
    from braze_provider.api.requests.subscriptions import SubscriptionStatusSet
    from braze_provider.api.requests.transactional import TransactionalSend
    from braze_provider.api.requests.users import (
        UsersAliasNew,
        UsersAliasUpdate,
        UsersDelete,
        UsersIdentify,
    )
    from braze_provider.api.requests.users_track import UsersTrack

__all__ = [
    "CampaignDuplicate",
    "CampaignScheduleCreate",
    "CampaignScheduleDelete",
    "CampaignScheduleUpdate",
    "CampaignTriggerSend",
    "CanvasDuplicate",
    "CanvasScheduleCreate",
    "CanvasScheduleDelete",
    "CanvasScheduleUpdate",
    "CanvasTriggerSend",
    "CatalogItemsDelete",
    "CatalogItemsReplace",
    "CatalogItemsUpdate",
    "ExportSegmentCancel",
    "LiveActivityStart",
    "LiveActivityUpdate",
    "MessagesScheduleCreate",
    "MessagesScheduleDelete",
    "MessagesScheduleUpdate",
    "MessagesSend",
    "SendIdCreate",
    "SendRequest",
    "SubscriptionStatusSet",
    "TransactionalSend",
    "UsersAliasNew",
    "UsersAliasUpdate",
    "UsersDelete",
    "UsersExportGlobalControlGroup",
    "UsersExportIds",
    "UsersExportSegment",
    "UsersIdentify",
    "UsersTrack",
]

_MODULES = {
    "CampaignDuplicate": "duplicates",
    "CampaignScheduleCreate": "campaigns",
    "CampaignScheduleDelete": "campaigns",
    "CampaignScheduleUpdate": "campaigns",
    "CampaignTriggerSend": "campaigns",
    "CanvasDuplicate": "duplicates",
    "CanvasScheduleCreate": "canvas",
    "CanvasScheduleDelete": "canvas",
    "CanvasScheduleUpdate": "canvas",
    "CanvasTriggerSend": "canvas",
    "CatalogItemsDelete": "catalogs",
    "CatalogItemsReplace": "catalogs",
    "CatalogItemsUpdate": "catalogs",
    "LiveActivityStart": "live_activities",
    "LiveActivityUpdate": "live_activities",
    "ExportSegmentCancel": "exports",
    "MessagesScheduleCreate": "schedules",
    "MessagesScheduleDelete": "schedules",
    "MessagesScheduleUpdate": "schedules",
    "MessagesSend": "messages",
    "SendIdCreate": "sends",
    "SendRequest": "base",
    "TransactionalSend": "transactional",
    "SubscriptionStatusSet": "subscriptions",
    "UsersAliasNew": "users",
    "UsersAliasUpdate": "users",
    "UsersDelete": "users",
    "UsersIdentify": "users",
    "UsersTrack": "users_track",
    "UsersExportGlobalControlGroup": "exports",
    "UsersExportIds": "exports",
    "UsersExportSegment": "exports",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
