"""
The links of a task to Braze's dashboard.

Airflow asks for a link in the worker, at the end of each try, and keeps it as an XCom. A link is empty, and
Airflow's UI then shows none, if the dashboard of the REST endpoint is not known, as for a sandbox or a proxy.
"""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

from braze_provider.api.clusters import dashboard_url

_log = logging.getLogger(__name__)


class BrazeDashboardLink(BaseOperatorLink):
    """The dashboard that belongs to the REST endpoint of the task's connection."""

    name = "Braze dashboard"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """
        Give the address of the page, or an empty text if it is not known.

        :param operator: The task, as it was rendered.
        :param ti_key: The task instance.
        """
        try:
            home = dashboard_url(operator.hook.connection.host)
            return f"{home}{self.path_of(operator)}" if home else ""
        except Exception as error:  # noqa: BLE001 - a link must not fail a task, whatever went wrong before
            _log.debug("No link %r, because of a %s", self.name, type(error).__name__)
            return ""

    def path_of(self, operator: Any) -> str:
        """
        Give the path of the page in the dashboard.

        :param operator: The task, as it was rendered.
        """
        return ""


class MessageActivityLogLink(BrazeDashboardLink):
    """The Message Activity Log, in which Braze keeps the errors of a send for 60 hours."""

    name = "Braze Message Activity Log"

    def path_of(self, operator: Any) -> str:
        """Give the path of the log."""
        return "/app_settings/developer_console/activitylog/"


class CloudDataIngestionLink(BrazeDashboardLink):
    """The page of the Cloud Data Ingestion integration that the task's ``integration_id`` names."""

    name = "Braze Cloud Data Ingestion"

    def path_of(self, operator: Any) -> str:
        """Give the path of the integration's page."""
        return f"/integrations/cloud_data_ingestion/{quote(operator.integration_id, safe='')}"


DASHBOARD_LINKS: tuple[BaseOperatorLink, ...] = (BrazeDashboardLink(),)
"""The links of every task."""
SEND_LINKS: tuple[BaseOperatorLink, ...] = (*DASHBOARD_LINKS, MessageActivityLogLink())
"""The links of a task that sends."""
CDI_LINKS: tuple[BaseOperatorLink, ...] = (*DASHBOARD_LINKS, CloudDataIngestionLink())
"""The links of a task that works with a Cloud Data Ingestion integration."""
