"""What the hook's methods that read have in common: pages of a list, windows of a series, checked shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from braze_provider.api.endpoints import ENDPOINTS, Endpoint
from braze_provider.api.errors import BrazeNoAnswerError
from braze_provider.api.outcomes import Outcome
from braze_provider.api.windows import windows
from braze_provider.hooks.methods import HookMethods

if TYPE_CHECKING:
    from braze_provider.api.answers import Answer


class Page(list[Any]):
    """
    One page of a list.

    :param items: The items on it.
    :param next: The arguments that ask for the page after it. None: it is the last page.
    """

    def __init__(self, items: list[Any], next: Mapping[str, Any] | None) -> None:  # noqa: A002 - of the page
        super().__init__(items)
        self.next = next


def read_series(
    read: Callable[..., list[dict[str, Any]]],
    endpoint: Endpoint,
    first: date,
    last: date,
    **arguments: Any,
) -> Iterator[dict[str, Any]]:
    """
    Read a series of any length with as many requests as it takes.

    :param read: The hook's method for the series, which makes one request.
    :param endpoint: Its endpoint.
    :param first: The first day; or, for a series of hours, a datetime in the first hour.
    :param last: The last day, included; or a datetime in the last hour.
    :param arguments: The method's other arguments.
    """
    for window in windows(endpoint, first, last):
        items = read(**arguments, length=window.length, ending_at=window.ending_at)
        yield from filter(window.holds, items)


class ReadingMethods(HookMethods):
    """Base of the methods that read."""

    def items_of(self, name: str, **arguments: Any) -> Iterator[Any]:
        """
        Give all items of a list, page after page. Each page is one request, made when it is needed.

        :param name: Name of the list's method, such as ``campaigns_list``.
        :param arguments: Its arguments, such as ``include_archived=True``.
        :raises BrazeRequestError: If Braze did not answer with a page.
        """
        following: Mapping[str, Any] | None = {}
        while following is not None:
            page: Page = getattr(self, name)(**{**arguments, **following})
            yield from page
            following = page.next

    def series_of(self, name: str, first: date, last: date, **arguments: Any) -> Iterator[dict[str, Any]]:
        """
        Give all days of a series, however many. Each part is one request, made when it is needed.

        :param name: Name of the series' method, such as ``campaigns_data_series``.
        :param first: The first day. With ``unit="hour"``: a datetime with a time zone, in the first hour.
        :param last: The last day, included. With ``unit="hour"``: a datetime in the last hour.
        :param arguments: The method's other arguments, such as ``campaign_id="…"``.
        :raises BrazeRequestError: If Braze did not answer with a part of the series.
        """
        if arguments.get("unit") != "hour":
            first, last = (date(day.year, day.month, day.day) for day in (first, last))
        return read_series(getattr(self, name), ENDPOINTS[name], first, last, **arguments)

    def _page(self, name: str, key: str, **params: Any) -> Page:
        """Read one page of a list. The parameter ``page`` or ``cursor`` says which one."""
        endpoint = ENDPOINTS[name]
        path = {name: params.pop(name) for name in endpoint.path_parameters}
        answer = self.call(endpoint, path=path, params=query(params))
        items = answer.body.get(key)
        if not isinstance(items, list):
            self._refuse_shape(answer, f"a list of {key.replace('_', ' ')}")
        if "page" not in params:
            cursor = answer.links.get("next", {}).get("cursor")
            return Page(items, {"cursor": cursor} if cursor else None)
        # Of purchases/product_list, the size of a page is not documented: an empty page is the last one.
        is_last = len(items) < (endpoint.page_size or 1)
        return Page(items, None if is_last else {"page": params["page"] + 1})

    def _series(self, name: str, **params: Any) -> list[dict[str, Any]]:
        """Read the items of a series with one request."""
        answer = self.call(ENDPOINTS[name], params=query(params))
        data = answer.body.get("data")
        if isinstance(data, dict):  # That of a Canvas has a name as well.
            data = data.get("stats")
        if not isinstance(data, list) or not all(isinstance(item, dict) for item in data):
            self._refuse_shape(answer, "a series")
        return data

    def _object(self, name: str, key: str, **params: Any) -> Mapping[str, Any]:
        """Read what Braze says of one thing. All of its kind have the field ``key``."""
        answer = self.call(ENDPOINTS[name], params=query(params))
        if key not in answer.body:
            self._refuse_shape(answer, f"its {key}")
        return answer.body

    def _refuse_shape(self, answer: Answer, what: str) -> NoReturn:
        raise BrazeNoAnswerError(
            f"{self.connection.host} answered {answer.status} without {what}. Is it a Braze REST endpoint?",
            outcome=Outcome.REPEATABLE,
            status=answer.status,
        )


def query(params: Mapping[str, Any]) -> dict[str, Any]:
    """
    Write query parameters as Braze reads them. None leaves one out.

    :param params: The parameters.
    """
    return {name: _written(value) for name, value in params.items() if value is not None}


def _written(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat()
    return value
