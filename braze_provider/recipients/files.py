"""Recipients from a file: JSON lines, CSV or Parquet, anywhere that Airflow's object storage reaches."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import IO, Any, ClassVar, Literal

from braze_provider.api.errors import BrazeError, BrazeValidationError, Problem
from braze_provider.recipients.base import RecipientSource, RowMapper
from braze_provider.recipients.blocks import BadRow
from braze_provider.recipients.columns import without_nulls

ROWS_PER_FETCH = 5_000
UNSENT_KEY = "_unsent"
"""The extra field of each line in the file of ``unsent_path``. No recipient has a field of this name."""
Format = Literal["jsonl", "csv", "parquet"]


class FileRecipients(RecipientSource):
    """
    The rows of a file. It also reads the file that a sending operator has written to its ``unsent_path``.

    :param path: Path or URL of the file, as ``ObjectStoragePath`` takes it: ``/data/recipients.csv``,
        ``s3://conn_id@bucket/recipients.parquet``. (templated)
    :param conn_id: Id of the Airflow connection for the storage, if the path names none. (templated)
    :param file_format: ``jsonl``, ``csv`` or ``parquet``. Default: by the path's ending; JSON lines and CSV
        may end in ``.gz`` as well. Parquet needs the extra ``parquet``.
    :param delimiter: The one character that separates the fields of a CSV file. Default: a comma.
    :param encoding: Encoding of a CSV file, such as ``cp1252`` or ``utf-16``. Default: UTF-8.
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
        delimiter: str = ",",
        encoding: str = "utf-8",
        row_mapper: RowMapper | None = None,
    ) -> None:
        super().__init__(row_mapper=row_mapper)
        self.path = path
        self.conn_id = conn_id
        self.file_format = file_format
        self.delimiter = delimiter
        self.encoding = encoding
        self._check_csv_options()

    @property
    def same_columns(self) -> bool:  # type: ignore[override]
        """JSON lines may differ from each other; the other formats have one set of columns."""
        return self._format() != "jsonl"

    def __repr__(self) -> str:
        return f"FileRecipients({str(self.path)!r})"

    def rows(self) -> Iterator[Mapping[str, Any] | BadRow]:
        """Open the file and stream its rows."""
        read = self._read_csv if (form := self._format()) == "csv" else _READERS[form]
        path = str(self.path)
        with self._open() as file:
            if path.lower().endswith(".gz"):
                try:
                    with gzip.open(file, "rb") as unpacked:
                        yield from read(unpacked, str(self))
                except (gzip.BadGzipFile, EOFError, zlib.error):
                    raise BrazeValidationError(
                        str(self), [Problem("", "is not a complete gzip file")]
                    ) from None
            else:
                yield from read(file, str(self))

    def _open(self) -> Any:
        from airflow.sdk import ObjectStoragePath

        path = str(self.path)
        scheme = path.partition("://")[0].lower()
        try:
            return ObjectStoragePath(path, conn_id=self.conn_id).open("rb")
        except (ImportError, ValueError) as error:
            if scheme not in _PROVIDERS:
                raise
            raise BrazeError(
                f"{self}: {scheme}:// needs a provider: pip install '{_PROVIDERS[scheme]}' ({error})"
            ) from error

    def _check_csv_options(self) -> None:
        if len(self.delimiter) != 1:
            raise BrazeError(f"{self}: delimiter must be one character, not {self.delimiter!r}")
        try:
            codecs.lookup(self.encoding)
        except LookupError:
            raise BrazeError(f"{self}: encoding {self.encoding!r} is unknown to Python") from None

    def _read_csv(self, file: IO[bytes], where: str) -> Iterator[Mapping[str, Any] | BadRow]:
        # Some programs begin a UTF-8 file with a byte order mark.
        encoding = "utf-8-sig" if codecs.lookup(self.encoding).name == "utf-8" else self.encoding
        with io.TextIOWrapper(file, encoding=encoding, newline="") as text:
            yield from _read_csv_text(text, where, self.delimiter, self.encoding)

    def _format(self) -> Format:
        if self.file_format is not None:
            if self.file_format not in _FORMATS:
                raise BrazeError(f"{self}: file_format must be one of {', '.join(_FORMATS)}")
            return self.file_format
        name = str(self.path).lower().removesuffix(".gz")
        for ending, format_ in _ENDINGS.items():
            if name.endswith(ending):
                return format_
        raise BrazeError(
            f"{self}: the file name tells no format; give file_format='jsonl', 'csv' or 'parquet'"
        )


def _read_jsonl(file: IO[bytes], where: str) -> Iterator[Mapping[str, Any] | BadRow]:
    blank = 0
    # A file that Airflow 3.0 opens is not an iterator.
    for line in iter(file.readline, b""):
        if not line.strip():
            blank += 1
            continue
        # Blank lines count as rows, so that a row has the number of its line. Those at the end are ignored.
        for _ in range(blank):
            yield BadRow("the line is empty")
        blank = 0
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            yield BadRow("the line is not JSON")
        else:
            if isinstance(row, dict):
                row.pop(UNSENT_KEY, None)
                yield row
            else:
                yield BadRow("the line is not a JSON object")


def _read_csv_text(
    text: IO[str], where: str, delimiter: str, encoding: str
) -> Iterator[Mapping[str, Any] | BadRow]:
    rows = csv.reader(text, strict=True, delimiter=delimiter)
    try:
        columns = next(rows, None)
        if not columns:
            raise BrazeValidationError(where, [Problem("", "the file has no header line")])
        if len(columns) == 1 and (other := next((mark for mark in _DELIMITERS if mark in columns[0]), None)):
            problem = f"the header has one column, with {other!r} in it: is delimiter={other!r} missing?"
            raise BrazeValidationError(where, [Problem("", problem)])
        if len(set(columns)) < len(columns):
            raise BrazeValidationError(where, [Problem("", "the header names a column more than once")])
        for row in rows:
            if len(row) == len(columns):
                yield {column: value or None for column, value in zip(columns, row, strict=True)}
            elif row:
                yield BadRow(f"{len(row)} fields, and the header has {len(columns)}")
    except csv.Error as error:
        raise BrazeValidationError(
            where, [Problem("", f"line {rows.line_num} is not CSV: {error}")]
        ) from None
    except UnicodeError as error:
        name = "UTF-8" if codecs.lookup(encoding).name == "utf-8" else encoding
        raise BrazeValidationError(where, [Problem("", _not_decodable(error, name, rows.line_num))]) from None


def _not_decodable(error: UnicodeError, encoding: str, lines_read: int) -> str:
    if not isinstance(error, UnicodeDecodeError):
        return f"is not {encoding}: {error}"
    # All lines before the block that could not be decoded have been read already.
    line = lines_read + 1 + error.object[: error.start].count(b"\n")
    guess = "utf-16" if error.object.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "cp1252"
    advice = f"; give its encoding, perhaps encoding={guess!r}" if encoding == "UTF-8" else ""
    return f"line {line} is not {encoding}{advice}"


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
        raise BrazeValidationError(where, [Problem("", "is not a Parquet file")]) from None
    with parquet:
        columns = parquet.schema_arrow.names
        if len(set(columns)) < len(columns):
            raise BrazeValidationError(where, [Problem("", "names a column more than once")])
        for batch in parquet.iter_batches(batch_size=ROWS_PER_FETCH):
            yield from map(without_nulls, batch.to_pylist())


_READERS: Mapping[Format, Callable[[IO[bytes], str], Iterator[Mapping[str, Any] | BadRow]]] = {
    "jsonl": _read_jsonl,
    "parquet": _read_parquet,
}
_FORMATS = ("jsonl", "csv", "parquet")
_DELIMITERS = (";", "\t", "|", ",")
_ENDINGS: Mapping[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}
# The packages that Airflow's object storage needs for a scheme.
_PROVIDERS = {
    "s3": "apache-airflow-providers-amazon[s3fs]",
    "gs": "apache-airflow-providers-google",
    "gcs": "apache-airflow-providers-google",
    "abfs": "apache-airflow-providers-microsoft-azure",
    "abfss": "apache-airflow-providers-microsoft-azure",
    "adl": "apache-airflow-providers-microsoft-azure",
}
