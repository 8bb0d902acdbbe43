"""The hook's methods for catalogs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.hooks.reading import Page, ReadingMethods

if TYPE_CHECKING:
    from braze_provider.api.answers import Answer
    from braze_provider.api.base import BrazeObject


class CatalogMethods(ReadingMethods):
    """Read catalogs, and write their items."""

    def catalogs_list(self) -> Page:
        """
        List the workspace's catalogs. All are on one page.

        :return: Catalogs as Braze describes them: ``name``, ``fields``, ``num_items``, …
        :raises BrazeRequestError: If Braze did not answer with the list.

        .. seealso:: https://www.braze.com/docs/api/endpoints/catalogs
        """
        return self._page("catalogs_list", "catalogs")

    def catalogs_items_list(self, catalog_name: str, cursor: str | None = None) -> Page:
        """
        List the items of a catalog, 50 on a page. :meth:`items_of` gives those of all pages.

        :param catalog_name: Name of the catalog.
        :param cursor: Which page, from ``next`` of the page before. Default: the first one.
        :return: The items, each with its ``id`` and the fields that it has.
        :raises BrazeRequestError: If Braze did not answer with the list, such as for an unknown catalog.

        .. seealso:: https://www.braze.com/docs/api/endpoints/catalogs
        """
        return self._page("catalogs_items_list", "items", catalog_name=catalog_name, cursor=cursor)

    def catalogs_items_replace(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Write whole items of a catalog, 50 at most. Those that are not in it yet are created.

        :param request: A :class:`~braze_provider.api.requests.CatalogItemsReplace` or its fields.
        :param allow_unknown_fields: Send fields that this package does not know as they are. Default False.
        :return: The answer. Braze does the work a little later.
        :raises BrazeValidationError: If the request breaks Braze's contract; no request was made.
        :raises BrazeRequestError: If Braze did not accept it, or may not have. A repeat does no harm.

        .. seealso:: https://www.braze.com/docs/api/endpoints/catalogs
        """
        return self._send(ENDPOINTS["catalogs_items_replace"], request, allow_unknown_fields)

    def catalogs_items_update(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Write some fields of items that are in a catalog, 50 items at most.

        :param request: A :class:`~braze_provider.api.requests.CatalogItemsUpdate` or its fields.
        :param allow_unknown_fields: Send fields that this package does not know as they are. Default False.
        :return: The answer. Braze does the work a little later.
        :raises BrazeValidationError: If the request breaks Braze's contract; no request was made.
        :raises BrazeRequestError: If Braze did not accept it, or may not have. A repeat does no harm.

        .. seealso:: https://www.braze.com/docs/api/endpoints/catalogs
        """
        return self._send(ENDPOINTS["catalogs_items_update"], request, allow_unknown_fields)

    def catalogs_items_delete(
        self, request: Mapping[str, Any] | BrazeObject, *, allow_unknown_fields: bool = False
    ) -> Answer:
        """
        Delete items of a catalog, 50 at most.

        :param request: A :class:`~braze_provider.api.requests.CatalogItemsDelete` or its fields.
        :param allow_unknown_fields: Send fields that this package does not know as they are. Default False.
        :return: The answer. Braze does the work a little later.
        :raises BrazeValidationError: If the request breaks Braze's contract; no request was made.
        :raises BrazeRequestError: If Braze did not accept it, or may not have. A repeat does no harm.

        .. seealso:: https://www.braze.com/docs/api/endpoints/catalogs
        """
        return self._send(ENDPOINTS["catalogs_items_delete"], request, allow_unknown_fields)
