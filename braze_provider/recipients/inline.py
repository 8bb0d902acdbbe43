"""Recipients in a list: written in the Dag, or pulled from XCom."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from braze_provider.recipients.base import BadRow, RecipientSource, in_chunks
from braze_provider.recipients.blocks import Block
from braze_provider.recipients.columns import Columns, with_ids_as_text


class InlineRecipients(RecipientSource):
    """
    A list of recipients as Braze has them; ids may be whole numbers or UUIDs. Logs and stored fields show
    their number only.

    :param items: The recipients: a list, or anything else that can be read several times, such as the XComs
        of a mapped task.
    :param key: For bare values such as ids: the recipient's field that each item gives. Default: the items
        are objects.
    """

    def __init__(self, items: Iterable[Any], *, key: str | None = None) -> None:
        super().__init__()
        self.items = items
        self.key = key

    def __repr__(self) -> str:
        if not isinstance(self.items, (list, tuple)):
            return "recipients"
        return "1 recipient" if len(self.items) == 1 else f"{len(self.items):,} recipients"

    def rows(self) -> Iterator[Mapping[str, Any] | BadRow]:
        """Read the list."""
        for item in self.items:
            if self.key is not None:
                yield with_ids_as_text({self.key: item})
            elif isinstance(item, Mapping):
                yield with_ids_as_text(item)
            else:
                yield BadRow(f"must be an object, such as a dict, not {type(item).__name__}")

    def blocks(self, columns: Columns) -> Generator[Block, None, None]:
        """Read the list as it is. No columns are matched: the recipient's model alone checks the objects."""
        yield from map(Block.of_recipients, in_chunks(self.rows()))


class PlacedRecipients(RecipientSource):
    """
    A source whose rows are put into one field of a row, such as ``events``.

    :param source: The source.
    :param field: Name of the field.
    """

    def __init__(self, source: RecipientSource, field: str) -> None:
        super().__init__()
        self.source = source
        self.field = field

    def __repr__(self) -> str:
        return str(self.source)

    def rows(self) -> Iterator[Mapping[str, Any] | BadRow]:
        """Read the source."""
        return self.source.rows()

    def blocks(self, columns: Columns) -> Generator[Block, None, None]:
        """Read the source with the columns of what the field holds, and put each row into the field."""
        with closing(self.source.blocks(columns.inner[self.field])) as blocks:
            for block in blocks:
                yield Block(
                    block.size,
                    [
                        one._replace(places=tuple((self.field, *place) for place in one.places))
                        for one in block.alike
                    ],
                    {
                        index: row if isinstance(row, BadRow) else {self.field: row}
                        for index, row in block.others.items()
                    },
                )


class JoinedRecipients(RecipientSource):
    """
    Several sources, one after the other.

    :param sources: The sources.
    """

    def __init__(self, sources: Sequence[RecipientSource]) -> None:
        super().__init__()
        self.sources = sources

    def __repr__(self) -> str:
        return " and ".join(map(str, self.sources))

    def rows(self) -> Iterator[Mapping[str, Any] | BadRow]:
        """Read the sources."""
        for source in self.sources:
            yield from source.rows()

    def blocks(self, columns: Columns) -> Generator[Block, None, None]:
        """Read the sources, each in its own way."""
        for source in self.sources:
            yield from source.blocks(columns)
