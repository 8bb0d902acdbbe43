"""Braze's clock and this machine's may be minutes apart."""

from __future__ import annotations

import logging

import pytest

from braze_provider.api.endpoints import CAMPAIGNS_TRIGGER_SEND
from braze_provider.delivery.delivery import Delivery
from braze_provider.delivery.options import DeliveryOptions
from braze_provider.hooks.braze import BrazeHook
from braze_provider.recipients import InlineRecipients
from braze_provider.sandbox import Limit, Sandbox

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("minutes", [-5, 0, 5])
def test_a_clock_that_is_minutes_off_does_no_harm(monkeypatch, minutes):
    with Sandbox(clock_offset=60 * minutes, limits={"default": Limit(10, 1)}) as sandbox:
        monkeypatch.setenv("AIRFLOW_CONN_BRAZE_DEFAULT", sandbox.airflow_connection)
        # Braze's limit is reached before the configured one: only the answers tell when to go on.
        delivery = Delivery(
            hook=BrazeHook(),
            endpoint=CAMPAIGNS_TRIGGER_SEND,
            options=DeliveryOptions(),
            log=logging.getLogger("test"),
        )

        recipients = InlineRecipients([f"p{number}" for number in range(1_250)], key="external_user_id")
        report = delivery.run({"campaign_id": "c"}, recipients)

        # If the two clocks were taken for the same, the delivery would wait for minutes, or not at all.
        assert report.sent == 1_250
        assert sandbox.summary()["duplicates"] == 0
        assert delivery.rate_limited <= 8
