"""A person decides on the page, clears the task, and a real scheduler goes on as decided."""

from __future__ import annotations

import contextlib
from collections import Counter

import pytest

with contextlib.suppress(ImportError):
    from playwright.sync_api import expect
from plugins.conftest import route
from plugins.page_helpers import of, picture

pytestmark = pytest.mark.process

RECIPIENTS = {"win_back_customers": 420, "order_updates": 240}


def messages(braze, dag_id, run_id) -> Counter[str]:
    """How many messages each recipient of a run got."""
    found = Counter[str]()
    for request in braze.requests():
        for recipient in request["body"]["recipients"] if request["accepted"] else ():
            if recipient["external_user_id"].startswith(f"{dag_id}/{run_id}/"):
                found[recipient["external_user_id"]] += 1
    return found


@pytest.mark.browser
def test_what_is_decided_on_the_page_is_what_the_cleared_task_does(
    cluster, braze, doubtful, user, in_airflow, tmp_path, request
):
    dag_id = "win_back_customers"
    run_id = doubtful(dag_id, batches=2)
    around, page = in_airflow("uma", query=of(user("admin").find(run_id)), height=960)
    page.get_by_role("heading", name="100 recipients are in doubt").wait_for()

    page.get_by_role("checkbox", name="Batch 3").check()
    expect(page.locator(".scope")).to_have_text("Decide about the 1 chosen batch (50 recipients):")
    decide(page, "Take for sent")
    page.get_by_role("heading", name="50 recipients are in doubt").wait_for()
    decide(page, "Send again")
    page.get_by_text("Nothing is in doubt any more.").wait_for()
    decisions = page.get_by_role("table", name="Decisions").get_by_role("row")
    expect(decisions.nth(1)).to_contain_text("uma")
    expect(decisions.nth(2)).to_contain_text("Taken for sent")

    cluster.clear(dag_id, run_id, "send_offers")
    assert cluster.wait(dag_id, run_id).state == "success"
    received = messages(braze, dag_id, run_id)
    assert len(received) == RECIPIENTS[dag_id]
    assert received.total() == RECIPIENTS[dag_id] + 50
    page.goto(page.url)
    expect(page.locator(".badge").first).to_have_text("Finished")
    expect(page.locator(".figures .legend")).to_contain_text("420 sent")
    third = page.get_by_role("table", name="Batches").get_by_role("row").nth(3)
    expect(third).to_contain_text("taken for sent, decided by uma")
    picture(request, tmp_path, around, "deliveries-settled")


def decide(page, choice):
    page.get_by_role("button", name=choice).click()
    page.get_by_role("dialog").get_by_role("button", name=choice).click()


@pytest.fixture(scope="module")
def taken_for_sent(doubtful, user):
    """A delivery in doubt that was taken for sent by a call."""
    uma = user("uma")
    one = uma.find(doubtful("order_updates"))
    answer = uma.post(route(one, "settle"), {"decision": "sent", "batches": [2], "recipients": 50})
    assert (answer.status_code, answer.json()) == (200, {"batches": 1, "recipients": 50})
    return one


def test_a_decision_about_another_number_of_recipients_is_refused(user, held):
    answer = user("uma").post(route(held, "settle"), {"decision": "sent", "recipients": 49})
    assert answer.status_code == 409
    assert "50 recipients are in doubt" in answer.json()["detail"]
    assert user("uma").show(held)["state"] == "in_doubt"


def test_a_decision_is_on_record_and_used_once(user, taken_for_sent):
    (made,) = user("vera").show(taken_for_sent)["decisions"]
    assert (made["decision"], made["decided_by"]) == ("sent", "uma")
    assert (made["batches"], made["recipients"]) == ("2", 50)
    again = user("uma").post(route(taken_for_sent, "settle"), {"decision": "resend"})
    assert again.status_code == 409


def test_airflow_s_audit_log_has_the_decision(cluster, taken_for_sent):
    dag_id = taken_for_sent["dag_id"]
    events = cluster.api.call("GET", "eventLogs", event="settle_braze_delivery", dag_id=dag_id)
    assert {event["owner"] for event in events["event_logs"]} == {"uma"}


def test_nothing_more_is_sent_to_who_is_taken_for_sent(cluster, braze, taken_for_sent):
    dag_id, run_id = taken_for_sent["dag_id"], taken_for_sent["run_id"]
    cluster.clear(dag_id, run_id, "send_offers")
    assert cluster.wait(dag_id, run_id).state == "success"
    received = messages(braze, dag_id, run_id)
    assert (len(received), received.total()) == (RECIPIENTS[dag_id], RECIPIENTS[dag_id])
