"""The hook's methods for reading campaigns, Canvases and sends."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from braze_provider.hooks.reading import Page, ReadingMethods


class ReadMethods(ReadingMethods):
    """Read lists, details and statistics of campaigns, Canvases and sends."""

    def messages_scheduled_broadcasts(self, end_time: datetime | str) -> list[dict[str, Any]]:
        """
        List the campaigns and entry Canvases that the dashboard has scheduled, from now on.

        :param end_time: Until when. Braze takes midnight UTC of that date.
        :return: The broadcasts: ``id``, ``name``, ``type``, ``next_send_time``, … A recurring one is listed
            once, with its next run.
        :raises BrazeRequestError: If Braze did not answer with the list.

        .. seealso:: https://www.braze.com/docs/api/endpoints/messaging/schedule_messages/get_messages_scheduled
        """
        return self._page("messages_scheduled_broadcasts", "scheduled_broadcasts", end_time=end_time)

    def sends_data_series(
        self, campaign_id: str, send_id: str, *, length: int, ending_at: datetime | str | None = None
    ) -> list[dict[str, Any]]:
        """
        Give the statistics of a send, day by day. Braze keeps them for 14 days after the send.

        :param campaign_id: Id of the send's API campaign.
        :param send_id: The send identifier.
        :param length: Days, 100 at most.
        :param ending_at: When the series ends. Default: now.
        :return: For each day: ``time``, ``messages`` by channel, ``unique_recipients``, …
        :raises BrazeValidationError: If ``length`` is more than one request may cover.
        :raises BrazeRequestError: If Braze did not answer with the series.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/campaigns/get_send_analytics
        """
        return self._series(
            "sends_data_series", campaign_id=campaign_id, send_id=send_id, length=length, ending_at=ending_at
        )

    def campaigns_data_series(
        self, campaign_id: str, *, length: int, ending_at: datetime | str | None = None
    ) -> list[dict[str, Any]]:
        """
        Give the statistics of a campaign, day by day.

        :param campaign_id: Id of the campaign.
        :param length: Days, 100 at most. :meth:`series_of` covers more.
        :param ending_at: When the series ends. Default: now.
        :return: For each day: ``time``, ``messages`` by channel, ``conversions``, …
        :raises BrazeValidationError: If ``length`` is more than one request may cover.
        :raises BrazeRequestError: If Braze did not answer with the series.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/campaigns/get_campaign_analytics
        """
        return self._series(
            "campaigns_data_series", campaign_id=campaign_id, length=length, ending_at=ending_at
        )

    def campaigns_list(
        self,
        page: int = 0,
        *,
        include_archived: bool | None = None,
        sort_direction: Literal["asc", "desc"] | None = None,
        last_edited_after: datetime | str | None = None,
    ) -> Page:
        """
        List the workspace's campaigns, 100 on a page. :meth:`items_of` gives those of all pages.

        :param page: Number of the page. Default 0, the first.
        :param include_archived: Whether to list archived campaigns too. Default: they are left out.
        :param sort_direction: ``asc`` or ``desc``, by the time of creation. Default ``asc``.
        :param last_edited_after: List only campaigns that were edited after this time. Default: all.
        :return: Campaigns as Braze describes them: ``id``, ``name``, ``tags``, ``is_api_campaign``, …
        :raises BrazeRequestError: If Braze did not answer with the list.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/campaigns/get_campaigns
        """
        return self._page(
            "campaigns_list",
            "campaigns",
            page=page,
            include_archived=include_archived,
            sort_direction=sort_direction,
            **{"last_edit.time[gt]": _seconds(last_edited_after)},
        )

    def campaigns_details(
        self,
        campaign_id: str,
        *,
        post_launch_draft_version: bool | None = None,
        include_has_translatable_content: bool | None = None,
    ) -> Mapping[str, Any]:
        """
        Describe a campaign.

        :param campaign_id: Id of the campaign.
        :param post_launch_draft_version: Whether to describe the draft of a campaign that runs, if it has
            one. Default: the version that runs.
        :param include_has_translatable_content: Whether to say which messages can be translated. Default: no.
        :return: The campaign as Braze describes it: ``name``, ``enabled``, ``archived``, ``draft``,
            ``channels``, …
        :raises BrazeRequestError: If Braze did not answer with the campaign, such as for an unknown id.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/campaigns/get_campaign_details
        """
        return self._object(
            "campaigns_details",
            "name",
            campaign_id=campaign_id,
            post_launch_draft_version=post_launch_draft_version,
            include_has_translatable_content=include_has_translatable_content,
        )

    def canvas_list(
        self,
        page: int = 0,
        *,
        include_archived: bool | None = None,
        sort_direction: Literal["asc", "desc"] | None = None,
        last_edited_after: datetime | str | None = None,
    ) -> Page:
        """
        List the workspace's Canvases, 100 on a page. :meth:`items_of` gives those of all pages.

        :param page: Number of the page. Default 0, the first.
        :param include_archived: Whether to list archived Canvases too. Default: they are left out.
        :param sort_direction: ``asc`` or ``desc``, by the time of creation. Default ``asc``.
        :param last_edited_after: List only Canvases that were edited after this time. Default: all.
        :return: Canvases as Braze describes them: ``id``, ``name``, ``tags``, ``last_edited``.
        :raises BrazeRequestError: If Braze did not answer with the list.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/canvas/get_canvases
        """
        return self._page(
            "canvas_list",
            "canvases",
            page=page,
            include_archived=include_archived,
            sort_direction=sort_direction,
            **{"last_edit.time[gt]": _seconds(last_edited_after)},
        )

    def canvas_details(
        self,
        canvas_id: str,
        *,
        post_launch_draft_version: bool | None = None,
        include_has_translatable_content: bool | None = None,
    ) -> Mapping[str, Any]:
        """
        Describe a Canvas.

        :param canvas_id: Id of the Canvas.
        :param post_launch_draft_version: Whether to describe the draft of a Canvas that runs, if it has one.
            Default: the version that runs.
        :param include_has_translatable_content: Whether to say which messages can be translated. Default: no.
        :return: The Canvas as Braze describes it: ``name``, ``enabled``, ``archived``, ``draft``,
            ``variants``, ``steps``, …
        :raises BrazeRequestError: If Braze did not answer with the Canvas, such as for an unknown id.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/canvas/get_canvas_details
        """
        return self._object(
            "canvas_details",
            "name",
            canvas_id=canvas_id,
            post_launch_draft_version=post_launch_draft_version,
            include_has_translatable_content=include_has_translatable_content,
        )

    def canvas_data_series(
        self,
        canvas_id: str,
        *,
        ending_at: datetime | str,
        length: int | None = None,
        starting_at: datetime | str | None = None,
        include_variant_breakdown: bool | None = None,
        include_step_breakdown: bool | None = None,
        include_deleted_step_data: bool | None = None,
    ) -> list[dict[str, Any]]:
        """
        Give the statistics of a Canvas, day by day.

        :param canvas_id: Id of the Canvas.
        :param ending_at: When the series ends.
        :param length: Days, 14 at most. :meth:`series_of` covers more. Either this or ``starting_at``.
        :param starting_at: When the series begins, 14 days before its end at most.
        :param include_variant_breakdown: Whether to give the statistics of each variant. Default: no.
        :param include_step_breakdown: Whether to give the statistics of each step. Default: no.
        :param include_deleted_step_data: Whether to give those of deleted steps too. Default: no.
        :return: For each day: ``time``, ``total_stats``, ``variant_stats``, ``step_stats``.
        :raises BrazeValidationError: If the window is longer than one request may cover.
        :raises BrazeRequestError: If Braze did not answer with the series.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/canvas/get_canvas_analytics
        """
        return self._series(
            "canvas_data_series",
            canvas_id=canvas_id,
            ending_at=ending_at,
            length=length,
            starting_at=starting_at,
            include_variant_breakdown=include_variant_breakdown,
            include_step_breakdown=include_step_breakdown,
            include_deleted_step_data=include_deleted_step_data,
        )

    def canvas_data_summary(
        self,
        canvas_id: str,
        *,
        ending_at: datetime | str,
        length: int | None = None,
        starting_at: datetime | str | None = None,
        include_variant_breakdown: bool | None = None,
        include_step_breakdown: bool | None = None,
        include_deleted_step_data: bool | None = None,
    ) -> Mapping[str, Any]:
        """
        Give the statistics of a Canvas, as one sum over all days.

        :param canvas_id: Id of the Canvas.
        :param ending_at: When the time ends.
        :param length: Days, 14 at most. Either this or ``starting_at``.
        :param starting_at: When the time begins, 14 days before its end at most.
        :param include_variant_breakdown: Whether to give the statistics of each variant. Default: no.
        :param include_step_breakdown: Whether to give the statistics of each step. Default: no.
        :param include_deleted_step_data: Whether to give those of deleted steps too. Default: no.
        :return: ``name``, ``total_stats``, ``variant_stats``, ``step_stats``.
        :raises BrazeValidationError: If the window is longer than one request may cover.
        :raises BrazeRequestError: If Braze did not answer with the summary.

        .. seealso:: https://www.braze.com/docs/api/endpoints/export/canvas/get_canvas_analytics_summary
        """
        body = self._object(
            "canvas_data_summary",
            "data",
            canvas_id=canvas_id,
            ending_at=ending_at,
            length=length,
            starting_at=starting_at,
            include_variant_breakdown=include_variant_breakdown,
            include_step_breakdown=include_step_breakdown,
            include_deleted_step_data=include_deleted_step_data,
        )
        data: Mapping[str, Any] = body["data"]
        return data


def _seconds(moment: datetime | str | None) -> str | None:
    """Write a moment as lists take it: whole seconds, without a time zone."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S") if isinstance(moment, datetime) else moment
