"""An auth manager for tests: some users may see some Dags only."""

from __future__ import annotations

from typing import Any

from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager

DAGS = {"lola": {"loyalty_points"}, "mallory": set()}
"""The Dags of these users. The others' roles say what they may do, with each Dag."""


class AccessByDag(SimpleAuthManager):
    """Airflow's simple auth manager, which knows roles only, with Dags for each user."""

    def is_authorized_dag(self, *, user: Any, details: Any = None, **asked: Any) -> bool:
        if user.username in DAGS:
            own, dag_id = DAGS[user.username], details and details.id
            # Without an id, Airflow asks whether there is any such Dag for the user.
            if not own or (dag_id and dag_id not in own):
                return False
        return super().is_authorized_dag(user=user, details=details, **asked)
