"""Operators that read statistics of campaigns, Canvases and sends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from braze_provider.api.endpoints import CAMPAIGNS_DATA_SERIES, CANVAS_DATA_SERIES, SENDS_DATA_SERIES
from braze_provider.tasks.fields import FIXED, TEXT, Field
from braze_provider.tasks.series import items_of
from braze_provider.tasks.statistics import BrazeStatisticsOperator

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from braze_provider.tasks.arguments import StatisticsArguments, Templated

_OF_MESSAGES = (
    "sent", "delivered", "undelivered", "delivery_failed", "sent_to_carrier", "rejected", "failed", "bounces",
    "errors", "direct_opens", "total_opens", "influenced_opens", "opens", "unique_opens", "body_clicks",
    "clicks", "unique_clicks", "total_clicks", "first_button_clicks", "second_button_clicks", "read",
    "impressions", "total_impressions", "unique_impressions", "dismissals", "total_dismissals",
    "unique_dismissals", "unsubscribes", "reported_spam", "opt_out", "help", "enrolled", "unique_recipients",
)  # fmt: skip
_CONVERSIONS = ("conversions", "conversions1", "conversions2", "conversions3")


def _columns(keys: tuple[str, ...], *counters: str, conversions_by: str) -> dict[str, str]:
    every = (
        *counters,
        *_OF_MESSAGES,
        *_CONVERSIONS,
        *(f"{name}_by_{conversions_by}" for name in _CONVERSIONS),
    )
    return {
        "date": "date",
        "level": "text",
        **dict.fromkeys(keys, "text"),
        **dict.fromkeys(every, "int"),
        "revenue": "float",
        "other": "json",
    }


class _CampaignRows(BrazeStatisticsOperator):
    """Rows of a campaign and of a send, which Braze gives in the same form."""

    def rows_of_day(self, day: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Give a row for the whole day, and one for each channel and variation."""
        totals = {name: value for name, value in day.items() if name not in ("time", "messages")}
        yield self.row(day, totals, level="day")
        for channel, item in items_of(day.get("messages") or {}):
            names = {
                "variation_id": item.get("variation_api_id"),
                "variation_name": item.get("variation_name"),
            }
            figures = {name: value for name, value in item.items() if name != "variation_api_id"}
            yield self.row(day, figures, level="variation", channel=channel, **names)


class CampaignStatsOperator(_CampaignRows):
    """
    Read the statistics of a campaign: a row for each day, channel and variation.

    Each row has all columns: ``date``, ``level``, ``campaign_id``, ``channel``, ``variation_id``,
    ``variation_name``, the counters of all channels, ``revenue`` and ``other``. A counter that a channel does
    not have is null. ``other`` holds what Braze counts besides. The row of ``level`` ``day`` has the figures
    of the whole day, which are not those of the ``variation`` rows added up.

    .. seealso::
        - :ref:`howto/operator:CampaignStatsOperator`
        - https://www.braze.com/docs/api/endpoints/export/campaigns/get_campaign_analytics

    :param campaign_id: Id of the campaign. (templated)
    :raises BrazeValidationError: For bad arguments, before the first request.
    """

    endpoint = CAMPAIGNS_DATA_SERIES
    request_fields: ClassVar[Mapping[str, Field]] = {"campaign_id": TEXT}
    columns: ClassVar[Mapping[str, str]] = _columns(
        ("campaign_id", "channel", "variation_id", "variation_name"), conversions_by="send_time"
    )

    def __init__(self, *, campaign_id: Templated, **kwargs: Unpack[StatisticsArguments]) -> None:
        super().__init__(**kwargs)
        self.campaign_id = campaign_id
        self.check_constants()


class SendStatsOperator(_CampaignRows):
    """
    Read the statistics of one send of an API campaign: a row for each day, channel and variation.

    Braze keeps them for 14 days after the send. The columns are those of :class:`CampaignStatsOperator`, and
    ``send_id``.

    .. seealso::
        - :ref:`howto/operator:SendStatsOperator`
        - https://www.braze.com/docs/api/endpoints/export/campaigns/get_send_analytics

    :param campaign_id: Id of the send's API campaign. (templated)
    :param send_id: The send identifier, such as the output of a ``SendIdCreateOperator``. (templated)
    :raises BrazeValidationError: For bad arguments, before the first request.
    """

    endpoint = SENDS_DATA_SERIES
    request_fields: ClassVar[Mapping[str, Field]] = {"campaign_id": TEXT, "send_id": TEXT}
    columns: ClassVar[Mapping[str, str]] = _columns(
        ("campaign_id", "send_id", "channel", "variation_id", "variation_name"), conversions_by="send_time"
    )

    def __init__(
        self, *, campaign_id: Templated, send_id: Templated, **kwargs: Unpack[StatisticsArguments]
    ) -> None:
        super().__init__(**kwargs)
        self.campaign_id = campaign_id
        self.send_id = send_id
        self.check_constants()


class CanvasStatsOperator(BrazeStatisticsOperator):
    """
    Read the statistics of a Canvas: a row for each day, variant, step and channel.

    Each row has all columns: ``date``, ``level``, ``canvas_id``, ``variant_id``, ``variant_name``,
    ``step_id``, ``step_name``, ``channel``, the counters, ``revenue`` and ``other``. A counter that a row
    does not have is null. ``other`` holds what Braze counts besides. ``level`` says what the figures are of:
    of the whole ``day``, of a ``variant``, of a ``step``, or of a step's messages in one channel
    (``message``).

    .. seealso::
        - :ref:`howto/operator:CanvasStatsOperator`
        - https://www.braze.com/docs/api/endpoints/export/canvas/get_canvas_analytics

    :param canvas_id: Id of the Canvas. (templated)
    :param include_deleted_step_data: Whether to read the figures of deleted steps too. Default False.
    :raises BrazeValidationError: For bad arguments, before the first request.
    """

    endpoint = CANVAS_DATA_SERIES
    request_fields: ClassVar[Mapping[str, Field]] = {"canvas_id": TEXT, "include_deleted_step_data": FIXED}
    columns: ClassVar[Mapping[str, str]] = _columns(
        ("canvas_id", "variant_id", "variant_name", "step_id", "step_name", "channel"),
        "entries",
        conversions_by="entry_time",
    )

    def __init__(
        self,
        *,
        canvas_id: Templated,
        include_deleted_step_data: bool = False,
        **kwargs: Unpack[StatisticsArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.canvas_id = canvas_id
        self.include_deleted_step_data = include_deleted_step_data
        self.check_constants()

    def arguments_of_read(self) -> dict[str, Any]:
        """Ask for variants and steps as well."""
        every = {"include_variant_breakdown": True, "include_step_breakdown": True}
        return {**super().arguments_of_read(), **every}

    def rows_of_day(self, day: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Give a row for the whole day, each variant, each step, and each channel of a step."""
        yield self.row(day, day.get("total_stats"), level="day")
        for level in ("variant", "step"):
            for one, stats in (day.get(f"{level}_stats") or {}).items():
                figures = {name: value for name, value in stats.items() if name not in ("name", "messages")}
                names = {f"{level}_id": one, f"{level}_name": stats.get("name")}
                yield self.row(day, figures, level=level, **names)
                for channel, item in items_of(stats.get("messages") or {}):
                    yield self.row(day, item, level="message", channel=channel, **names)
