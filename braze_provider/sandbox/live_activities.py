"""The sandbox's Live Activities, and the endpoints that start, change and end them."""

from __future__ import annotations

from braze_provider.sandbox.endpoints import Accepted, Call, named_by, serves
from braze_provider.sandbox.records import Send
from braze_provider.sandbox.workspace import LiveActivity


@serves("messages_live_activity_start")
def live_activity_start(call: Call) -> Accepted:
    """Start an activity on the devices of existing users or an audience. The answer has no ids."""
    body, workspace = call.body, call.workspace
    if "segment_id" in body:
        workspace.require("segment", body["segment_id"])
    named = named_by(body)

    def start() -> None:
        activity = _activity(call)
        activity.content_state = body["content_state"]
        activity.users.update(dict.fromkeys(workspace.reachable(named)))
        activity.ended = False

    common = {name: body[name] for name in ("activity_id", "content_state")}
    send = Send(recipients=named, content=f"live_activity:{body['activity_id']}", common=common)
    return Accepted(send=send, change=start)


@serves("messages_live_activity_update")
def live_activity_update(call: Call) -> Accepted:
    """Change an activity or end it. One that no request has started may be registered by the app itself."""

    def update() -> None:
        activity = _activity(call)
        if not activity.ended:
            activity.content_state = call.body["content_state"]
            activity.updates += 1
            activity.ended = call.body.get("end_activity") is True

    return Accepted(change=update)


def _activity(call: Call) -> LiveActivity:
    """Give the activity that a request names, to change it."""
    key = (call.body["app_id"], call.body["activity_id"])
    call.workspace.activities.touch(key)
    return call.workspace.activities.setdefault(key, LiveActivity(*key))
