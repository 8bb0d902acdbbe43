"""The configuration of a sandbox, and its state while it runs."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from braze_provider.api.limits import MAX_BODY_BYTES

# Their functions serve endpoints once they are loaded.
from braze_provider.sandbox import (  # noqa: F401
    catalog_endpoints,
    identities,
    job_endpoints,
    live_activities,
    reads,
    users,
)
from braze_provider.sandbox.answers import RefusedError
from braze_provider.sandbox.catalogs import Catalog
from braze_provider.sandbox.clock import Clock
from braze_provider.sandbox.endpoints import send_of, served_paths
from braze_provider.sandbox.faults import FaultList
from braze_provider.sandbox.jobs import Integration, Jobs
from braze_provider.sandbox.limits import DEFAULT_BUCKET, DEFAULT_LIMITS, Limit, RateLimiter
from braze_provider.sandbox.recorder import Recorder
from braze_provider.sandbox.records import Receipt, Send
from braze_provider.sandbox.schedules import Scheduled, Schedules
from braze_provider.sandbox.statistics import day_of
from braze_provider.sandbox.store import Kept, Store
from braze_provider.sandbox.workspace import Broadcast, Campaign, Canvas, Segment, Workspace

CONTROL = "/_sandbox"
"""The path of the sandbox's own calls. Braze has nothing there, and these calls are not recorded."""

DEFAULT_API_KEY = "sandbox-rest-api-key"
DEFAULT_PORT = 8010

NO_REQUEST = -1
"""The number of the request that made a schedule of the dashboard: there is none."""


@dataclass(frozen=True, kw_only=True)
class SandboxConfig:
    """
    The options. With the defaults, the sandbox behaves as Braze documents.

    :param host: Address to serve on; any but loopback needs a ``token``.
    :param port: Port to serve on; 0 takes a free one.
    :param api_key: The key that may do everything.
    :param api_keys: More keys with the permissions of each; None for all permissions.
    :param token: The only key, instead of all others. The endpoints under ``/_sandbox`` then need it too.
    :param hourly_limit: Requests in each clock hour; short for ``limits={"default": …}``.
    :param limits: Rate limits that differ from Braze's, by bucket; ``audience`` is that of broadcasts for
        each unique audience.
    :param reset_header: What ``X-RateLimit-Reset`` holds: ``epoch`` (Unix time) or ``seconds`` (left).
    :param latency: Seconds that every answer takes. The request itself is taken on arrival.
    :param clock_offset: Seconds by which the sandbox's clock runs ahead of this machine's.
    :param keep_alive: Seconds for which an idle connection is kept open.
    :param record_bodies: Keep request bodies to show them later; turn it off for very large sends.
    :param max_body_bytes: Size above which a body is refused.
    :param unknown_ids: Recipient keys of users who do not exist. A request that names them is accepted, and
        they receive nothing.
    :param campaigns: The workspace's campaigns. If there is at least one, any other ``campaign_id`` is
        refused. The same is true of ``canvases`` and ``segments``.
    :param canvases: The workspace's Canvases, as their ids or as :class:`Canvas`.
    :param segments: Its segments, as their ids or as :class:`Segment`.
    :param scheduled_broadcasts: What its dashboard has scheduled.
    :param events: Names of its custom events.
    :param custom_attributes: Names of its custom attributes.
    :param products: Ids of the products that its users have bought.
    :param integrations: Its integrations of Cloud Data Ingestion, as their ids or as :class:`Integration`. If
        there is at least one, any other id is refused.
    :param job_seconds: Seconds that a sync, an export or a copy takes by the sandbox's clock.
    :param own_storage: Whether exports go to storage that is connected to Braze. Default False: the answer
        has the address of an archive.
    :param catalogs: Its catalogs, as their names or as :class:`Catalog`. If there is at least one, any other
        name is refused.
    :param profiles: The profiles of users that exist from the start: an object for each, as ``/users/track``
        takes it among its attributes.
    :param file: An SQLite file that keeps what was received over restarts. Default: it is forgotten at the
        end.
    :raises ValueError: If the host is not loopback and there is no token, if the token can't be a key or
        there are other keys too, or if a limit has an unknown name.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    api_key: str = DEFAULT_API_KEY
    api_keys: Mapping[str, Collection[str] | None] = field(default_factory=dict)
    token: str | None = None
    hourly_limit: int | None = None
    limits: Mapping[str, Limit] = field(default_factory=dict)
    reset_header: Literal["epoch", "seconds"] = "epoch"
    latency: float = 0.0
    clock_offset: float = 0.0
    keep_alive: int = 75
    record_bodies: bool = True
    max_body_bytes: int = MAX_BODY_BYTES
    unknown_ids: Collection[str] = ()
    campaigns: Sequence[Campaign] = ()
    canvases: Sequence[Canvas | str] = ()
    segments: Collection[Segment | str] = ()
    scheduled_broadcasts: Sequence[Broadcast] = ()
    events: Collection[str] = ()
    custom_attributes: Collection[str] = ()
    products: Collection[str] = ()
    integrations: Sequence[Integration | str] = ()
    job_seconds: float = 5.0
    own_storage: bool = False
    catalogs: Sequence[Catalog | str] = ()
    profiles: Sequence[Mapping[str, Any]] = ()
    file: str | None = None

    def __post_init__(self) -> None:
        if self.token is None and not self.is_private:
            raise ValueError(
                f"On {self.host!r}, others can reach the sandbox, read what was sent and make it fail: it "
                "needs a token there; without one it serves on loopback only (127.0.0.1, ::1 or localhost)"
            )
        if self.token is not None:
            # An empty token usually comes from a variable that was not set.
            if not re.fullmatch(r"[!-~]+", self.token):
                raise ValueError("The token must be ASCII without blanks, and not empty")
            if self.api_keys or self.api_key != DEFAULT_API_KEY:
                raise ValueError("The token is the only API key: leave the others out")
        if strange := self.limits.keys() - DEFAULT_LIMITS.keys():
            raise ValueError(f"Unknown limits {sorted(strange)}; there are {sorted(DEFAULT_LIMITS)}")
        if self.reset_header not in ("epoch", "seconds"):
            raise ValueError(f"reset_header is 'epoch' or 'seconds', not {self.reset_header!r}")

    @property
    def is_private(self) -> bool:
        """Whether only this machine can reach it."""
        return _is_loopback(self.host)

    @property
    def keys(self) -> dict[str, Collection[str] | None]:
        """Every key with its permissions; None for all."""
        return {**self.api_keys, self.api_key: None} if self.token is None else {self.token: None}


class SandboxState:
    """
    The parts of a sandbox, made from its configuration. Only its event loop's thread touches them.

    :param config: The options.
    :raises ValueError: If its file can't be used.
    """

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.store = Store(config.file)
        self.clock = Clock(config.clock_offset)
        self._advanced: Kept[str, float] = self.store.keep("clock", Kept())
        self.clock.advance(self._advanced.get("seconds", 0.0))
        self.recorder = Recorder(self.store, self.clock.now, send_of, keep_bodies=config.record_bodies)
        self.workspace = Workspace(
            config.campaigns,
            config.canvases,
            config.segments,
            config.unknown_ids,
            config.scheduled_broadcasts,
            {
                "events": config.events,
                "custom_attributes": config.custom_attributes,
                "products": config.products,
            },
            config.catalogs,
            self.store,
            self.recorder.repeats,
        )
        limits = {**DEFAULT_LIMITS, **config.limits}
        if config.hourly_limit is not None and DEFAULT_BUCKET not in config.limits:
            limits[DEFAULT_BUCKET] = Limit(config.hourly_limit, 3600)
        self.limiter = RateLimiter(limits, self.clock.now, reset_in_seconds=config.reset_header == "seconds")
        self.faults = FaultList(served_paths())
        self.schedules = Schedules(self.store)
        self.jobs = Jobs(
            self.clock.now,
            config.job_seconds,
            config.integrations,
            self.recorder.keys,
            has_own_storage=config.own_storage,
        )
        self._keys = config.keys
        self._begin()
        self.save()

    def tick(self) -> None:
        """Do what is due, and make what was received last."""
        self.fire_due()
        self.save()

    def save(self) -> None:
        """Write everything that has ended to the database, so that it lasts."""
        self.recorder.write()
        self.store.commit()

    def release(self) -> None:
        """Write everything to the database, and let other sandboxes have its file."""
        self.recorder.write(also_open=True)
        self.store.release()

    def authorise(self, header: str | None, permission: str) -> None:
        """
        Let a request through or refuse it.

        :param header: Its ``Authorization`` header, if it has one.
        :param permission: The permission that its endpoint asks for.
        :raises RefusedError: 401 without a key that this workspace knows, 403 when the key lacks the
            permission.
        """
        scheme, _, key = (header or "").partition(" ")
        if scheme.lower() != "bearer" or key not in self._keys:
            raise RefusedError(401)
        permissions = self._keys[key]
        if permissions is not None and permission not in permissions:
            raise RefusedError(403)

    def reset(self) -> None:
        """Start again: nothing received, no faults, full budgets, no users created."""
        self.store.clear()
        self.workspace.reset()
        self.limiter.reset()
        self.faults.clear()
        self.recorder.reset()
        self.schedules.reset()
        self.jobs.clear()
        self.clock.reset()
        self._begin()

    def _begin(self) -> None:
        self.workspace.know(self.config.profiles)
        for one in self.workspace.broadcasts:
            what = f"campaign:{one.campaign_id}" if one.campaign_id else f"canvas:{one.canvas_id}"
            send = Send({}, what, campaign_id=one.campaign_id, canvas_id=one.canvas_id)
            if one.at > self.clock.now():
                self.schedules.add(
                    Scheduled("dashboard", one.at, NO_REQUEST, send), f"{what}:{one.next_send_time}"
                )

    def fire_due(self) -> None:
        """Send all schedules that are due, and finish all jobs that are."""
        self.schedules.fire(self.clock.now(), self._fire)
        self.jobs.finish_due()

    def _fire(self, send: Send, number: int) -> None:
        # A schedule of the dashboard has no request.
        receipt = self.recorder.receipt(number) or Receipt(NO_REQUEST, "", "", self.clock.now())
        self.deliver(send, receipt)

    def advance(self, seconds: float) -> None:
        """
        Move the clock forward, and send all schedules that are due by then.

        :param seconds: By how much.
        """
        self.clock.advance(seconds)
        self._advanced["seconds"] = self._advanced.get("seconds", 0.0) + seconds
        self.fire_due()

    def deliver(self, send: Send, receipt: Receipt, spared: Collection[str] = ()) -> None:
        """
        Deliver a send to its recipients.

        :param send: The send.
        :param receipt: The request that made it.
        :param spared: Recipient keys that it does not reach. Default: none.
        """
        missing = self.workspace.missing
        reached = () if send.notice is not None else self.workspace.reachable(send.recipients)
        if spared:
            reached = [key for key in reached if key not in spared]
        self.recorder.deliver(receipt, reached)
        now = self.clock.now()
        if created := missing - self.workspace.missing:
            new_users = self.workspace.statistics.new_users
            new_users[day_of(now)] = new_users.get(day_of(now), 0) + created
        self.workspace.note(send, receipt.send_id, reached, now)
        if send.campaign_id is not None:
            self.workspace.note_sent(send.campaign_id, self.clock.now())


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
