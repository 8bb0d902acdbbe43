"""The base of all sources: a stream of rows. Each row is a recipient, or it is invalid for a reason."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from itertools import islice
from typing import Any, ClassVar, TypeVar

from braze_provider.api.errors import BrazeValidationError, Problem
from braze_provider.recipients.blocks import BadRow, Block, Table, tables_of
from braze_provider.recipients.columns import ColumnError, Columns, ColumnShaper

ROWS_PER_CHUNK = 1_000
T = TypeVar("T")

RowMapper = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class RecipientSource(ABC):
    """
    A stream of recipients. Derive from it to write a source of your own.

    A row's columns become a recipient by their names; see
    :class:`~braze_provider.recipients.columns.ColumnShaper`.

    :param row_mapper: Called with each row, returns the recipient as Braze has it. Use it for columns that
        can't be renamed. Default: the columns' names decide.
    """

    template_fields: ClassVar[Collection[str]] = ()
    """Attributes that Airflow renders."""

    same_columns: ClassVar[bool] = False
    """Whether all rows have the same columns. An unknown column is then a mistake of the whole source."""

    def __init__(self, *, row_mapper: RowMapper | None = None) -> None:
        self.row_mapper = row_mapper

    @abstractmethod
    def rows(self) -> Iterator[Mapping[str, Any] | BadRow]:
        """Read the source once, row by row."""

    def chunks(self) -> Iterator[Table | list[Mapping[str, Any] | BadRow]]:
        """Read the source once, many rows at a time. A table saves a dict for each row."""
        return in_chunks(self.rows())

    def blocks(self, columns: Columns) -> Generator[Block, None, None]:
        """
        Read the source once and shape its rows into recipients, many at a time.

        :param columns: The columns that a row may have.
        :raises BrazeValidationError: If the source has a column that no recipient has.
        """
        if self.row_mapper is not None:
            yield from map(Block.of_recipients, in_chunks(map(self._mapped, self.rows())))
            return
        shape = ColumnShaper(columns)
        for chunk in self.chunks():
            if isinstance(chunk, Table):
                block, tables = Block(len(chunk.rows), [], {}), [chunk]
            else:
                tables, others = tables_of(chunk)
                block = Block(len(chunk), [], {})
                for index, row in others.items():
                    block.others[index] = row if isinstance(row, BadRow) else self._checked(shape.one(row))
            for table in tables:
                try:
                    alike, rest = shape.table(table)
                except ColumnError as error:
                    alike, rest = [], dict.fromkeys(table.indexes, error)
                block.alike += alike
                block.others.update((index, self._checked(row)) for index, row in rest.items())
            yield block

    def recipients(self, columns: Columns) -> Iterator[Mapping[str, Any] | BadRow]:
        """
        Read the source once and shape each row into a recipient.

        :param columns: The columns that a row may have.
        :raises BrazeValidationError: If the source has a column that no recipient has.
        """
        for block in self.blocks(columns):
            yield from block

    def _checked(self, row: dict[str, Any] | ColumnError) -> dict[str, Any] | BadRow:
        if not isinstance(row, ColumnError):
            return row
        if self.same_columns and row.concerns_all_rows:
            raise BrazeValidationError(str(self), [Problem("", str(row))])
        return BadRow(str(row))

    def _mapped(self, row: Mapping[str, Any] | BadRow) -> Mapping[str, Any] | BadRow:
        if isinstance(row, BadRow) or self.row_mapper is None:
            return row
        try:
            return self.row_mapper(row)
        except Exception as error:  # noqa: BLE001 - the user's code may raise anything
            # Only the kind of the error: its text may quote the row.
            return BadRow(f"row_mapper raised {type(error).__name__}")

    def serialize(self) -> str:
        """Give what Airflow stores of this source as a rendered field: where it reads, never its data."""
        return str(self)


def in_chunks(rows: Iterator[T]) -> Iterator[list[T]]:
    """
    Take some rows at a time.

    :param rows: The rows.
    """
    while chunk := list(islice(rows, ROWS_PER_CHUNK)):
        yield chunk
