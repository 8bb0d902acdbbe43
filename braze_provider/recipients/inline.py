"""Recipients in a list: written in the Dag, or pulled from XCom."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from braze_provider.recipients.base import RecipientSource, in_chunks
from braze_provider.recipients.blocks import BadRow, Block
from braze_provider.recipients.columns import Columns, with_ids_as_text


class InlineRecipients(RecipientSource):
    """
    A list of recipients as Braze has them; ids may be whole numbers or UUIDs. Logs and stored fields show
    their number only.

    :param items: The recipients: a list, or anything else that can be read several times, such as the XComs
        of a mapped task.
    :param key: For bare values such as ids: the recipient's field that each item gives. An object that has
        this field is a whole recipient all the same. Default: the items are objects.
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
            recipient = recipient_of(item, self.key)
            if isinstance(recipient, Mapping):
                yield with_ids_as_text(recipient)
            else:
                yield BadRow(f"must be an object, such as a dict, not {type(item).__name__}")

    def blocks(self, columns: Columns) -> Generator[Block, None, None]:
        """Read the list as it is. No columns are matched: the recipient's model alone checks the objects."""
        yield from map(Block.of_recipients, in_chunks(self.rows()))


def recipient_of(item: Any, key: str | None) -> Any:
    """
    Give the recipient that an item of a list is.

    :param item: The item.
    :param key: The recipient's field that a bare item gives; None if it gives none.
    """
    is_whole = key is None or (isinstance(item, Mapping) and key in item)
    return item if is_whole else {key: item}


class PlacedRecipients(RecipientSource):
    """
    A source whose rows are put into one field of a row, such as ``events``.

    :param source: The source.
    :param field: Name of the field.
    :param item: The only column of a row, if the field holds its bare value. Default: the field holds the
        row.
    """

    def __init__(self, source: RecipientSource, field: str, item: str | None = None) -> None:
        super().__init__()
        self.source = source
        self.field = field
        self.item = item

    def __repr__(self) -> str:
        return str(self.source)

    def rows(self) -> Iterator[Mapping[str, Any] | BadRow]:
        """Read the source."""
        return self.source.rows()

    def blocks(self, columns: Columns) -> Generator[Block, None, None]:
        """Read the source with the columns of what the field holds, and put each row into the field."""
        inner = columns.inner[self.field] if self.item is None else Columns((self.item,), noun=columns.noun)
        with closing(self.source.blocks(inner)) as blocks:
            for block in blocks:
                others = {index: self._placed(row) for index, row in block.others.items()}
                alike = []
                for one in block.alike:
                    if self.item is not None and one.places != ((self.item,),):
                        numbered = enumerate(one.indexes)
                        others.update((index, self._placed(one.recipient(n))) for n, index in numbered)
                        continue
                    inside = 0 if self.item is None else 1
                    places = tuple((self.field, *place[inside:]) for place in one.places)
                    alike.append(one._replace(places=places))
                yield Block(block.size, alike, others)

    def _placed(self, row: Mapping[str, Any] | BadRow) -> Mapping[str, Any] | BadRow:
        if isinstance(row, BadRow):
            return row
        if self.item is None:
            return {self.field: row}
        if row.keys() != {self.item}:
            return BadRow(f"must have {self.item}, and nothing else")
        return {self.field: row[self.item]}


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
