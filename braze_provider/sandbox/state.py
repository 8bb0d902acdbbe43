"""Everything a running sandbox holds; only its event loop's thread touches it."""

from __future__ import annotations

from braze_provider.sandbox.authentication import KeyRing
from braze_provider.sandbox.clock import Clock
from braze_provider.sandbox.config import SandboxConfig
from braze_provider.sandbox.endpoints import BY_PATH
from braze_provider.sandbox.faults import FaultList
from braze_provider.sandbox.limits import RateLimiter
from braze_provider.sandbox.records import Recorder
from braze_provider.sandbox.workspace import Workspace


class SandboxState:
    """
    The parts of a sandbox, made from its configuration.

    :param config: the choices (:class:`SandboxConfig`).
    """

    def __init__(self, config: SandboxConfig) -> None:
        self.config = config
        self.clock = Clock(config.clock_offset)
        self.keys = KeyRing(config.effective_keys())
        self.workspace = Workspace(config.campaigns, config.canvases, config.segments, config.unknown_ids)
        self.limiter = RateLimiter(
            config.effective_limits(), self.clock, reset_in_seconds=config.reset_header == "seconds"
        )
        self.faults = FaultList(BY_PATH)
        self.recorder = Recorder(self.clock, keep_bodies=config.record_bodies)

    def reset(self) -> None:
        """Become as new: nothing received, no faults, full budgets, no users created."""
        self.workspace.reset()
        self.limiter.reset()
        self.faults.clear()
        self.recorder.reset()
