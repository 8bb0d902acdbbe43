"""
Who may do what: each question is put to Airflow, because Airflow does not guard the app of a plugin.

What a user may do here follows from what the user may do with task instances of the Dag. To read a delivery
is to read a task instance. To settle one decides what the cleared task will do, so it takes the right to
clear the task.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, get_user, requires_access_dag
from airflow.api_fastapi.logging.decorators import action_logging
from fastapi import HTTPException, Request, status

from braze_provider._compat import conf
from braze_provider.ledger.settle_sql import MAX_NAME_LENGTH

MARK = "X-Braze-Deliveries"
"""The header of a request that changes something. A form can't send it, nor can a script of another site."""

__all__ = [
    "MARK",
    "GetUserDep",
    "from_this_site",
    "get_user",
    "may_read",
    "may_settle",
    "name_of",
    "noted_in_audit_log",
    "permits",
    "readable_dags",
]

may_read = requires_access_dag("GET", DagAccessEntity.TASK_INSTANCE)
"""Asks whether the user may read the task instances of the path's Dag; of any Dag, if none is named."""

may_settle = requires_access_dag("PUT", DagAccessEntity.TASK_INSTANCE)
"""Asks what Airflow asks before it clears a task: whether the user may edit the Dag's task instances."""

noted_in_audit_log = action_logging("settle_braze_delivery")
"""Writes an event of the Dag into Airflow's audit log, as its own routes do that change something."""


def permits(check: Any, request: Request, user: BaseUser) -> bool:
    """
    Tell whether a check lets the user pass.

    :param check: ``may_read`` or ``may_settle``.
    :param request: A request whose path names the Dag.
    :param user: The user.
    """
    try:
        check(request, user)
    except HTTPException as error:
        if error.status_code == status.HTTP_403_FORBIDDEN:
            return False
        raise
    return True


def readable_dags(user: BaseUser) -> set[str]:
    """
    Give the ids of the Dags that a user may read. Airflow must know them.

    :param user: The user.
    """
    return get_auth_manager().get_authorized_dag_ids(user=user, method="GET")


def name_of(user: BaseUser) -> str:
    """
    Give the name that a decision of the user is recorded with.

    :param user: The user.
    """
    name = "".join(letter for letter in user.get_name() or "" if letter.isprintable()).strip()
    return (name or user.get_id())[:MAX_NAME_LENGTH]


def from_this_site(request: Request) -> None:
    """
    Refuse a request that a page of another site may have made in the user's browser.

    :param request: The request.
    :raises fastapi.HTTPException: If it may be one (403), or if it is not JSON (415).
    """
    headers = request.headers
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(status.HTTP_415_UNSUPPORTED_MEDIA_TYPE, "Send the decision as JSON")
    if MARK not in headers:
        raise HTTPException(status.HTTP_403_FORBIDDEN, f"The header {MARK} is missing")
    # Browsers that know where a request comes from say so, and no script can change what they say.
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        is_ours = site == "same-origin"
    else:
        is_ours = origin is None or urlsplit(origin).netloc in _our_names(request)
    if not is_ours:
        raise HTTPException(status.HTTP_403_FORBIDDEN, "A page of another site must not decide")


def _our_names(request: Request) -> set[str]:
    """Give the names of this server: a proxy in front of it may have another name than the request."""
    public = urlsplit(conf.get("api", "base_url", fallback="") or "").netloc
    return {name for name in (public, request.headers.get("host", "")) if name}
