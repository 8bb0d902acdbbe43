"""
Give each month a campaign of its own: copy a template campaign, then trigger the copy.

So the dashboard shows the statistics of each month apart from the others.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.operators.duplicates import CampaignDuplicateOperator
from braze_provider.recipients import SqlRecipients

with DAG(
    dag_id="monthly_copy",
    schedule="@monthly",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={"campaign_id": "417220e4-5a2a-b634-7f7d-9ec891532368"},
    tags=["braze"],
    doc_md=__doc__,
) as dag:
    # [START howto_operator_campaign_duplicate]
    copy = CampaignDuplicateOperator(
        task_id="copy",
        campaign_id="{{ params.campaign_id }}",
        name="Win back {{ dag_run.run_after | ds }}",
        timeout=600,
    )
    send = CampaignTriggerOperator(
        task_id="send",
        campaign_id=copy.output,
        recipients=SqlRecipients(
            conn_id="customers",
            sql="SELECT customer_id AS external_user_id FROM customers ORDER BY customer_id",
        ),
    )
    # [END howto_operator_campaign_duplicate]
