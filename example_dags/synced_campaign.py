"""
Bring profiles from the warehouse to Braze with Cloud Data Ingestion, then send a campaign that uses them.

The first task starts the sync and waits until it is done, without a slot. The campaign shows
``{{custom_attribute.${voucher}}}``, which the sync has just brought. If the sync fails, or if Braze could not
take some of its rows, the task fails and the campaign is not sent.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.sdk import DAG

from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.operators.ingestion import CdiSyncOperator
from braze_provider.recipients import SqlRecipients

with DAG(
    dag_id="synced_campaign",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={
        "integration_id": "00b0a1c2-5c1d-4e6b-8f0a-3d9e7b624815",
        "campaign_id": "417220e4-5a2a-b634-7f7d-9ec891532368",
    },
    tags=["braze"],
    doc_md=__doc__,
) as dag:
    # [START howto_operator_cdi_sync]
    sync = CdiSyncOperator(
        task_id="sync",
        integration_id="{{ params.integration_id }}",
        timeout=timedelta(hours=2),
        deferrable=True,
    )
    # [END howto_operator_cdi_sync]
    announce = CampaignTriggerOperator(
        task_id="announce",
        campaign_id="{{ params.campaign_id }}",
        recipients=SqlRecipients(
            conn_id="customers",
            sql="SELECT customer_id AS external_user_id FROM customers WHERE days_away >= 90",
        ),
    )
    sync >> announce
