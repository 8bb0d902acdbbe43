"""The names that the Python blocks of the documentation leave out, because every reader has their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from airflow.sdk import DAG, task

from braze_provider.hooks.braze import BrazeHook
from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.operators.messages import MessagesSendOperator
from braze_provider.operators.statistics import CampaignStatsOperator
from braze_provider.operators.users import UsersTrackOperator
from braze_provider.recipients import FileRecipients, RecipientSource, SqlRecipients
from braze_provider.sensors.broadcasts import ScheduledBroadcastSensor
from braze_provider.sensors.campaigns import CampaignSentSensor
from braze_provider.sensors.ingestion import CdiSyncSensor

CAMPAIGN = "417220e4-5a2a-b634-7f7d-9ec891532368"
customers = SqlRecipients("customers", "SELECT customer_id AS external_user_id FROM customers")
hook = BrazeHook()


@task
def find_people() -> list[dict[str, Any]]:
    """Return recipients."""
    return [{"external_user_id": "u1"}]


def read_page(number: int) -> list[str]:
    """Return a page of ids from an API of the reader's."""
    return [f"{number}-{place}" for place in range(3)]
