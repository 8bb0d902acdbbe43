"""The days of a task that reads statistics."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pendulum
import pytest

from braze_provider.api.errors import BrazeValidationError
from braze_provider.tasks.days import days_of, problems_of_days

MIDNIGHT = pendulum.datetime(2026, 9, 11)
NONE: dict[str, Any] = {"start": None, "end": None, "length": None, "timezone": "UTC"}


def days(run_after=MIDNIGHT, interval=None, **arguments: Any) -> tuple[str, str]:
    context: Any = {"dag_run": SimpleNamespace(run_after=run_after)}
    if interval is not None:
        context |= {"data_interval_start": interval[0], "data_interval_end": interval[1]}
    first, last = days_of({**NONE, **arguments}, context)
    return first.isoformat(), last.isoformat()


WEEK = (MIDNIGHT.subtract(days=7), MIDNIGHT)
INSTANT = (MIDNIGHT, MIDNIGHT)


@pytest.mark.parametrize(
    ("interval", "arguments", "expected"),
    [
        (None, {}, ("2026-09-10", "2026-09-10")),
        (INSTANT, {}, ("2026-09-10", "2026-09-10")),
        (WEEK, {}, ("2026-09-04", "2026-09-10")),
        (WEEK, {"length": 2}, ("2026-09-09", "2026-09-10")),
        (WEEK, {"start": "2026-09-01"}, ("2026-09-01", "2026-09-10")),
        (WEEK, {"end": "2026-09-09"}, ("2026-09-08", "2026-09-08")),
        (None, {"length": "30"}, ("2026-08-12", "2026-09-10")),
        (None, {"length": 2, "end": date(2026, 9, 3)}, ("2026-09-01", "2026-09-02")),
        (None, {"start": date(2026, 8, 1), "end": "2026-09-01"}, ("2026-08-01", "2026-08-31")),
        (None, {"start": "2026-09-05", "end": "2026-09-05"}, ("2026-09-05", "2026-09-05")),
        (None, {"start": MIDNIGHT, "end": MIDNIGHT.add(hours=1)}, ("2026-09-11", "2026-09-11")),
        (
            (MIDNIGHT.subtract(hours=2), MIDNIGHT.add(hours=22)),
            {"timezone": "Europe/Berlin"},
            ("2026-09-11", "2026-09-11"),
        ),
        (
            None,
            {
                "start": "2026-09-01 23:00:00Z",
                "end": "2026-09-02T23:00:00Z",
                "timezone": "Europe/Berlin",
            },
            ("2026-09-02", "2026-09-02"),
        ),
    ],
)
def test_the_days_come_from_the_arguments_or_from_the_run(interval, arguments, expected, monkeypatch):
    monkeypatch.setattr(pendulum, "today", lambda zone: pendulum.datetime(2026, 12, 1, tz=zone))
    assert days(interval=interval, **arguments) == expected


def test_days_that_have_not_begun_are_left_out():
    today = pendulum.today("UTC").date()
    assert days(start=today.subtract(days=2), end=today.add(days=9)) == (
        today.subtract(days=2).isoformat(),
        today.isoformat(),
    )


def test_a_window_in_the_future_is_refused():
    with pytest.raises(BrazeValidationError, match=r"start: is .*, a day that has not begun in UTC"):
        days(start=datetime.now(timezone.utc) + timedelta(days=2), end="2099-01-01")


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"start": "yesterday"}, "start"),
        ({"start": "2026-09-01T12:00:00"}, "start"),
        ({"start": datetime(2026, 9, 1)}, "start"),  # noqa: DTZ001 - what is refused
        ({"start": 7}, "start"),
        ({"end": "01.09.2026"}, "end"),
        ({"start": "2026-09-02", "end": "2026-09-01"}, "end"),
        ({"length": 0}, "length"),
        ({"length": "a week"}, "length"),
        ({"length": True}, "length"),
        ({"length": 7, "start": "2026-09-01"}, "length"),
        ({"timezone": "Berlin"}, "timezone"),
        ({"timezone": 7}, "timezone"),
    ],
)
def test_a_mistake_names_its_argument(arguments, field):
    assert [problem.path for problem in problems_of_days({**NONE, **arguments})] == [field]


def test_a_template_is_no_mistake():
    templates = dict.fromkeys(("start", "end", "timezone"), "{{ ds }}")
    assert problems_of_days({**NONE, **templates}) == []
