"""
Welcome people who signed up, with content from a file beside this Dag that holds Liquid and Jinja.

Liquid such as ``{{${first_name}}}`` reaches Braze byte for byte; ``{{ params.shop }}`` and
``{{ dag_run.run_after | ds }}`` are Airflow's and are rendered.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG, task

from braze_provider.operators.messages import MessagesSendOperator
from braze_provider.templating import ContentFile

with DAG(
    dag_id="welcome_messages",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    params={"shop": "Example Shop", "app_id": "417220e4-5a2a-b634-7f7d-9ec891532369"},
    tags=["braze"],
    doc_md=__doc__,
) as dag:
    # Airflow would write what it returns, everybody's id, into the task's log.
    @task(show_return_value_in_logs=False)
    def signed_up() -> list[str]:
        """Return the ids of the people who signed up; a real Dag asks a database or an API."""
        return [f"new-customer-{number}" for number in range(1, 121)]

    # [START howto_operator_messages_send]
    MessagesSendOperator(
        task_id="welcome",
        external_user_ids=signed_up(),
        messages={
            "email": {
                "app_id": "{{ params.app_id }}",
                "from": "{{ params.shop }} <hello@example.com>",
                "subject": "Welcome, {{${first_name} | default: 'friend'}}!",
                "body": ContentFile("content/welcome.html"),
            },
            "apple_push": {"alert": "Welcome to {{ params.shop }}, {{${first_name}}}"},
        },
    )
    # [END howto_operator_messages_send]
