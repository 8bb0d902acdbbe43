"""A Dag that triggers a campaign now, and schedules a reminder for two hours later."""

from airflow.sdk import DAG

from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.operators.schedules import CampaignScheduleOperator

CUSTOMERS = [
    {"external_user_id": "user-1", "trigger_properties": {"voucher": "BACK-1"}},
    {"external_user_id": "user-2", "trigger_properties": {"voucher": "BACK-2"}},
]

with DAG("win_back", schedule=None) as dag:
    trigger = CampaignTriggerOperator(task_id="trigger", campaign_id="win-back", recipients=CUSTOMERS)
    remind = CampaignScheduleOperator(
        task_id="remind",
        campaign_id="reminder",
        recipients=CUSTOMERS,
        time="{{ (dag_run.run_after + macros.timedelta(hours=2)).isoformat() }}",
    )
    trigger >> remind
