"""What a sandbox with a file keeps over restarts, and which files it refuses."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from sandbox.conftest import CAMPAIGN, Client

from braze_provider.sandbox import Sandbox

ITEM = {"id": "tea", "price": 3}


@pytest.fixture
def file(tmp_path: Path) -> str:
    return str(tmp_path / "sandbox.db")


@contextlib.contextmanager
def sandbox_of(file: str, **options: Any) -> Iterator[Client]:
    with Sandbox(file=file, **options) as sandbox:
        yield Client(sandbox)


def schedule(client: Client, *ids: str, time: str = "2199-01-01T09:00:00Z") -> str:
    body = {
        "campaign_id": CAMPAIGN,
        "recipients": [{"external_user_id": one} for one in ids],
        "schedule": {"time": time},
    }
    answer: dict[str, str] = client.post("/campaigns/trigger/schedule/create", body).json()
    return answer["schedule_id"]


def series(client: Client) -> dict[str, Any]:
    (day,) = client.get("/campaigns/data_series", campaign_id=CAMPAIGN, length=1).json()["data"]
    return day


# What is kept


def test_what_was_received_outlives_a_restart(file):
    with sandbox_of(file) as client:
        client.trigger("ada", "bob", trigger_properties={"offer": "10 %"})
        client.trigger("bob")
        client.trigger(recipients=[])
        client.sandbox.fault("status", status=503)
        client.trigger("cy")
        before = client.sandbox.summary(), client.sandbox.requests(), client.sandbox.recipients()
        entries = client.get("/_sandbox/inbox", kind="all").json()

    with sandbox_of(file) as client:
        assert (client.sandbox.summary(), client.sandbox.requests(), client.sandbox.recipients()) == before
        assert client.get("/_sandbox/inbox", kind="all").json() == entries
        opened = client.get("/_sandbox/inbox/2").json()
        assert (opened["status"], opened["answer"]) == (400, '{"message": "No Recipients"}')


def test_requests_and_duplicates_are_counted_on(file):
    with sandbox_of(file) as client:
        client.trigger("ada", "bob")
    with sandbox_of(file) as client:
        client.trigger("ada")
        client.trigger("bob", campaign_id="another")
        summary = client.sandbox.summary()

        assert [one["index"] for one in client.sandbox.requests()] == [0, 1, 2]
        assert (summary["requests"], summary["messages"], summary["recipients"]) == (3, 4, 2)
        assert summary["duplicates_by_content"] == {f"campaign:{CAMPAIGN}": 1}


def test_a_schedule_that_waits_goes_on_waiting_and_can_be_moved_and_cancelled(file):
    with sandbox_of(file) as client:
        moved, cancelled = schedule(client, "ada"), schedule(client, "bob")
    with sandbox_of(file) as client:
        family = "/campaigns/trigger/schedule"
        client.post(
            f"{family}/update",
            {"campaign_id": CAMPAIGN, "schedule_id": moved, "schedule": {"time": "2198-01-01T09:00:00Z"}},
        )
        client.post(f"{family}/delete", {"campaign_id": CAMPAIGN, "schedule_id": cancelled})
    with sandbox_of(file) as client:
        assert [one["state"] for one in client.sandbox.schedules()] == ["waiting", "cancelled"]
        client.sandbox.advance(days=365 * 172.5)

        assert [one["state"] for one in client.sandbox.schedules()] == ["sent", "cancelled"]
        assert client.sandbox.recipient_keys() == ["ada"]
        (received,) = client.sandbox.received("ada")
        assert received["request"] == 0


def test_the_clock_stays_where_it_was_moved_to(file):
    with sandbox_of(file) as client:
        client.sandbox.advance(hours=2)
    with sandbox_of(file, clock_offset=60) as client:
        assert client.get("/_sandbox/live").json()["ahead"] == pytest.approx(7_260, abs=1)
        client.sandbox.reset()
        assert client.get("/_sandbox/live").json()["ahead"] == pytest.approx(60, abs=1)


def test_profiles_subscriptions_and_users_who_were_made_or_deleted_stay(file):
    with sandbox_of(file, unknown_ids=["new"]) as client:
        client.post("/users/track", {"attributes": [{"external_id": "ada", "city": "Paris"}]})
        client.post("/users/alias/new", {"user_aliases": [
            {"external_id": "ada", "alias_name": "a", "alias_label": "shop"}]})  # fmt: skip
        group = {"subscription_group_id": "g", "subscription_state": "subscribed", "external_id": ["ada"]}
        client.post("/subscription/status/set", group)
        client.post("/users/track", {"attributes": [{"external_id": "new"}, {"external_id": "gone"}]})
        client.post("/users/delete", {"external_ids": ["gone"]})
        ada = client.sandbox.profile("ada")
    with sandbox_of(file, unknown_ids=["new"]) as client:
        assert client.sandbox.profile("ada") == client.sandbox.profile("alias:shop:a") == ada
        assert ada["subscriptions"] == {"g": "subscribed"}
        assert client.sandbox.profile("gone") is None
        client.trigger("new", "gone")
        assert client.sandbox.recipient_keys() == ["new"]


def test_a_profile_that_was_merged_away_does_not_come_back(file):
    with sandbox_of(file) as client:
        alias = {"alias_name": "a", "alias_label": "shop"}
        client.post("/users/track", {"attributes": [
            {"external_id": "ada", "city": "Paris"},
            {"user_alias": alias, "_update_existing_only": False, "points": 3},
        ]})  # fmt: skip
        client.post("/users/identify", {"aliases_to_identify": [{"external_id": "ada", "user_alias": alias}]})
    with sandbox_of(file) as client:
        assert client.get("/_sandbox/profiles").json()["total"] == 1
        assert client.sandbox.profile("alias:shop:a")["attributes"] == {"city": "Paris", "points": 3}


def test_items_of_catalogs_stay_and_deleted_ones_do_not_come_back(file):
    with sandbox_of(file) as client:
        client.session.put(
            f"{client.sandbox.url}/catalogs/dishes/items", json={"items": [ITEM, {"id": "cake"}]}, timeout=10
        )
        client.session.delete(
            f"{client.sandbox.url}/catalogs/dishes/items", json={"items": [{"id": "cake"}]}, timeout=10
        )
    with sandbox_of(file) as client:
        assert client.sandbox.catalog("dishes") == {"tea": ITEM}


def test_statistics_count_on_and_a_recipient_once_a_day(file):
    with sandbox_of(file) as client:
        client.trigger("ada", "bob")
    with sandbox_of(file) as client:
        client.trigger("bob", "cy")
        day = series(client)

        assert day["messages"]["email"][0]["sent"] == 4
        assert day["unique_recipients"] == 3


def test_a_live_activity_stays(file):
    body = {"app_id": "app", "activity_id": "match", "content_state": {"goals": 1}}
    start = {
        **body,
        "activity_attributes_type": "Match",
        "activity_attributes": {},
        "external_user_ids": ["ada"],
        "notification": {"alert": {"title": "Match", "body": "It begins"}},
    }
    with sandbox_of(file) as client:
        assert client.post("/messages/live_activity/start", start).status_code == 201
    with sandbox_of(file) as client:
        update = {**body, "content_state": {"goals": 2}}
        assert client.post("/messages/live_activity/update", update).status_code == 201
    with sandbox_of(file) as client:
        (activity,) = client.sandbox.activities()
        assert (activity["content_state"], activity["users"], activity["updates"]) == (
            {"goals": 2},
            ["ada"],
            1,
        )


def test_without_bodies_the_file_has_none(file):
    with sandbox_of(file, record_bodies=False) as client:
        client.trigger("ada", trigger_properties={"secret": "rosebud"})

    assert b"rosebud" not in Path(file).read_bytes()
    with sandbox_of(file) as client:
        assert client.sandbox.requests()[0]["body"] is None
        assert len(client.sandbox.received("ada")) == 1


# Who can read it


def test_no_key_is_in_the_file(file):
    with sandbox_of(file, api_keys={"another-secret-key": ["messages.send"]}) as client:
        client.trigger("ada")
        client.session.headers["Authorization"] = "Bearer another-secret-key"
        client.send("ada")
        client.session.headers["Authorization"] = "Bearer a-wrong-secret-key"
        client.send("ada")
        key = client.sandbox.api_key

    content = Path(file).read_bytes()
    assert b"campaigns/trigger/send" in content
    for secret in (key, "another-secret-key", "a-wrong-secret-key"):
        assert secret.encode() not in content


def test_only_its_owner_can_read_the_file(file):
    before = os.umask(0)
    try:
        with sandbox_of(file) as client:
            client.trigger()
            modes = {stat.S_IMODE(path.stat().st_mode) for path in Path(file).parent.iterdir()}
    finally:
        os.umask(before)

    assert modes == {0o600}


def test_after_a_stop_all_is_in_one_file_and_can_still_be_read(file):
    with sandbox_of(file) as client:
        client.trigger("ada")

    assert [path.name for path in Path(file).parent.iterdir()] == ["sandbox.db"]
    assert len(client.sandbox.received("ada")) == 1


def test_what_was_cleared_is_gone_from_the_file(file):
    with sandbox_of(file) as client:
        client.trigger("rosebud")
        client.sandbox.reset()
        client.trigger("ada")

    assert b"rosebud" not in Path(file).read_bytes()
    with sandbox_of(file) as client:
        assert client.sandbox.recipient_keys() == ["ada"]


# Which files are refused


def test_two_sandboxes_never_have_one_file(file):
    with sandbox_of(file) as client:
        with pytest.raises(ValueError, match="in use by another sandbox"):
            Sandbox(file=file)
        client.trigger("ada")
        assert client.sandbox.recipient_keys() == ["ada"]


def test_another_process_is_refused_too(file):
    with sandbox_of(file):
        ran = subprocess.run(
            [sys.executable, "-m", "braze_provider.sandbox", "--port", "0", "--file", file],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
    assert ran.returncode == 2
    assert f"The file {file} is in use by another sandbox" in ran.stderr
    assert "Traceback" not in ran.stderr


def not_sqlite(path: Path) -> None:
    path.write_text("the thesis of my life")


def another_database(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE customers (name TEXT)")


@pytest.mark.parametrize("make", [not_sqlite, another_database])
def test_a_file_of_something_else_is_refused_and_left_as_it_was(file, make):
    make(Path(file))
    Path(file).chmod(0o644)
    before = Path(file).read_bytes()
    with pytest.raises(ValueError, match="holds something else"):
        Sandbox(file=file)

    assert Path(file).read_bytes() == before
    assert stat.S_IMODE(Path(file).stat().st_mode) == 0o644
    assert [path.name for path in Path(file).parent.iterdir()] == ["sandbox.db"]


def test_a_file_of_a_newer_release_is_refused(file):
    with sandbox_of(file) as client:
        client.trigger("ada")
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(ValueError, match="format 99, which is newer"):
        Sandbox(file=file)

    with contextlib.closing(sqlite3.connect(file)) as db:
        assert db.execute("SELECT key FROM recipient").fetchall() == [("ada",)]


def test_a_damaged_file_is_refused(file):
    with sandbox_of(file) as client:
        client.trigger("ada")
    with Path(file).open("r+b") as damaged:
        damaged.seek(100)
        damaged.write(b"\xff" * 4_000)
    with pytest.raises(ValueError, match="cannot be used"):
        Sandbox(file=file)


@pytest.mark.parametrize("name", ["", "nowhere/sandbox.db"])
def test_a_path_that_cannot_be_a_file_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="cannot be used"):
        Sandbox(file=str(tmp_path / name))


def test_an_empty_file_becomes_a_sandboxs(file):
    Path(file).touch()
    with sandbox_of(file) as client:
        client.trigger("ada")
        assert client.sandbox.recipient_keys() == ["ada"]


# A kill


@pytest.mark.slow
def test_a_kill_loses_a_moment_at_most_and_damages_nothing(file):
    """SIGKILL in the middle of many requests: all but the last moment's are there, and all of it adds up."""
    command = [sys.executable, "-m", "braze_provider.sandbox", "--port", "0", "--file", file]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    answered = []
    try:
        url, key = (process.stdout.readline().split()[-1] for _ in range(2))
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {key}"
        while len(answered) < 300:
            recipients = [{"external_user_id": f"user-{len(answered)}-{place}"} for place in range(50)]
            body = {"campaign_id": CAMPAIGN, "recipients": recipients}
            session.post(f"{url}/campaigns/trigger/send", json=body, timeout=10)
            answered.append(time.monotonic())
    finally:
        process.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        process.wait()

    with sandbox_of(file) as client:
        summary = client.sandbox.summary()
        kept = summary["requests"]
        assert 0 < kept >= sum(at < killed - 1 for at in answered)
        assert [one["index"] for one in client.sandbox.requests()] == list(range(kept))
        assert (summary["messages"], summary["recipients"]) == (50 * kept, 50 * kept)
        assert len(client.sandbox.received(f"user-{kept - 1}-49")) == 1
        client.trigger("ada")
        assert client.sandbox.received("ada")[0]["request"] == kept
    with contextlib.closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
