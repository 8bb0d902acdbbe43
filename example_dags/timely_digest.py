"""
Fill a table for each day, also for days long past, but tell customers only about the day that has just ended.

With ``catchup``, or in a backfill, Airflow runs this Dag once for each missed day. All these runs fill the
table. A message about a day long ago would only confuse: ``max_lateness`` skips the task that sends, if the
run comes later than that. The log of the skipped task says how late it was.
"""

from __future__ import annotations

from datetime import timedelta

import pendulum
from airflow.providers.common.sql.operators.sql import SQLExecuteQueryOperator
from airflow.sdk import DAG

from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.recipients import SqlRecipients

# The day that ended when the run was due. In a backfill, this is a day in the past.
DAY = "{{ macros.ds_add(dag_run.run_after | ds, -1) }}"

with DAG(
    dag_id="timely_digest",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=True,
    max_active_runs=4,
    params={"campaign_id": "417220e4-5a2a-b634-7f7d-9ec891532368"},
    tags=["braze"],
    doc_md=__doc__,
) as dag:
    totals = SQLExecuteQueryOperator(
        task_id="totals",
        conn_id="customers",
        sql=[
            f"DELETE FROM totals WHERE day = '{DAY}'",
            f"""
                INSERT INTO totals (day, customer_id, spent)
                SELECT day, customer_id, SUM(price) FROM orders WHERE day = '{DAY}' GROUP BY day, customer_id
            """,
        ],
    )
    # [START howto_max_lateness]
    digest = CampaignTriggerOperator(
        task_id="digest",
        campaign_id="{{ params.campaign_id }}",
        recipients=SqlRecipients(
            conn_id="customers",
            sql=f"""
                SELECT customer_id AS external_user_id, spent AS "trigger_properties.spent"
                FROM totals WHERE day = '{DAY}' ORDER BY customer_id
            """,
        ),
        max_lateness=timedelta(hours=12),
    )
    # [END howto_max_lateness]
    totals >> digest
