"""One mapped task for each region, with the region's people and its own voucher."""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, task

from braze_provider.operators.campaigns import CampaignTriggerOperator

with DAG(
    dag_id="mapped_regions",
    schedule="@weekly",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={"campaign_id": "417220e4-5a2a-b634-7f7d-9ec891532368"},
    tags=["braze"],
    doc_md=__doc__,
) as dag:
    # Airflow would write what it returns, everybody's id, into the task's log.
    @task(show_return_value_in_logs=False)
    def regions() -> list[dict[str, Any]]:
        """Return the arguments of each region's task; a real Dag reads them from where it keeps them."""
        vouchers = {"north": "SNOW", "south": "SUN", "west": "RAIN"}
        return [
            {
                "recipients": [{"external_user_id": f"{region}-{number}"} for number in range(1, 76)],
                "trigger_properties": {"region": region, "voucher": voucher},
            }
            for region, voucher in vouchers.items()
        ]

    # [START howto_operator_campaign_trigger_mapped]
    CampaignTriggerOperator.partial(
        task_id="announce",
        campaign_id="{{ params.campaign_id }}",
        # The regions' tasks are told apart by this in the UI.
        map_index_template="{{ task.trigger_properties.region }}",
        # Only a few regions at a time, so that other pipelines have a share of the rate limit.
        max_active_tis_per_dagrun=2,
    ).expand_kwargs(regions())
    # [END howto_operator_campaign_trigger_mapped]
