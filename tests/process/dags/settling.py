"""Dags that a user returns to: to settle a doubt, to repeat past runs, to clear a mapped list."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from airflow.sdk import DAG, Variable, task

from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.recipients import SqlRecipients

RECIPIENTS = 120

LEDGERS: dict[str, dict[str, Any]] = {"sql": {"ledger_conn_id": "ledger"}, "task_state": {}}


def send(**kwargs: Any) -> CampaignTriggerOperator:
    return CampaignTriggerOperator(
        task_id="send",
        campaign_id="417220e4-5a2a-b634-7f7d-9ec891532368",
        recipients=SqlRecipients(
            conn_id="customers",
            sql=f"""
                SELECT '{{{{ dag.dag_id }}}}/{{{{ run_id }}}}/' || customer_id AS external_user_id
                FROM customers
                ORDER BY customer_id
                LIMIT {RECIPIENTS}
            """,
        ),
        concurrency=1,
        **kwargs,
    )


@task
def people_by_region() -> list[list[dict[str, str]]]:
    from airflow.sdk import get_current_context

    context = get_current_context()
    run_id = context["run_id"]
    regions = Variable.get(f"regions_{run_id}", default="north,south").split(",")
    return [
        [
            {"external_user_id": f"{context['dag'].dag_id}/{run_id}/{region}-{number}"}
            for number in range(RECIPIENTS)
        ]
        for region in regions
    ]


for name, ledger in LEDGERS.items():
    with DAG(f"settles_with_{name}"):
        send(on_uncertain="{{ var.value.get('on_uncertain_' ~ run_id, 'hold') }}", **ledger)

    with DAG(
        f"backfills_with_{name}",
        schedule="@daily",
        start_date=datetime(2026, 1, 1, tzinfo=timezone.utc),
        end_date=datetime(2026, 1, 2, tzinfo=timezone.utc),
        catchup=False,
    ):
        send(**ledger)

    with DAG(f"maps_with_{name}"):
        CampaignTriggerOperator.partial(
            task_id="send", campaign_id="417220e4-5a2a-b634-7f7d-9ec891532368", concurrency=1, **ledger
        ).expand(recipients=people_by_region())
