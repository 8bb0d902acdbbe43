"""Dags that send to the customers of a SQL table. Each run has its own customers, named after the run."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.operators.schedules import CampaignScheduleOperator
from braze_provider.recipients import SqlRecipients

CUSTOMERS_OF_THE_RUN = SqlRecipients(
    conn_id="customers",
    sql="SELECT '{{ run_id }}/' || customer_id AS external_user_id FROM customers ORDER BY customer_id",
)


def send(**kwargs: Any) -> CampaignTriggerOperator:
    return CampaignTriggerOperator(
        task_id="send",
        campaign_id="417220e4-5a2a-b634-7f7d-9ec891532368",
        recipients=CUSTOMERS_OF_THE_RUN,
        concurrency=int(os.environ.get("TEST_CONCURRENCY", 1)),
        on_uncertain="hold",
        retries=5,
        retry_delay=timedelta(0),
        **kwargs,
    )


with DAG("sends_with_task_state"):
    send()

with DAG("sends_with_sql"):
    send(ledger_conn_id="ledger")

with DAG("schedules_with_sql"):
    CampaignScheduleOperator(
        task_id="send",
        campaign_id="417220e4-5a2a-b634-7f7d-9ec891532368",
        recipients=CUSTOMERS_OF_THE_RUN,
        time="2099-01-01T00:00:00Z",
        concurrency=int(os.environ.get("TEST_CONCURRENCY", 1)),
        retries=5,
        retry_delay=timedelta(0),
        ledger_conn_id="ledger",
    )

with DAG("shares_a_limit"):
    CampaignTriggerOperator.partial(
        task_id="send",
        braze_conn_id="braze_limited",
        campaign_id="417220e4-5a2a-b634-7f7d-9ec891532368",
        recipients=SqlRecipients(
            conn_id="customers",
            sql="SELECT '{{ run_id }}/{{ ti.map_index }}/' || customer_id AS external_user_id FROM customers",
        ),
        concurrency=2,
        pool="braze",
    ).expand(trigger_properties=[{"part": part} for part in range(8)])
