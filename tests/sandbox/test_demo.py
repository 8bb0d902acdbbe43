"""The messages of ``make demo`` are whole: what a customer sees has no gap."""

from __future__ import annotations

from pathlib import Path

import pytest

from braze_provider.sandbox.workspace_file import read_workspace

WORKSPACE = Path(__file__).resolve().parents[2] / "demo" / "workspace.json"
CAMPAIGN = "417220e4-5a2a-b634-7f7d-9ec891532368"


@pytest.mark.parametrize(
    ("profile", "greeting"),
    [
        ({"first_name": "Ada", "city": "Paris"}, "We miss you, Ada!"),
        ({"city": "Rome"}, "We miss you, friend!"),
    ],
)
def test_a_customer_sees_each_message_with_the_own_values(start, profile, greeting):
    client = start(profiles=[{"external_id": "ada", **profile}], **read_workspace(str(WORKSPACE)))
    client.trigger(trigger_properties={"voucher": "BACK-1", "days_away": 91}, campaign_id=CAMPAIGN)
    messages = client.get("/_sandbox/inbox/0/message", recipient="ada").json()["messages"]

    assert [one["channel"] for one in messages] == ["email", "apple_push", "android_push", "sms"]
    assert '"marks": [{' not in client.get("/_sandbox/inbox/0/message", recipient="ada").text
    body = messages[0]["message"]["body"]["text"]
    assert greeting in body
    assert "BACK-1" in body
    assert profile["city"] in body
