"""Operators for Cloud Data Ingestion."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from braze_provider.api.endpoints import CDI_INTEGRATIONS_SYNC
from braze_provider.links.braze import CDI_LINKS
from braze_provider.tasks.fields import FIXED, TEXT, Field
from braze_provider.tasks.start import BrazeStartOperator
from braze_provider.triggers.syncs import latest_sync, no_sync_runs, sync_has_begun, sync_is_done

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from braze_provider.tasks.arguments import StartArguments, Templated

CLOCK_SKEW = timedelta(minutes=1)
"""How far Airflow's clock may be ahead of Braze's."""


class CdiSyncOperator(BrazeStartOperator):
    """
    Sync an integration of Cloud Data Ingestion now, and wait until the sync is done.

    The result has the sync's figures: ``rows_synced``, ``rows_failed``, ``job_status``, ``sync_start_time``,
    ``sync_finish_time`` and ``last_timestamp_synced``. If the sync ends with ``error`` or ``config_error``,
    the task fails and is not retried. The API key needs the permissions ``cdi.integration_sync`` and
    ``cdi.integration_job_status``.

    A retry goes on waiting for the sync of the earlier try. Before Airflow 3.3, it takes the first sync since
    the start of the Dag run for that one. Do not sync one integration twice in a Dag run there.

    :class:`~braze_provider.tasks.start.BrazeStartOperator` explains how the task waits.

    .. seealso::
        - :ref:`howto/operator:CdiSyncOperator`
        - https://www.braze.com/docs/api/endpoints/cdi/post_job_sync

    :param integration_id: Id of the integration. (templated)
    :param if_running: What to do if another sync of the integration runs already, because Braze runs only one
        at a time: ``wait`` (default) until it has ended, and then start this one, or ``fail``.
    :param on_partial: What to do if some rows failed: ``fail`` (default) without a retry, or ``succeed``.
    :raises BrazeValidationError: For bad arguments, before the first request.
    """

    endpoint = CDI_INTEGRATIONS_SYNC
    operator_extra_links = CDI_LINKS
    request_fields: ClassVar[Mapping[str, Field]] = {
        "integration_id": TEXT,
        "if_running": FIXED,
        "on_partial": FIXED,
    }
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "if_running": ("wait", "fail"),
        "on_partial": ("fail", "succeed"),
    }
    look = staticmethod(sync_is_done)
    begun = staticmethod(sync_has_begun)
    idle = staticmethod(no_sync_runs)

    def __init__(
        self,
        *,
        integration_id: Templated,
        if_running: Literal["wait", "fail"] = "wait",
        on_partial: Literal["fail", "succeed"] = "fail",
        **kwargs: Unpack[StartArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.integration_id = integration_id
        self.if_running = if_running
        self.on_partial = on_partial
        self.check_constants()

    def identity(self) -> dict[str, Any]:
        """Give the integration."""
        return {"integration_id": self.integration_id}

    def facts_before(self) -> dict[str, Any]:
        """Give the beginning of the last sync: the new one begins after it, by Braze's own clock."""
        return {"after": latest_sync(self.hook, str(self.integration_id))}

    def facts_since(self, moment: datetime) -> dict[str, Any]:
        """Give the start of the Dag run."""
        return {"after": (moment - CLOCK_SKEW).isoformat()}

    def arguments_of_look(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Give the integration, and the moment after which the sync begins."""
        return {
            "integration_id": facts["integration_id"],
            "after": facts["after"],
            "on_partial": self.on_partial,
        }
