"""A file of rows is there whole or not at all."""

from __future__ import annotations

import json
import os
import stat
from datetime import date

import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.io import attach
from fsspec.implementations.memory import MemoryFileSystem

from braze_provider.tasks.rows_file import problems_of_output, write_rows

COLUMNS = {"date": "date", "name": "text", "sent": "int", "revenue": "float", "other": "json"}
ROWS = [
    {"date": "2026-09-01", "name": "a", "sent": 1, "revenue": 1.5, "other": {"x": 1}},
    {"date": "2026-09-02", "name": None, "sent": None, "revenue": None, "other": None},
]


@pytest.fixture(params=["local", "memory"])
def folder(request, tmp_path):
    if request.param == "local":
        yield f"{tmp_path}/new/folder"
        return
    storage = MemoryFileSystem()
    attach(protocol="memory", fs=storage)
    yield "memory://bucket/folder"
    storage.store.clear()


@pytest.mark.parametrize("ending", ["jsonl", "ndjson", "JSONL"])
def test_json_lines_hold_each_row_with_all_columns(folder, ending):
    write_rows(f"{folder}/rows.{ending}", ROWS, COLUMNS)

    lines = ObjectStoragePath(f"{folder}/rows.{ending}").read_bytes().splitlines()
    assert [json.loads(line) for line in lines] == ROWS


@pytest.mark.parametrize("rows", [ROWS, ROWS[1:], []], ids=["some", "nulls", "none"])
def test_parquet_has_the_same_columns_whatever_the_rows(folder, rows):
    parquet = pytest.importorskip("pyarrow.parquet")
    write_rows(f"{folder}/rows.parquet", rows, COLUMNS)

    with ObjectStoragePath(f"{folder}/rows.parquet").open("rb") as file:
        table = parquet.read_table(file)
    assert {field.name: str(field.type) for field in table.schema} == {
        "date": "date32[day]",
        "name": "string",
        "sent": "int64",
        "revenue": "double",
        "other": "string",
    }
    assert table.num_rows == len(rows)
    if rows is ROWS:
        assert table.to_pylist()[0] == {**ROWS[0], "date": date(2026, 9, 1), "other": '{"x": 1}'}


def test_a_file_of_an_earlier_try_is_replaced(folder):
    write_rows(f"{folder}/rows.jsonl", ROWS, COLUMNS)
    write_rows(f"{folder}/rows.jsonl", ROWS[:1], COLUMNS)
    assert len(ObjectStoragePath(f"{folder}/rows.jsonl").read_bytes().splitlines()) == 1


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_a_failure_in_the_middle_leaves_the_old_file_and_nothing_else(folder, ending):
    path = f"{folder}/rows.{ending}"
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    write_rows(path, ROWS, COLUMNS)
    before = ObjectStoragePath(path).read_bytes()

    with pytest.raises(TypeError):
        write_rows(path, [*ROWS, {**ROWS[0], "other": object()}], COLUMNS)

    assert ObjectStoragePath(path).read_bytes() == before
    assert [one.name for one in ObjectStoragePath(folder).iterdir()] == [f"rows.{ending}"]


def test_others_may_read_a_local_file_as_the_umask_says(tmp_path):
    before = os.umask(0o027)
    try:
        write_rows(f"{tmp_path}/rows.jsonl", ROWS, COLUMNS)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "rows.jsonl").stat().st_mode) == 0o640


@pytest.mark.parametrize("path", ["s3://bucket/rows", "rows.csv", "rows.jsonl.gz", 7])
def test_an_ending_that_says_no_format_is_refused(path):
    (problem,) = problems_of_output(path, "output_path")
    assert str(problem).startswith("output_path: must end in .jsonl, .ndjson or .parquet")


@pytest.mark.parametrize("path", [None, "rows.jsonl", "{{ var.value.path }}", "s3://c@b/ROWS.PARQUET"])
def test_other_paths_are_taken(path):
    assert problems_of_output(path, "output_path") == []
