"""Sensors for campaigns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from braze_provider.api.endpoints import CAMPAIGNS_DETAILS
from braze_provider.tasks.fields import TEXT, Field
from braze_provider.tasks.times import moment
from braze_provider.tasks.wait import BrazeSensor
from braze_provider.triggers.look import NeverComesError, Seen

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from braze_provider.hooks.braze import BrazeHook
    from braze_provider.tasks.arguments import SensorArguments, Templated


def campaign_has_sent(hook: BrazeHook, campaign_id: str, since: str) -> Seen:
    """
    Look when a campaign sent for the last time.

    :param hook: The hook to look with.
    :param campaign_id: Id of the campaign.
    :param since: The moment after which the campaign must have sent, ISO 8601 with a time zone.
    :return: The state. The result is the moment of the last send, as Braze gives it.
    :raises NeverComesError: If the campaign is archived.
    """
    details = hook.campaigns_details(campaign_id)
    last_sent = details.get("last_sent")
    # Braze gives only the hour.
    if last_sent and moment(last_sent, field="last_sent") >= moment(since, field="since").start_of("hour"):
        return Seen(f"last sent {last_sent}", has_come=True, result=last_sent)
    if details.get("archived"):
        raise NeverComesError(f"Campaign {campaign_id} is archived: it will not send")
    return Seen(f"last sent {last_sent}" if last_sent else "never sent")


class CampaignSentSensor(BrazeSensor):
    """
    Wait until a campaign has sent something since a moment. Braze gives only the hour of its last send.

    Any send of the campaign counts. If the campaign is archived, the task fails at once. The result is the
    moment of the last send, as Braze gives it.

    :class:`~braze_provider.tasks.wait.BrazeSensor` explains how the task waits.

    .. seealso::
        - :ref:`howto/sensor:CampaignSentSensor`
        - https://www.braze.com/docs/api/endpoints/export/campaigns/get_campaign_details

    :param campaign_id: Id of the campaign. (templated)
    :param since: The moment: a datetime or ISO 8601 text, with a time zone. Minutes are ignored. Default: the
        start of the Dag run. (templated)
    """

    endpoint = CAMPAIGNS_DETAILS
    request_fields: ClassVar[Mapping[str, Field]] = {"campaign_id": TEXT, "since": TEXT}
    look = staticmethod(campaign_has_sent)

    def __init__(
        self,
        *,
        campaign_id: Templated,
        since: datetime | Templated = "{{ dag_run.start_date.isoformat() }}",
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.campaign_id = campaign_id
        self.since = since

    def arguments_of_look(self) -> dict[str, Any]:
        """Give campaign and moment."""
        return {"campaign_id": self.campaign_id, "since": moment(self.since, field="since").isoformat()}
