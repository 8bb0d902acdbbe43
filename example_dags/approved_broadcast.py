"""
Ask a person before a message goes to a whole segment. Needs Airflow 3.1.

The first task reads how large the segment is. Airflow then shows the question under *Required Actions*, and
the run waits without a slot. If the person rejects, or if nobody answers within eight hours, the task that
sends is skipped. (``response_timeout`` needs ``apache-airflow-providers-standard`` 1.12.2.)
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, task

from braze_provider.hooks.braze import BrazeHook
from braze_provider.operators.messages import MessagesSendOperator


@task
def size(segment_id: str) -> int:
    """Return how many users are in the segment, as Braze estimates it."""
    return int(BrazeHook().segments_data_series(segment_id, length=1)[-1]["size"])


with DAG(
    dag_id="approved_broadcast",
    schedule=None,
    params={
        "segment_id": "2d7c9e14-a5b8-4f36-90d1-c8e3b2574a60",
        "news": "Our shop in Leipzig opens on Saturday",
    },
    tags=["braze"],
    doc_md=__doc__,
) as dag:
    # [START howto_approval]
    approve = ApprovalOperator(
        task_id="approve",
        subject="Send to {{ '{:,}'.format(ti.xcom_pull(task_ids='size')) }} users?",
        body="They get a push message: {{ params.news }}",
        defaults="Reject",
        response_timeout=timedelta(hours=8),
    )
    broadcast = MessagesSendOperator(
        task_id="broadcast",
        segment_id="{{ params.segment_id }}",
        broadcast=True,
        messages={
            "apple_push": {"alert": "{{ params.news }}, {{${first_name}}}"},
            "android_push": {"title": "News", "alert": "{{ params.news }}, {{${first_name}}}"},
        },
    )
    size("{{ params.segment_id }}") >> approve >> broadcast
    # [END howto_approval]
