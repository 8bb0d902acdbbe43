"""A series of any length is cut into requests that Braze takes, without a gap and without an overlap."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pendulum
import pytest

from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.api.errors import BrazeValidationError
from braze_provider.api.windows import refuse_long_window, windows

CAMPAIGNS = ENDPOINTS["campaigns_data_series"]
CANVAS = ENDPOINTS["canvas_data_series"]
SESSIONS = ENDPOINTS["sessions_data_series"]
FIRST = date(2025, 1, 1)


@pytest.mark.parametrize("endpoint", [CAMPAIGNS, CANVAS], ids=lambda one: one.name)
@pytest.mark.parametrize("days", [1, 2, 11, 12, 13, 14, 98, 99, 100, 365])
def test_the_windows_hold_each_day_once_and_none_is_too_long(endpoint, days):
    last = FIRST + timedelta(days=days - 1)

    cut = list(windows(endpoint, FIRST, last))

    asked = [FIRST + timedelta(days=n) for n in range(-3, days + 3)]
    holders = {day: sum(one.holds({"time": day.isoformat()}) for one in cut) for day in asked}
    assert {day for day, times in holders.items() if times == 1} == {d for d in asked if FIRST <= d <= last}
    assert set(holders.values()) == {0, 1}
    assert max(one.length for one in cut) <= endpoint.length


@pytest.mark.parametrize("hours", [1, 97, 98, 99, 300])
def test_the_windows_of_hours_hold_each_hour_once(hours):
    first = datetime(2025, 1, 1, 5, 30, tzinfo=timezone.utc)
    last = first + timedelta(hours=hours - 1)

    cut = list(windows(SESSIONS, first, last))

    start = datetime(2025, 1, 1, 5, tzinfo=timezone.utc)
    asked = [start + timedelta(hours=n) for n in range(-2, hours + 2)]
    holders = [sum(one.holds({"time": hour.isoformat()}) for one in cut) for hour in asked]
    assert holders == [0, 0, *[1] * hours, 0, 0]
    assert max(one.length for one in cut) <= SESSIONS.length


@pytest.mark.parametrize("zone", ["Pacific/Pago_Pago", "UTC", "Pacific/Kiritimati"])
@pytest.mark.parametrize("last_day_counts", [True, False])
def test_a_request_brings_its_whole_window_in_every_reading_of_brazes_pages(zone, last_day_counts):
    (window,) = windows(CAMPAIGNS, FIRST, FIRST + timedelta(days=6))
    end = pendulum.parse(window.ending_at).in_timezone(zone).date()
    last = end if last_day_counts else end.subtract(days=1)

    brought = [{"time": last.subtract(days=back).isoformat()} for back in range(window.length)]

    assert sum(map(window.holds, brought)) == 7


def test_no_request_is_for_the_future():
    today = pendulum.now("UTC").date()
    (window,) = windows(CAMPAIGNS, today, today)
    assert pendulum.parse(window.ending_at) <= pendulum.now("UTC")
    assert window.holds({"time": today.isoformat()})


@pytest.mark.parametrize("item", [{}, {"time": None}, {"time": "soon"}])
def test_an_item_without_a_time_is_of_no_window(item):
    (window,) = windows(CAMPAIGNS, FIRST, FIRST)
    assert not window.holds(item)


@pytest.mark.parametrize(
    ("endpoint", "params", "field"),
    [
        (CAMPAIGNS, {"length": 101}, "length: must be a whole number from 1 to 100"),
        (CAMPAIGNS, {"length": "365"}, "length: must be a whole number from 1 to 100"),
        (CAMPAIGNS, {"length": 0}, "length: must be"),
        (CAMPAIGNS, {"length": 7.5}, "length: must be"),
        (CAMPAIGNS, {"length": True}, "length: must be"),
        (CANVAS, {"length": 15}, "length: must be a whole number from 1 to 14"),
        (
            CANVAS,
            {"starting_at": "2025-01-01T00:00:00Z", "ending_at": "2025-01-15T00:00:01Z"},
            "starting_at: is more than 14 days before ending_at",
        ),
    ],
)
def test_a_window_that_is_too_long_for_one_request_is_refused(endpoint, params, field):
    with pytest.raises(BrazeValidationError, match=field):
        refuse_long_window(endpoint, params)


@pytest.mark.parametrize(
    ("endpoint", "params"),
    [
        (CAMPAIGNS, {"length": 100}),
        (CAMPAIGNS, {"length": "7"}),
        (CANVAS, {"starting_at": "2025-01-01", "ending_at": "2025-01-15"}),
        (CANVAS, {"starting_at": "2025-01-01"}),
        (ENDPOINTS["campaigns_list"], {"length": 1_000}),
    ],
)
def test_all_other_requests_are_let_through(endpoint, params):
    refuse_long_window(endpoint, params)
