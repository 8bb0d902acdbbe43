"""A task that triggers what the dashboard holds, now or later, and that can check it first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from braze_provider.api.errors import (
    BrazeNotFoundError,
    BrazePermissionError,
    BrazeRejectedError,
    Problem,
)
from braze_provider.tasks.send import BrazeSendOperator

if TYPE_CHECKING:
    from braze_provider.delivery.target import Target


class BrazeTriggerOperator(BrazeSendOperator):
    """
    Base of the operators that trigger a campaign or a Canvas. All of them take this parameter.

    :param check: Whether to read the campaign or the Canvas before anything is sent, also in a dry run. The
        task fails if it is archived, a draft, stopped or certainly not triggered through the API, or if it
        sends no e-mail and there are ``attachments``. The log warns of recipients whom its channels may not
        reach. If the API key lacks the permission (``campaigns.details``, ``canvas.details``), the log says
        so and the task goes on. If Braze can't be asked, the task fails before it sends, and a retry asks
        again. Default False.
    """

    flags = ("check",)

    def __init__(self, *, check: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.check = check
        self._channels: tuple[str, ...] = ()

    @property
    def triggered(self) -> Target:
        """What is triggered."""
        from braze_provider.delivery.target import CAMPAIGN, CANVAS

        return next(one for one in (CAMPAIGN, CANVAS) if one.field in self.request_fields)

    def before_delivery(self) -> None:
        """Check the campaign or the Canvas, if that is wanted."""
        from braze_provider.delivery.target import channels_of, other_start, state_of

        details = self._details() if self.check else None
        if details is None:
            return
        target, problems = self.triggered, []
        name = f"the {target.noun} {details.get('name')!r}"
        self._channels = channels_of(details)
        if state := state_of(details):
            problems.append(Problem(target.field, f"{name} is {state}"))
        if start := other_start(details):
            problems.append(
                Problem(
                    target.field, f"{name} is not API-triggered: it starts {start}; check=False ignores it"
                )
            )
        if getattr(self, "attachments", None) and self._channels and "email" not in self._channels:
            problems.append(
                Problem("attachments", f"{name} sends no e-mail: its channels are {self._named_channels}")
            )
        self.refuse(problems)
        self.log.info("Checked: %s may send", name)

    def look_at(self, recipients: Iterable[bytes]) -> None:
        """Warn of recipients whom the channels may not reach."""
        if self._channels:
            from braze_provider.delivery.target import doubts_about

            for doubt in doubts_about(recipients, self._channels):
                self.log.warning(
                    "Check: %s (channels of the %s: %s)", doubt, self.triggered.noun, self._named_channels
                )

    @property
    def _named_channels(self) -> str:
        return ", ".join(self._channels)

    def _details(self) -> Mapping[str, Any] | None:
        from braze_provider.tasks.calls import call_patiently

        target = self.triggered
        params = {target.field: getattr(self, target.field)}
        try:
            return call_patiently(self.hook, target.details, params=params, log=self.log).body
        except BrazePermissionError:
            self.log.warning(
                "Not checked: the API key lacks the permission %s. The task goes on without the check",
                target.details.permission,
            )
        except (BrazeRejectedError, BrazeNotFoundError) as error:
            self.refuse([Problem(target.field, f"Braze does not describe this {target.noun}: {error}")])
        return None
