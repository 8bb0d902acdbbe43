"""
Schedule a campaign for two hours from now, and cancel it if the sale is called off meanwhile.

The campaign is checked before anything is scheduled. A retry of the first task schedules nothing twice. If
that task fails for good or is cancelled, it deletes what it has scheduled (``delete_on_failure``). After it,
the stock is checked, and the last task cancels all schedules if there is none left.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, XComArg, task

from braze_provider.operators.schedules import CampaignScheduleOperator, ScheduleDeleteOperator
from braze_provider.recipients import SqlRecipients


@task.short_circuit
def is_called_off(params: dict[str, Any] | None = None) -> bool:
    """Tell whether the sale does not take place: the tasks behind this one run only then."""
    return bool(params and params["stock"] == 0)


with DAG(
    dag_id="scheduled_sale",
    schedule="@weekly",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={"campaign_id": "417220e4-5a2a-b634-7f7d-9ec891532368", "stock": 100},
    tags=["braze"],
    doc_md=__doc__,
) as dag:
    # [START howto_operator_campaign_schedule]
    schedule = CampaignScheduleOperator(
        task_id="schedule",
        campaign_id="{{ params.campaign_id }}",
        recipients=SqlRecipients(
            conn_id="customers",
            sql="SELECT customer_id AS external_user_id FROM customers ORDER BY customer_id",
        ),
        time="{{ (dag_run.run_after + macros.timedelta(hours=2)).isoformat() }}",
        check=True,
        delete_on_failure=True,
    )
    # [END howto_operator_campaign_schedule]
    # [START howto_operator_schedule_delete]
    cancel = ScheduleDeleteOperator(
        task_id="cancel",
        campaign_id="{{ params.campaign_id }}",
        schedule_ids=XComArg(schedule, key="schedule_ids"),
    )
    # [END howto_operator_schedule_delete]
    schedule >> is_called_off() >> cancel
