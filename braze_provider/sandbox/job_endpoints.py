"""The endpoints that start syncs, exports and copies, and that show how they go."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import pendulum

from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.sandbox.answers import refuse
from braze_provider.sandbox.endpoints import Accepted, Call, key_of, serves
from braze_provider.sandbox.jobs import ARCHIVES, Export
from braze_provider.sandbox.workspace import Campaign, Canvas

INVALID_CURSOR = "Invalid cursor"

T = TypeVar("T", Campaign, Canvas)


@serves("cdi_integrations_list")
def cdi_integrations_list(call: Call) -> Accepted:
    """List the integrations."""
    listed = []
    for one in call.jobs.integrations():
        last: Mapping[str, Any] = next((sync.shown(call.now) for sync in call.jobs.syncs(one.id)), {})
        listed.append(
            {
                "integration_id": one.id,
                "app_group_id": "sandbox",
                "integration_name": one.name or one.id,
                "integration_type": "ATTRIBUTES",
                "integration_status": "ACTIVE",
                "contact_emails": "",
                "last_updated_at": last.get("sync_start_time"),
                "warehouse_type": "SNOWFLAKE",
                "last_job_start_time": last.get("sync_start_time"),
                "last_job_status": last.get("job_status"),
                "next_scheduled_run": None,
            }
        )
    return _paged(call, "cdi_integrations_list", listed)


@serves("cdi_integrations_sync")
def cdi_integrations_sync(call: Call) -> Accepted:
    """Start a sync, unless one of the integration runs."""
    integration = call.jobs.integration(call.path["integration_id"])
    call.jobs.refuse_second_sync(integration.id)
    return Accepted(status=202, change=lambda: call.jobs.sync(integration))


@serves("cdi_integrations_job_sync_status")
def cdi_integrations_job_sync_status(call: Call) -> Accepted:
    """List the syncs of an integration."""
    integration = call.jobs.integration(call.path["integration_id"])
    syncs = [sync.shown(call.now) for sync in call.jobs.syncs(integration.id)]
    return _paged(call, "cdi_integrations_job_sync_status", syncs)


@serves("users_export_ids")
def users_export_ids(call: Call) -> Accepted:
    """Give the profiles of users. The sandbox knows no more of them than their ids."""
    body = call.body
    named: list[dict[str, Any]] = [{"external_user_id": one} for one in body.get("external_ids", ())]
    named += [{"user_alias": one} for one in body.get("user_aliases", ())]
    keys = {str(key_of(one)): one for one in named}
    users = [_profile(keys[key]) for key in call.workspace.reachable(keys)]
    unknown = [key for key in keys if key not in call.workspace.reachable(keys)]
    return Accepted(answer={"users": users, **({"invalid_user_ids": unknown} if unknown else {})})


@serves("users_export_segment")
def users_export_segment(call: Call) -> Accepted:
    """Start an export of a segment, unless one runs. In the segment are all who ever received anything."""
    segment_id = call.body["segment_id"]
    call.workspace.require("segment", segment_id)
    call.jobs.refuse_second_export(segment_id)
    return _exported(call, segment_id)


@serves("users_export_global_control_group")
def users_export_global_control_group(call: Call) -> Accepted:
    """Start an export of the global control group. Nobody in it ever received anything."""
    return _exported(call, None)


@serves("export_segment_cancel")
def export_segment_cancel(call: Call) -> Accepted:
    """Stop the exports of a segment."""
    segment_id = call.body["segment_id"]
    call.workspace.require("segment", segment_id)
    return Accepted(status=200, change=lambda: call.jobs.cancel_exports(segment_id))


@serves("campaigns_duplicate")
def campaigns_duplicate(call: Call) -> Accepted:
    """Copy a campaign. The copy appears in the list later."""
    campaign_id = call.body["campaign_id"]
    original = call.workspace.campaign(campaign_id) or Campaign(id=campaign_id, name=campaign_id)
    return _copied(call, original, call.workspace.add_campaign)


@serves("canvas_duplicate")
def canvas_duplicate(call: Call) -> Accepted:
    """Copy a Canvas. The copy appears in the list later."""
    canvas_id = call.body["canvas_id"]
    original = call.workspace.canvas(canvas_id) or Canvas(id=canvas_id)
    return _copied(call, original, call.workspace.add_canvas)


def _copied(call: Call, original: T, add: Callable[[T], None]) -> Accepted:
    name, tags = call.body["name"], call.body.get("tag_names", original.tags)

    def appear() -> None:
        made = pendulum.from_timestamp(call.jobs.now()).to_iso8601_string()
        add(replace(original, id=_new_id(), name=name, tags=tuple(tags), last_edited=made, archived=False))

    return Accepted(status=202, change=lambda: call.jobs.copy(appear))


def _exported(call: Call, segment_id: str | None) -> Accepted:
    # A recipient key without a prefix is an external id.
    users = [{"external_id": key} for key in call.jobs.users() if ":" not in key] if segment_id else []
    export: Export = call.jobs.new_export(segment_id, users)
    answer: dict[str, Any] = {"object_prefix": export.prefix}
    if not call.jobs.has_own_storage:
        answer["url"] = f"{call.base_url}{ARCHIVES}{export.prefix}.zip"
    return Accepted(answer=answer, change=lambda: call.jobs.export(export))


def _profile(named: Mapping[str, Any]) -> dict[str, Any]:
    if "user_alias" in named:
        return {"user_aliases": [named["user_alias"]]}
    return {"external_id": named["external_user_id"]}


def _new_id() -> str:
    text = secrets.token_hex(16)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _paged(call: Call, name: str, results: Sequence[Any]) -> Accepted:
    """Answer with a page of a list that Braze pages by cursor."""
    endpoint = ENDPOINTS[name]
    size = endpoint.page_size or 1
    cursor = call.query.get("cursor", "0")
    if not cursor.isdecimal() or (int(cursor) and int(cursor) >= len(results)):
        refuse(INVALID_CURSOR)
    start = int(cursor)
    address = endpoint.path_with(call.path)
    links = []
    if start + size < len(results):
        links.append(f'<{address}?cursor={start + size}>; rel="next"')
    if start:
        links.append(f'<{address}?cursor={max(start - size, 0)}>; rel="prev"')
    answer = {"results": list(results[start : start + size])}
    return Accepted(status=200, answer=answer, link=", ".join(links))
