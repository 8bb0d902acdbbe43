"""The page itself, in a real browser: the same whichever Airflow is around it."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest

# Without Playwright the tests are skipped, and the fixture says so.
with contextlib.suppress(ImportError):
    from playwright.sync_api import expect
from plugins.conftest import route
from plugins.ledger_helpers import add_deliveries
from plugins.page_helpers import of, row

pytestmark = [pytest.mark.process, pytest.mark.browser]
AXE = (Path(__file__).parents[1] / "browser" / "axe" / "axe.min.js").read_text()


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


def test_rejected_recipients_are_shown_with_the_reason(direct, refused):
    page = direct(query=of(refused))
    expect(page.locator(".badge").first).to_have_text("Not finished")
    expect(page.locator(".figures .legend")).to_contain_text("50 rejected")
    reason = page.get_by_role("table", name="First reasons").get_by_role("row").nth(1)
    expect(reason).to_contain_text("Rejected")
    expect(reason).to_contain_text("400")


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


@pytest.fixture
def many(ledger_uri, held, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_LEDGER_OF_MANY", ledger_uri)
    add_deliveries("ledger_of_many", [f"old_{number:02}" for number in range(60)], dag_id="order_updates")


def test_a_long_list_is_turned_page_by_page(direct, many):
    page = direct(query="?q=old_")
    rows = page.get_by_role("row").filter(has_text="old_")
    expect(rows).to_have_count(25)
    page.get_by_text("1–25 of 60 deliveries").wait_for()
    page.get_by_role("button", name="Next").click()
    page.get_by_text("26–50 of 60 deliveries").wait_for()
    page.get_by_role("button", name="Next").press("Enter")
    expect(rows).to_have_count(10)
    expect(rows.last).to_contain_text("old_00")
    expect(page.get_by_role("button", name="Next")).to_be_disabled()
    page.get_by_role("button", name="Before").click()
    expect(rows).to_have_count(25)
