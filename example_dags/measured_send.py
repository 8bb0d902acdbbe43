"""
Send a campaign, wait until Braze has counted its messages, and read the figures of exactly this send.

The label ``send_id`` connects the tasks: the first one registers it, and the campaign is sent under it. The
tasks behind take it from the task that sent, so they run after it. (A broadcast needs no first task: Braze
makes its label, and the task that sends gives it in the same way.)
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.operators.sends import SendIdCreateOperator
from braze_provider.operators.statistics import SendStatsOperator
from braze_provider.recipients import SqlRecipients
from braze_provider.sensors.sends import SendSettledSensor

with DAG(
    dag_id="measured_send",
    schedule="@weekly",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={"campaign_id": "417220e4-5a2a-b634-7f7d-9ec891532368"},
    tags=["braze"],
    doc_md=__doc__,
) as dag:
    # [START howto_operator_send_id_create]
    register = SendIdCreateOperator(task_id="register", campaign_id="{{ params.campaign_id }}")
    send = CampaignTriggerOperator(
        task_id="send",
        campaign_id="{{ params.campaign_id }}",
        send_id=register.output,
        recipients=SqlRecipients(
            conn_id="customers",
            sql="SELECT customer_id AS external_user_id FROM customers ORDER BY customer_id",
        ),
    )
    # [END howto_operator_send_id_create]
    # [START howto_sensor_send_settled]
    settled = SendSettledSensor(
        task_id="settled",
        campaign_id="{{ params.campaign_id }}",
        send_id=send.output["send_id"],
        # Every five minutes, because Braze's statistics come late. The task takes no slot while it waits.
        poke_interval=300,
        timeout=6 * 3600,
        deferrable=True,
    )
    # [END howto_sensor_send_settled]
    # [START howto_operator_send_stats]
    figures = SendStatsOperator(
        task_id="figures",
        campaign_id="{{ params.campaign_id }}",
        send_id=send.output["send_id"],
        # The day of the run and the next one, because a send may go on after midnight.
        start="{{ dag_run.run_after | ds }}",
        end="{{ macros.ds_add(dag_run.run_after | ds, 2) }}",
    )
    # [END howto_operator_send_stats]
    settled >> figures
