"""Recipients from a file: JSON lines, CSV or Parquet, anywhere that Airflow's object storage reaches."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import IO, Any, ClassVar, Literal

from braze_provider.api.errors import BrazeError, BrazeValidationError, Problem
from braze_provider.recipients.base import BadRow, RecipientSource, RowMapper

ROWS_PER_FETCH = 5_000
Format = Literal["jsonl", "csv", "parquet"]


class FileRecipients(RecipientSource):
    """
    The rows of a file.

    :param path: Path or URL of the file, as ``ObjectStoragePath`` takes it: ``/data/people.csv``,
        ``s3://conn_id@bucket/people.parquet``. (templated)
    :param conn_id: Id of the Airflow connection for the storage, where the path names none. (templated)
    :param file_format: ``jsonl``, ``csv`` or ``parquet``. Default: by the path's ending; JSON lines and CSV
        may end in ``.gz`` as well. Parquet needs the extra ``parquet``.
    :param row_mapper: Called with each row as a dict, returns the recipient as Braze has it. Default: the
        columns' names decide; see :class:`~braze_provider.recipients.columns.ColumnShaper`.
    """

    template_fields: ClassVar[Collection[str]] = ("path", "conn_id")

    def __init__(
        self,
        path: str,
        conn_id: str | None = None,
        *,
        file_format: Format | None = None,
        row_mapper: RowMapper | None = None,
    ) -> None:
        super().__init__(row_mapper=row_mapper)
        self.path = path
        self.conn_id = conn_id
        self.file_format = file_format

    @property
    def same_columns(self) -> bool:  # type: ignore[override]
        """JSON lines may differ from each other; the other formats have one set of columns."""
        return self._format() != "jsonl"

    def __repr__(self) -> str:
        return f"FileRecipients({str(self.path)!r})"

    def rows(self) -> Iterator[Mapping[str, Any] | BadRow]:
        """Open the file and stream its rows."""
        from airflow.sdk import ObjectStoragePath

        read = _READERS[self._format()]
        path = str(self.path)
        with ObjectStoragePath(path, conn_id=self.conn_id).open("rb") as file:
            if path.lower().endswith(".gz"):
                try:
                    with gzip.open(file, "rb") as unpacked:
                        yield from read(unpacked, str(self))
                except (gzip.BadGzipFile, EOFError, zlib.error):
                    raise BrazeValidationError(str(self), [Problem("", "is no whole gzip file")]) from None
            else:
                yield from read(file, str(self))

    def _format(self) -> Format:
        if self.file_format is not None:
            if self.file_format not in _READERS:
                raise BrazeError(f"{self}: file_format must be one of {', '.join(_READERS)}")
            return self.file_format
        name = str(self.path).lower().removesuffix(".gz")
        for ending, format_ in _ENDINGS.items():
            if name.endswith(ending):
                return format_
        raise BrazeError(f"{self}: the ending tells no format; give file_format='jsonl', 'csv' or 'parquet'")


def _read_jsonl(file: IO[bytes], where: str) -> Iterator[Mapping[str, Any] | BadRow]:
    blank = 0
    # What Airflow 3.0 opens is no iterator.
    for line in iter(file.readline, b""):
        if not line.strip():
            blank += 1
            continue
        # Blank lines count as rows, so that a row's number is its line's; those at the end are nothing.
        for _ in range(blank):
            yield BadRow("the line is empty")
        blank = 0
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            yield BadRow("the line is no JSON")
        else:
            yield row if isinstance(row, dict) else BadRow("the line is no JSON object")


def _read_csv(file: IO[bytes], where: str) -> Iterator[Mapping[str, Any] | BadRow]:
    with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        yield from _read_csv_text(text, where)


def _read_csv_text(text: IO[str], where: str) -> Iterator[Mapping[str, Any] | BadRow]:
    rows = csv.reader(text, strict=True)
    try:
        columns = next(rows, None)
        if not columns:
            raise BrazeValidationError(where, [Problem("", "the file has no header line")])
        if len(set(columns)) < len(columns):
            raise BrazeValidationError(where, [Problem("", "the header names a column more than once")])
        for row in rows:
            if len(row) == len(columns):
                yield {column: value or None for column, value in zip(columns, row, strict=True)}
            elif row:
                yield BadRow(f"{len(row)} fields, and the header has {len(columns)}")
    except csv.Error as error:
        raise BrazeValidationError(where, [Problem("", f"line {rows.line_num} is no CSV: {error}")]) from None
    except UnicodeDecodeError as error:
        # Every line before the block that could not be decoded has been read.
        line = rows.line_num + 1 + error.object[: error.start].count(b"\n")
        raise BrazeValidationError(where, [Problem("", f"line {line} is not UTF-8")]) from None


def _read_parquet(file: IO[bytes], where: str) -> Iterator[Mapping[str, Any] | BadRow]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise BrazeError(
            f"{where}: Parquet needs the extra: pip install 'airflow-provider-braze-messaging[parquet]'"
        ) from None
    try:
        parquet = ParquetFile(file)
    except ArrowException:
        raise BrazeValidationError(where, [Problem("", "is no Parquet file")]) from None
    with parquet:
        columns = parquet.schema_arrow.names
        if len(set(columns)) < len(columns):
            raise BrazeValidationError(where, [Problem("", "names a column more than once")])
        for batch in parquet.iter_batches(batch_size=ROWS_PER_FETCH):
            yield from map(_without_nulls, batch.to_pylist())


def _without_nulls(struct: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is NULL: all rows have all fields of a struct, and not each means to delete some."""
    return {
        name: _without_nulls(value) if isinstance(value, dict) else value
        for name, value in struct.items()
        if value is not None
    }


_READERS: Mapping[Format, Callable[[IO[bytes], str], Iterator[Mapping[str, Any] | BadRow]]] = {
    "jsonl": _read_jsonl,
    "csv": _read_csv,
    "parquet": _read_parquet,
}
_ENDINGS: Mapping[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}
