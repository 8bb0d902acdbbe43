"""Requests that write many items of a catalog at once. Braze takes them, and does the work a little later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from braze_provider.api.base import Breach, part
from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.api.objects.catalog_item import CatalogItem, CatalogItemChange, CatalogItemId
from braze_provider.api.requests.base import SendRequest
from braze_provider.api.values import Array, PathText


class CatalogItemsRequest(SendRequest):
    """
    Base of the requests for many items: 50 at most, each id once.

    :param catalog_name: Name of the catalog. It is a part of the path.
    """

    row_noun = "item"
    _stand_in: ClassVar[Mapping[str, Any]] = {"items": [{"id": "stand-in"}]}

    catalog_name: PathText

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check the number of items, and that no id is there twice."""
        yield from super().rules(given)
        items = given.get("items")
        seen: set[str] = set()
        for index, item in enumerate(items if isinstance(items, (list, tuple)) else ()):
            item_id = str(part(item, "id"))
            if part(item, "id") is not None and item_id in seen:
                yield Breach("is there twice: an id may be in a request only once", ("items", index, "id"))
            seen.add(item_id)


class CatalogItemsReplace(CatalogItemsRequest):
    """
    Write whole items. Those that are not in the catalog yet are created.

    :param items: The items.

    .. seealso:: https://www.braze.com/docs/api/endpoints/catalogs
    """

    endpoint = ENDPOINTS["catalogs_items_replace"]
    content_fields = frozenset()
    recipient_model = CatalogItem

    items: Array[CatalogItem]


class CatalogItemsUpdate(CatalogItemsRequest):
    """
    Write some fields of items that are in the catalog already.

    :param items: The items, each with its id and the fields to change.

    .. seealso:: https://www.braze.com/docs/api/endpoints/catalogs
    """

    endpoint = ENDPOINTS["catalogs_items_update"]
    content_fields = frozenset()
    recipient_model = CatalogItemChange

    items: Array[CatalogItemChange]


class CatalogItemsDelete(CatalogItemsRequest):
    """
    Delete items.

    :param items: The items, each with its id alone.

    .. seealso:: https://www.braze.com/docs/api/endpoints/catalogs
    """

    endpoint = ENDPOINTS["catalogs_items_delete"]
    content_fields = frozenset()
    recipient_model = CatalogItemId

    items: Array[CatalogItemId]
