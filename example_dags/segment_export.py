"""
Copy the profiles of a segment to storage of your own, once a week.

The Airflow Variable ``export_folder`` says where: a path or a URL, as ``ObjectStoragePath`` takes it. The
archive holds personal data, so that folder must be private.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from braze_provider.operators.exports import UsersExportOperator

with DAG(
    dag_id="segment_export",
    schedule="@weekly",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={"segment_id": "2d7c9e14-a5b8-4f36-90d1-c8e3b2574a60"},
    tags=["braze"],
    doc_md=__doc__,
) as dag:
    # [START howto_operator_users_export]
    UsersExportOperator(
        task_id="export",
        segment_id="{{ params.segment_id }}",
        fields_to_export=["external_id", "email"],
        output_path="{{ var.value.export_folder }}/members-{{ dag_run.run_after | ds }}.zip",
        # The task takes no slot while Braze prepares the archive.
        deferrable=True,
    )
    # [END howto_operator_users_export]
