"""The table of endpoints, and how it hangs together with the other tables."""

from __future__ import annotations

import pytest

from braze_provider.api import requests
from braze_provider.api.base import BrazeObject
from braze_provider.api.endpoints import ENDPOINTS, Endpoint
from braze_provider.api.limits import BUCKETS

every_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=list(ENDPOINTS))


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("messages_send", ("POST /messages/send", "messages.send", "shared", "broadcast", True)),
        (
            "campaigns_trigger_send",
            ("POST /campaigns/trigger/send", "campaigns.trigger.send", "shared", "broadcast", True),
        ),
        ("campaigns_list", ("GET /campaigns/list", "campaigns.list", "shared", None, False)),
        ("campaigns_details", ("GET /campaigns/details", "campaigns.details", "shared", None, False)),
    ],
)
def test_each_endpoint_is_as_braze_documents_it(name, row):
    endpoint = ENDPOINTS[name]
    told = (str(endpoint), endpoint.permission, endpoint.bucket, endpoint.broadcast_bucket, endpoint.sends)
    assert told == row


def test_each_endpoint_is_found_by_its_name():
    assert {name: endpoint.name for name, endpoint in ENDPOINTS.items()} == {name: name for name in ENDPOINTS}


@every_endpoint
def test_a_path_begins_with_a_slash_and_does_not_end_with_one(endpoint: Endpoint):
    assert endpoint.path.startswith("/")
    assert not endpoint.path.endswith("/")


@every_endpoint
def test_the_buckets_are_in_the_table_of_limits(endpoint: Endpoint):
    assert {endpoint.bucket, endpoint.broadcast_bucket} - {None} <= BUCKETS.keys()


@every_endpoint
def test_a_request_model_exists_for_whatever_has_a_body(endpoint: Endpoint):
    if endpoint.method == "GET":
        assert endpoint.request is None
    else:
        assert issubclass(getattr(requests, endpoint.request), BrazeObject)
