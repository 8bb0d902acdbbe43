"""Looks at the syncs of a Cloud Data Ingestion integration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pendulum

from braze_provider.triggers.look import NeverComesError, Seen

if TYPE_CHECKING:
    from braze_provider.hooks.braze import BrazeHook

_RESULT = ("job_status", "sync_start_time", "sync_finish_time", "last_timestamp_synced")
_DONE = ("success", "partial")
_FAILED = ("error", "config_error")


def sync_is_done(hook: BrazeHook, integration_id: str, after: str | None, on_partial: str) -> Seen:
    """
    Look how the first sync after a moment goes.

    :param hook: The hook to look with.
    :param integration_id: Id of the integration.
    :param after: The moment, ISO 8601. None: the integration had no sync before.
    :param on_partial: ``fail`` or ``succeed``, if some rows failed.
    :return: The state. The result holds the figures of the sync.
    :raises NeverComesError: If the sync has failed.
    """
    syncs = _syncs(hook, integration_id, after)
    return _seen(syncs[0], on_partial) if syncs else Seen("the sync is not listed yet")


def sync_has_begun(hook: BrazeHook, integration_id: str, after: str | None, on_partial: str) -> Seen:
    """
    Look whether a sync has begun after a moment. The parameters are those of :func:`sync_is_done`.

    :param hook: The hook to look with.
    :param integration_id: Id of the integration.
    :param after: The moment.
    :param on_partial: Does not matter here.
    """
    syncs = _syncs(hook, integration_id, after)
    return Seen(_state(syncs[0]), has_come=True) if syncs else Seen("no sync has begun")


def no_sync_runs(hook: BrazeHook, integration_id: str, after: str | None, on_partial: str) -> Seen:
    """
    Look whether no sync of the integration runs. The parameters are those of :func:`sync_is_done`.

    :param hook: The hook to look with.
    :param integration_id: Id of the integration.
    :param after: Does not matter here.
    :param on_partial: Does not matter here.
    """
    syncs = _syncs(hook, integration_id, None, latest_only=True)
    running = [sync for sync in syncs if sync.get("job_status") == "running"]
    return Seen(_state(running[-1])) if running else Seen("no sync runs", has_come=True)


def sync_has_run_since(hook: BrazeHook, integration_id: str, since: str, on_partial: str) -> Seen:
    """
    Look whether a sync that began at a moment or later is done.

    :param hook: The hook to look with.
    :param integration_id: Id of the integration.
    :param since: The moment, ISO 8601.
    :param on_partial: ``fail`` or ``succeed``, if some rows failed.
    :return: The state. The result holds the figures of the last sync that is done.
    :raises NeverComesError: If all syncs since then have failed, and none runs.
    """
    syncs = _syncs(hook, integration_id, since, includes=True)
    good = ("success",) if on_partial == "fail" else _DONE
    done = [sync for sync in syncs if sync.get("job_status") in good]
    if done:
        return _seen(done[-1], on_partial)
    bad = (*_FAILED, *_DONE)
    open_ones = [sync for sync in syncs if sync.get("job_status") not in bad]
    if open_ones or not syncs:
        return Seen(_state(open_ones[-1]) if open_ones else f"no sync has begun since {since}")
    return _seen(syncs[-1], on_partial)


def latest_sync(hook: BrazeHook, integration_id: str) -> str | None:
    """
    Give the moment when the last sync of an integration began, as Braze writes it; None if it had none.

    :param hook: The hook to look with.
    :param integration_id: Id of the integration.
    """
    syncs = _syncs(hook, integration_id, None, latest_only=True)
    return syncs[-1]["sync_start_time"] if syncs else None


def _syncs(
    hook: BrazeHook,
    integration_id: str,
    after: str | None,
    *,
    includes: bool = False,
    latest_only: bool = False,
) -> list[Mapping[str, Any]]:
    """List the syncs that began after a moment, or at it, in the order of their beginning."""
    bound = None if after is None else _moment(after)
    found: list[Mapping[str, Any]] = []
    cursor: str | None = None
    while True:
        answer = hook.cdi_integrations_job_sync_status(integration_id, cursor)
        listed = [sync for sync in answer.body.get("results") or () if sync.get("sync_start_time")]
        begun = [_moment(sync["sync_start_time"]) for sync in listed]
        found += [
            sync
            for sync, at in zip(listed, begun, strict=True)
            if bound is None or at > bound or (includes and at == bound)
        ]
        cursor = answer.links.get("next", {}).get("cursor")
        # Braze documents no order. If the newest come first, the other pages hold older ones.
        is_newest_first = len(begun) > 1 and begun == sorted(begun, reverse=True)
        is_far_enough = latest_only or (bound is not None and begun and begun[-1] < bound)
        if cursor is None or (is_newest_first and is_far_enough):
            return sorted(found, key=lambda sync: _moment(sync["sync_start_time"]))


def _moment(text: str) -> pendulum.DateTime:
    moment = pendulum.parse(text, tz="UTC")
    assert isinstance(moment, pendulum.DateTime)  # noqa: S101 - parsed without `exact`
    return moment


def _state(sync: Mapping[str, Any]) -> str:
    return f"the sync of {sync['sync_start_time']}: {sync.get('job_status')}"


def _seen(sync: Mapping[str, Any], on_partial: str) -> Seen:
    status, state = sync.get("job_status"), _state(sync)
    rows = {
        "rows_synced": sync.get("rows_synced"),
        "rows_failed": sync.get("rows_failed_with_errors"),
    }
    if status in _FAILED or (status == "partial" and on_partial == "fail"):
        what = f"{rows['rows_synced']} rows synced, {rows['rows_failed']} failed"
        advice = "; on_partial='succeed' takes that for a success" if status == "partial" else ""
        raise NeverComesError(f"{state}, {what}{advice}. The integration's log in Braze says why")
    if status in _DONE:
        return Seen(state, has_come=True, result={**{name: sync.get(name) for name in _RESULT}, **rows})
    return Seen(state)
