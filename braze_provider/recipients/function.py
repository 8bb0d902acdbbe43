"""Recipients that a function yields: the source of a decorated task."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from braze_provider.recipients.base import RecipientSource
from braze_provider.recipients.blocks import BadRow, Block
from braze_provider.recipients.columns import Columns
from braze_provider.recipients.given import source_of
from braze_provider.recipients.inline import InlineRecipients
from braze_provider.recipients.tables import is_table


class FunctionRecipients(RecipientSource):
    """
    The recipients that a function yields or returns. Each try calls it anew.

    An item is a recipient as Braze has it, or an external id alone. The items of a generator are a stream:
    they are never in memory together. The function may also return a list, a table or another source.

    :param function: The function.
    :param args: Its positional arguments.
    :param kwargs: Its named arguments.
    """

    def __init__(
        self, function: Callable[..., Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__()
        self.function = function
        self.args = args
        self.kwargs = kwargs or {}

    def __repr__(self) -> str:
        return f"{getattr(self.function, '__name__', 'function')}()"

    def rows(self) -> Iterator[Mapping[str, Any] | BadRow]:
        """Call the function and stream what it gives."""
        return self._source().rows()

    def blocks(self, columns: Columns) -> Generator[Block, None, None]:
        """Call the function and stream what it gives. Only a table's columns are matched by their names."""
        yield from self._source().blocks(columns)

    def _source(self) -> RecipientSource:
        given = self.function(*self.args, **self.kwargs)
        if isinstance(given, (Iterator, list, tuple)) and not is_table(given):
            return InlineRecipients(map(_as_recipient, given))
        return source_of(given, argument=str(self), keys={str(self): None})


def _as_recipient(item: Any) -> Any:
    is_id = isinstance(item, (str, int, UUID)) and not isinstance(item, bool)
    return {"external_user_id": item} if is_id else item
