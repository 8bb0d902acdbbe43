"""Write two profiles, then send each of these users an e-mail and a push message."""

from airflow.sdk import DAG

from braze_provider.operators.messages import MessagesSendOperator
from braze_provider.operators.users import UsersTrackOperator

with DAG("first_message", schedule=None) as dag:
    profiles = UsersTrackOperator(
        task_id="profiles",
        attributes=[
            {"external_id": "ada", "first_name": "Ada"},
            {"external_id": "bob", "first_name": "Bob"},
        ],
    )
    welcome = MessagesSendOperator(
        task_id="welcome",
        external_user_ids=["ada", "bob"],
        messages={
            "email": {
                "app_id": "417220e4-5a2a-b634-7f7d-9ec891532369",
                "from": "Example Shop <hello@example.com>",
                "subject": "Welcome, {{${first_name}}}!",
                "body": "<h1>Hello {{${first_name}}}</h1><p>Run {{ run_id }} of Airflow sent you this.</p>",
            },
            "apple_push": {"alert": "Good to have you here, {{${first_name}}}"},
        },
    )
    profiles >> welcome
