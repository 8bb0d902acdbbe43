"""The table of endpoints, and its links to the other tables."""

from __future__ import annotations

import pytest

from braze_provider.api import requests
from braze_provider.api.base import BrazeObject
from braze_provider.api.endpoints import ENDPOINTS, Endpoint, Repeat
from braze_provider.api.errors import BrazeValidationError
from braze_provider.api.limits import BUCKETS

every_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=list(ENDPOINTS))


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
def test_a_request_model_exists_where_a_row_names_one(endpoint: Endpoint):
    if endpoint.request is not None:
        assert issubclass(getattr(requests, endpoint.request), BrazeObject)


@every_endpoint
def test_a_read_is_safe_to_repeat(endpoint: Endpoint):
    assert endpoint.method != "GET" or endpoint.repeat is Repeat.SAFE


@every_endpoint
def test_arrays_have_a_limit_of_rows(endpoint: Endpoint):
    assert not endpoint.arrays or endpoint.rows


def test_an_endpoint_that_a_user_defines_is_never_repeated_in_doubt():
    endpoint = Endpoint("new", "POST", "/new/thing")
    assert (endpoint.repeat, endpoint.permission) == (Repeat.DUPLICATES, "new.thing")


def test_a_path_parameter_is_percent_encoded():
    path = ENDPOINTS["catalogs_item_get"].path_with({"catalog_name": "größe", "item_id": "a b?c"})
    assert path == "/catalogs/gr%C3%B6%C3%9Fe/items/a%20b%3Fc"


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, "catalog_name: is required for /catalogs/{catalog_name}: give a text"),
        ({"catalog_name": ""}, "catalog_name: is required for /catalogs/{catalog_name}: give a text"),
        ({"catalog_name": " "}, "catalog_name: is required for /catalogs/{catalog_name}: give a text"),
        ({"catalog_name": 7}, "catalog_name: is required for /catalogs/{catalog_name}: give a text"),
        ({"catalog_name": "a/b"}, "catalog_name: is part of a path: a slash or dots alone are not allowed"),
        ({"catalog_name": ".."}, "catalog_name: is part of a path: a slash or dots alone are not allowed"),
        ({"catalog_name": "a", "name": "b"}, "name: /catalogs/{catalog_name} has no such parameter"),
    ],
)
def test_a_path_parameter_that_would_change_the_path_is_refused(values, problem):
    with pytest.raises(BrazeValidationError) as caught:
        ENDPOINTS["catalogs_delete"].path_with(values)
    assert [str(one) for one in caught.value.problems] == [problem]
