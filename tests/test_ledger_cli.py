"""``python -m braze_provider.ledger``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import airflow_harness
import pytest
from sqlalchemy import create_engine, update

from braze_provider.ledger import show_sql, sql_schema
from braze_provider.ledger.__main__ import main
from braze_provider.ledger.base import Claim, Counters, DeliveryKey, Opening, Receipt, State
from braze_provider.ledger.sql import SqlLedger

LONG_AGO = "2026-01-01T06:00:00.000+00:00"
RUN = "scheduled__2026-01-01T06:00:00+00:00"


class Book:
    """A ledger in a SQLite file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"

    def deliver(
        self,
        *outcomes: State,
        dag_id: str = "welcome",
        run_id: str = RUN,
        task_id: str = "send",
        map_index: int = -1,
        deployment: str = "",
        running: bool = False,
        finished: bool = False,
        ids: Sequence[str] = ("dispatch_id",),
    ) -> None:
        """Deliver one batch for each state: the last one has 7 recipients, the others 50. Claims stay."""
        key = DeliveryKey(dag_id, run_id, task_id, map_index, deployment)
        ledger = SqlLedger(create_engine(self.url), key, "host-1")
        ledger.open(lambda head: Opening(Counters(1, 2, LONG_AGO), starts_over=head is None))
        sizes = [50] * (len(outcomes) - 1) + [7]
        ledger.write([], [Claim(index, size, f"f{index}") for index, size in enumerate(sizes)])
        receipts = [
            Receipt(
                index,
                size,
                f"f{index}",
                state,
                f"2026-01-01T06:00:{index:02}.000+00:00",
                ids={name: f"{name[:-3]}-{dag_id}-{index}" for name in ids} if state is State.SENT else {},
                reason="502: Bad Gateway" if state is State.UNCERTAIN else None,
            )
            for index, (size, state) in enumerate(zip(sizes, outcomes, strict=True))
            if state is not State.CLAIMED
        ]
        ledger.write(receipts, [])
        if finished:
            ledger.finish({"sent": 57})
        ledger.close()
        if not running:
            with create_engine(self.url).begin() as connection:
                connection.execute(
                    update(sql_schema.delivery)
                    .where(sql_schema.delivery.c.dag_id == dag_id)
                    .values(created_at=LONG_AGO, updated_at=LONG_AGO)
                )


@pytest.fixture
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Book:
    path = tmp_path / "ledger.db"
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    monkeypatch.setenv(
        "_AIRFLOW_PROCESS_CONTEXT", "server"
    )  # The command sets it; this removes it after the test.
    return Book(path)


@pytest.fixture
def found(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command for JSON: ``found(…)`` gives the deliveries."""

    def run(*arguments: str) -> list[dict[str, Any]]:
        status = main(["--conn-id", "ledger", "--format", "json", *arguments])
        deliveries: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["deliveries"]
        assert status == (0 if deliveries else 1)
        return deliveries

    return run


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command for a table: ``printed(…)`` gives its lines."""

    def run(*arguments: str) -> list[str]:
        assert main(["--conn-id", "ledger", *arguments]) == 0
        return capsys.readouterr().out.splitlines()

    return run


# What is found ----------------------------------------------------------------------------------------------


def test_a_delivery_is_found_with_all_its_figures(book: Book, found: Any):
    book.deliver(State.SENT, State.REJECTED, State.UNCERTAIN, State.FAILED, State.CLAIMED, State.SENT)
    assert found() == [
        {
            "dag_id": "welcome",
            "run_id": RUN,
            "task_id": "send",
            "map_index": -1,
            "deployment": "",
            "state": "open",
            "begun_at": LONG_AGO,
            "written_at": LONG_AGO,
            "started_over": 0,
            "try_number": 1,
            "resends": [],
            "batches_by_state": {"sent": 2, "rejected": 1, "uncertain": 1, "failed": 1, "claimed": 1},
            "recipients_by_state": {"sent": 57, "rejected": 50, "uncertain": 50, "failed": 50, "claimed": 50},
            "report": None,
        }
    ]


def test_a_finished_delivery_is_found_with_its_report(book: Book, found: Any):
    book.deliver(State.SENT, finished=True)
    (one,) = found()
    assert (one["state"], one["report"]) == ("finished", {"sent": 57})


def test_a_delivery_with_a_recent_write_is_running(book: Book, found: Any):
    book.deliver(State.SENT, State.CLAIMED, running=True)
    assert [one["state"] for one in found()] == ["running"]


def test_deliveries_come_in_the_order_in_which_they_began(
    book: Book, found: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(show_sql, "DELIVERIES_PER_PAGE", 2)
    for index in (3, 1, 4, 0, 5):
        book.deliver(State.SENT, map_index=index)
    assert [one["map_index"] for one in found()] == [3, 1, 4, 0, 5]
    assert {one["recipients_by_state"]["sent"] for one in found()} == {7}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--dag-id", "welcome"], [("welcome", "a", 0), ("welcome", "a", 1), ("welcome", "b", -1)]),
        (["--run-id", "b"], [("welcome", "b", -1), ("win_back", "b", -1)]),
        (["--dag-id", "welcome", "--run-id", "a", "--map-index", "1"], [("welcome", "a", 1)]),
        (["--map-index", "-1"], [("welcome", "b", -1), ("win_back", "b", -1)]),
        (["--task-id", "send", "--dag-id", "win_back"], [("win_back", "b", -1)]),
        (["--dag-id", "Welcome"], []),
        (["--dag-id", "welcome "], []),
    ],
)
def test_deliveries_are_chosen_by_task_instance(
    book: Book, found: Any, arguments: list[str], expected: list[tuple[str, str, int]]
):
    book.deliver(State.SENT, run_id="a", map_index=0)
    book.deliver(State.SENT, run_id="a", map_index=1)
    book.deliver(State.SENT, run_id="b")
    book.deliver(State.SENT, run_id="b", dag_id="win_back")
    assert [(one["dag_id"], one["run_id"], one["map_index"]) for one in found(*arguments)] == expected


def test_deliveries_are_chosen_by_deployment(book: Book, found: Any):
    book.deliver(State.SENT, deployment="production")
    book.deliver(State.SENT)
    assert [one["deployment"] for one in found()] == ["production", ""]
    assert [one["deployment"] for one in found("--deployment", "production")] == ["production"]
    assert [one["deployment"] for one in found("--deployment", "")] == [""]


@pytest.mark.parametrize(
    "arguments", [(), ("--deployment", "", "--state", "uncertain", "--dispatch-ids", "--schedule-ids")]
)
@pytest.mark.parametrize(
    ("version", "try_number", "resends"), [(1, None, []), (2, 2, ["new vouchers"])], ids=["1", "2"]
)
def test_a_ledger_of_an_older_version_is_read_and_left_as_it_is(
    book: Book, found: Any, version: int, try_number: int, resends: list[str], arguments: tuple[str, ...]
):
    fixture = Path(__file__).parent / "ledger" / "fixtures" / f"ledger_version_{version}.db"
    book.path.write_bytes(fixture.read_bytes())
    one = found(*arguments)[0]
    assert (one["task_id"], one["started_over"], one["deployment"]) == ("send", 1, "")
    assert (one["try_number"], one["resends"]) == (try_number, resends)
    if arguments:
        assert one["batches"][0]["ids"] == {}
        assert (one["dispatch_ids"], one["schedule_ids"]) == (["0123456789abcdef0123456789abcdef"], [])
    assert one["batches_by_state"] == dict.fromkeys(("sent", "claimed", "rejected", "uncertain", "failed"), 1)
    assert book.path.read_bytes() == fixture.read_bytes()


def test_held_batches_are_listed(book: Book, found: Any):
    book.deliver(State.SENT, dag_id="fine")
    book.deliver(State.SENT, State.UNCERTAIN, State.SENT)
    (one,) = found("--state", "uncertain")
    assert one["dag_id"] == "welcome"
    assert one["batches"] == [
        {
            "index": 1,
            "recipients": 50,
            "fingerprint": "f1",
            "state": "uncertain",
            "at": "2026-01-01T06:00:01.000+00:00",
            "ids": {},
            "reason": "502: Bad Gateway",
        }
    ]


def test_a_claim_of_a_dead_task_is_held(book: Book, found: Any):
    book.deliver(State.SENT, State.CLAIMED)
    (one,) = found("--state", "uncertain")
    assert [(batch["index"], batch["state"]) for batch in one["batches"]] == [(1, "claimed")]


def test_a_claim_of_a_running_task_is_not_held(book: Book, found: Any):
    book.deliver(State.SENT, State.CLAIMED, running=True)
    assert found("--state", "uncertain") == []


def test_batches_in_several_states_are_listed_together(book: Book, found: Any):
    book.deliver(State.SENT, State.REJECTED, State.FAILED)
    (one,) = found("--state", "rejected", "--state", "failed")
    assert [batch["index"] for batch in one["batches"]] == [1, 2]


def test_dispatch_ids_are_listed_in_the_order_of_their_batches(
    book: Book, found: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(show_sql, "RECEIPTS_PER_PAGE", 2)
    book.deliver(*[State.SENT] * 3, State.UNCERTAIN, *[State.SENT] * 4)
    (one,) = found("--dispatch-ids")
    assert one["dispatch_ids"] == [f"dispatch-welcome-{index}" for index in (0, 1, 2, 4, 5, 6, 7)]


def test_ids_of_each_kind_are_listed_once(book: Book, found: Any):
    book.deliver(State.SENT, State.UNCERTAIN, State.SENT, ids=("dispatch_id", "schedule_id"))
    (one,) = found("--schedule-ids", "--dispatch-ids", "--send-ids", "--schedule-ids")
    assert one["schedule_ids"] == ["schedule-welcome-0", "schedule-welcome-2"]
    assert one["dispatch_ids"] == ["dispatch-welcome-0", "dispatch-welcome-2"]
    assert one["send_ids"] == []


def test_a_batch_has_all_its_ids(book: Book, found: Any):
    book.deliver(State.SENT, ids=("dispatch_id", "send_id"))
    (one,) = found("--state", "sent")
    assert one["batches"][0]["ids"] == {"dispatch_id": "dispatch-welcome-0", "send_id": "send-welcome-0"}


def test_after_starting_over_only_the_new_receipts_count(book: Book, found: Any):
    book.deliver(State.SENT, State.SENT)
    ledger = SqlLedger(create_engine(book.url), DeliveryKey("welcome", RUN, "send"), "host-2")
    ledger.open(lambda head: Opening(Counters(2, 2), starts_over=True))
    ledger.write([], [Claim(0, 50, "f0")])
    ledger.close()
    (one,) = found("--dispatch-ids")
    assert one["started_over"] == 1
    assert one["batches_by_state"] == {"sent": 0, "rejected": 0, "uncertain": 0, "failed": 0, "claimed": 1}
    assert one["dispatch_ids"] == []


# How it is printed ------------------------------------------------------------------------------------------


def test_the_table_is_aligned_and_can_be_read(book: Book, printed: Any):
    book.deliver(*[State.SENT] * 30, dag_id="welcome_to_the_club", finished=True)
    book.deliver(State.SENT, State.UNCERTAIN, dag_id="win_back", map_index=12)
    lines = printed()
    header, first, second = lines[:3]
    assert header.split() == [
        *("DAG", "RUN", "TASK", "MAP", "STATE"),
        *("SENT", "REJECTED", "UNCERTAIN", "FAILED", "CLAIMED", "LAST", "WRITTEN"),
    ]
    assert first.split() == [
        *("welcome_to_the_club", RUN, "send", "-", "finished"),
        *("1,457", "in", "30", "-", "-", "-", "-", "2026-01-01T06:00:00Z"),
    ]
    assert second.split()[:8] == ["win_back", RUN, "send", "12", "open", "50", "in", "1"]
    for name in ("RUN", "TASK", "STATE", "LAST WRITTEN"):
        at = header.index(name)
        assert {line[at - 2 : at] for line in lines[:3]} == {"  "}
    assert first.index("1,457 in 30") + len("1,457 in 30") == header.index("SENT") + len("SENT")


def test_the_table_names_deployments_where_there_are_any(book: Book, printed: Any):
    book.deliver(State.SENT, deployment="production")
    book.deliver(State.SENT, State.SENT)
    lines = printed("--dispatch-ids")
    assert [line.split()[:4] for line in lines[:3]] == [
        ["DEPLOYMENT", "DAG", "RUN", "TASK"],
        ["production", "welcome", RUN, "send"],
        ["-", "welcome", RUN, "send"],
    ]
    assert lines[1].index("7 in 1") + len("7 in 1") == lines[0].index("SENT") + len("SENT")
    assert f"production welcome {RUN} send: dispatch ids" in lines


def test_the_table_of_batches_says_why(book: Book, printed: Any):
    book.deliver(State.SENT, State.UNCERTAIN, State.SENT, map_index=3)
    assert printed("--state", "uncertain")[-3:] == [
        f"welcome {RUN} send[3]: batches",
        "   BATCH  RECIPIENTS  STATE      NOTED AT              IDS, REASON",
        "       2          50  uncertain  2026-01-01T06:00:01Z  502: Bad Gateway",
    ]


def test_the_table_of_batches_names_their_ids(book: Book, printed: Any):
    book.deliver(State.SENT, ids=("dispatch_id", "schedule_id"))
    assert printed("--state", "sent")[-1] == (
        "       1           7  sent       2026-01-01T06:00:00Z  "
        "dispatch_id dispatch-welcome-0, schedule_id schedule-welcome-0"
    )


@pytest.mark.parametrize("kind", ["dispatch", "schedule", "send"])
def test_the_table_of_ids_says_which_batch(book: Book, printed: Any, kind: str):
    book.deliver(State.SENT, State.SENT, ids=(f"{kind}_id",))
    assert printed(f"--{kind}-ids")[-4:] == [
        f"welcome {RUN} send: {kind} ids",
        f"   BATCH  RECIPIENTS  {kind.upper()} ID",
        f"       1          50  {kind}-welcome-0",
        f"       2           7  {kind}-welcome-1",
    ]


# When there is nothing, or an error -------------------------------------------------------------------------


def test_a_ledger_without_deliveries_has_nothing(book: Book, found: Any):
    book.deliver(State.SENT)
    with create_engine(book.url).begin() as connection:
        connection.execute(sql_schema.delivery.delete())
    assert found() == []


def test_a_database_without_a_ledger_has_nothing_and_is_not_changed(
    book: Book, capsys: pytest.CaptureFixture[str]
):
    assert main(["--conn-id", "ledger"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Nothing found" in captured.err
    assert book.path.stat().st_size == 0


def test_an_unknown_connection_is_an_error(book: Book, capsys: pytest.CaptureFixture[str]):
    assert main(["--conn-id", "no_such_ledger"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "connection 'no_such_ledger' can't be used" in captured.err


def test_a_ledger_of_a_newer_version_is_an_error(book: Book, capsys: pytest.CaptureFixture[str]):
    book.deliver(State.SENT)
    with create_engine(book.url).begin() as connection:
        connection.execute(update(sql_schema.version).values(version=99))
    assert main(["--conn-id", "ledger"]) == 2
    assert "connection 'ledger' can't be read: its tables are of version 99" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [[], ["--conn-id", "ledger", "--state", "lost"], ["--conn-id", "ledger", "--map-index", "x"]]
)
def test_a_mistake_in_the_arguments_is_an_error(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m braze_provider.ledger" in capsys.readouterr().err


# From a shell -----------------------------------------------------------------------------------------------


def from_a_shell(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "braze_provider.ledger", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in os.environ.items() if name != "_AIRFLOW_PROCESS_CONTEXT"},
        cwd=Path(__file__).resolve().parent.parent,
    )


@pytest.mark.dag
@pytest.mark.parametrize("kept_in", ["environment", "database"])
def test_it_runs_outside_of_tasks_and_prints_nothing_but_json(
    book: Book, kept_in: str, monkeypatch: pytest.MonkeyPatch
):
    if kept_in == "database":
        monkeypatch.delenv("AIRFLOW_CONN_LEDGER")
        airflow_harness.initialise_database()
        from airflow.models import Connection
        from airflow.utils.session import create_session

        with create_session() as session:
            session.query(Connection).filter_by(conn_id="ledger").delete()
            session.add(Connection(conn_id="ledger", conn_type="sqlite", host=str(book.path)))
    book.deliver(State.SENT)
    try:
        result = from_a_shell("--conn-id", "ledger", "--format", "json", "--dispatch-ids")
    finally:
        if kept_in == "database":
            with create_session() as session:
                session.query(Connection).filter_by(conn_id="ledger").delete()
    assert result.returncode == 0, result.stderr
    (one,) = json.loads(result.stdout)["deliveries"]
    assert one["dispatch_ids"] == ["dispatch-welcome-0"]


def test_an_undefined_connection_ends_in_one_line(book: Book):
    result = from_a_shell("--conn-id", "no_such_ledger")
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
