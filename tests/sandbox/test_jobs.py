"""Syncs, exports and copies go on after their requests were answered, on the sandbox's clock."""

from __future__ import annotations

import io
import json
import zipfile

import pytest
import requests

from braze_provider.sandbox import Campaign, Integration

SYNC, STATUS = "/cdi/integrations/i/sync", "/cdi/integrations/i/job_sync_status"
SEGMENT = {"segment_id": "s", "fields_to_export": ["email"]}


def statuses(client) -> list[str]:
    return [sync["job_status"] for sync in client.get(STATUS).json()["results"]]


# Cloud Data Ingestion ---------------------------------------------------------------------------------------


def test_a_sync_runs_and_ends_by_the_clock(client, sandbox):
    answer = client.post(SYNC)

    assert (answer.status_code, answer.json()) == (202, {"message": "success"})
    assert statuses(client) == ["running"]
    sandbox.advance(minutes=1)
    assert statuses(client) == ["success"]


def test_a_second_sync_is_refused_while_one_runs(client, sandbox):
    client.post(SYNC)

    answer = client.post(SYNC)

    assert (answer.status_code, answer.json()["message"]) == (429, "Another job is in progress")
    assert int(answer.headers["X-RateLimit-Remaining"]) > 0
    assert client.post("/cdi/integrations/other/sync").status_code == 202
    sandbox.advance(minutes=1)
    assert client.post(SYNC).status_code == 202


@pytest.mark.parametrize(("ends", "synced"), [("partial", 5), ("error", 0), ("config_error", 0)])
def test_a_sync_ends_as_its_integration_says(start, ends, synced):
    client = start(integrations=[Integration(id="i", ends=ends, rows_synced=5, rows_failed=2)])
    client.post(SYNC)
    client.sandbox.advance(minutes=1)

    (sync,) = client.get(STATUS).json()["results"]

    assert (sync["job_status"], sync["rows_synced"], sync["rows_failed_with_errors"]) == (ends, synced, 2)


def test_an_integration_that_does_not_exist_is_refused_if_others_do(start):
    client = start(integrations=["other"])

    for answer in (client.post(SYNC), client.get(STATUS)):
        assert (answer.status_code, answer.json()["message"]) == (404, "Integration not found")


def test_syncs_are_paged_by_cursor_the_newest_first(client, sandbox):
    for _ in range(12):
        client.post(SYNC)
        sandbox.advance(minutes=1)
    first = client.get(STATUS)
    second = client.get(STATUS, cursor="10")

    begun = [sync["sync_start_time"] for page in (first, second) for sync in page.json()["results"]]
    assert begun == sorted(begun, reverse=True)
    assert (len(first.json()["results"]), len(begun)) == (10, 12)
    assert first.headers["Link"] == f'<{STATUS}?cursor=10>; rel="next"'
    assert second.headers["Link"] == f'<{STATUS}?cursor=0>; rel="prev"'
    assert client.get(STATUS, cursor="x").json()["message"] == "Invalid cursor"


def test_the_integrations_are_listed_with_their_last_sync(start):
    client = start(integrations=["i", Integration(id="j", name="Users")])
    client.post(SYNC)

    listed = client.get("/cdi/integrations").json()["results"]

    assert [(one["integration_name"], one["last_job_status"]) for one in listed] == [
        ("i", "running"),
        ("Users", None),
    ]


# Exports ----------------------------------------------------------------------------------------------------


def test_the_archive_of_an_export_appears_when_it_is_done_and_goes_after_four_hours(client, sandbox):
    client.trigger("ada", "grace")
    link = client.post("/users/export/segment", SEGMENT).json()["url"]

    assert requests.get(link, timeout=10).status_code == 403
    sandbox.advance(minutes=1)
    archive = zipfile.ZipFile(io.BytesIO(requests.get(link, timeout=10).content))
    lines = archive.read(archive.namelist()[0]).splitlines()
    assert [json.loads(line) for line in lines] == [{"external_id": "ada"}, {"external_id": "grace"}]
    sandbox.advance(hours=4)
    assert requests.get(link, timeout=10).status_code == 403


def test_the_storage_refuses_a_request_with_an_api_key(client, sandbox):
    link = client.post("/users/export/segment", SEGMENT).json()["url"]
    sandbox.advance(minutes=1)

    assert client.session.get(link, timeout=10).status_code == 400


def test_a_segment_is_exported_once_at_a_time_until_it_is_cancelled(client, sandbox):
    assert client.post("/users/export/segment", SEGMENT).status_code == 201
    assert client.post("/users/export/segment", SEGMENT).status_code == 429
    assert client.post("/users/export/segment", {**SEGMENT, "segment_id": "other"}).status_code == 201

    client.post("/export/segment/cancel", {"segment_id": "s"})

    assert client.post("/users/export/segment", SEGMENT).status_code == 201


def test_an_export_to_own_storage_has_no_link(start):
    answer = start(own_storage=True).post("/users/export/segment", SEGMENT).json()

    assert answer.keys() == {"message", "object_prefix"}


def test_the_global_control_group_is_exported_any_number_of_times(client):
    for _ in range(2):
        answer = client.post("/users/export/global_control_group", {"fields_to_export": ["email"]})
        assert (answer.status_code, "url" in answer.json()) == (201, True)


def test_named_users_are_exported_at_once(start):
    client = start(unknown_ids=["nobody"])

    answer = client.post("/users/export/ids", {"external_ids": ["ada", "nobody"]}).json()

    assert answer["users"] == [{"external_id": "ada"}]
    assert answer["invalid_user_ids"] == ["nobody"]


# Copies -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "key", "name"),
    [("campaigns", "campaigns", "campaign_id"), ("canvas", "canvases", "canvas_id")],
)
def test_a_copy_appears_in_the_list_later_and_can_be_used(start, family, key, name):
    client = start(campaigns=[Campaign(id="c", name="Sale", tags=("season",))], canvases=["c"])

    answer = client.post(f"/{family}/duplicate", {name: "c", "name": "Copy"})

    assert (answer.status_code, answer.json()) == (202, {"message": "success"})
    assert len(client.get(f"/{family}/list").json()[key]) == 1
    client.sandbox.advance(minutes=1)
    copy, original = client.get(f"/{family}/list", sort_direction="desc").json()[key]
    assert (copy["name"], copy["tags"]) == ("Copy", original["tags"])
    details = client.get(f"/{family}/details", **{name: copy["id"]}).json()
    assert (details["name"], details["created_at"]) == ("Copy", copy["last_edited"])
    assert client.post(f"/{family}/duplicate", {name: copy["id"], "name": "Again"}).status_code == 202


def test_a_reset_forgets_jobs_and_copies(client, sandbox):
    client.post(SYNC)
    client.post("/campaigns/duplicate", {"campaign_id": "c", "name": "Copy"})
    sandbox.advance(minutes=1)
    before = len(client.get("/campaigns/list").json()["campaigns"])

    sandbox.reset()

    assert sandbox.jobs() == {"syncs": [], "exports": [], "copies_to_come": 0}
    assert len(client.get("/campaigns/list").json()["campaigns"]) == before - 1
