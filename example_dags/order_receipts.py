"""
Send a receipt, a transactional e-mail, to each customer who has ordered the day before.

The e-mail shows ``{{api_trigger_properties.${spent}}}``. If an answer of Braze's is lost, the task makes the
request again, and Braze recognises the repeat: no customer gets a second receipt.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from braze_provider.operators.transactional import TransactionalEmailOperator
from braze_provider.recipients import SqlRecipients

with DAG(
    dag_id="order_receipts",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={"campaign_id": "1f0c9a4e-7b52-4d83-a6e1-3c5d8f20b794"},
    tags=["braze"],
    doc_md=__doc__,
) as dag:
    # [START howto_operator_transactional_email]
    TransactionalEmailOperator(
        task_id="receipts",
        campaign_id="{{ params.campaign_id }}",
        recipients=SqlRecipients(
            conn_id="customers",
            sql="""
                SELECT customer_id AS external_user_id, SUM(price) AS "trigger_properties.spent"
                FROM orders
                WHERE day = '{{ macros.ds_add(dag_run.run_after | ds, -1) }}'
                GROUP BY customer_id ORDER BY customer_id
            """,
        ),
    )
    # [END howto_operator_transactional_email]
