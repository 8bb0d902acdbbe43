"""What the Dag sends, and what it does when an answer of Braze's is lost."""

import pytest

pytestmark = pytest.mark.usefixtures("airflow_database")


@pytest.fixture
def dag():
    from dags.win_back import dag

    return dag


def test_each_customer_gets_a_voucher_of_their_own(dag, braze_sandbox):
    assert dag.test().state == "success"

    (message,) = braze_sandbox.received("user-1")
    assert message["campaign_id"] == "win-back"
    assert message["trigger_properties"] == {"voucher": "BACK-1"}


def test_the_reminder_follows_after_two_hours(dag, braze_sandbox):
    dag.test()

    braze_sandbox.advance(hours=2)

    campaigns = [message["campaign_id"] for message in braze_sandbox.received("user-2")]
    assert campaigns == ["win-back", "reminder"]


def test_nobody_gets_the_campaign_twice_if_its_answer_is_lost(dag, braze_sandbox):
    braze_sandbox.fail_next("read_timeout")

    assert dag.test().state == "failed"

    assert len(braze_sandbox.received("user-1")) == 1
    assert braze_sandbox.summary()["requests"] == 1
