"""
Dags that are attacked: killed, cleared by task, deleted and created again, with another source or ledger.

A run's recipients are in a table, and its arguments are in variables, so that both can change between tries.
"""

from __future__ import annotations

import importlib.metadata
from datetime import timedelta
from typing import Any

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Variable, task

from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.recipients import SqlRecipients

CAMPAIGN = "417220e4-5a2a-b634-7f7d-9ec891532368"
HAS_TASK_STATE = importlib.metadata.version("apache-airflow") >= "3.3"

BY_VARIABLE = "{{{{ var.value.get('{name}_' ~ run_id, '{default}') }}}}"
SQL_LEDGER = {"ledger_conn_id": BY_VARIABLE.format(name="ledger", default="ledger")}
LEDGERS: dict[str, dict[str, Any]] = {"sql": SQL_LEDGER, **({"task_state": {}} if HAS_TASK_STATE else {})}

BROKEN_UNTIL_FIXED = f"{{{{ '{CAMPAIGN}' if 1 // (var.value.get('fixed_' ~ run_id, '0') | int) }}}}"
"""Divides by zero until a variable is set."""

WITHOUT_LIMIT: dict[str, Any] = {"max_active_runs": 100, "max_active_tasks": 100}


def send(task_id: str, **changes: Any) -> CampaignTriggerOperator:
    arguments: dict[str, Any] = {
        "campaign_id": CAMPAIGN,
        "recipients": SqlRecipients(
            conn_id="attacked_people",
            sql="""
                SELECT '{{ run_id }}/{{ task.task_id }}/' || name AS external_user_id
                FROM people
                WHERE run_id = '{{ run_id }}'
                ORDER BY name
            """,
        ),
        "resend": BY_VARIABLE.format(name="resend", default="False"),
        "concurrency": 1,
        "deferrable": True,
        "max_slot_wait": 0.5,
        "retries": 2,
        "retry_delay": timedelta(0),
        **changes,
    }
    return CampaignTriggerOperator(task_id=task_id, **arguments)


@task(pool="closed")
def hold_open() -> None:
    """It never runs, because its pool has no slots. So the Dag run never ends."""


with DAG("attacked", **WITHOUT_LIMIT):
    EmptyOperator(task_id="sibling")
    for name, ledger in LEDGERS.items():
        send(name, **ledger)

with DAG("attacked_while_open", **WITHOUT_LIMIT):
    hold_open()
    EmptyOperator(task_id="sibling")
    for name, ledger in LEDGERS.items():
        send(name, **ledger)

with DAG("attacked_and_fixed", **WITHOUT_LIMIT):
    for name, ledger in LEDGERS.items():
        send(f"{name}_template", campaign_id=BROKEN_UNTIL_FIXED, retries=0, **ledger)
        send(f"{name}_connection", braze_conn_id="{{ run_id }}", retries=0, **ledger)

if not HAS_TASK_STATE:
    with DAG("attacked_without_ledger", **WITHOUT_LIMIT):
        send("memory", deferrable=False)

for name, ledger in LEDGERS.items():
    with DAG(f"attacked_at_full_speed_with_{name}", **WITHOUT_LIMIT):
        send(name, braze_conn_id="fast_braze", concurrency=8, **ledger)

with DAG("attacked_mapped", **WITHOUT_LIMIT):

    @task
    def groups(ledger: str) -> list[list[dict[str, str]]]:
        from airflow.sdk import get_current_context

        run_id = get_current_context()["run_id"]
        return [
            [{"external_user_id": f"{run_id}/{ledger}/{group}-{number:03}"} for number in range(100)]
            for group in Variable.get(f"groups_{run_id}").split(",")
        ]

    hold_open()
    for name, ledger in LEDGERS.items():
        CampaignTriggerOperator.partial(task_id=name, campaign_id=CAMPAIGN, concurrency=1, **ledger).expand(
            recipients=groups.override(task_id=f"groups_{name}")(name)
        )
