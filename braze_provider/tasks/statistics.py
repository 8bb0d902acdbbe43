"""A task that reads statistics, day by day, and gives them as rows."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from braze_provider._compat import AirflowFailException
from braze_provider.api.errors import BrazeConfigurationError, BrazeRejectedError
from braze_provider.tasks.days import days_of, problems_of_days
from braze_provider.tasks.fields import Kind
from braze_provider.tasks.rows_file import problems_of_output, refuse_without_parquet, write_rows
from braze_provider.tasks.task import BrazeTask
from braze_provider.tasks.texts import problems_of_texts

if TYPE_CHECKING:
    from braze_provider._compat import Context
    from braze_provider.tasks.arguments import Templated
    from braze_provider.tasks.rows_file import Columns

MAX_XCOM_ROWS = 1_000
"""Rows that a task returns at most. Each of them has a few hundred bytes in Airflow's database."""


class BrazeStatisticsOperator(BrazeTask):
    """
    Base of the operators that read statistics. All of them take its parameters.

    Braze counts by the day. The days are those of the Dag run's data interval, or else the day before the
    run. ``start``, ``end`` and ``length`` name other days, as many as you like: Braze gives 14 or 100 days
    for a request, and the task makes as many requests as it takes. A failed request is repeated, six requests
    at most. A refusal fails the task at once.

    Without ``output_path``, the rows are the task's result, 1,000 at most. With it they are written to a
    file, and the result is ``{"output_path": …, "rows": …}``. The file appears only once it is whole. A retry
    replaces it.

    :param braze_conn_id: Id of the Airflow connection of type ``braze``. Default ``braze_default``.
        (templated)
    :param start: The first day: a date, or a moment with a time zone. Default: the first day of the data
        interval; with ``length`` or ``end``, see there. (templated)
    :param end: The day after the last one: a date, or a moment with a time zone. If it is the same day as
        ``start``, that day is read. Default: the end of the data interval, or else the day of the run.
        (templated)
    :param length: Number of days that end before ``end``, instead of ``start``. Default: one day, if there is
        no ``start`` either. (templated)
    :param timezone: The time zone of your company in Braze's dashboard. Moments become days in it. Default
        ``UTC``. (templated)
    :param output_path: Where to write the rows, as ``ObjectStoragePath`` takes it, such as
        ``s3://conn@bucket/statistics.parquet``. The ending says the format: ``.jsonl`` or ``.ndjson`` for
        JSON lines, ``.parquet`` for Parquet, which needs the extra ``parquet``. Default: the rows are
        returned. (templated)
    """

    templated_options: ClassVar[tuple[str, ...]] = (
        "braze_conn_id",
        "start",
        "end",
        "length",
        "timezone",
        "output_path",
    )
    columns: ClassVar[Columns]
    """The columns of a row. Each row has all of them."""

    def __init__(
        self,
        *,
        braze_conn_id: Templated = "braze_default",
        start: date | datetime | Templated | None = None,
        end: date | datetime | Templated | None = None,
        length: int | Templated | None = None,
        timezone: Templated = "UTC",
        output_path: Templated | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.braze_conn_id = braze_conn_id
        self.start = start
        self.end = end
        self.length = length
        self.timezone = timezone
        self.output_path = output_path

    @abstractmethod
    def rows_of_day(self, day: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """
        Give the rows of one day.

        :param day: The day as Braze gives it.
        """

    def arguments_of_read(self) -> dict[str, Any]:
        """Give the arguments of the hook's method, besides the window."""
        return self.request_values()

    def check_constants(self) -> None:
        """
        Check the arguments; before rendering, those that it will not change.

        :raises BrazeValidationError: With all mistakes.
        """
        texts = (name for name, field in self.request_fields.items() if field.kind is Kind.TEXT)
        self.refuse(
            [
                *problems_of_texts(self, *texts),
                *problems_of_days(self._days()),
                *problems_of_output(self.output_path, "output_path"),
            ]
        )

    def execute(self, context: Context) -> Any:
        """Read the days, and return the rows or write them."""
        self.check_constants()
        path = None if self.output_path is None else str(self.output_path)
        if path is not None:
            refuse_without_parquet(path)
        first, last = days_of(self._days(), context)
        try:
            rows = list(self._read(first, last))
        except (BrazeConfigurationError, BrazeRejectedError) as error:
            raise AirflowFailException(str(error)) from None
        self.log.info("%s to %s: %s rows", first, last, f"{len(rows):,}")
        if path is not None:
            write_rows(path, rows, self.columns)
            return {"output_path": path, "rows": len(rows)}
        if len(rows) > MAX_XCOM_ROWS:
            raise AirflowFailException(
                f"output_path: {len(rows):,} rows are too many for an XCom ({MAX_XCOM_ROWS:,} at most): give "
                "a path, such as s3://bucket/statistics.parquet, or ask for fewer days"
            )
        return rows

    def _days(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("start", "end", "length", "timezone")}

    def _read(self, first: date, last: date) -> Iterator[dict[str, Any]]:
        from braze_provider.hooks.reading import read_series
        from braze_provider.tasks.calls import patiently

        method = getattr(self.hook, self.endpoint.name)

        def read(**arguments: Any) -> list[dict[str, Any]]:
            call = partial(method, **arguments)
            return patiently(call, hook=self.hook, endpoint=self.endpoint, log=self.log)

        for day in read_series(read, self.endpoint, first, last, **self.arguments_of_read()):
            yield from self.rows_of_day(day)

    def row(self, day: Mapping[str, Any], figures: Any, **keys: Any) -> dict[str, Any]:
        """
        Make a row with all columns.

        :param day: The day as Braze gives it.
        :param figures: The figures of the row, by Braze's names. What is no column of its own goes to
            ``other``.
        :param keys: The columns that say what the figures are of.
        """
        row: dict[str, Any] = {**dict.fromkeys(self.columns), **self._ids(), **keys}
        row["date"] = str(day["time"])[:10]
        other = {}
        for name, value in (figures if isinstance(figures, Mapping) else {}).items():
            kind = self.columns.get(name, "")
            if kind in ("int", "float") and _is_number(value, kind):
                row[name] = float(value) if kind == "float" else int(value)
            elif kind != "text" and value is not None:
                other[name] = value
        row["other"] = other or None
        return row

    def _ids(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.request_fields if name in self.columns}


def _is_number(value: Any, kind: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return kind == "float" or int(value) == value
