"""The hook's methods for statistics of the workspace: users, sessions, events, purchases and segments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from braze_provider.hooks.reading import Page, ReadingMethods

Unit = Literal["day", "hour"]


class StatisticsMethods(ReadingMethods):
    """Read statistics of the workspace, and what there is to count in it."""

    def kpi_new_users_data_series(
        self, *, length: int, ending_at: datetime | str | None = None, app_id: str | None = None
    ) -> list[dict[str, Any]]:
        """
        Count the new users, day by day.

        :param length: Days, 100 at most. :meth:`series_of` covers more.
        :param ending_at: When the series ends. Default: now.
        :param app_id: Id of an app. Default: all apps of the workspace.
        :return: For each day: ``time`` and ``new_users``.
        :raises BrazeValidationError: If ``length`` is more than one request may cover.
        :raises BrazeRequestError: If Braze did not answer with the series.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/kpi
        """
        return self._series("kpi_new_users_data_series", length=length, ending_at=ending_at, app_id=app_id)

    def kpi_dau_data_series(
        self, *, length: int, ending_at: datetime | str | None = None, app_id: str | None = None
    ) -> list[dict[str, Any]]:
        """
        Count the users who were active on a day, day by day.

        :param length: Days, 100 at most. :meth:`series_of` covers more.
        :param ending_at: When the series ends. Default: now.
        :param app_id: Id of an app. Default: all apps of the workspace.
        :return: For each day: ``time`` and ``dau``.
        :raises BrazeValidationError: If ``length`` is more than one request may cover.
        :raises BrazeRequestError: If Braze did not answer with the series.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/kpi
        """
        return self._series("kpi_dau_data_series", length=length, ending_at=ending_at, app_id=app_id)

    def kpi_mau_data_series(
        self, *, length: int, ending_at: datetime | str | None = None, app_id: str | None = None
    ) -> list[dict[str, Any]]:
        """
        Count the users who were active in the 30 days before a day, day by day.

        :param length: Days, 100 at most. :meth:`series_of` covers more.
        :param ending_at: When the series ends. Default: now.
        :param app_id: Id of an app. Default: all apps of the workspace.
        :return: For each day: ``time`` and ``mau``.
        :raises BrazeValidationError: If ``length`` is more than one request may cover.
        :raises BrazeRequestError: If Braze did not answer with the series.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/kpi
        """
        return self._series("kpi_mau_data_series", length=length, ending_at=ending_at, app_id=app_id)

    def kpi_uninstalls_data_series(
        self, *, length: int, ending_at: datetime | str | None = None, app_id: str | None = None
    ) -> list[dict[str, Any]]:
        """
        Count the users who uninstalled an app, day by day.

        :param length: Days, 100 at most. :meth:`series_of` covers more.
        :param ending_at: When the series ends. Default: now.
        :param app_id: Id of an app. Default: all apps of the workspace.
        :return: For each day: ``time`` and ``uninstalls``.
        :raises BrazeValidationError: If ``length`` is more than one request may cover.
        :raises BrazeRequestError: If Braze did not answer with the series.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/kpi
        """
        return self._series("kpi_uninstalls_data_series", length=length, ending_at=ending_at, app_id=app_id)

    def sessions_data_series(
        self,
        *,
        length: int,
        unit: Unit | None = None,
        ending_at: datetime | str | None = None,
        app_id: str | None = None,
        segment_id: str | None = None,
    ) -> list[dict[str, Any]]:
        """
        Count the sessions, by day or by hour.

        :param length: Days or hours, 100 at most. :meth:`series_of` covers more.
        :param unit: ``day`` or ``hour``. Default ``day``.
        :param ending_at: When the series ends. Default: now.
        :param app_id: Id of an app. Default: all apps of the workspace.
        :param segment_id: Id of a segment whose analytics are on. Default: all users.
        :return: For each day or hour: ``time`` and ``sessions``.
        :raises BrazeValidationError: If ``length`` is more than one request may cover.
        :raises BrazeRequestError: If Braze did not answer with the series.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/sessions
        """
        return self._series(
            "sessions_data_series",
            length=length,
            unit=unit,
            ending_at=ending_at,
            app_id=app_id,
            segment_id=segment_id,
        )

    def events_data_series(
        self,
        event: str,
        *,
        length: int,
        unit: Unit | None = None,
        ending_at: datetime | str | None = None,
        app_id: str | None = None,
        segment_id: str | None = None,
    ) -> list[dict[str, Any]]:
        """
        Count how often a custom event happened, by day or by hour.

        :param event: Name of the event.
        :param length: Days or hours, 100 at most. :meth:`series_of` covers more.
        :param unit: ``day`` or ``hour``. Default ``day``.
        :param ending_at: When the series ends. Default: now.
        :param app_id: Id of an app. Default: all apps of the workspace.
        :param segment_id: Id of a segment whose analytics are on. Default: all users.
        :return: For each day or hour: ``time`` and ``count``.
        :raises BrazeValidationError: If ``length`` is more than one request may cover.
        :raises BrazeRequestError: If Braze did not answer with the series.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/custom_events
        """
        return self._series(
            "events_data_series",
            event=event,
            length=length,
            unit=unit,
            ending_at=ending_at,
            app_id=app_id,
            segment_id=segment_id,
        )

    def events_list(self, page: int = 0) -> Page:
        """
        List the names of the custom events by the alphabet, 250 on a page. :meth:`items_of` gives those of
        all pages.

        :param page: Number of the page. Default 0, the first.
        :return: The names.
        :raises BrazeRequestError: If Braze did not answer with the list.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/custom_events
        """
        return self._page("events_list", "events", page=page)

    def events_get(self, cursor: str | None = None) -> Page:
        """
        Describe the custom events, 50 on a page. :meth:`items_of` gives those of all pages.

        :param cursor: Where the page begins, from ``next`` of the page before it. Default: the first page.
        :return: Events as Braze describes them: ``name``, ``description``, ``status``, ``tag_names``, …
        :raises BrazeRequestError: If Braze did not answer with the list.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/custom_events
        """
        return self._page("events_get", "events", cursor=cursor)

    def custom_attributes_get(self, cursor: str | None = None) -> Page:
        """
        Describe the custom attributes, 50 on a page. :meth:`items_of` gives those of all pages.

        :param cursor: Where the page begins, from ``next`` of the page before it. Default: the first page.
        :return: Attributes as Braze describes them: ``name``, ``data_type``, ``description``, ``status``, …
        :raises BrazeRequestError: If Braze did not answer with the list.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/custom_attributes
        """
        return self._page("custom_attributes_get", "attributes", cursor=cursor)

    def purchases_product_list(self, page: int = 0) -> Page:
        """
        List the ids of the products that users have bought. :meth:`items_of` gives those of all pages.

        :param page: Number of the page. Default 0, the first.
        :return: The ids.
        :raises BrazeRequestError: If Braze did not answer with the list.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/purchases
        """
        return self._page("purchases_product_list", "products", page=page)

    def purchases_quantity_series(
        self,
        *,
        length: int,
        unit: Unit | None = None,
        ending_at: datetime | str | None = None,
        app_id: str | None = None,
        product: str | None = None,
    ) -> list[dict[str, Any]]:
        """
        Count the purchases, by day or by hour.

        :param length: Days or hours, 100 at most. :meth:`series_of` covers more.
        :param unit: ``day`` or ``hour``. Default ``day``.
        :param ending_at: When the series ends. Default: now.
        :param app_id: Id of an app. Default: all apps of the workspace.
        :param product: Id of a product. Default: all products.
        :return: For each day or hour: ``time`` and ``purchase_quantity``.
        :raises BrazeValidationError: If ``length`` is more than one request may cover.
        :raises BrazeRequestError: If Braze did not answer with the series.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/purchases
        """
        return self._series(
            "purchases_quantity_series",
            length=length,
            unit=unit,
            ending_at=ending_at,
            app_id=app_id,
            product=product,
        )

    def purchases_revenue_series(
        self,
        *,
        length: int,
        unit: Unit | None = None,
        ending_at: datetime | str | None = None,
        app_id: str | None = None,
        product: str | None = None,
    ) -> list[dict[str, Any]]:
        """
        Give the revenue, by day or by hour.

        :param length: Days or hours, 100 at most. :meth:`series_of` covers more.
        :param unit: ``day`` or ``hour``. Default ``day``.
        :param ending_at: When the series ends. Default: now.
        :param app_id: Id of an app. Default: all apps of the workspace.
        :param product: Id of a product. Default: all products.
        :return: For each day or hour: ``time`` and ``revenue``.
        :raises BrazeValidationError: If ``length`` is more than one request may cover.
        :raises BrazeRequestError: If Braze did not answer with the series.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/purchases
        """
        return self._series(
            "purchases_revenue_series",
            length=length,
            unit=unit,
            ending_at=ending_at,
            app_id=app_id,
            product=product,
        )

    def segments_list(self, page: int = 0, *, sort_direction: Literal["asc", "desc"] | None = None) -> Page:
        """
        List the workspace's segments, 100 on a page. :meth:`items_of` gives those of all pages.

        :param page: Number of the page. Default 0, the first.
        :param sort_direction: ``asc`` or ``desc``, by the time of creation. Default ``asc``.
        :return: Segments as Braze describes them: ``id``, ``name``, ``analytics_tracking_enabled``, ``tags``.
            Archived ones are left out.
        :raises BrazeRequestError: If Braze did not answer with the list.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/segments
        """
        return self._page("segments_list", "segments", page=page, sort_direction=sort_direction)

    def segments_details(self, segment_id: str) -> Mapping[str, Any]:
        """
        Describe a segment.

        :param segment_id: Id of the segment.
        :return: The segment as Braze describes it: ``name``, ``description`` (its filters in words), …
        :raises BrazeRequestError: If Braze did not answer with the segment, such as for an unknown id.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/segments
        """
        return self._object("segments_details", "name", segment_id=segment_id)

    def segments_data_series(
        self, segment_id: str, *, length: int, ending_at: datetime | str | None = None
    ) -> list[dict[str, Any]]:
        """
        Estimate the size of a segment, day by day.

        :param segment_id: Id of a segment whose analytics are on.
        :param length: Days, 100 at most. :meth:`series_of` covers more.
        :param ending_at: When the series ends. Default: now.
        :return: For each day: ``time`` and ``size``.
        :raises BrazeValidationError: If ``length`` is more than one request may cover.
        :raises BrazeRequestError: If Braze did not answer with the series.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/segments
        """
        return self._series("segments_data_series", segment_id=segment_id, length=length, ending_at=ending_at)
