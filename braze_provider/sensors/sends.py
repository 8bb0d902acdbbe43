"""Sensors for sends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from braze_provider.api.endpoints import SENDS_DATA_SERIES
from braze_provider.api.errors import Problem
from braze_provider.tasks.fields import FIXED, TEXT, Field
from braze_provider.tasks.series import items_of
from braze_provider.tasks.texts import problems_of_texts
from braze_provider.tasks.wait import BrazeSensor
from braze_provider.triggers.look import Seen

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from braze_provider.hooks.braze import BrazeHook
    from braze_provider.tasks.arguments import SensorArguments, Templated

DAYS_KEPT = 14
"""Days for which Braze keeps the statistics of a send."""


def send_has_settled(
    hook: BrazeHook, campaign_id: str, send_id: str, polls: int, memory: Mapping[str, int] | None = None
) -> Seen:
    """
    Look how many messages of a send Braze has counted.

    :param hook: The hook to look with.
    :param campaign_id: Id of the campaign.
    :param send_id: The send identifier.
    :param polls: How many further looks in a row must see the same number.
    :param memory: What the look before this one has seen.
    :return: The state. The result is the number of messages sent.
    """
    days = hook.sends_data_series(campaign_id, send_id, length=DAYS_KEPT)
    sent = sum(_sent(day.get("messages")) for day in days)
    is_same = memory is not None and memory["sent"] == sent
    unchanged = memory["unchanged"] + 1 if memory is not None and is_same else 0
    return Seen(
        f"{sent:,} sent, unchanged in {unchanged} of {polls} polls",
        # The statistics come late, so that no message yet does not mean that there will be none.
        has_come=sent > 0 and unchanged >= polls,
        result={"sent": sent},
        memory={"sent": sent, "unchanged": unchanged},
    )


def _sent(messages: Any) -> int:
    return sum(int(item.get("sent") or 0) for _, item in items_of(messages or {}))


class SendSettledSensor(BrazeSensor):
    """
    Wait until Braze counts no more messages of a send: the number sent is the same in several polls in a row.

    Braze does not tell when a send is finished. Its statistics come late, so give ``poke_interval`` some
    minutes. A send without any message is never settled. Braze keeps the statistics for 14 days. The result
    is ``{"sent": …}``.

    :class:`~braze_provider.tasks.wait.BrazeSensor` explains how the task waits. ``mode="reschedule"`` needs
    Airflow 3.3, which keeps the number between two polls, and is refused by older ones when the Dag is
    parsed. ``deferrable=True`` takes no slot either and works with all of them.

    .. seealso::
        - :ref:`howto/sensor:SendSettledSensor`
        - https://www.braze.com/docs/api/endpoints/export/campaigns/get_send_analytics

    :param campaign_id: Id of the send's API campaign. (templated)
    :param send_id: The send identifier, such as the output of a ``SendIdCreateOperator``. (templated)
    :param polls: How many polls in a row must see the number of the poll before them. Default 3.
    :raises BrazeValidationError: For bad arguments, before the first request.
    """

    endpoint = SENDS_DATA_SERIES
    request_fields: ClassVar[Mapping[str, Field]] = {"campaign_id": TEXT, "send_id": TEXT, "polls": FIXED}
    look = staticmethod(send_has_settled)
    remembers = True

    def __init__(
        self,
        *,
        campaign_id: Templated,
        send_id: Templated,
        polls: int = 3,
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.campaign_id = campaign_id
        self.send_id = send_id
        self.polls = polls
        self._check()

    def _check(self) -> None:
        problems = problems_of_texts(self, "campaign_id", "send_id")
        polls: Any = self.polls
        if isinstance(polls, bool) or not isinstance(polls, int) or polls < 1:
            problems.append(Problem("polls", "must be a whole number, 1 or more"))
        self.refuse(problems)

    def arguments_of_look(self) -> dict[str, Any]:
        """Give campaign, send and number of polls."""
        self._check()
        return {"campaign_id": self.campaign_id, "send_id": self.send_id, "polls": self.polls}
