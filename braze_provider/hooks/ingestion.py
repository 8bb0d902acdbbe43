"""The hook's methods for Cloud Data Ingestion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braze_provider.api.endpoints import (
    CDI_INTEGRATIONS_JOB_SYNC_STATUS,
    CDI_INTEGRATIONS_LIST,
    CDI_INTEGRATIONS_SYNC,
)
from braze_provider.hooks.methods import HookMethods

if TYPE_CHECKING:
    from braze_provider.api.answers import Answer


class IngestionMethods(HookMethods):
    """List integrations of Cloud Data Ingestion, sync them, and read how their syncs go."""

    def cdi_integrations_list(self, cursor: str | None = None) -> Answer:
        """
        List the integrations, 10 on a page.

        :param cursor: The answer's ``links["next"]["cursor"]`` for the page before. Default: the first page.
        :return: The answer, with the integrations under ``results``.
        :raises BrazeRequestError: If Braze did not answer with the list.

        .. seealso:: https://www.braze.com/docs/api/endpoints/cdi/get_integration_list
        """
        return self.call(CDI_INTEGRATIONS_LIST, params=_page(cursor))

    def cdi_integrations_sync(self, integration_id: str) -> Answer:
        """
        Start a sync of an integration. Braze does not tell an id of it.

        :param integration_id: Id of the integration.
        :return: The answer.
        :raises BrazeValidationError: If the id is empty or has a slash in it. No request was made.
        :raises BrazeConflictError: If a sync of the integration runs already.
        :raises BrazeRequestError: If Braze did not accept the request, or may not have accepted it.

        .. seealso:: https://www.braze.com/docs/api/endpoints/cdi/post_job_sync
        """
        return self.call(CDI_INTEGRATIONS_SYNC, path={"integration_id": integration_id})

    def cdi_integrations_job_sync_status(self, integration_id: str, cursor: str | None = None) -> Answer:
        """
        List the syncs of an integration, 10 on a page. Braze documents no order.

        :param integration_id: Id of the integration.
        :param cursor: The answer's ``links["next"]["cursor"]`` for the page before. Default: the first page.
        :return: The answer, with the syncs under ``results``: ``job_status``, ``sync_start_time``,
            ``sync_finish_time``, ``rows_synced``, ``rows_failed_with_errors``, …
        :raises BrazeValidationError: If the id is empty or has a slash in it. No request was made.
        :raises BrazeRequestError: If Braze did not answer with the list.

        .. seealso:: https://www.braze.com/docs/api/endpoints/cdi/get_job_sync_status
        """
        path = {"integration_id": integration_id}
        return self.call(CDI_INTEGRATIONS_JOB_SYNC_STATUS, path=path, params=_page(cursor))


def _page(cursor: str | None) -> dict[str, str] | None:
    return None if cursor is None else {"cursor": cursor}
