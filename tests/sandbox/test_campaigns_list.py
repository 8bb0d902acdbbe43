"""GET /campaigns/list."""

from __future__ import annotations

import pytest

from braze_provider.sandbox import Campaign


def names(answer):
    assert answer.status_code == 200
    assert answer.json()["message"] == "success"
    return [campaign["name"] for campaign in answer.json()["campaigns"]]


def test_the_workspace_s_campaigns_are_listed_without_the_archived_ones(client):
    assert names(client.get("/campaigns/list")) == ["Win back", "Welcome"]


def test_a_campaign_is_shown_with_brazes_fields(client):
    first = client.get("/campaigns/list").json()["campaigns"][0]

    assert first == {
        "id": "417220e4-5a2a-b634-7f7d-9ec891532368",
        "last_edited": "2026-09-01T09:00:00+00:00",
        "name": "Win back",
        "is_api_campaign": False,
        "tags": ["retention"],
    }


def test_archived_campaigns_are_listed_when_asked_for(client):
    assert "Summer sale" in names(client.get("/campaigns/list", include_archived="true"))


def test_the_list_can_be_turned_round(client):
    assert names(client.get("/campaigns/list", sort_direction="desc")) == ["Welcome", "Win back"]


def test_the_list_can_start_after_an_edit(client):
    edited = {"last_edit.time[gt]": "2026-09-02T00:00:00"}

    assert names(client.get("/campaigns/list", **edited)) == []


def test_a_page_holds_a_hundred_campaigns_and_the_last_one_the_rest(start):
    client = start(campaigns=[Campaign(id=str(n), name=str(n)) for n in range(120)])

    assert names(client.get("/campaigns/list"))[-1] == "99"
    assert names(client.get("/campaigns/list", page=1)) == [str(n) for n in range(100, 120)]
    assert names(client.get("/campaigns/list", page=2)) == []


@pytest.mark.parametrize(
    "query",
    [
        {"page": "-1"},
        {"page": "two"},
        {"include_archived": "yes"},
        {"sort_direction": "up"},
        {"last_edit.time[gt]": "yesterday"},
    ],
)
def test_a_malformed_query_is_refused(client, query):
    assert client.get("/campaigns/list", **query).status_code == 400


def test_a_parameter_that_is_unknown_is_accepted(client):
    assert names(client.get("/campaigns/list", size="10")) == ["Win back", "Welcome"]
