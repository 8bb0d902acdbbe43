"""A task that waits in the triggerer goes on when the triggerer is killed and starts again."""

from __future__ import annotations

import pytest
import requests

pytestmark = pytest.mark.process

DETAILS = "/campaigns/details"


def test_a_wait_outlasts_the_triggerer(cluster, braze):
    def looks() -> int:
        return sum(request["endpoint"] == DETAILS for request in braze.requests())

    run_id = cluster.trigger("waits")
    cluster.wait_for_task("waits", run_id, "sent", "deferred")
    cluster.eventually(lambda: looks() >= 3, "the triggerer looks")

    cluster.kill_triggerer()
    before = looks()
    cluster.eventually(lambda: looks() > before, "the new triggerer looks")
    assert cluster.run("waits", run_id).task("sent").state == "deferred"

    recipients = [{"external_user_id": f"{run_id}/somebody"}]
    headers = {"Authorization": f"Bearer {braze.api_key}"}
    body = {"campaign_id": run_id, "recipients": recipients}
    requests.post(f"{braze.url}/campaigns/trigger/send", json=body, headers=headers, timeout=10)

    assert cluster.wait("waits", run_id).state == "success"
    assert cluster.xcom("waits", run_id, "sent")
