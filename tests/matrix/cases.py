"""What each class should have done at Braze after its task has run once."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from hashlib import blake2b
from typing import Any

import requests

from braze_provider.sandbox import Sandbox

COUNT = 120
CAMPAIGN = "417220e4-5a2a-b634-7f7d-9ec891532368"

Effects = Callable[[Sandbox, str, Mapping[str, Any]], "Counter[str]"]


@dataclass(frozen=True)
class Case:
    """
    A class in the matrix.

    :param name: Name of the Dag, without ``matrix_``.
    :param path: The endpoint whose requests are refused and held back.
    :param effects: Counts what a run has done at Braze, from the sandbox, the run's id and its ``conf``.
    :param expected: How many different effects a run should have. Default: none, the task only reads.
    :param prepare: Makes what the task needs at Braze, and returns the run's ``conf``. Default: nothing.
    :param kill_at: The number of the request, from 0, during which the task is killed. Default 0.
    :param starts_anew: Whether a clear asks for the same once more. Default False.
    """

    name: str
    path: str
    effects: Effects = lambda sandbox, run_id, conf: Counter()
    expected: int = 0
    prepare: Callable[[Sandbox], dict[str, Any]] = lambda sandbox: {}
    kill_at: int = 0
    starts_anew: bool = False


def post(sandbox: Sandbox, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Make a request of one's own."""
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    answer: dict[str, Any] = requests.post(sandbox.url + path, json=body, headers=headers, timeout=10).json()
    return answer


def get(sandbox: Sandbox, path: str, **params: Any) -> dict[str, Any]:
    """Read something."""
    headers = {"Authorization": f"Bearer {sandbox.api_key}"}
    answer: dict[str, Any] = requests.get(
        sandbox.url + path, params=params, headers=headers, timeout=10
    ).json()
    return answer


def tomorrow(days: int = 1) -> str:
    return (datetime.now(timezone.utc) + timedelta(days=days)).isoformat(timespec="seconds")


def of_run(run_id: str, names: Any) -> Counter[str]:
    return Counter(name for name in names if name.startswith(f"{run_id}-"))


def messages(sandbox: Sandbox, run_id: str, conf: Mapping[str, Any]) -> Counter[str]:
    """How many messages each recipient got."""
    return of_run(run_id, (name for name, received in sandbox.recipients().items() for _ in received))


def schedules(sandbox: Sandbox, run_id: str, conf: Mapping[str, Any]) -> Counter[str]:
    """In how many schedules each recipient is."""
    return of_run(run_id, (name for one in sandbox.schedules() for name in one["recipients"]))


def events(sandbox: Sandbox, run_id: str, conf: Mapping[str, Any]) -> Counter[str]:
    """How many events each user has."""
    profiles = {name: sandbox.profile(name) for name in (f"{run_id}-{n}" for n in range(COUNT))}
    return Counter({name: len(found["events"]) for name, found in profiles.items() if found})


def attributes(sandbox: Sandbox, run_id: str, conf: Mapping[str, Any]) -> Counter[str]:
    """Which users have the attribute. To write it twice leaves the same state."""
    profiles = {name: sandbox.profile(name) for name in (f"{run_id}-{n}" for n in range(COUNT))}
    return Counter(
        name for name, found in profiles.items() if found and found["attributes"].get("tier") == "gold"
    )


def written(array: str, name: Callable[[Any], str]) -> Effects:
    """What was written, in requests that were not refused. To write it twice leaves the same state."""

    def look(sandbox: Sandbox, run_id: str, conf: Mapping[str, Any]) -> Counter[str]:
        bodies = (request["body"] for request in sandbox.requests() if request["status"] != 400)
        return of_run(run_id, {name(one) for body in bodies for one in body.get(array, ())})

    return look


def send_ids(sandbox: Sandbox, run_id: str, conf: Mapping[str, Any]) -> Counter[str]:
    """Whether the run has registered its identifier. To register it twice leaves the same state."""
    identity = repr(("matrix_SendIdCreateOperator", run_id, "t", -1))
    send_id = blake2b(identity.encode(), digest_size=16).hexdigest()
    accepted = (request["body"] for request in sandbox.requests() if request["status"] != 400)
    return Counter({body["send_id"] for body in accepted} & {send_id})


def activities(sandbox: Sandbox, run_id: str, conf: Mapping[str, Any]) -> Counter[str]:
    """How often each user's device was asked to start the activity."""
    path = "/messages/live_activity/start"
    starts = (request["body"] for request in sandbox.requests() if request["endpoint"] == path)
    started = {user for one in sandbox.activities() for user in one["users"]}
    return of_run(run_id, (name for body in starts for name in body["external_user_ids"] if name in started))


def updates(sandbox: Sandbox, run_id: str, conf: Mapping[str, Any]) -> Counter[str]:
    """Whether the activity has the new state. To write it twice leaves the same state."""
    found = (one for one in sandbox.activities() if one["activity_id"] == conf["activity_id"])
    return Counter(one["activity_id"] for one in found if one["content_state"] == {"score": "1:0"})


def syncs(sandbox: Sandbox, run_id: str, conf: Mapping[str, Any]) -> Counter[str]:
    return of_run(run_id, (one["integration_id"] for one in sandbox.jobs()["syncs"]))


def exports(sandbox: Sandbox, run_id: str, conf: Mapping[str, Any]) -> Counter[str]:
    """Whether there is an export. A second one harms nobody: the first address was in a lost answer."""
    return of_run(run_id, {one["segment_id"] for one in sandbox.jobs()["exports"]})


def copies(kind: str) -> Effects:
    def look(sandbox: Sandbox, run_id: str, conf: Mapping[str, Any]) -> Counter[str]:
        answer = get(sandbox, f"/{kind}/list", page=0, sort_direction="desc")
        (listed,) = (value for value in answer.values() if isinstance(value, list))
        return of_run(run_id, (one["name"] for one in listed))

    return look


def sync(sandbox: Sandbox) -> dict[str, Any]:
    """Let a sync run."""
    integration_id, since = f"sync-{secrets.token_hex(4)}", datetime.now(timezone.utc).isoformat()
    post(sandbox, f"/cdi/integrations/{integration_id}/sync", {})
    return {"integration_id": integration_id, "since": since}


def schedule(sandbox: Sandbox) -> dict[str, Any]:
    """Make a schedule, and return it with another time."""
    body = {
        "campaign_id": CAMPAIGN,
        "recipients": [{"external_user_id": "somebody"}],
        "schedule": {"time": tomorrow()},
    }
    answer = post(sandbox, "/campaigns/trigger/schedule/create", body)
    return {"schedule_id": answer["schedule_id"], "time": tomorrow(2)}


def schedule_is(wanted: Callable[[Mapping[str, Any], Mapping[str, Any]], bool]) -> Effects:
    def look(sandbox: Sandbox, run_id: str, conf: Mapping[str, Any]) -> Counter[str]:
        shown = (one for one in sandbox.schedules() if one["schedule_id"] == conf["schedule_id"])
        return Counter(one["schedule_id"] for one in shown if wanted(one, conf))

    return look


def is_moved(one: Mapping[str, Any], conf: Mapping[str, Any]) -> bool:
    return datetime.fromisoformat(one["time"]) == datetime.fromisoformat(conf["time"])


def is_cancelled(one: Mapping[str, Any], conf: Mapping[str, Any]) -> bool:
    return bool(one["state"] == "cancelled")


def trigger(sandbox: Sandbox) -> dict[str, Any]:
    """Let the campaign send."""
    recipients = [{"external_user_id": "somebody"}]
    post(sandbox, "/campaigns/trigger/send", {"campaign_id": CAMPAIGN, "recipients": recipients})
    return {}


def labelled(sandbox: Sandbox) -> dict[str, Any]:
    """Let the campaign send under a label."""
    recipients = [{"external_user_id": "somebody"}]
    body = {"campaign_id": CAMPAIGN, "recipients": recipients, "send_id": "spring"}
    post(sandbox, "/campaigns/trigger/send", body)
    return {}


def activity(sandbox: Sandbox) -> dict[str, Any]:
    """Start an activity."""
    activity_id = f"match-{secrets.token_hex(4)}"
    body = {
        "app_id": "a",
        "activity_id": activity_id,
        "content_state": {"score": "0:0"},
        "activity_attributes_type": "match",
        "activity_attributes": {},
        "notification": {"alert": {"title": "Start", "body": "0:0"}},
        "external_user_ids": ["somebody"],
    }
    post(sandbox, "/messages/live_activity/start", body)
    return {"activity_id": activity_id}


def later(sandbox: Sandbox) -> dict[str, Any]:
    return {"time": tomorrow()}


CASES = [
    Case("CampaignTriggerOperator", "/campaigns/trigger/send", messages, COUNT, kill_at=1),
    Case("CanvasTriggerOperator", "/canvas/trigger/send", messages, COUNT, kill_at=1),
    Case("MessagesSendOperator", "/messages/send", messages, COUNT, kill_at=1),
    Case(
        "TransactionalEmailOperator",
        "/transactional/v1/campaigns/{campaign_id}/send",
        messages,
        5,
        kill_at=2,
    ),
    Case("MessagesScheduleOperator", "/messages/schedule/create", schedules, COUNT, later, 1),
    Case("CampaignScheduleOperator", "/campaigns/trigger/schedule/create", schedules, COUNT, later, 1),
    Case("CanvasScheduleOperator", "/canvas/trigger/schedule/create", schedules, COUNT, later, 1),
    Case(
        "ScheduleUpdateOperator",
        "/campaigns/trigger/schedule/update",
        schedule_is(is_moved),
        1,
        schedule,
    ),
    Case(
        "ScheduleDeleteOperator",
        "/campaigns/trigger/schedule/delete",
        schedule_is(is_cancelled),
        1,
        schedule,
    ),
    Case("SendIdCreateOperator", "/sends/id/create", send_ids, 1),
    Case("UsersTrackOperator.attributes", "/users/track", attributes, COUNT, kill_at=1),
    Case("UsersTrackOperator.events", "/users/track", events, COUNT, kill_at=1),
    Case(
        "CatalogItemsOperator",
        "/catalogs/{catalog_name}/items",
        written("items", lambda item: str(item["id"])),
        COUNT,
        kill_at=1,
    ),
    Case(
        "SubscriptionSetOperator", "/subscription/status/set", written("external_id", str), COUNT, kill_at=1
    ),
    Case(
        "UsersAliasOperator",
        "/users/alias/new",
        written("user_aliases", lambda alias: str(alias["alias_name"])),
        COUNT,
        kill_at=1,
    ),
    Case(
        "UsersIdentifyOperator",
        "/users/identify",
        written("aliases_to_identify", lambda one: str(one["external_id"])),
        COUNT,
        kill_at=1,
    ),
    Case("UsersDeleteOperator", "/users/delete", written("external_ids", str), COUNT, kill_at=1),
    Case("LiveActivityStartOperator", "/messages/live_activity/start", activities, COUNT, kill_at=1),
    Case("LiveActivityUpdateOperator", "/messages/live_activity/update", updates, 1, activity),
    Case("CdiSyncOperator", "/cdi/integrations/{integration_id}/sync", syncs, 1, starts_anew=True),
    Case("UsersExportOperator", "/users/export/segment", exports, 1),
    Case("CampaignDuplicateOperator", "/campaigns/duplicate", copies("campaigns"), 1, starts_anew=True),
    Case("CanvasDuplicateOperator", "/canvas/duplicate", copies("canvas"), 1, starts_anew=True),
    Case("CampaignStatsOperator", "/campaigns/data_series"),
    Case("CanvasStatsOperator", "/canvas/data_series"),
    Case("SendStatsOperator", "/sends/data_series"),
    Case("CampaignSentSensor", "/campaigns/details", prepare=trigger),
    Case("SendSettledSensor", "/sends/data_series", prepare=labelled),
    Case("CdiSyncSensor", "/cdi/integrations/{integration_id}/job_sync_status", prepare=sync),
    Case("ScheduledBroadcastSensor", "/messages/scheduled_broadcasts"),
]
