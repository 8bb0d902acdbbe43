"""
Tell customers how many loyalty points they have: a function decides who gets the campaign, and with what.

If the task fails, two colleagues on call get a message through Braze too. If it succeeds, Dags that are
scheduled on the asset run, and see in its event how many recipients the campaign was sent to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pendulum
from airflow.sdk import DAG, Asset, task

from braze_provider.notifications.braze import BrazeNotifier

with DAG(
    dag_id="loyalty_points",
    schedule="@monthly",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={"campaign_id": "9b1f7c52-6e0d-4a83-b7c4-2f5e8d90a1c6"},
    tags=["braze"],
    doc_md=__doc__,
) as dag:
    # [START howto_notifier]
    tell_on_call = BrazeNotifier(
        messages={
            "apple_push": {"alert": "{{ ti.task_id }} of {{ run_id }} has failed, {{${first_name}}}"},
        },
        recipients=[{"external_user_id": "on-call-1"}, {"external_user_id": "on-call-2"}],
    )
    # [END howto_notifier]

    # [START howto_decorator_braze_campaign]
    @task.braze_campaign(
        campaign_id="{{ params.campaign_id }}",
        max_recipients=100_000,
        outlets=[Asset("loyalty-points-sent")],
        on_failure_callback=tell_on_call,
    )
    def points(least: int) -> Iterator[dict[str, Any]]:
        """Yield the customers who have enough points to buy something."""
        for number in range(1_000):
            balance = number * 37 % 500
            if balance >= least:
                yield {
                    "external_user_id": f"customer-{number:05}",
                    "trigger_properties": {"points": balance},
                }

    points(least=400)
    # [END howto_decorator_braze_campaign]
