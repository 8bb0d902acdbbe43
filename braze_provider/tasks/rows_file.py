"""Rows in a file, as JSON lines or Parquet, which is there whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import IO, Any

from braze_provider.api.errors import BrazeError, Problem
from braze_provider.tasks.output import whole_file
from braze_provider.templating import may_be_templated

JSON_LINES = (".jsonl", ".ndjson")
PARQUET = ".parquet"

Columns = Mapping[str, str]
"""The columns of rows in their order, each with its type: ``date``, ``text``, ``int``, ``float`` or
``json``."""


def problems_of_output(path: Any, field: str) -> list[Problem]:
    """
    List the mistakes in the path of an output.

    :param path: The path. A template may still become one.
    :param field: Name of the argument.
    """
    if path is None or may_be_templated(path):
        return []
    if str(path).lower().endswith((*JSON_LINES, PARQUET)):
        return []
    return [Problem(field, "must end in .jsonl, .ndjson or .parquet: the ending says what is written")]


def refuse_without_parquet(path: str) -> None:
    """
    Refuse a Parquet file if what writes it is not installed.

    :param path: The path.
    :raises BrazeError: If it is not.
    """
    if path.lower().endswith(PARQUET):
        try:
            import pyarrow.parquet  # noqa: F401
        except ImportError:
            raise BrazeError(
                f"{path}: Parquet needs the extra: pip install 'airflow-provider-braze-messaging[parquet]'"
            ) from None


def write_rows(path: str, rows: Sequence[Mapping[str, Any]], columns: Columns) -> None:
    """
    Write rows, and replace the file of an earlier try. A failure in the middle leaves the old file, or none.

    :param path: Path or URL, as Airflow's ``ObjectStoragePath`` takes it. Its ending says the format.
    :param rows: The rows. Each has all columns.
    :param columns: The columns.
    """
    from braze_provider._compat import ObjectStoragePath

    with whole_file(ObjectStoragePath(path), private=False) as file:
        _write(file, path, rows, columns)


def _write(file: IO[bytes], path: str, rows: Sequence[Mapping[str, Any]], columns: Columns) -> None:
    if path.lower().endswith(PARQUET):
        _write_parquet(file, rows, columns)
    else:
        file.writelines(json.dumps(row).encode() + b"\n" for row in rows)


def _write_parquet(file: IO[bytes], rows: Sequence[Mapping[str, Any]], columns: Columns) -> None:
    import pyarrow
    from pyarrow import parquet

    types = {
        "date": pyarrow.date32(),
        "text": pyarrow.string(),
        "int": pyarrow.int64(),
        "float": pyarrow.float64(),
        "json": pyarrow.string(),
    }
    arrays = [
        pyarrow.array([_value(row[name], kind) for row in rows], types[kind])
        for name, kind in columns.items()
    ]
    parquet.write_table(pyarrow.table(arrays, names=list(columns)), file)


def _value(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "date":
        return date.fromisoformat(value)
    return json.dumps(value) if kind == "json" else value
