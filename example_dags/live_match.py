"""
Show a match on the lock screens of a team's fans: start a Live Activity, update it, and end it.

The last task ends the activity also if the task before it fails, because Braze ends no activity by itself.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from braze_provider.operators.live_activities import LiveActivityStartOperator, LiveActivityUpdateOperator

with DAG(
    dag_id="live_match",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={"app_id": "8a1f0c52-6d3b-4e97-b0c4-2f5d7e9a1b63", "fans": ["u1", "u2"], "match": "7041"},
    render_template_as_native_obj=True,
    tags=["braze"],
    doc_md=__doc__,
) as dag:
    # [START howto_operator_live_activity]
    kick_off = LiveActivityStartOperator(
        task_id="kick_off",
        app_id="{{ params.app_id }}",
        activity_id="match-{{ params.match }}",
        activity_attributes_type="MatchAttributes",
        activity_attributes={"home": "Lions", "away": "Bears"},
        content_state={"score": "0:0", "minute": 0},
        notification={"alert": {"title": "Kick-off", "body": "Lions against Bears"}},
        external_user_ids="{{ params.fans }}",
    )
    half_time = LiveActivityUpdateOperator(
        task_id="half_time",
        app_id="{{ params.app_id }}",
        activity_id="match-{{ params.match }}",
        content_state={"score": "1:0", "minute": 45},
    )
    final_whistle = LiveActivityUpdateOperator(
        task_id="final_whistle",
        app_id="{{ params.app_id }}",
        activity_id="match-{{ params.match }}",
        content_state={"score": "2:1", "minute": 90},
        end_activity=True,
        trigger_rule="all_done",
    )
    # [END howto_operator_live_activity]
    kick_off >> half_time >> final_whistle
