"""Dags whose deliveries the page shows. Each run has its own recipients, named after the run."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG

from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.recipients import SqlRecipients


def recipients(count: int, part: str = "") -> SqlRecipients:
    return SqlRecipients(
        conn_id="customers",
        sql=f"""
            SELECT '{{{{ dag.dag_id }}}}/{{{{ run_id }}}}/{part}' || customer_id AS external_user_id
            FROM customers
            ORDER BY customer_id
            LIMIT {count}
        """,
    )


def send(**kwargs: Any) -> CampaignTriggerOperator:
    return CampaignTriggerOperator(task_id="send_offers", **common(), **kwargs)


def common() -> dict[str, Any]:
    return {
        "campaign_id": "417220e4-5a2a-b634-7f7d-9ec891532368",
        "concurrency": 1,
        "ledger_conn_id": "ledger",
    }


with DAG("win_back_customers"):
    send(recipients=recipients(420))

with DAG("order_updates"):
    send(recipients=recipients(240))

with DAG("newsletter"):
    send(recipients=recipients(1_600), braze_conn_id="slow_braze")

with DAG("loyalty_points"):
    CampaignTriggerOperator.partial(
        task_id="remind", recipients=recipients(120, "{{ ti.map_index }}/"), **common()
    ).expand(trigger_properties=[{"level": level} for level in ("gold", "silver")])
