"""The base of everything of which a delivery may have a million: a recipient, an item, an event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from braze_provider.api.base import BrazeObject


class Row(BrazeObject):
    """
    One row of a request that takes many.

    The rules of a row do not read texts or open JSON such as ``trigger_properties``. They only ask whether a
    field is given. So rows with the same fields are checked together (:mod:`braze_provider.api.rows`).
    """

    def identity(self) -> str:
        """
        Give a text that no other row has, unless both are the same to Braze. Default: all of the row.

        A source that has two rows with the same identity names the same recipient or item twice.
        """
        return self.to_json().decode()

    @classmethod
    def identities(
        cls, given: Mapping[tuple[str, ...], Sequence[str]], bodies: Sequence[bytes]
    ) -> Iterator[str]:
        """
        Give the identities of many rows that have values at the same places, as :meth:`identity` does.

        :param given: The values that differ from row to row, by the name of the field and the names below it.
        :param bodies: The rows as JSON.
        """
        return map(bytes.decode, bodies)
