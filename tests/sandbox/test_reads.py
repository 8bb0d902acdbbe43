"""The sandbox counts what is sent, and shows it as Braze does."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from sandbox.conftest import CAMPAIGN, EMAIL

from braze_provider.sandbox import Broadcast, Campaign, Canvas, Segment


def data(answer):
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def in_hours(hours: float) -> str:
    return (datetime.now(timezone.utc) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ")


# Campaigns and sends ----------------------------------------------------------------------------------------


def test_messages_are_counted_by_day_channel_and_variation(start):
    variations = {"e1": "email", "e2": "email", "p1": "apple_push"}
    client = start(campaigns=[Campaign(id=CAMPAIGN, name="C", variations=variations)])
    client.trigger("ada", "bob")
    client.sandbox.advance(days=1)
    client.trigger("ada", "cyd", "ada")
    client.trigger("ada")

    before, first, second = data(client.get("/campaigns/data_series", campaign_id=CAMPAIGN, length=3))

    assert before["messages"] == {}
    shown = [
        (channel, item["variation_api_id"], item["sent"], item["unique_recipients"])
        for day in (first, second)
        for channel, (item,) in day["messages"].items()
    ]
    assert sorted(shown) == [
        ("email", "e1", 2, 2),
        ("email", "e1", 3, 2),
        ("ios_push", "p1", 2, 2),
        ("ios_push", "p1", 3, 2),
    ]
    assert first["messages"]["email"][0]["delivered"] == 2
    assert (first["unique_recipients"], second["unique_recipients"]) == (2, 2)


def test_a_send_is_counted_under_its_send_id_alone(client):
    client.trigger("ada", send_id="spring")
    client.trigger("bob", "cyd")

    (day,) = data(client.get("/sends/data_series", campaign_id=CAMPAIGN, send_id="spring", length=1))

    assert day["messages"]["email"][0]["sent"] == 1
    assert day["time"] == datetime.now(timezone.utc).date().isoformat()


def test_messages_of_a_request_are_counted_in_their_own_channels(client):
    email = {**EMAIL, "message_variation_id": "v"}
    client.send("ada", campaign_id=CAMPAIGN, messages={"email": email})

    (day,) = data(client.get("/campaigns/data_series", campaign_id=CAMPAIGN, length=1))

    assert day["messages"]["email"][0]["variation_api_id"] == "v"


def test_the_statistics_of_a_send_are_kept_for_14_days(client):
    client.trigger("ada", send_id="spring")
    query = {"campaign_id": CAMPAIGN, "send_id": "spring", "length": 100}
    client.sandbox.advance(days=13)
    assert [day["unique_recipients"] for day in data(client.get("/sends/data_series", **query))].count(1) == 1

    client.sandbox.advance(days=2)

    assert {day["unique_recipients"] for day in data(client.get("/sends/data_series", **query))} == {0}


def test_a_broadcast_reaches_the_audience_of_its_campaign(start):
    client = start(campaigns=[Campaign(id=CAMPAIGN, name="C", audience=1_200)])
    send_id = client.trigger(recipients=None, broadcast=True).json()["send_id"]

    (day,) = data(client.get("/sends/data_series", campaign_id=CAMPAIGN, send_id=send_id, length=1))

    assert (day["messages"]["email"][0]["sent"], day["unique_recipients"]) == (1_200, 1_200)


def test_a_scheduled_send_is_counted_on_the_day_on_which_it_goes_out(client):
    client.post(
        "/campaigns/trigger/schedule/create",
        {
            "campaign_id": CAMPAIGN,
            "recipients": [{"external_user_id": "ada"}],
            "schedule": {"time": in_hours(49)},
        },
    )
    client.sandbox.advance(days=3)

    days = data(client.get("/campaigns/data_series", campaign_id=CAMPAIGN, length=4))

    (sent,) = [day["time"] for day in days if day["messages"]]
    assert sent > days[0]["time"]


def test_a_reset_forgets_what_was_counted(client):
    client.trigger("ada")
    client.sandbox.reset()

    (day,) = data(client.get("/campaigns/data_series", campaign_id=CAMPAIGN, length=1))

    assert day["messages"] == {}


def test_users_whom_a_request_creates_are_new(start):
    client = start(unknown_ids=["ada"])
    new = {"external_user_id": "ada", "send_to_existing_only": False, "attributes": {"first_name": "Ada"}}
    client.trigger(recipients=[new])

    assert data(client.get("/kpi/new_users/data_series", length=1))[0]["new_users"] == 1
    assert data(client.get("/kpi/dau/data_series", length=1))[0]["dau"] == 0


# Canvases ---------------------------------------------------------------------------------------------------


def test_a_canvas_counts_entries_and_the_messages_of_its_step(start):
    client = start(canvases=[Canvas(id="welcome", channels=["email", "sms"])])
    client.post("/canvas/trigger/send", {"canvas_id": "welcome", "recipients": [{"external_user_id": "ada"}]})
    query = {
        "canvas_id": "welcome",
        "length": 2,
        "ending_at": in_hours(0),
        "include_variant_breakdown": "true",
        "include_step_breakdown": "true",
    }

    _, today = data(client.get("/canvas/data_series", **query))["stats"]

    assert today["total_stats"]["entries"] == 1
    assert today["variant_stats"]["welcome-variant"]["entries"] == 1
    messages = today["step_stats"]["welcome-step"]["messages"]
    assert {channel: item["sent"] for channel, (item,) in messages.items()} == {"email": 1, "sms": 1}


def test_a_paused_canvas_counts_nothing(start):
    client = start(canvases=[Canvas(id="welcome", paused=True)])
    client.post("/canvas/trigger/send", {"canvas_id": "welcome", "recipients": [{"external_user_id": "ada"}]})
    query = {"canvas_id": "welcome", "length": 1, "ending_at": in_hours(0)}

    assert data(client.get("/canvas/data_summary", **query))["total_stats"]["entries"] == 0
    details = client.get("/canvas/details", canvas_id="welcome").json()
    assert (details["enabled"], "last_entry" in details) == (False, False)


# Broadcasts of the dashboard --------------------------------------------------------------------------------


def test_a_scheduled_broadcast_is_listed_until_it_is_sent(start):
    client = start(
        campaigns=[Campaign(id="sale", name="Sale", audience=7)],
        scheduled_broadcasts=[Broadcast(campaign_id="sale", name="Big sale", next_send_time=in_hours(30))],
    )
    query = {"end_time": in_hours(72)}
    (listed,) = client.get("/messages/scheduled_broadcasts", **query).json()["scheduled_broadcasts"]
    assert (listed["id"], listed["type"], listed["name"]) == ("sale", "Campaign", "Big sale")
    assert client.get("/messages/scheduled_broadcasts", end_time=in_hours(1)).json() == {
        "message": "success",
        "scheduled_broadcasts": [],
    }

    client.sandbox.advance(hours=31)

    assert client.get("/messages/scheduled_broadcasts", **query).json()["scheduled_broadcasts"] == []
    assert client.get("/campaigns/details", campaign_id="sale").json()["last_sent"]
    days = data(client.get("/campaigns/data_series", campaign_id="sale", length=3))
    assert sum(day["unique_recipients"] for day in days) == 7


def test_a_broadcast_without_a_zone_goes_by_each_users_clock(start):
    client = start(scheduled_broadcasts=[Broadcast(canvas_id="c", next_send_time="2099-01-01T09:00:00")])

    answer = client.get("/messages/scheduled_broadcasts", end_time="2099-01-02")

    (listed,) = answer.json()["scheduled_broadcasts"]
    assert (listed["type"], listed["schedule_type"]) == ("Canvas", "local_time_zones")


@pytest.mark.parametrize(
    "fields",
    [
        {"next_send_time": "2099-01-01"},
        {"campaign_id": "a", "canvas_id": "b", "next_send_time": "2099-01-01"},
        {"campaign_id": "a", "next_send_time": "soon"},
    ],
)
def test_a_broadcast_of_nothing_or_at_no_time_is_refused(fields):
    with pytest.raises(ValueError, match="scheduled broadcast"):
        Broadcast(**fields)


# Lists and queries ------------------------------------------------------------------------------------------


def test_a_list_with_cursors_links_its_pages(start):
    client = start(events=[f"e{number:02}" for number in range(60)])

    first = client.get("/events")
    last = client.session.get(client.sandbox.url + first.links["next"]["url"], timeout=10)

    assert [len(answer.json()["events"]) for answer in (first, last)] == [50, 10]
    assert (set(first.links), set(last.links)) == ({"next"}, {"prev"})


def test_a_segment_has_its_size(start):
    client = start(segments=[Segment(id="vip", name="VIP", size=9), "new"])

    names = [segment["name"] for segment in client.get("/segments/list").json()["segments"]]
    sizes = data(client.get("/segments/data_series", segment_id="vip", length=2))

    assert names == ["VIP", "new"]
    assert [day["size"] for day in sizes] == [9, 9]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/campaigns/data_series", {"campaign_id": CAMPAIGN}),
        ("/campaigns/data_series", {"length": "7"}),
        ("/campaigns/data_series", {"campaign_id": CAMPAIGN, "length": "101"}),
        ("/campaigns/data_series", {"campaign_id": CAMPAIGN, "length": "7", "ending_at": "now"}),
        ("/sends/data_series", {"campaign_id": CAMPAIGN, "length": "7"}),
        ("/canvas/data_series", {"canvas_id": "c", "length": "7"}),
        ("/canvas/data_series", {"canvas_id": "c", "length": "15", "ending_at": "2026-09-01"}),
        (
            "/canvas/data_summary",
            {"canvas_id": "c", "starting_at": "2026-08-01", "ending_at": "2026-09-01"},
        ),
        ("/canvas/details", {}),
        ("/canvas/list", {"page": "x"}),
        ("/events/data_series", {"length": "7"}),
        ("/sessions/data_series", {"length": "7", "unit": "week"}),
        ("/events", {"cursor": "!"}),
        ("/segments/details", {}),
        ("/messages/scheduled_broadcasts", {}),
    ],
)
def test_a_malformed_query_is_refused(client, path, query):
    assert client.get(path, **query).status_code == 400
