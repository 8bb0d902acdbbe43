"""Sensors for Cloud Data Ingestion."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from braze_provider.api.endpoints import CDI_INTEGRATIONS_JOB_SYNC_STATUS
from braze_provider.api.errors import Problem
from braze_provider.links.braze import CDI_LINKS
from braze_provider.tasks.fields import FIXED, TEXT, Field
from braze_provider.tasks.times import moment
from braze_provider.tasks.wait import BrazeSensor
from braze_provider.triggers.syncs import sync_has_run_since

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from braze_provider.tasks.arguments import SensorArguments, Templated


class CdiSyncSensor(BrazeSensor):
    """
    Wait until an integration of Cloud Data Ingestion has synced, whoever started the sync.

    A sync counts if it began at a moment or later. If all syncs since then have failed and none runs, the
    task fails at once. The result has the figures of the last sync that is done: ``rows_synced``,
    ``rows_failed``, ``job_status``, ``sync_start_time``, ``sync_finish_time`` and ``last_timestamp_synced``.

    :class:`~braze_provider.tasks.wait.BrazeSensor` explains how the task waits.

    .. seealso::
        - :ref:`howto/sensor:CdiSyncSensor`
        - https://www.braze.com/docs/api/endpoints/cdi/get_job_sync_status

    :param integration_id: Id of the integration. (templated)
    :param since: The moment: a datetime or ISO 8601 text, with a time zone. Default: the start of the Dag
        run. (templated)
    :param on_partial: What to do about a sync of which some rows failed: it counts as failed (``fail``,
        default), or as done (``succeed``).
    :raises BrazeValidationError: For bad arguments.
    """

    endpoint = CDI_INTEGRATIONS_JOB_SYNC_STATUS
    operator_extra_links = CDI_LINKS
    request_fields: ClassVar[Mapping[str, Field]] = {
        "integration_id": TEXT,
        "since": TEXT,
        "on_partial": FIXED,
    }
    look = staticmethod(sync_has_run_since)

    def __init__(
        self,
        *,
        integration_id: Templated,
        since: datetime | Templated = "{{ dag_run.start_date.isoformat() }}",
        on_partial: Literal["fail", "succeed"] = "fail",
        **kwargs: Unpack[SensorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.integration_id = integration_id
        self.since = since
        self.on_partial = on_partial
        if on_partial not in ("fail", "succeed"):
            self.refuse([Problem("on_partial", "must be `fail` or `succeed`")])

    def arguments_of_look(self) -> dict[str, Any]:
        """Give integration and moment."""
        return {
            "integration_id": self.integration_id,
            "since": moment(self.since, field="since").isoformat(),
            "on_partial": self.on_partial,
        }
