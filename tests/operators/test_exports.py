"""Exports of user profiles on real Airflow: no data in logs and XCom, and no half file."""

from __future__ import annotations

import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG, ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from braze_provider.api.errors import BrazeValidationError
from braze_provider.hooks.braze import BrazeHook
from braze_provider.operators.exports import UsersExportOperator
from braze_provider.tasks.output import whole_file

pytestmark = pytest.mark.dag

SEGMENT, IDS = "/users/export/segment", "/users/export/ids"
each_way = pytest.mark.parametrize("deferrable", [False, True], ids=["in its slot", "deferrable"])
PROFILE_SECRET = "ada.lovelace"


@pytest.fixture
def export(run_dag, tmp_path):
    def run(**arguments: Any) -> Any:
        if "external_ids" not in arguments:
            arguments = {"segment_id": "s", **arguments}
        with DAG("d", schedule=None) as dag:
            UsersExportOperator(
                task_id="t",
                **{
                    "fields_to_export": ["external_id"],
                    "output_path": str(tmp_path / "out" / "users.zip"),
                    "poll_interval": 0.1,
                    "timeout": 60,
                    "retry_delay": 0,
                    **arguments,
                },
            )
        return run_dag(dag)

    run.file = tmp_path / "out" / "users.zip"
    return run


@pytest.fixture
def users(braze):
    """A sandbox with two users in its segment."""

    def start(**options: Any) -> Any:
        sandbox = braze(**options)
        recipients = [{"external_user_id": PROFILE_SECRET}, {"external_user_id": "grace"}]
        BrazeHook().campaigns_trigger_send({"campaign_id": "c", "recipients": recipients})
        return sandbox

    return start


def starts(sandbox) -> int:
    return sum(request["endpoint"] == SEGMENT for request in sandbox.requests())


def exported(path: Path) -> list[Any]:
    with zipfile.ZipFile(path) as archive:
        return [json.loads(line) for name in archive.namelist() for line in archive.read(name).splitlines()]


# A segment --------------------------------------------------------------------------------------------------


@each_way
def test_the_archive_of_a_segment_is_copied_once_it_is_there(users, export, deferrable):
    sandbox = users()

    result = export(deferrable=deferrable)

    assert result.state == "success", result.log
    assert exported(export.file) == [{"external_id": PROFILE_SECRET}, {"external_id": "grace"}]
    (made,) = sandbox.jobs()["exports"]
    assert result.xcom("t") == {
        "object_prefix": made["object_prefix"],
        "has_link": True,
        "output_path": str(export.file),
    }
    assert "the archive is not there yet" in result.log


@each_way
def test_no_log_and_no_xcom_holds_users_or_the_link(users, export, deferrable):
    users()

    result = export(deferrable=deferrable)

    shown = result.log + repr(result.xcoms) + repr(result.task("t").rendered)
    assert PROFILE_SECRET not in shown
    assert "_archives" not in shown


def test_only_the_tasks_user_may_read_the_file(users, export):
    users()
    export()

    assert stat.S_IMODE(export.file.stat().st_mode) == 0o600
    assert list(export.file.parent.iterdir()) == [export.file]


def test_a_path_on_other_storage_gets_the_archive(users, export):
    storage = MemoryFileSystem()
    attach(protocol="memory", fs=storage)
    users()

    result = export(output_path="memory://exports/users.zip")

    assert result.state == "success", result.log
    assert storage.ls("/exports", detail=False) == ["/exports/users.zip"]
    with storage.open("/exports/users.zip") as file, zipfile.ZipFile(file) as archive:
        assert len(archive.namelist()) == 1


@each_way
@pytest.mark.parametrize(
    ("method", "requests"), [("sealed", 1), ("archive_is_ready", 1), ("download_archive", 1)]
)
def test_a_killed_task_ends_with_the_file(users, export, notes, monkeypatch, method, requests, deferrable):
    sandbox = users()
    real, seen = getattr(BrazeHook, method), []

    def dying(self: Any, *args: Any) -> Any:
        answer = real(self, *args)
        seen.append(1)
        if len(seen) == requests:
            raise RuntimeError("killed")
        return answer

    monkeypatch.setattr(BrazeHook, method, dying)

    result = export(retries=1, deferrable=deferrable)

    assert result.state == "success", result.log
    assert len(exported(export.file)) == 2
    # The link is lost if it was not kept. Two exports never ran at the same time.
    is_kept = notes == "task state store" and method != "sealed"
    running = [request["status"] for request in sandbox.requests() if request["endpoint"] == SEGMENT]
    assert running.count(201) <= (1 if is_kept else 2)


@each_way
def test_a_lost_answer_is_followed_by_one_more_export_after_the_first(users, export, deferrable):
    sandbox = users()
    sandbox.fault("disconnect", endpoint=SEGMENT, processed=True)

    result = export(deferrable=deferrable)

    assert result.state == "success", result.log
    first, second = sandbox.jobs()["exports"]
    assert result.xcom("t")["object_prefix"] == second["object_prefix"]
    assert first["state"] == "done"


@each_way
def test_it_waits_for_another_export_of_the_segment(users, export, deferrable):
    sandbox = users()
    BrazeHook().users_export_segment({"segment_id": "s", "fields_to_export": ["email"]})

    result = export(deferrable=deferrable)

    assert result.state == "success", result.log
    assert result.xcom("t")["object_prefix"] == sandbox.jobs()["exports"][1]["object_prefix"]


def test_it_fails_if_another_export_runs_and_it_is_told_to(users, export):
    sandbox = users()
    BrazeHook().users_export_segment({"segment_id": "s", "fields_to_export": ["email"]})

    result = export(if_running="fail", retries=3)

    assert (result.state, starts(sandbox)) == ("failed", 2)
    assert "already being exported" in result.log


def test_files_in_own_storage_are_named_and_not_waited_for(users, export):
    sandbox = users(own_storage=True, job_seconds=3_600)

    result = export(output_path=None)

    assert result.state == "success", result.log
    prefix = sandbox.jobs()["exports"][0]["object_prefix"]
    assert result.xcom("t") == {"object_prefix": prefix, "has_link": False, "output_path": None}
    assert f"below segment-export/s/<date>/{prefix}/" in result.log
    assert "does not tell when all of them are there" in result.log


def test_a_copy_of_files_in_own_storage_is_refused(users, export):
    users(own_storage=True)

    result = export(retries=3)

    assert (result.state, result.task("t").try_number) == ("failed", 1)
    assert "output_path: Braze gives no archive to copy" in result.log
    assert not export.file.exists()


def test_an_export_without_a_path_says_that_nothing_takes_the_archive(users, export):
    users()

    result = export(output_path=None)

    assert result.state == "success", result.log
    assert "Nothing takes the archive" in result.log


def test_an_unknown_segment_fails_without_a_retry(users, export):
    sandbox = users(segments=["other"])

    result = export(retries=3)

    assert (result.state, starts(sandbox)) == ("failed", 1)
    assert "Invalid Segment ID" in result.log


def test_a_copy_that_breaks_off_is_begun_again(users, export, monkeypatch):
    users()
    real, seen = BrazeHook.download_archive, []

    def broken(self: Any, link: str, file: Any) -> int:
        if not seen:
            seen.append(file.write(b"half"))
            with self._archive("http://127.0.0.1:1/"):
                raise AssertionError
        return real(self, link, file)

    monkeypatch.setattr(BrazeHook, "download_archive", broken)

    result = export()

    assert result.state == "success", result.log
    assert len(exported(export.file)) == 2


def test_a_copy_that_fails_leaves_no_file_and_keeps_an_older_one(tmp_path):
    path = tmp_path / "users.zip"
    path.write_bytes(b"older")

    def write_half() -> None:
        with whole_file(ObjectStoragePath(f"file://{path}")) as file:
            file.write(b"half")
            raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        write_half()

    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


# Named users ------------------------------------------------------------------------------------------------


def test_named_users_are_exported_fifty_at_a_time_and_each_once(users, export):
    sandbox = users(unknown_ids=["u7"])
    ids = [f"u{number}" for number in range(120)]

    result = export(external_ids=[*ids, "u3"], user_aliases=[{"alias_label": "crm", "alias_name": "a"}])

    assert result.state == "success", result.log
    assert result.xcom("t") == {"users": 120, "unknown": 1, "output_path": str(export.file)}
    lines = [json.loads(line) for line in export.file.read_text().splitlines()]
    assert len(lines) == 120
    assert lines[-1] == {"user_aliases": [{"alias_label": "crm", "alias_name": "a"}]}
    sizes = [
        len(request["body"].get("external_ids", [])) + len(request["body"].get("user_aliases", []))
        for request in sandbox.requests()
        if request["endpoint"] == IDS
    ]
    assert sizes == [50, 50, 21]


def test_no_log_and_no_xcom_and_no_rendered_field_holds_named_users(users, export):
    users()

    result = export(external_ids=[PROFILE_SECRET])

    assert result.state == "success", result.log
    assert PROFILE_SECRET not in result.log + repr(result.xcoms) + repr(result.task("t").rendered)


def test_a_killed_task_leaves_no_half_file_and_its_retry_writes_all(users, export, dies_after):
    users()
    dies_after("users_export_ids", requests=2)
    seen = []

    result = export(
        external_ids=[f"u{number}" for number in range(120)],
        retries=1,
        on_retry_callback=lambda context: seen.append(export.file.exists()),
    )

    assert result.state == "success", result.log
    assert seen == [False]
    assert len(export.file.read_text().splitlines()) == 120


def test_a_missing_permission_fails_without_a_retry(users, export):
    sandbox = users()
    sandbox.fault("status", endpoint=IDS, status=403)

    result = export(external_ids=["u"], retries=3)

    assert (result.state, result.task("t").try_number) == ("failed", 1)
    assert "users.export.ids" in result.log
    assert not export.file.exists()


def test_a_bad_row_is_named_before_the_first_request(users, export):
    sandbox = users()

    result = export(external_ids=["u", ""])

    assert result.state == "failed"
    assert "external_ids, row 2" in result.log
    assert not [request for request in sandbox.requests() if request["endpoint"] == IDS]


# Bad input --------------------------------------------------------------------------------------------------

FILE = {"output_path": "/tmp/f"}


@pytest.mark.parametrize(
    ("arguments", "mistake"),
    [
        ({}, "segment_id: is required without `external_ids` and `user_aliases`"),
        (
            {"segment_id": "s", "external_ids": ["u"], **FILE},
            "segment_id: is not allowed with `external_ids`",
        ),
        ({"external_ids": ["u"]}, "output_path: is required for named users"),
        (
            {"external_ids": ["u"], "callback_endpoint": "https://example.com", **FILE},
            "callback_endpoint: is not allowed with `external_ids`",
        ),
        ({"external_ids": "u", **FILE}, "external_ids: must be a list"),
        ({"segment_id": ""}, "segment_id: must not be empty"),
        ({"segment_id": "s", "fields_to_export": []}, "fields_to_export: is empty"),
        ({"segment_id": "s", "output_format": "rar"}, "output_format: must be"),
        (
            {"segment_id": "s", "custom_attributes_to_export": ["a"] * 501},
            "custom_attributes_to_export: 501 attributes; one request takes 500 at most",
        ),
        (
            {"segment_id": "s", "wait_for_completion": False, **FILE},
            "output_path: is not allowed with `wait_for_completion=False`",
        ),
        ({"segment_id": "s", "timeout": None}, "timeout: must be a number of seconds"),
        ({"segment_id": "s", "if_running": "join"}, "if_running: must be"),
    ],
)
def test_a_bad_argument_is_named_at_dag_parse(arguments, mistake):
    with pytest.raises(BrazeValidationError, match=mistake):
        UsersExportOperator(task_id="t", **{"fields_to_export": ["email"], **arguments})
