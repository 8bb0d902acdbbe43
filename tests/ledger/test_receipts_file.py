"""Receipts as JSON lines: in a local file, and in object storage, which can't append."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from braze_provider.ledger.base import DeliveryKey, LedgerLostError, Receipt, State
from braze_provider.ledger.receipts_file import OBJECT_SECONDS, RETRY_SECONDS, ReceiptsFile

KEY = DeliveryKey("d", "r", "t", 3)


@pytest.fixture(params=["file", "object storage"])
def folder(request, tmp_path) -> Iterator[ObjectStoragePath]:
    if request.param == "file":
        yield ObjectStoragePath(f"file://{tmp_path}/receipts/of/today")
        return
    storage = MemoryFileSystem()
    attach(protocol="memory", fs=storage)
    yield ObjectStoragePath("memory://bucket/receipts/of/today")
    storage.store.clear()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def receipt(index: int, state: State = State.SENT) -> Receipt:
    at = "2026-01-01T00:00:00.000+00:00"
    return Receipt(
        index, recipients=50, fingerprint="f", state=state, at=at, ids={"dispatch_id": f"id-{index}"}
    )


def receipts_file(folder: ObjectStoragePath, owner: str = "copy", **options: Any) -> ReceiptsFile:
    return ReceiptsFile(folder / "win_back.jsonl", KEY, owner, **options)


def write(folder: ObjectStoragePath, *receipts: Receipt, owner: str = "copy") -> None:
    """Do the same as a try that settles these batches."""
    copy = receipts_file(folder, owner)
    copy.add(receipts)
    copy.complete(nothing)


def nothing(start: int) -> Iterator[Receipt]:
    return iter(())


def in_the_way(folder: ObjectStoragePath) -> ObjectStoragePath:
    """A file where the folder should be."""
    folder.parent.mkdir(parents=True)
    folder.write_text("no folder")
    return folder


def lines(folder: ObjectStoragePath) -> list[dict[str, Any]]:
    texts = [path.read_text() for path in sorted(folder.iterdir(), key=str)]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def indexes(folder: ObjectStoragePath) -> list[int]:
    return sorted(line["index"] for line in lines(folder))


def test_each_settled_batch_is_a_line_with_the_task_instance_and_the_ids(folder):
    write(folder, receipt(0), receipt(1, State.REJECTED))

    assert lines(folder) == [
        {
            "dag_id": "d",
            "run_id": "r",
            "task_id": "t",
            "map_index": 3,
            "deployment": "",
            "index": index,
            "recipients": 50,
            "fingerprint": "f",
            "state": state,
            "at": "2026-01-01T00:00:00.000+00:00",
            "ids": {"dispatch_id": f"id-{index}"},
            "reason": None,
        }
        for index, state in ((0, "sent"), (1, "rejected"))
    ]


def test_a_write_keeps_the_lines_of_earlier_writes_and_tries(folder, clock):
    first = receipts_file(folder, "first", clock=clock)
    for index in (0, 1):
        clock.now += OBJECT_SECONDS
        first.add([receipt(index)])
    write(folder, receipt(2), owner="second")

    assert indexes(folder) == [0, 1, 2]


def test_all_its_files_begin_and_end_like_the_path(folder):
    write(folder, receipt(0))

    (path,) = folder.iterdir()
    assert path.name.startswith("win_back")
    assert path.suffix == ".jsonl"


def test_nothing_settled_writes_nothing(folder):
    write(folder)

    assert not folder.exists() or not list(folder.iterdir())


def test_a_local_file_has_a_line_at_once(tmp_path):
    folder = ObjectStoragePath(f"file://{tmp_path}/receipts")

    receipts_file(folder).add([receipt(0)])

    assert indexes(folder) == [0]


def test_object_storage_gets_an_object_every_few_seconds(clock):
    folder = ObjectStoragePath("memory://bucket/every/few/seconds")
    attach(protocol="memory", fs=MemoryFileSystem())
    copy = receipts_file(folder, clock=clock)
    for index in range(100):
        clock.now += OBJECT_SECONDS / 10
        copy.add([receipt(index)])
    copy.complete(nothing)

    assert len(list(folder.iterdir())) == 10
    assert indexes(folder) == list(range(100))


def test_missing_lines_are_written_once_writing_works(tmp_path, clock, caplog):
    folder = ObjectStoragePath(f"file://{tmp_path}/receipts/of/today")
    blocked = in_the_way(folder)
    copy = receipts_file(folder, clock=clock)
    ledger = [receipt(index) for index in range(6)]
    for index in (1, 2):
        clock.now += RETRY_SECONDS
        copy.add(ledger[index : index + 1])
    blocked.unlink()
    clock.now += RETRY_SECONDS
    copy.add(ledger[3:4])
    assert indexes(folder) == [3]

    copy.complete(lambda start: iter(ledger[start:]))

    assert set(indexes(folder)) == {1, 2, 3, 4, 5}
    assert caplog.text.count("Receipts can't be written to") == 1
    assert "NotADirectoryError" in caplog.text or "FileExistsError" in caplog.text


def test_a_path_that_can_never_be_written_raises_no_error(tmp_path, caplog):
    folder = in_the_way(ObjectStoragePath(f"file://{tmp_path}/receipts/of/today"))
    copy = receipts_file(folder)

    copy.catch_up([receipt(0)])
    copy.add([receipt(1)])
    copy.complete(nothing)

    assert folder.read_text() == "no folder"
    assert caplog.text.count("WARNING") == 1


def test_after_a_failure_it_writes_nothing_for_a_while(tmp_path, clock):
    folder = ObjectStoragePath(f"file://{tmp_path}/receipts/of/today")
    blocked = in_the_way(folder)
    copy = receipts_file(folder, clock=clock)
    copy.add([receipt(0)])
    blocked.unlink()

    clock.now += RETRY_SECONDS - 1
    copy.add([receipt(1)])
    assert not folder.exists()

    clock.now += 1
    copy.add([receipt(2)])
    assert indexes(folder) == [1, 2]


def test_an_interrupted_write_is_repeated_at_the_end(tmp_path, monkeypatch):
    folder = ObjectStoragePath(f"file://{tmp_path}/receipts")
    copy = receipts_file(folder)
    with monkeypatch.context() as patch:
        patch.setattr(ReceiptsFile, "_append", raises(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            copy.add([receipt(7)])

    copy.complete(lambda start: iter([receipt(7), receipt(8)] if start == 7 else []))

    assert indexes(folder) == [7, 8]


def raises(error: BaseException) -> Any:
    def function(*_: Any) -> None:
        raise error

    return function


def test_receipts_missing_from_an_earlier_try_are_written_without_claims(folder):
    earlier = [receipt(0), receipt(1, State.CLAIMED), *(receipt(index) for index in range(2, 2_500))]

    receipts_file(folder).catch_up(earlier)

    assert indexes(folder) == [0, *range(2, 2_500)]


def test_a_ledger_that_cannot_be_read_is_a_warning(folder, caplog):
    def unreadable() -> Iterator[Receipt]:
        yield receipt(0)
        raise LedgerLostError("another copy has taken over")

    receipts_file(folder).catch_up(unreadable())

    assert "another copy has taken over" in caplog.text


def test_a_line_cut_off_by_a_kill_damages_no_other_line(tmp_path):
    folder = ObjectStoragePath(f"file://{tmp_path}/receipts")
    write(folder, receipt(0), receipt(1))
    path = folder / "win_back.jsonl"
    path.write_bytes(path.read_bytes()[:-20])

    receipts_file(folder).catch_up([receipt(0), receipt(1)])

    whole, cut_off, *caught_up = path.read_text().splitlines()
    assert [json.loads(line)["index"] for line in (whole, *caught_up)] == [0, 0, 1]
    assert len(cut_off) < len(whole)
