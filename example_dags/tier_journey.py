"""
Let customers who reached a new tier enter a Canvas, and bring what Braze counts of it back to the warehouse.

The first task writes the new tier to the customers' profiles. The second one lets these customers enter.
The Canvas greets with ``{{context.${tier}}}``: Braze writes profiles a little later than it answers, so the
journey does not depend on the attribute. The last two tasks store the figures of the last seven days.
"""

from __future__ import annotations

from typing import Any

import pendulum
from airflow.sdk import DAG, Connection, task

from braze_provider.operators.canvas import CanvasTriggerOperator
from braze_provider.operators.statistics import CanvasStatsOperator
from braze_provider.operators.users import UsersTrackOperator
from braze_provider.recipients import SqlRecipients

with DAG(
    dag_id="tier_journey",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={"canvas_id": "6f1a2c7e-93d4-4b08-a5e1-7c20d8b49f35"},
    tags=["braze"],
    doc_md=__doc__,
) as dag:
    # [START howto_operator_users_track]
    profiles = UsersTrackOperator(
        task_id="profiles",
        attributes=SqlRecipients(
            conn_id="customers",
            sql="""
                SELECT customer_id AS external_id, tier FROM customers
                WHERE risen_on = '{{ macros.ds_add(dag_run.run_after | ds, -1) }}' ORDER BY customer_id
            """,
        ),
    )
    # [END howto_operator_users_track]
    # [START howto_operator_canvas_trigger]
    enter = CanvasTriggerOperator(
        task_id="enter",
        canvas_id="{{ params.canvas_id }}",
        recipients=SqlRecipients(
            conn_id="customers",
            sql="""
                SELECT customer_id AS external_user_id, tier AS "context.tier" FROM customers
                WHERE risen_on = '{{ macros.ds_add(dag_run.run_after | ds, -1) }}' ORDER BY customer_id
            """,
        ),
        context={"run": "{{ dag_run.run_after | ds }}"},
        max_recipients=10_000,
    )
    # [END howto_operator_canvas_trigger]
    # [START howto_operator_canvas_stats]
    statistics = CanvasStatsOperator(task_id="statistics", canvas_id="{{ params.canvas_id }}", length=7)

    @task
    def store(rows: Any) -> None:
        """Write a row for each day. Figures still grow for some days, so a later run replaces them."""
        columns = ["date", "canvas_id", "entries", "conversions"]
        days = [[row[column] for column in columns] for row in rows if row["level"] == "day"]
        hook = Connection.get("customers").get_hook()
        # The table has this primary key, which PostgreSQL wants to be told.
        hook.insert_rows("canvas_days", days, columns, replace=True, replace_index=["date", "canvas_id"])

    profiles >> enter >> statistics
    store(statistics.output)
    # [END howto_operator_canvas_stats]
