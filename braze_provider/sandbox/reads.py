"""
The sandbox's lists and statistics, for all endpoints that read.

Days are those of UTC by the sandbox's clock. What is sent is counted, and so are the events and purchases
that ``/users/track`` writes. Nothing else happens in a sandbox: no recipient opens a message, and no app is
used. So all other counters are zero.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pendulum

from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.api.instants import iso_8601
from braze_provider.sandbox.answers import refuse
from braze_provider.sandbox.endpoints import Accepted, Call, choice, edited, page_of, serves
from braze_provider.sandbox.statistics import day_of

DAYS_OF_SENDS = 14
"""Days for which the statistics of a send are kept."""
PRODUCTS_PER_PAGE = 250
"""Braze documents no size. This is that of the list of events."""

_DAY = timedelta(days=1)


# Campaigns, Canvases, sends ---------------------------------------------------------------------------------


@serves("messages_scheduled_broadcasts")
def scheduled_broadcasts(call: Call) -> Accepted:
    """List what the dashboard has scheduled, from now until midnight of a date."""
    until = _moment(call.query, "end_time", None).replace(hour=0, minute=0, second=0, microsecond=0)
    listed = [one.listed() for one in call.workspace.broadcasts if call.now < one.at < until.timestamp()]
    return Accepted(status=200, answer={"scheduled_broadcasts": listed})


@serves("canvas_list")
def canvas_list(call: Call) -> Accepted:
    """List the workspace's Canvases, in the order of their creation."""
    return Accepted(status=200, answer={"canvases": edited(call.query, call.workspace.canvases)})


@serves("canvas_details")
def canvas_details(call: Call) -> Accepted:
    """Give what the workspace knows of one Canvas."""
    canvas = call.workspace.canvas_of(_required(call.query, "canvas_id"))
    entered = call.workspace.entered.get(canvas.id, ())
    # Braze tells the hour.
    hours = [pendulum.from_timestamp(at).start_of("hour").to_iso8601_string() for at in entered]
    told = dict(zip(("first_entry", "last_entry"), hours, strict=False))
    return Accepted(status=200, answer={**canvas.described(), **told})


@serves("campaigns_data_series")
def campaigns_data_series(call: Call) -> Accepted:
    """Give a campaign's messages, day by day."""
    campaign_id = _required(call.query, "campaign_id")
    call.workspace.require("campaign", campaign_id)
    return _data([_of_messages(call, day, "campaign", campaign_id) for day in _days(call)])


@serves("sends_data_series")
def sends_data_series(call: Call) -> Accepted:
    """Give a send's messages, day by day, as long as they are kept."""
    campaign_id, send_id = (_required(call.query, name) for name in ("campaign_id", "send_id"))
    call.workspace.require("campaign", campaign_id)
    oldest = day_of(call.now - DAYS_OF_SENDS * _DAY.total_seconds())
    days = (day for day in _days(call) if day >= oldest)
    return _data([_of_messages(call, day, "send", campaign_id, send_id) for day in days])


@serves("canvas_data_series")
def canvas_data_series(call: Call) -> Accepted:
    """Give a Canvas's entries and messages, day by day."""
    canvas = call.workspace.canvas_of(_required(call.query, "canvas_id"))
    stats = [{"time": day, **_of_canvas(call, [day])} for day in _days(call)]
    return Accepted(status=200, answer={"data": {"name": canvas.name or canvas.id, "stats": stats}})


@serves("canvas_data_summary")
def canvas_data_summary(call: Call) -> Accepted:
    """Give a Canvas's entries and messages, all days together."""
    canvas = call.workspace.canvas_of(_required(call.query, "canvas_id"))
    data = {"name": canvas.name or canvas.id, **_of_canvas(call, _days(call))}
    return Accepted(status=200, answer={"data": data})


def _of_messages(call: Call, day: str, *thing: str) -> dict[str, Any]:
    tally = call.workspace.statistics.tally(*thing, day)
    return {
        "time": day,
        "messages": tally.shown(),
        "unique_recipients": tally.unique_recipients,
        "conversions": 0,
        "revenue": 0,
    }


def _of_canvas(call: Call, days: list[str]) -> dict[str, Any]:
    canvas = call.workspace.canvas_of(call.query["canvas_id"])
    tallies = [call.workspace.statistics.tally("canvas", canvas.id, day) for day in days]
    figures = {"revenue": 0, "conversions": 0, "conversions_by_entry_time": 0}
    entries = sum(tally.unique_recipients for tally in tallies)
    told: dict[str, Any] = {"total_stats": {**figures, "entries": entries}}
    if choice(call.query, "include_variant_breakdown", "false", "true") == "true":
        told["variant_stats"] = {canvas.variant_id: {"name": "Variant", **figures, "entries": entries}}
    if choice(call.query, "include_step_breakdown", "false", "true") == "true":
        messages: dict[str, list[dict[str, int]]] = {}
        for tally in tallies:
            for channel, (shown, *_) in tally.shown().items():
                (total,) = messages.setdefault(channel, [{}])
                for name, value in shown.items():
                    if isinstance(value, int):
                        total[name] = total.get(name, 0) + value
        told["step_stats"] = {
            canvas.step_id: {"name": "Step", **figures, "unique_recipients": entries, "messages": messages}
        }
    return told


# Users, sessions, events, purchases -------------------------------------------------------------------------


def _kpi(name: str, key: str) -> None:
    @serves(name)
    def series(call: Call) -> Accepted:
        figures: Mapping[str, int] = call.workspace.statistics.new_users if key == "new_users" else {}
        return _data([{"time": day, key: figures.get(day, 0)} for day in _days(call)])


for _key in ("new_users", "dau", "mau", "uninstalls"):
    _kpi(f"kpi_{_key}_data_series", _key)


@serves("sessions_data_series")
def sessions(call: Call) -> Accepted:
    """Count sessions: no app is used in a sandbox."""
    return _data([{"time": time, "sessions": 0} for time in _times(call)])


def _acts(name: str, kind: str, key: str, by: str, worth: Callable[[Mapping[str, Any]], float]) -> None:
    """Serve a series of the events or purchases that requests have written."""

    @serves(name)
    def series(call: Call) -> Accepted:
        wanted = _required(call.query, by) if kind == "events" else call.query.get("product")
        times = _times(call)
        figures = dict.fromkeys(times, 0.0)
        for act in (act for profile in call.workspace.profiles for act in getattr(profile, kind)):
            at = _time_of(str(act["time"]), is_hour="T" in times[0])
            if at in figures and wanted in (None, act["name" if kind == "events" else "product_id"]):
                figures[at] += worth(act)
        return _data([{"time": time, key: figures[time]} for time in times])


_acts("events_data_series", "events", "count", "event", lambda event: 1)
_acts(
    "purchases_quantity_series",
    "purchases",
    "purchase_quantity",
    "product",
    lambda purchase: purchase.get("quantity", 1),
)
_acts(
    "purchases_revenue_series",
    "purchases",
    "revenue",
    "product",
    lambda purchase: purchase["price"] * purchase.get("quantity", 1),
)


def _times(call: Call) -> list[str]:
    """Give the days or hours that the request is for."""
    return _hours(call) if choice(call.query, "unit", "day", "hour") == "hour" else _days(call)


def _time_of(time: str, *, is_hour: bool) -> str:
    moment = pendulum.instance(datetime.fromisoformat(time.replace("Z", "+00:00"))).in_timezone("UTC")
    return _hour(moment) if is_hour else moment.to_date_string()


def _hour(moment: datetime) -> str:
    return moment.replace(minute=0, second=0, microsecond=0).isoformat()


@serves("events_list")
def events_list(call: Call) -> Accepted:
    """List the names of the custom events by the alphabet."""
    size = ENDPOINTS["events_list"].page_size or 0
    written = {event["name"] for profile in call.workspace.profiles for event in profile.events}
    names = sorted({*call.workspace.names.get("events", ()), *written})
    return Accepted(status=200, answer={"events": page_of(call.query, names, size)})


@serves("purchases_product_list")
def purchases_product_list(call: Call) -> Accepted:
    """List the ids of products."""
    ids = list(call.workspace.names.get("products", ()))
    return Accepted(status=200, answer={"products": page_of(call.query, ids, PRODUCTS_PER_PAGE)})


def _with_cursor(name: str, kind: str, key: str, shown: Callable[[str], dict[str, Any]]) -> None:
    @serves(name)
    def listed(call: Call) -> Accepted:
        endpoint = ENDPOINTS[name]
        names = sorted(call.workspace.names.get(kind, ()))
        size = endpoint.page_size or 0
        start = _read_cursor(call.query.get("cursor"))
        links = [
            f'<{endpoint.path}?cursor={_cursor(at)}>; rel="{relation}"'
            for relation, at in (("prev", start - size), ("next", start + size))
            if 0 <= at < len(names)
        ]
        page = [shown(one) for one in names[start : start + size]]
        return Accepted(status=200, answer={key: page}, link=", ".join(links))


_with_cursor(
    "events_get",
    "events",
    "events",
    lambda name: {
        "name": name,
        "description": None,
        "included_in_analytics_report": False,
        "status": "Active",
        "tag_names": [],
    },
)
_with_cursor(
    "custom_attributes_get",
    "custom_attributes",
    "attributes",
    lambda name: {
        "name": name,
        "data_type": "String",
        "description": None,
        "array_length": None,
        "status": "Active",
        "tag_names": [],
    },
)


def _cursor(start: int) -> str:
    return base64.urlsafe_b64encode(str(start).encode()).decode().rstrip("=")


def _read_cursor(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error):
        refuse("Invalid cursor")


# Segments ---------------------------------------------------------------------------------------------------


@serves("segments_list")
def segments_list(call: Call) -> Accepted:
    """List the workspace's segments, in the order of their creation."""
    segments = [
        {
            "id": segment.id,
            "name": segment.name or segment.id,
            "analytics_tracking_enabled": True,
            "tags": list(segment.tags),
        }
        for segment in call.workspace.segments.values()
    ]
    size = ENDPOINTS["segments_list"].page_size or 0
    return Accepted(status=200, answer={"segments": page_of(call.query, segments, size)})


@serves("segments_details")
def segments_details(call: Call) -> Accepted:
    """Give what the workspace knows of one segment."""
    segment_id = _required(call.query, "segment_id")
    call.workspace.require("segment", segment_id)
    segment = call.workspace.segments.get(segment_id)
    edited_at = "2026-09-01T09:00:00+00:00"
    described = {
        "created_at": edited_at,
        "updated_at": edited_at,
        "name": (segment.name if segment else "") or segment_id,
        "description": "",
        "text_description": "",
        "tags": list(segment.tags) if segment else [],
        "teams": [],
    }
    return Accepted(status=200, answer=described)


@serves("segments_data_series")
def segments_data_series(call: Call) -> Accepted:
    """Give the size of a segment, which is always the same."""
    segment_id = _required(call.query, "segment_id")
    call.workspace.require("segment", segment_id)
    segment = call.workspace.segments.get(segment_id)
    size = segment.size if segment else 0
    return _data([{"time": day, "size": size} for day in _days(call)])


# Queries ----------------------------------------------------------------------------------------------------


def _data(data: list[dict[str, Any]]) -> Accepted:
    return Accepted(status=200, answer={"data": data})


def _required(query: Mapping[str, str], name: str) -> str:
    value = query.get(name, "")
    if not value:
        refuse(f"{name} is required")
    return value


def _moment(query: Mapping[str, str], name: str, default: float | None) -> datetime:
    text = query.get(name)
    if text is None and default is not None:
        return datetime.fromtimestamp(default, timezone.utc)
    if text is None or iso_8601(text) is None:
        refuse(f"{name} must be an ISO 8601 datetime")
    parsed = pendulum.parse(text)
    if not isinstance(parsed, pendulum.DateTime):
        refuse(f"{name} must be an ISO 8601 datetime")
    return parsed.in_timezone("UTC")


def _length(call: Call) -> int:
    """Read how many days or hours the request is for."""
    # The series of a Canvas take the shorter window.
    most = 14 if "canvas_id" in call.query else 100
    text = call.query.get("length", "")
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        refuse(f"length must be a whole number from 1 to {most}")
    return int(text)


def _days(call: Call) -> list[str]:
    """Give the days that the request is for. The last one is that of ``ending_at``."""
    last = _moment(call.query, "ending_at", None if "canvas_id" in call.query else call.now)
    if "canvas_id" in call.query and "length" not in call.query:
        first = _moment(call.query, "starting_at", None)
        length = (last.date() - first.date()).days + 1
        if not 1 <= length <= 15:
            refuse("starting_at must be at most 14 days before ending_at")
    else:
        length = _length(call)
    return [(last - back * _DAY).date().isoformat() for back in reversed(range(length))]


def _hours(call: Call) -> list[str]:
    last = _moment(call.query, "ending_at", call.now).replace(minute=0, second=0, microsecond=0)
    return [(last - timedelta(hours=back)).isoformat() for back in reversed(range(_length(call)))]
