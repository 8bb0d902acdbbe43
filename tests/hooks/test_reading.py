"""Lists page by page, series window by window, and answers of another shape."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qs, urlsplit

import pytest

from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.api.errors import BrazeNoAnswerError, BrazeRejectedError, BrazeValidationError
from braze_provider.hooks.braze import BrazeHook
from braze_provider.hooks.reading import Page
from braze_provider.sandbox import Campaign, Canvas, Sandbox, Segment

MOMENT = datetime(2026, 9, 1, 12, 30, 15, 999, tzinfo=timezone.utc)


@pytest.fixture
def queries(serve, connect):
    """A hook of a server that gives one answer each time, and what it was asked."""

    def run(body, **headers):
        server = serve(lambda peer: (peer.read(), peer.answer(200, json.dumps(body).encode(), **headers)))

        def asked():
            urls = [request.line.split()[1] for request in server.requests]
            return [
                (urlsplit(url).path, {name: one for name, (one,) in parse_qs(urlsplit(url).query).items()})
                for url in urls
            ]

        hook = connect(server.url)
        hook.asked = asked
        return hook

    return run


@pytest.fixture
def workspace(monkeypatch):
    """A hook of a sandbox with more than one page of everything."""
    many = [f"n{number:03}" for number in range(260)]
    with Sandbox(
        campaigns=[Campaign(id=name, name=name) for name in many],
        canvases=[Canvas(id=name) for name in many],
        segments=[Segment(id=name, size=5) for name in many],
        events=many,
        custom_attributes=many,
        products=many,
    ) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", sandbox.airflow_connection)
        hook = BrazeHook()
        hook.sandbox = sandbox
        yield hook
        hook.close()


# Lists ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "key", "requests"),
    [
        ("campaigns_list", "id", 3),
        ("canvas_list", "id", 3),
        ("segments_list", "id", 3),
        ("events_list", None, 2),
        ("events_get", "name", 6),
        ("custom_attributes_get", "name", 6),
        ("purchases_product_list", None, 3),
    ],
)
def test_the_items_of_all_pages_come_once_and_in_order(workspace, name, key, requests):
    items = [item if key is None else item[key] for item in workspace.items_of(name)]

    assert items == [f"n{number:03}" for number in range(260)]
    assert len(workspace.sandbox.requests()) == requests


def test_a_page_is_read_when_it_is_needed(workspace):
    next(workspace.items_of("campaigns_list"))
    assert len(workspace.sandbox.requests()) == 1


def test_the_arguments_go_with_each_page(workspace):
    newest = next(workspace.items_of("campaigns_list", sort_direction="desc"))
    assert newest["id"] == "n259"


def test_the_next_page_of_a_cursor_is_read_from_the_link_header(queries):
    link = '</events?cursor=abc>; rel="prev",<https://other.example.com/events?cursor=d%3D&x=1>; rel="next"'
    page = queries({"events": [{"name": "e"}]}, Link=link).events_get()
    assert (page, page.next) == ([{"name": "e"}], {"cursor": "d="})


@pytest.mark.parametrize(
    "link", ["", '</events?cursor=abc>; rel="prev"', "</events>; rel=next", "<<<>;;rel="]
)
def test_without_a_next_cursor_a_page_is_the_last_one(queries, link):
    assert queries({"events": []}, Link=link).events_get().next is None


@pytest.mark.parametrize("name", ["campaigns_list", "canvas_list"])
def test_a_list_takes_all_parameters_that_braze_documents(queries, name):
    hook = queries({"campaigns": [], "canvases": []})

    read = getattr(hook, name)
    assert isinstance(read(2, include_archived=True, sort_direction="desc", last_edited_after=MOMENT), Page)

    assert hook.asked() == [
        (
            ENDPOINTS[name].path,
            {
                "page": "2",
                "include_archived": "true",
                "sort_direction": "desc",
                "last_edit.time[gt]": "2026-09-01T12:30:15",
            },
        )
    ]


# Series -----------------------------------------------------------------------------------------------------

SERIES = {
    "sends_data_series": {"campaign_id": "c", "send_id": "s"},
    "campaigns_data_series": {"campaign_id": "c"},
    "canvas_data_series": {"canvas_id": "c"},
    "kpi_new_users_data_series": {},
    "kpi_dau_data_series": {},
    "kpi_mau_data_series": {},
    "kpi_uninstalls_data_series": {"app_id": "a"},
    "sessions_data_series": {"segment_id": "s"},
    "events_data_series": {"event": "e"},
    "purchases_quantity_series": {"product": "p"},
    "purchases_revenue_series": {},
    "segments_data_series": {"segment_id": "s"},
}


def test_each_series_of_the_table_is_tested():
    assert {name for name, row in ENDPOINTS.items() if row.length} == {*SERIES, "canvas_data_summary"}


@pytest.mark.parametrize(("name", "arguments"), SERIES.items())
def test_a_series_of_any_length_has_each_day_once(hook, sandbox, name, arguments):
    last = datetime.now(timezone.utc).date() - timedelta(days=1)
    first = last - timedelta(days=249 if name != "sends_data_series" else 9)

    days = [item["time"] for item in hook.series_of(name, first, last, **arguments)]

    assert days == [(first + timedelta(days=n)).isoformat() for n in range(len(days))]
    assert days[-1] == last.isoformat()
    assert set(sandbox.summary()["by_endpoint"][ENDPOINTS[name].path]) == {"200"}


def test_a_series_of_hours_has_each_hour_once(hook):
    last = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    first = last - timedelta(hours=149)

    hours = [item["time"] for item in hook.series_of("sessions_data_series", first, last, unit="hour")]

    assert hours == [(first + timedelta(hours=n)).isoformat() for n in range(150)]


@pytest.mark.parametrize("name", SERIES)
def test_a_single_request_for_a_longer_window_is_refused(hook, sandbox, name):
    more = {"length": ENDPOINTS[name].length + 1, "ending_at": MOMENT}
    with pytest.raises(BrazeValidationError, match=r"length: must be a whole number from 1 to \d+; for a"):
        getattr(hook, name)(**SERIES[name], **more)
    with pytest.raises(BrazeValidationError, match="length: must be a whole number"):
        hook.call(name, params=more)
    assert sandbox.requests() == []


def test_a_summary_of_a_longer_window_is_refused(hook, sandbox):
    with pytest.raises(BrazeValidationError, match="starting_at: is more than 14 days before ending_at"):
        hook.canvas_data_summary("c", starting_at=MOMENT - timedelta(days=20), ending_at=MOMENT)
    assert sandbox.requests() == []


def test_moments_and_choices_are_written_as_braze_reads_them(queries):
    hook = queries({"data": {"stats": []}})
    hook.canvas_data_series("c", ending_at=MOMENT, length=3, include_step_breakdown=True)
    assert hook.asked() == [
        (
            "/canvas/data_series",
            {
                "canvas_id": "c",
                "ending_at": "2026-09-01T12:30:15.000999+00:00",
                "length": "3",
                "include_step_breakdown": "true",
            },
        )
    ]


# Single things ----------------------------------------------------------------------------------------------


def test_a_canvas_is_described_and_summed_up(workspace):
    workspace.canvas_trigger_send({"canvas_id": "n007", "recipients": [{"external_user_id": "ada"}]})

    details = workspace.canvas_details("n007")
    summary = workspace.canvas_data_summary(
        "n007", ending_at=datetime.now(timezone.utc), length=2, include_variant_breakdown=True
    )

    assert (details["name"], details["enabled"]) == ("n007", True)
    assert details["last_entry"].endswith(":00:00Z")
    assert summary["total_stats"]["entries"] == 1
    assert summary["variant_stats"][details["variants"][0]["id"]]["entries"] == 1


def test_a_segment_is_described(workspace):
    assert workspace.segments_details("n003")["name"] == "n003"


@pytest.mark.parametrize("name", ["campaigns_details", "canvas_details", "segments_details"])
def test_an_id_that_braze_does_not_know_is_an_error(workspace, name):
    with pytest.raises(BrazeRejectedError, match="Invalid"):
        getattr(workspace, name)("elsewhere")


# Shapes -----------------------------------------------------------------------------------------------------

READS = {
    **{name: {**arguments, "length": 1, "ending_at": MOMENT} for name, arguments in SERIES.items()},
    "canvas_data_summary": {"canvas_id": "c", "length": 1, "ending_at": MOMENT},
    "messages_scheduled_broadcasts": {"end_time": MOMENT},
    "campaigns_details": {"campaign_id": "c"},
    "canvas_details": {"canvas_id": "c"},
    "segments_details": {"segment_id": "s"},
    **{
        name: {}
        for name in (
            "campaigns_list",
            "canvas_list",
            "segments_list",
            "events_list",
            "events_get",
            "custom_attributes_get",
            "purchases_product_list",
        )
    },
}


@pytest.mark.parametrize(("name", "arguments"), READS.items())
def test_an_answer_without_what_was_asked_for_is_an_error(queries, name, arguments):
    with pytest.raises(BrazeNoAnswerError, match=r"answered 200 without .*Is it a Braze REST endpoint\?"):
        getattr(queries({"message": "success"}), name)(**arguments)


@pytest.mark.parametrize("data", ["x", [1], {"stats": "x"}, {}])
def test_a_series_of_another_shape_is_an_error(queries, data):
    with pytest.raises(BrazeNoAnswerError, match="without a series"):
        queries({"data": data}).campaigns_data_series("c", length=1)
