"""A long list: a page at a time."""

from __future__ import annotations

import contextlib

import pytest

with contextlib.suppress(ImportError):
    from playwright.sync_api import expect
from plugins.ledger_helpers import add_deliveries
from plugins.test_page import airflow, direct

__all__ = ["airflow", "direct"]

pytestmark = [pytest.mark.process, pytest.mark.browser]


@pytest.fixture(scope="module")
def many(cluster, ledger_uri, held, monkeypatch_of_module):
    monkeypatch_of_module.setenv("AIRFLOW_CONN_LEDGER_OF_MANY", ledger_uri)
    add_deliveries("ledger_of_many", [f"old_{number:02}" for number in range(60)], dag_id="order_updates")


@pytest.fixture(scope="module")
def monkeypatch_of_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


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
