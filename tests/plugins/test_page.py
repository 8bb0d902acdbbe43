"""The page in Airflow's own UI, in a real browser."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import pytest
from airflow_harness import AIRFLOW_VERSION

# Without Playwright the tests are skipped, and the fixture says so.
with contextlib.suppress(ImportError):
    from playwright.sync_api import expect
from browser.conftest import IMAGES
from plugins.conftest import route

pytestmark = [pytest.mark.process, pytest.mark.browser]
AXE = (Path(__file__).parents[1] / "browser" / "axe" / "axe.min.js").read_text()
MAIN_VERSION = (3, 3)


@pytest.fixture
def airflow(tab, cluster, user):
    """Airflow's UI in a browser, opened by a user who is logged in."""

    def opened(name: str = "admin", *, theme: str = "light", **options: Any) -> Any:
        page = tab(timezone_id="UTC", **options)
        page.context.add_cookies([{"name": "_token", "value": user(name).token, "url": cluster.url}])
        page.add_init_script(f"localStorage.theme ??= '{theme}'")
        return page

    return opened


@pytest.fixture
def in_menu(airflow, cluster):
    """The page, reached through Airflow's menu."""

    def opened(*args: Any, **options: Any) -> Any:
        page = airflow(*args, **options)
        page.goto(f"{cluster.url}/")
        page.get_by_role("button", name="Browse").click()
        page.get_by_role("menuitem", name="Braze deliveries").click()
        frame = page.frame_locator("iframe")
        frame.get_by_role("heading", name="Braze deliveries").wait_for()
        return page, frame

    return opened


@pytest.fixture
def in_airflow(airflow, cluster):
    """The page in Airflow's UI, at once at an address of its own. Gives Airflow's page and the frame."""

    def opened(*args: Any, query: str = "", **options: Any) -> Any:
        page = airflow(*args, **options)
        page.goto(f"{cluster.url}/plugin/braze-deliveries")
        page.frame_locator("iframe").get_by_role("heading", name="Braze deliveries").wait_for()
        frame = page.frames[1]
        if query:
            frame.goto(f"{cluster.url}/braze-deliveries/{query}")
        return page, frame

    return opened


@pytest.fixture
def direct(airflow, cluster):
    """The page without Airflow around it."""

    def opened(*args: Any, query: str = "", **options: Any) -> Any:
        page = airflow(*args, **options)
        page.goto(f"{cluster.url}/braze-deliveries/{query}")
        page.locator("main > *").first.wait_for()
        return page

    return opened


def of(one: dict[str, Any]) -> str:
    """The address of a delivery's page."""
    return f"?dag_id={one['dag_id']}&delivery={one['id']}"


def row(frame: Any, run_id: str) -> Any:
    return frame.get_by_role("row").filter(has_text=run_id)


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


def test_the_list_is_filtered_by_text_and_state(direct, held, mapped):
    page = direct()
    page.get_by_role("searchbox").fill(mapped)
    expect(page.get_by_role("row")).to_have_count(3)
    expect(page).to_have_url(re.compile(f"q={mapped}"))

    page.get_by_label("State").select_option("In doubt")
    page.get_by_text("No delivery is like this.").wait_for()
    page.get_by_role("searchbox").fill("")
    expect(row(page, held["run_id"])).to_be_visible()
    expect(row(page, mapped)).to_have_count(0)


def test_a_user_sees_deliveries_of_readable_dags_only(direct, held, mapped):
    page = direct("lola")
    expect(row(page, mapped)).to_have_count(2)
    expect(row(page, held["run_id"])).to_have_count(0)


def test_one_delivery_shows_batches_reasons_and_ids(direct, held, user):
    frame = direct()
    row(frame, held["run_id"]).get_by_role("link").click()

    frame.get_by_role("heading", name="send_offers").wait_for()
    ids = [
        batch["ids"]["dispatch_id"]
        for batch in user("admin").get(route(held, "batches"), state="sent").json()["batches"]
    ]
    assert len(ids) == 8
    table = frame.get_by_role("table", name="Batches")
    for dispatch_id in ids:
        expect(table).to_contain_text(dispatch_id)
    reasons = frame.get_by_role("table", name="First reasons")
    expect(reasons.get_by_role("row").nth(1)).to_contain_text("In doubt")
    frame.get_by_role("button", name="In doubt 1").click()
    expect(table.get_by_role("row")).to_have_count(2)


def test_a_link_leads_to_the_task_instance_with_its_log(in_airflow, held):
    page, frame = in_airflow(query=of(held))
    frame.get_by_role("link", name="Log and details").click()

    page.wait_for_url(re.compile(f"/dags/win_back_customers/runs/{held['run_id']}/tasks/send_offers"))
    expect(page.locator("iframe")).to_have_count(0)


def test_rejected_recipients_are_shown_with_the_reason(direct, refused):
    page = direct(query=of(refused))
    expect(page.locator(".badge").first).to_have_text("Not finished")
    expect(page.locator(".figures .legend")).to_contain_text("50 rejected")
    reason = page.get_by_role("table", name="First reasons").get_by_role("row").nth(1)
    expect(reason).to_contain_text("Rejected")
    expect(reason).to_contain_text("400")


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

    assert opened.value.url == f"{dashboard}log"
    assert opened.value.evaluate("opener") is None
    expect(frame.get_by_role("heading", name="send_offers")).to_be_visible()


def test_without_a_ledger_the_page_says_how_to_set_one(direct):
    from braze_provider.plugins.ledger import NOT_CONFIGURED

    page = direct()
    page.route("**/api/deliveries?*", lambda call: call.fulfill(status=404, json={"detail": NOT_CONFIGURED}))
    page.reload()
    expect(page.locator("pre")).to_contain_text("deliveries_conn_id = ")
    expect(page.locator("main")).to_contain_text("AIRFLOW__BRAZE__DELIVERIES_CONN_ID")


def test_a_delivery_in_doubt_says_what_to_do(direct, held):
    page = direct(query=of(held))
    page.get_by_role("heading", name="50 recipients are in doubt").wait_for()
    expect(page.locator(".decide")).to_contain_text("Message Activity Log")
    page.get_by_role("button", name="Send again").click()

    dialog = page.get_by_role("dialog", name="Send to 50 recipients again?")
    expect(dialog).to_contain_text("1 batch with 50 recipients")
    expect(dialog).to_contain_text("When you clear the task, its next try sends to them")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("heading", name="50 recipients are in doubt")).to_be_visible()


def test_a_viewer_reads_what_to_do_and_gets_no_buttons(direct, held):
    page = direct("vera", query=of(held))
    page.get_by_text("You may not decide").wait_for()
    expect(page.get_by_role("button", name="Take for sent")).to_have_count(0)


def test_a_delivery_that_the_user_may_not_see_is_refused(direct, held):
    page = direct("mallory", query=of(held))
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("body")).not_to_contain_text(held["run_id"])


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


def set_theme(page: Any, frame: Any, theme: str) -> None:
    """Change Airflow's theme, as another of its tabs does."""
    page.evaluate(f"localStorage.theme = '{theme}'")
    page.evaluate(f"dispatchEvent(new StorageEvent('storage', {{key: 'theme', newValue: '{theme}'}}))")
    frame.locator(f"html[data-theme={theme}]").wait_for(state="attached")


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


def test_the_keyboard_alone_reaches_a_delivery_and_its_decision(direct, held):
    page = direct(query=f"?q={held['run_id']}")
    row(page, held["run_id"]).wait_for()
    for _ in range(4):  # the search, the filter, the button, the delivery
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="50 recipients are in doubt").wait_for()
    page.get_by_role("button", name="Take for sent").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_accessibility_checker_finds_nothing(airflow, cluster, held, mapped, theme, width):
    page = airflow(color_scheme=theme, width=width, bypass_csp=True)
    for query in ("", of(held)):
        page.goto(f"{cluster.url}/braze-deliveries/{query}")
        page.get_by_role("table").first.wait_for()
        page.evaluate(AXE)
        found = page.evaluate("axe.run(document)")
        assert found["passes"]
        assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in found["violations"]] == []
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_page_loads_nothing_from_elsewhere(direct, cluster, held):
    page = direct()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{cluster.url}/braze-deliveries/{of(held)}")
    page.get_by_role("table", name="Batches").wait_for()
    assert asked
    assert [url for url in asked if not url.startswith(cluster.url)] == []


def picture(request: Any, folder: Path, page: Any, name: str) -> None:
    """Make a picture of the documentation; it is kept with --pictures, on the main Airflow alone."""
    if request.config.getoption("--pictures") and AIRFLOW_VERSION[:2] == MAIN_VERSION:
        folder = IMAGES
    path = folder / f"{name}.png"
    page.mouse.move(0, 0)
    page.screenshot(path=path)
    assert (IMAGES / path.name).exists()
    assert path.stat().st_size > 15_000


def test_the_picture_of_a_delivery_in_doubt_is_made(in_airflow, held, tmp_path, request):
    page, frame = in_airflow(query=of(held), height=960)
    frame.get_by_role("table", name="Batches").wait_for()
    picture(request, tmp_path, page, "deliveries-in-doubt")
