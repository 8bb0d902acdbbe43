"""A change of any field except content and recipients makes a request another delivery."""

from __future__ import annotations

import re

import pytest

from braze_provider.api import requests
from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.api.requests.base import SendRequest
from braze_provider.delivery.batches import Envelope

NAMED = [getattr(requests, endpoint.request) for endpoint in ENDPOINTS.values() if endpoint.request]
SENDING = [model for model in NAMED if issubclass(model, SendRequest)]
FIELDS = [(model, name) for model in SENDING for name in model.model_fields]
DECIDING = re.compile(r".*_ids?|.*_aliases|.*audience|broadcast|schedule|recipient.*|override_.*")

# The values fit no field's type. It only matters that they differ.
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")


def purpose(model: type[SendRequest], **fields: str) -> bytes:
    return Envelope(model.model_construct(**fields)).purpose


@pytest.mark.parametrize(("model", "field"), FIELDS, ids=lambda part: getattr(part, "__name__", part))
def test_a_changed_field_makes_another_delivery_unless_it_is_content(model, field):
    purposes = {purpose(model), purpose(model, **{field: "one"}), purpose(model, **{field: "other"})}

    may_change = field in model.content_fields or field in model.endpoint.arrays
    assert len(purposes) == (1 if may_change else 3)


@pytest.mark.parametrize("model", SENDING)
def test_a_model_belongs_to_the_row_that_names_it(model):
    assert model.endpoint.request == model.__name__


@pytest.mark.parametrize("model", SENDING)
def test_content_decides_neither_who_nor_when_nor_for_what(model):
    assert model.content_fields <= model.model_fields.keys()
    assert not [name for name in model.content_fields if DECIDING.fullmatch(name)]


def test_a_model_inherits_no_content_from_another_one():
    with pytest.raises(TypeError, match="Silent must state content_fields"):

        class Silent(requests.MessagesSend):
            endpoint = ENDPOINTS["messages_schedule_create"]
