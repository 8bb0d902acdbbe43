"""Everything about a sandbox that can be chosen."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from braze_provider.sandbox.limits import DEFAULT_LIMITS, Limit
from braze_provider.sandbox.workspace import Campaign

DEFAULT_API_KEY = "sandbox-rest-api-key"
DEFAULT_PORT = 8010


@dataclass(frozen=True, kw_only=True)
class SandboxConfig:
    """
    The choices, each with a default that behaves as Braze is documented to.

    :param host: address (str) to serve on; any but loopback needs a ``token``.
    :param port: port (int) to serve on; 0 takes a free one.
    :param api_key: the key (str) that may do everything.
    :param api_keys: further keys (mapping of str to permission names); ``None`` for all permissions.
    :param token: the one key (str) there is, in place of all others; the endpoints under ``/_sandbox`` then
        ask for it too.
    :param hourly_limit: requests (int) in each clock hour; short for ``limits={"default": …}``.
    :param limits: rate limits (mapping of ``default``, ``broadcast`` or ``audience`` to :class:`Limit`)
        that differ from Braze's.
    :param reset_header: what ``X-RateLimit-Reset`` holds: ``epoch`` (Unix time) or ``seconds`` (left).
    :param latency: seconds (float) that every answer takes. The request itself is taken on arrival.
    :param clock_offset: seconds (float) by which the sandbox's clock runs ahead of this machine's.
    :param keep_alive: seconds (int) for which an idle connection is kept open.
    :param record_bodies: keep request bodies (bool) to show them later; turn it off for very large sends.
    :param max_body_bytes: size (int) above which a body is refused.
    :param unknown_ids: recipient keys (collection of str) of users who do not exist: named in a request
        they are accepted silently and receive nothing.
    :param campaigns: the workspace's campaigns (sequence of :class:`Campaign`). As soon as there is one,
        any other ``campaign_id`` is refused; it is the same with ``canvases`` and ``segments``.
    :param canvases: ids (collection of str) of the workspace's Canvases.
    :param segments: ids (collection of str) of its segments.
    :raises ValueError: for a host that is not loopback without a token, a token that is no key or has keys
        beside it, or a limit with an unknown name.
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
    max_body_bytes: int = 4 * 1024 * 1024
    unknown_ids: Collection[str] = ()
    campaigns: Sequence[Campaign] = ()
    canvases: Collection[str] = ()
    segments: Collection[str] = ()

    def __post_init__(self) -> None:
        if self.token is None and not self.is_private:
            raise ValueError(
                f"On {self.host!r}, others can reach the sandbox, read what was sent and make it fail: it "
                "needs a token there; without one it serves on loopback only (127.0.0.1, ::1 or localhost)"
            )
        if self.token is not None:
            # An empty one is a variable that was not set.
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
        """Whether nobody but this machine can reach it."""
        return _is_loopback(self.host)

    def effective_limits(self) -> dict[str, Limit]:
        """Braze's limits with this sandbox's own over them."""
        effective = dict(DEFAULT_LIMITS)
        if self.hourly_limit is not None:
            effective["default"] = Limit(self.hourly_limit, 3600)
        return effective | dict(self.limits)

    def effective_keys(self) -> dict[str, Collection[str] | None]:
        """Every key with its permissions."""
        return {**self.api_keys, self.api_key: None} if self.token is None else {self.token: None}


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
