"""Receipts as JSON lines: in a local file, and on object storage, which can't append."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from braze_provider.delivery.ledger.base import DeliveryKey, LedgerLostError, Receipt, State
from braze_provider.delivery.ledger.memory import MemoryLedger
from braze_provider.delivery.ledger.receipts_file import ReceiptsFile

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


class Lost(MemoryLedger):
    def write(self, *_: Any) -> list[int]:
        raise LedgerLostError("another copy has taken over")

    def confirm(self) -> None:
        raise LedgerLostError("another copy has taken over")


def receipt(index: int, state: State = State.SENT) -> Receipt:
    at = "2026-01-01T00:00:00.000+00:00"
    return Receipt(index, recipients=50, fingerprint="f", state=state, at=at, dispatch_id=f"id-{index}")


def receipts_file(folder: ObjectStoragePath, owner: str = "copy", ledger: Any = None) -> ReceiptsFile:
    return ReceiptsFile(ledger or MemoryLedger(), folder / "win_back.jsonl", KEY, owner)


def lines(folder: ObjectStoragePath) -> list[dict[str, Any]]:
    texts = [path.read_text() for path in sorted(folder.iterdir(), key=str)]
    return [json.loads(line) for text in texts for line in text.splitlines()]


def test_each_settled_batch_is_a_line_with_the_task_instance_and_the_dispatch_id(folder):
    receipts_file(folder).write([receipt(0), receipt(1, State.REJECTED)], [])

    assert lines(folder) == [
        {
            "dag_id": "d",
            "run_id": "r",
            "task_id": "t",
            "map_index": 3,
            "index": index,
            "recipients": 50,
            "fingerprint": "f",
            "state": state,
            "at": "2026-01-01T00:00:00.000+00:00",
            "dispatch_id": f"id-{index}",
            "reason": None,
        }
        for index, state in ((0, "sent"), (1, "rejected"))
    ]


def test_no_write_takes_away_the_lines_of_another_one_or_of_an_earlier_try(folder):
    first, second = receipts_file(folder, "first"), receipts_file(folder, "second")
    first.write([receipt(0)], [])
    first.write([receipt(1)], [])
    second.write([receipt(2)], [])

    assert sorted(line["index"] for line in lines(folder)) == [0, 1, 2]


def test_all_its_files_begin_and_end_like_the_path(folder):
    receipts_file(folder).write([receipt(0)], [])

    (path,) = folder.iterdir()
    assert path.name.startswith("win_back")
    assert path.suffix == ".jsonl"


def test_nothing_settled_writes_nothing(folder):
    receipts_file(folder).write([], [])

    assert not folder.exists() or not list(folder.iterdir())


def test_the_lines_are_there_before_the_ledger_notes_anything(folder):
    with pytest.raises(LedgerLostError):
        receipts_file(folder, ledger=Lost()).write([receipt(0)], [])

    assert [line["index"] for line in lines(folder)] == [0]


def test_the_ledger_decides_who_the_owner_is(folder):
    receipts_file(folder).confirm()

    with pytest.raises(LedgerLostError):
        receipts_file(folder, ledger=Lost()).confirm()
