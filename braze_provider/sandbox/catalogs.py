"""The catalogs of the sandbox's workspace, with their items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from braze_provider.sandbox.answers import refuse_catalog
from braze_provider.sandbox.store import Kept, Store


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """
    A catalog of the workspace.

    :param name: Its name.
    :param fields: Names of its fields besides ``id``. Default: an item may have any fields.
    """

    name: str
    fields: Sequence[str] = ()


class Catalogs:
    """
    All catalogs with their items.

    If catalogs are given, the names of all others are refused. If none is given, each name is that of an
    empty catalog until items are written.

    :param given: The catalogs, as their names or with their fields.
    :param store: Keeps the items. Default: nothing does.
    """

    def __init__(self, given: Sequence[Catalog | str] = (), store: Store | None = None) -> None:
        named = (Catalog(name=one) if isinstance(one, str) else one for one in given)
        self._given = {catalog.name: catalog for catalog in named}
        self._kept: Kept[tuple[str, str], dict[str, Any]] = Kept()
        if store is not None:
            store.keep("items", self._kept)
        self._items: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in self._given}
        for (catalog, item_id), item in self._kept.items():
            self._items.setdefault(catalog, {})[item_id] = item

    def clear(self) -> None:
        """Forget all items."""
        self._kept.clear()
        self._items = {name: {} for name in self._given}

    def items(self, name: str) -> dict[str, dict[str, Any]]:
        """
        Give the items of a catalog by their ids, to read and, with :meth:`note`, to change.

        :param name: Name of the catalog.
        :raises RefusedError: If catalogs are given and this is none of them.
        """
        if self._given and name not in self._given:
            refuse_catalog(404, "catalog-not-found", "Could not find catalog", catalog_name=name)
        return self._items.setdefault(name, {})

    def note(self, name: str, item_id: str) -> None:
        """
        Note that an item has changed, or that it is gone.

        :param name: Name of the catalog.
        :param item_id: The item's id.
        """
        if item_id in self._items[name]:
            self._kept[name, item_id] = self._items[name][item_id]
        else:
            self._kept.pop((name, item_id), None)

    def check_fields(self, name: str, items: Sequence[Mapping[str, Any]]) -> None:
        """
        Refuse items with fields that the catalog does not have.

        :param name: Name of the catalog.
        :param items: The items.
        :raises RefusedError: If there is such a field.
        """
        known = {"id", *self._fields(name)}
        for item in items:
            if len(known) > 1 and not item.keys() <= known:
                said = "Some of the fields given do not exist in the catalog"
                refuse_catalog(400, "invalid-fields", said, id=item["id"])

    def shown(self) -> dict[str, dict[str, Any]]:
        """Give the items of all catalogs by name of the catalog and id, as JSON."""
        return deepcopy(self._items)

    def peek(self, name: str) -> Mapping[str, Mapping[str, Any]]:
        """
        Give the items of a catalog by their ids, to look at; none if there is no such catalog.

        :param name: Name of the catalog.
        """
        return self._items.get(name, {})

    def sizes(self) -> dict[str, int]:
        """Give the number of items by name of the catalog."""
        return {name: len(items) for name, items in self._items.items()}

    def listed(self) -> list[dict[str, Any]]:
        """List the catalogs as ``/catalogs`` does."""
        return [
            {
                "name": name,
                "description": "",
                "fields": [
                    {"name": "id", "type": "string"},
                    *({"name": field, "type": "string"} for field in self._fields(name)),
                ],
                "num_items": len(items),
                "updated_at": "2026-09-01T09:00:00+00:00",
            }
            for name, items in self._items.items()
        ]

    def _fields(self, name: str) -> Sequence[str]:
        return self._given[name].fields if name in self._given else ()
