"""
Win back customers who have not bought for a while: a SQL table decides who, a Braze campaign says what.

The campaign's content lives in Braze. It greets with ``{{${first_name}}}`` and reads what this Dag hands
over: ``{{api_trigger_properties.${voucher}}}`` and ``{{api_trigger_properties.${days_away}}}``.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.recipients import SqlRecipients

with DAG(
    dag_id="win_back_campaign",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={"campaign_id": "417220e4-5a2a-b634-7f7d-9ec891532368", "days_away": 90},
    tags=["braze"],
    doc_md=__doc__,
) as dag:
    # [START howto_operator_campaign_trigger]
    CampaignTriggerOperator(
        task_id="win_back",
        campaign_id="{{ params.campaign_id }}",
        recipients=SqlRecipients(
            conn_id="customers",
            sql="""
                SELECT customer_id AS external_user_id,
                       voucher     AS "trigger_properties.voucher",
                       days_away   AS "trigger_properties.days_away"
                FROM customers
                WHERE days_away >= {{ params.days_away }}
                ORDER BY customer_id
            """,
        ),
        # Every run has this date; ``ds`` is only there where a run has a logical date.
        trigger_properties={"run": "{{ dag_run.run_after | ds }}"},
        # A WHERE clause that goes wrong must not reach everybody.
        max_recipients=100_000,
    )
    # [END howto_operator_campaign_trigger]
