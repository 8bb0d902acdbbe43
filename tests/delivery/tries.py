"""Tries of a task instance, with Airflow's counters."""

from __future__ import annotations

from dataclasses import replace

from braze_provider.delivery.opening import Try

RETRIES = 2
MORNING, NOON = "2026-11-21T08:00:00+00:00", "2026-11-21T12:00:00+00:00"

FIRST = Try(try_number=1, max_tries=RETRIES, retries=RETRIES, run_started_at=MORNING)
RETRY = replace(FIRST, try_number=2)
CLEARED = replace(FIRST, try_number=2, max_tries=1 + RETRIES, run_started_at=NOON)
CLEARED_WITHOUT_THE_RUN = replace(CLEARED, run_started_at=MORNING)
RETRY_AFTER_CLEAR = replace(CLEARED, try_number=3)
CLEARED_TWICE = replace(CLEARED, try_number=3, max_tries=2 + RETRIES)
RESUMED = replace(FIRST, resumed=True)
CREATED_AGAIN = replace(FIRST, run_started_at=NOON)
