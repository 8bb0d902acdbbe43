"""
Names that moved between Airflow 3.0 and 3.4. This module imports each of them, and all others use it.

It holds no workarounds: it looks for a name where the newest Airflow has it, and then where an older one had
it.
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import BaseOperator, Connection, Context, ObjectStoragePath
from airflow.sdk.log import mask_secret

try:
    from airflow.sdk import conf  # Airflow 3.2
except ImportError:
    from airflow.configuration import conf  # type: ignore[assignment]

try:
    from airflow.sdk.definitions.retry_policy import RetryPolicy  # Airflow 3.3
except ImportError:
    RetryPolicy = None  # type: ignore[assignment,misc]

try:
    from airflow.sdk import NEVER_EXPIRE  # type: ignore[attr-defined]  # Airflow 3.3

    HAS_TASK_STATE = True
except ImportError:
    NEVER_EXPIRE = timedelta.max
    HAS_TASK_STATE = False

try:
    from airflow.sdk.observability.stats import Stats  # Airflow 3.2
except ImportError:
    from airflow.stats import Stats

try:
    from airflow.sdk import BaseHook  # Airflow 3.1
except ImportError:
    from airflow.hooks.base import BaseHook  # type: ignore[attr-defined, no-redef]

try:
    from airflow.sdk.bases.decorator import determine_kwargs  # Airflow 3.2
except ImportError:
    from airflow.utils.operator_helpers import determine_kwargs

try:
    from airflow.sdk.exceptions import (  # Airflow 3.2
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
    )
except ImportError:
    from airflow.exceptions import (  # type: ignore[no-redef]
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
    )

__all__ = [
    "HAS_TASK_STATE",
    "NEVER_EXPIRE",
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "BaseHook",
    "BaseOperator",
    "Connection",
    "Context",
    "ObjectStoragePath",
    "RetryPolicy",
    "Stats",
    "conf",
    "determine_kwargs",
    "mask_secret",
]
