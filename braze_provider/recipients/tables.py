"""Recipients from a table in memory: pandas, polars or Arrow, none of which is imported here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from braze_provider.api.errors import BrazeError, BrazeValidationError, Problem
from braze_provider.recipients.base import RecipientSource, RowMapper
from braze_provider.recipients.columns import without_nulls

ROWS_PER_FETCH = 5_000


class TableRecipients(RecipientSource):
    """
    The rows of a table. Logs and stored fields show their number only.

    :param table: A DataFrame of pandas or polars, or a table of Arrow. The index of pandas is not a column.
    :param row_mapper: Called with each row as a dict, returns the recipient as Braze has it. Default: the
        columns' names decide; see :class:`~braze_provider.recipients.columns.ColumnShaper`.
    """

    same_columns = True

    def __init__(self, table: Any, *, row_mapper: RowMapper | None = None) -> None:
        super().__init__(row_mapper=row_mapper)
        self.table = table

    def __repr__(self) -> str:
        count = self.table.shape[0]
        return f"{count:,} row{'' if count == 1 else 's'} of a {type(self.table).__name__}"

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """Read the table."""
        reader = _reader_of(self.table)
        if reader is None:
            raise BrazeError(f"A {type(self.table).__name__} is not a table of pandas, polars or Arrow")
        columns = [str(name) for name in getattr(self.table, "column_names", None) or self.table.columns]
        if repeated := sorted({name for name in columns if columns.count(name) > 1}):
            raise BrazeValidationError(str(self), [Problem("", f"has the column {repeated[0]!r} twice")])
        return reader(self.table, columns)


def is_table(value: Any) -> bool:
    """
    Tell whether a value is a table whose rows can be read.

    :param value: Anything.
    """
    return _reader_of(value) is not None


def _reader_of(value: Any) -> Callable[[Any, list[str]], Iterator[Mapping[str, Any]]] | None:
    for reader, attributes in _READERS.items():
        if all(hasattr(type(value), attribute) for attribute in attributes):
            return reader
    return None


def _read_pandas(table: Any, columns: list[str]) -> Iterator[Mapping[str, Any]]:
    for start in range(0, len(table), ROWS_PER_FETCH):
        chunk = table.iloc[start : start + ROWS_PER_FETCH]
        # The type is object, because only an object can be None, which stands for NaN, NaT and NA.
        for row in chunk.astype(object).where(chunk.notna(), None).itertuples(index=False, name=None):
            yield dict(zip(columns, map(_without_numpy, row), strict=True))


def _without_numpy(value: Any) -> Any:
    """Turn numpy's values into Python's: a list that has been through Parquet is an array."""
    return value.tolist() if hasattr(value, "tolist") else value


def _read_polars(table: Any, columns: list[str]) -> Iterator[Mapping[str, Any]]:
    return map(without_nulls, table.iter_rows(named=True))


def _read_arrow(table: Any, columns: list[str]) -> Iterator[Mapping[str, Any]]:
    for start in range(0, table.num_rows, ROWS_PER_FETCH):
        yield from map(without_nulls, table.slice(start, ROWS_PER_FETCH).to_pylist())


# The attributes that tell the kinds of tables apart.
_READERS: Mapping[Callable[[Any, list[str]], Iterator[Mapping[str, Any]]], tuple[str, ...]] = {
    _read_pandas: ("columns", "iloc", "itertuples"),
    _read_polars: ("columns", "iter_rows"),
    _read_arrow: ("column_names", "num_rows", "slice", "to_pylist"),
}
