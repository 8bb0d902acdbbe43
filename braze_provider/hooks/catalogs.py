"""The hook's methods for catalogs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.hooks.methods import HookMethods

if TYPE_CHECKING:
    from braze_provider.api.answers import Answer
    from braze_provider.api.base import BrazeObject


class CatalogMethods(HookMethods):
    """Read catalogs, and write their items."""

    def catalogs_list(self) -> Answer:
        """
        List the workspace's catalogs. There are no pages.

        :return: The answer. Its ``body["catalogs"]`` describes each: ``name``, ``fields``, ``num_items``, …
        :raises BrazeRequestError: If Braze did not answer with the list.

        .. seealso:: https://www.braze.com/docs/api/endpoints/catalogs
        """
        return self.call(ENDPOINTS["catalogs_list"])

    def catalogs_items_list(self, catalog_name: str, cursor: str | None = None) -> Answer:
        """
        List the items of a catalog, 50 on a page.

        :param catalog_name: Name of the catalog.
        :param cursor: Which page, from the ``Link`` header of the page before. Default: the first one.
        :return: The answer. Its ``body["items"]`` has the items.
        :raises BrazeRequestError: If Braze did not answer with the list, such as for an unknown catalog.

        .. seealso:: https://www.braze.com/docs/api/endpoints/catalogs
        """
        params = None if cursor is None else {"cursor": cursor}
        return self.call(ENDPOINTS["catalogs_items_list"], path={"catalog_name": catalog_name}, params=params)

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
