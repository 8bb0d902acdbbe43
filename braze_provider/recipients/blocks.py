"""Many rows at a time. Rows with the same columns are handled together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True)
class BadRow:
    """
    A row that is not a valid recipient.

    :param reason: Why it is invalid. Never holds the row's data.
    """

    reason: str


class Table(NamedTuple):
    """
    Rows with the same columns, in the same order.

    :param names: The columns.
    :param rows: The values of each row.
    :param indexes: The rows' positions among all rows that were read together, in order.
    """

    names: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    indexes: Sequence[int]


class Alike(NamedTuple):
    """
    Recipients that have values at the same places.

    :param places: The places. Each is the name of a field, followed by the names below it. No place is
        inside another one.
    :param columns: The recipients' values by place.
    :param indexes: The rows' positions among all rows that were read together, in order.
    """

    places: tuple[tuple[str, ...], ...]
    columns: Sequence[Sequence[Any]]
    indexes: Sequence[int]

    def recipient(self, number: int) -> dict[str, Any]:
        """
        Give one of the recipients as Braze has it.

        :param number: Its number, from 0.
        """
        recipient: dict[str, Any] = {}
        for (*way, last), column in zip(self.places, self.columns, strict=True):
            target = recipient
            for name in way:
                target = target.setdefault(name, {})
            target[last] = column[number]
        return recipient


@dataclass
class Block:
    """
    Rows that were read together.

    :param size: Number of rows.
    :param alike: Recipients that are alike.
    :param others: Other recipients, and invalid rows, by their indexes.
    """

    size: int
    alike: list[Alike]
    others: dict[int, Mapping[str, Any] | BadRow]

    @classmethod
    def of_recipients(cls, rows: Sequence[Mapping[str, Any] | BadRow]) -> Block:
        """
        Make a block of recipients as Braze has them.

        :param rows: The recipients.
        """
        tables, others = tables_of(rows)
        alike = [
            Alike(tuple((name,) for name in names), list(zip(*rows, strict=True)), indexes)
            for names, rows, indexes in tables
        ]
        return cls(len(rows), alike, others)

    def __iter__(self) -> Iterator[Mapping[str, Any] | BadRow]:
        rows = dict(self.others)
        for alike in self.alike:
            rows.update((index, alike.recipient(number)) for number, index in enumerate(alike.indexes))
        return (rows[index] for index in range(self.size))


def tables_of(
    rows: Sequence[Mapping[str, Any] | BadRow],
) -> tuple[list[Table], dict[int, Mapping[str, Any] | BadRow]]:
    """
    Group the rows that have the same names in the same order.

    :param rows: The rows.
    :return: The tables, made of the rows that are dicts; and all other rows, by index.
    """
    tables: dict[tuple[str, ...], tuple[list[Sequence[Any]], list[int]]] = {}
    others: dict[int, Mapping[str, Any] | BadRow] = {}
    for index, row in enumerate(rows):
        if type(row) is dict and row:
            values, indexes = tables.setdefault(tuple(row), ([], []))
            values.append(tuple(row.values()))
            indexes.append(index)
        else:
            others[index] = row
    return [Table(names, *found) for names, found in tables.items()], others
