"""The page in Airflow's own UI, in a real browser: what may differ from one Airflow to the next."""

from __future__ import annotations

import contextlib
import re

import pytest

# Without Playwright the tests are skipped, and the fixture says so.
with contextlib.suppress(ImportError):
    from playwright.sync_api import expect
from plugins.page_helpers import of, picture, row, set_theme

pytestmark = [pytest.mark.process, pytest.mark.browser]


def test_the_browse_menu_leads_to_the_list(in_menu, held, mapped):
    _, frame = in_menu()

    first = frame.get_by_role("row").nth(1)
    expect(first).to_contain_text("In doubt")
    expect(first).to_contain_text(f"win_back_customers › {held['run_id']}")
    expect(first).to_contain_text("370 sent")
    expect(first).to_contain_text("50 in doubt")
    finished = row(frame, mapped)
    expect(finished.filter(has_text="remind [0]")).to_contain_text("120 sent")
    expect(finished.filter(has_text="remind [1]")).to_contain_text("Finished")


def test_a_link_leads_to_the_task_instance_with_its_log(in_airflow, held):
    page, frame = in_airflow(query=of(held))
    frame.get_by_role("link", name="Log and details").click()

    page.wait_for_url(re.compile(f"/dags/win_back_customers/runs/{held['run_id']}/tasks/send_offers"))
    expect(page.locator("iframe")).to_have_count(0)


def test_braze_s_dashboard_opens_in_a_tab_of_its_own(in_airflow, held):
    """The sandbox has no dashboard, so the test gives Airflow's answer. No link but to a page is shown."""
    page, frame = in_airflow()
    dashboard = "https://dashboard-01.braze.com/"
    links = {
        "Braze dashboard": dashboard,
        "Braze Message Activity Log": f"{dashboard}log",
        "Braze trap": "javascript:alert(1)",
        "Another": dashboard,
    }
    page.context.route("**/links?map_index=-1", lambda call: call.fulfill(json={"extra_links": links}))
    page.context.route(f"{dashboard}**", lambda call: call.fulfill(body="Braze"))
    frame.goto(f"{frame.url.partition('?')[0]}{of(held)}")
    expect(frame.locator(".links a")).to_have_text(["dashboard", "Message Activity Log"])
    with page.context.expect_page() as opened:
        frame.locator(".decide").get_by_role("link", name="Message Activity Log").click()

    opened.value.wait_for_url(f"{dashboard}log")
    assert opened.value.evaluate("opener") is None
    expect(frame.get_by_role("heading", name="send_offers")).to_be_visible()


def test_a_running_delivery_is_live(in_airflow, cluster, user, held, mapped, refused, tmp_path, request):
    run_id = cluster.trigger("newsletter")
    page, frame = in_airflow(height=560)
    cluster.eventually(lambda: user("admin").deliveries(q=run_id), "the delivery has begun")
    frame.get_by_role("button", name="Refresh").click()
    mine = row(frame, run_id)
    expect(mine).to_contain_text("Running")
    expect(mine).to_contain_text("to go")
    figures = mine.locator(".legend").inner_text()
    for theme in ("light", "dark"):
        set_theme(page, frame, theme)
        picture(request, tmp_path, page, f"deliveries-list-{theme}")
    # Nothing is touched any more: the page looks by itself.
    expect(mine.locator(".legend")).not_to_have_text(figures, timeout=20_000)
    expect(mine).to_contain_text("Finished", timeout=40_000)
    expect(mine).to_contain_text("1,600 sent")


LOOK = "[getComputedStyle(document.documentElement).colorScheme, getComputedStyle({}).backgroundColor]"


@pytest.mark.parametrize(("theme", "other"), [("light", "dark"), ("dark", "light")])
def test_the_page_follows_the_theme_of_airflow(in_airflow, theme, other):
    page, frame = in_airflow(theme=theme, color_scheme=other)

    def looks() -> tuple[list[str], list[str]]:
        around = page.evaluate(LOOK.format("document.documentElement"))
        return around, frame.evaluate(LOOK.format("document.body"))

    around, inside = looks()
    assert (inside, around[0]) == (around, theme)

    set_theme(page, frame, other)
    around, inside = looks()
    assert (inside, around[0]) == (around, other)


def test_without_airflow_around_it_follows_the_browser(direct):
    for scheme in ("dark", "light"):
        page = direct(color_scheme=scheme)
        assert page.evaluate(LOOK.format("document.body"))[0] == scheme


def test_the_picture_of_a_delivery_in_doubt_is_made(in_airflow, held, tmp_path, request):
    page, frame = in_airflow(query=of(held), height=960)
    frame.get_by_role("table", name="Batches").wait_for()
    picture(request, tmp_path, page, "deliveries-in-doubt")
