"""A Dag that waits in the triggerer."""

from __future__ import annotations

from airflow.sdk import DAG

from braze_provider.sensors.campaigns import CampaignSentSensor

with DAG("waits", schedule=None):
    CampaignSentSensor(
        task_id="sent", campaign_id="{{ run_id }}", poke_interval=1, timeout=300, deferrable=True
    )
