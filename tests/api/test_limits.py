"""Braze's published limits, and the rate limit in an answer's headers."""

from __future__ import annotations

import pytest
from requests.structures import CaseInsensitiveDict

from braze_provider.api import limits
from braze_provider.api.limits import BUCKETS, RateLimitState

HUGE_YEAR = f"Sat, 21 Nov {10**30} 08:00:00 GMT"


def state(**headers: str) -> RateLimitState:
    return RateLimitState.from_headers(
        CaseInsensitiveDict({name.replace("_", "-"): value for name, value in headers.items()})
    )


@pytest.mark.parametrize(
    ("name", "limit", "window", "per_audience"),
    [("default", 250_000, 3_600, None), ("broadcast", 250, 60, 10)],
)
def test_the_buckets_are_braze_s_defaults(name, limit, window, per_audience):
    bucket = BUCKETS[name]
    assert (bucket.name, bucket.limit, bucket.window, bucket.per_audience) == (
        name,
        limit,
        window,
        per_audience,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_BODY_BYTES", 4_194_304),
        ("MAX_PROPERTIES_BYTES", 51_200),
        ("MAX_EXTERNAL_ID_BYTES", 987),
        ("MAX_ALIAS_BYTES", 236),
        ("MAX_SEND_ID_LENGTH", 64),
        ("MAX_TIME_TO_LIVE_SECONDS", 2_419_200),
        ("APPLE_PUSH_BYTES", 1_912),
        ("ANDROID_PUSH_BYTES", 4_000),
        ("CONTENT_CARD_MAX_DAYS", 30),
    ],
)
def test_the_sizes_are_those_that_braze_publishes(name, value):
    assert getattr(limits, name) == value


def test_the_headers_are_read_whatever_their_case():
    told = state(
        **{
            "x-ratelimit-limit": "250000",
            "X-RATELIMIT-REMAINING": "249999",
            "X-Ratelimit-Reset": "1790000000",
            "date": "Sat, 21 Nov 2026 08:00:00 GMT",
        }
    )
    assert told == RateLimitState(
        limit=250_000, remaining=249_999, reset=1_790_000_000.0, date="Sat, 21 Nov 2026 08:00:00 GMT"
    )


def test_an_answer_without_headers_says_nothing():
    assert state() == RateLimitState()


def test_braze_s_own_retry_header_counts_more_than_the_standard_one():
    assert state(Retry_After="60", X_RateLimit_Retry_After="5").retry_after == 5


def test_the_standard_retry_header_counts_where_there_is_no_other():
    assert state(Retry_After="60").retry_after == 60


@pytest.mark.parametrize(
    ("until", "seconds"),
    [("Sat, 21 Nov 2026 08:01:30 GMT", 90), ("Sat, 21 Nov 2026 07:00:00 GMT", 0)],
)
def test_a_retry_header_may_be_a_date_by_the_clock_of_the_answer(until, seconds):
    assert state(Retry_After=until, Date="Sat, 21 Nov 2026 08:00:00 GMT").retry_after == seconds


@pytest.mark.parametrize("clock", [{}, {"Date": "today"}])
def test_without_a_date_in_the_answer_this_machine_s_time_counts(clock):
    assert state(Retry_After="Fri, 01 Jan 2100 00:00:00 GMT", **clock).retry_after > 365 * 86_400
    assert state(Retry_After="Thu, 01 Jan 1970 00:00:00 GMT", **clock).retry_after == 0


@pytest.mark.parametrize("value", ["soon", "", "nan", "inf", "Sat, 99 Nov 2026 08:00:00 GMT", HUGE_YEAR])
def test_a_header_that_can_not_be_read_counts_as_not_given(value):
    assert state(Retry_After=value).retry_after is None
    assert state(X_RateLimit_Remaining=value).remaining is None


@pytest.mark.parametrize(("value", "remaining"), [("-5", 0), ("12.9", 12), (" 7 ", 7)])
def test_a_number_may_be_negative_broken_or_with_spaces(value, remaining):
    assert state(X_RateLimit_Remaining=value).remaining == remaining
