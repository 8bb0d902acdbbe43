"""Budgets, their headers and their clock."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

import pytest

from braze_provider.sandbox import Limit

HOUR = 3600


def standing(answer):
    return tuple(int(answer.headers[f"X-RateLimit-{name}"]) for name in ("Limit", "Remaining", "Reset"))


def broadcast(client, **changes):
    return client.trigger(**{"recipients": None, "broadcast": True, **changes})


def test_every_answer_tells_limit_remaining_and_the_top_of_the_hour(client):
    limit, remaining, reset = standing(client.trigger())

    assert (limit, remaining) == (250_000, 249_999)
    assert reset % HOUR == 0
    assert 0 < reset - time.time() <= HOUR


@pytest.mark.parametrize("path", ["/nowhere", "/campaigns/list/"])
def test_answers_to_wrong_urls_tell_it_too(client, path):
    assert standing(client.get(path))[0] == 250_000


def test_a_request_over_the_limit_is_refused_and_reaches_no_recipient(start):
    client = start(hourly_limit=2)
    client.trigger("ada")
    client.trigger("bob")

    answer = client.trigger("cy")

    assert (answer.status_code, answer.json()) == (429, {"message": "Rate Limited"})
    assert standing(answer)[1] == 0
    assert list(client.sandbox.recipients()) == ["ada", "bob"]


def test_all_endpoints_share_the_common_budget(start):
    client = start(hourly_limit=3)

    assert [client.trigger().status_code, client.send().status_code] == [201, 201]
    assert client.get("/campaigns/list").status_code == 200
    assert client.get("/campaigns/list").status_code == 429


def test_a_request_that_breaks_a_rule_counts_as_well(start):
    client = start(hourly_limit=2)

    assert standing(client.trigger(recipients=[]))[1] == 1


def test_a_new_window_brings_a_new_budget(start):
    client = start(limits={"default": Limit(1, 0.3)})
    while client.trigger().status_code == 201:
        pass

    time.sleep(0.3)

    assert client.trigger().status_code == 201


def test_broadcasts_have_a_budget_of_their_own(start):
    client = start(limits={"broadcast": Limit(2, HOUR), "audience": Limit(100, HOUR)})

    answers = [broadcast(client, campaign_id=str(n)) for n in range(3)]

    assert [answer.status_code for answer in answers] == [201, 201, 429]
    assert [standing(answer)[:2] for answer in answers] == [(2, 1), (2, 0), (2, 0)]
    assert client.trigger().status_code == 201


def test_each_unique_audience_has_a_smaller_budget(start):
    client = start(limits={"audience": Limit(10, HOUR)})
    city = {"custom_attribute": {"custom_attribute_name": "city", "comparison": "exists"}}

    same = [broadcast(client).status_code for _ in range(11)]

    assert same == [201] * 10 + [429]
    assert broadcast(client, audience=city).status_code == 201
    assert broadcast(client, campaign_id="another").status_code == 201


def test_a_segment_makes_an_audience_too(start):
    client = start(limits={"audience": Limit(1, HOUR)})

    def to_segment(name):
        return client.send(external_user_ids=None, broadcast=True, segment_id=name).status_code

    assert [to_segment("a"), to_segment("a"), to_segment("b")] == [201, 429, 201]


def test_the_reset_can_be_told_as_the_seconds_left(start):
    client = start(reset_header="seconds")

    assert 0 < standing(client.trigger())[2] <= HOUR


@pytest.mark.parametrize("offset", [300, -300])
def test_a_wrong_clock_shows_in_the_date_and_in_the_reset(start, offset):
    client = start(clock_offset=offset, limits={"default": Limit(10, 1)})

    answer = client.trigger()

    told = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    assert told == pytest.approx(time.time() + offset, abs=2)
    assert standing(answer)[2] == pytest.approx(time.time() + offset, abs=2)


def test_exactly_the_limit_is_admitted_under_a_rush(start):
    client = start(hourly_limit=50)

    statuses = [client.trigger(f"user-{n}").status_code for n in range(60)]

    assert (statuses.count(201), statuses.count(429)) == (50, 10)


@pytest.mark.parametrize("text", ["70", "70/0", "0/1", "seventy/1"])
def test_a_limit_that_makes_no_sense_is_refused(text):
    with pytest.raises(ValueError, match=r"limit|float|int"):
        Limit.parse(text)
