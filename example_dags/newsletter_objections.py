"""Take customers who have objected to the newsletter out of its subscription group, every hour."""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from braze_provider.operators.subscriptions import SubscriptionSetOperator
from braze_provider.recipients import SqlRecipients

with DAG(
    dag_id="newsletter_objections",
    schedule="@hourly",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={"subscription_group_id": "4b1f0c2e-7a55-3d90-8e61-2f6c0a9d7b13"},
    tags=["braze"],
    doc_md=__doc__,
) as dag:
    # [START howto_operator_subscription_set]
    SubscriptionSetOperator(
        task_id="objections",
        subscription_group_id="{{ params.subscription_group_id }}",
        subscription_state="unsubscribed",
        emails=SqlRecipients(conn_id="customers", sql="SELECT email FROM objections ORDER BY email"),
    )
    # [END howto_operator_subscription_set]
