"""
Keep the users in Braze in step with the customers of the warehouse: aliases, ids, and deletions.

The first task gives each new customer an alias, the id in the CRM. The second one gives an id to those whom
Braze knows only by their address. The last one deletes those who have asked for it: more than 500 at once
must be a mistake.
"""

from __future__ import annotations

import pendulum
from airflow.sdk import DAG

from braze_provider.operators.users import UsersAliasOperator, UsersDeleteOperator, UsersIdentifyOperator
from braze_provider.recipients import SqlRecipients

with DAG(
    dag_id="tidy_profiles",
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    tags=["braze"],
    doc_md=__doc__,
) as dag:
    # [START howto_operator_users_alias]
    aliases = UsersAliasOperator(
        task_id="aliases",
        user_aliases=SqlRecipients(
            conn_id="customers",
            sql="""
                SELECT customer_id AS external_id, crm_id AS alias_name, 'crm' AS alias_label
                FROM signed_up ORDER BY customer_id
            """,
        ),
    )
    identify = UsersIdentifyOperator(
        task_id="identify",
        emails_to_identify=SqlRecipients(
            conn_id="customers",
            sql="""
                SELECT customer_id AS external_id, email,
                       'unidentified,most_recently_updated' AS prioritization
                FROM signed_up ORDER BY customer_id
            """,
        ),
    )
    # [END howto_operator_users_alias]
    # [START howto_operator_users_delete]
    forget = UsersDeleteOperator(
        task_id="forget",
        external_ids=SqlRecipients(
            conn_id="customers",
            sql="SELECT customer_id AS external_id FROM erasure_requests ORDER BY customer_id",
        ),
        max_recipients=500,
    )
    # [END howto_operator_users_delete]
    aliases >> identify >> forget
