"""The models have exactly the fields that Braze documents."""

from __future__ import annotations

import importlib
import pkgutil
import types
import typing
from collections.abc import Iterator
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from conformance.contract import Shape, code, read_tables, shape_of, tables

from braze_provider import api
from braze_provider.api import requests
from braze_provider.api.base import BrazeObject
from braze_provider.api.channels.whats_app import MESSAGE_TYPES, WhatsAppMessage
from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.api.objects.identities import SubscriptionUser, UserToDelete, UserToIdentify
from braze_provider.api.objects.recipients import TransactionalRow, UserIdentity
from braze_provider.api.objects.schedule import Schedule
from braze_provider.api.objects.user_updates import UserUpdate

REQUESTS = {str(row): getattr(requests, row.request) for row in ENDPOINTS.values() if row.request}

# The fields that differ on purpose: how, and why.
DIFFERENCES = {
    ("POST /messages/send", "messages"): "documented as optional",  # without it: 400 `No message to send`
    ("POST /messages/schedule/create", "messages"): "documented as optional",  # as above
    ("android button", "action"): "other choices",  # only the default is documented, and Apple has these four
}
NOT_BRAZE_S = {UserIdentity, UserUpdate, TransactionalRow, UserToIdentify, UserToDelete, SubscriptionUser}
"""Rows of a delivery that are no objects of Braze's: a field tells the array, or belongs beside the row."""


def model_shape(annotation: Any) -> Shape:
    """The type of a model's field. Models in it have the names of Braze's objects in the contract."""
    if get_origin(annotation) in (Union, types.UnionType):
        shapes = [model_shape(kind) for kind in get_args(annotation) if kind is not types.NoneType]
        (is_array,) = {shape.is_array for shape in shapes}
        return Shape(
            frozenset().union(*(shape.kinds for shape in shapes)),
            is_array,
            frozenset().union(*(shape.values for shape in shapes)),
        )
    if get_origin(annotation) is list:
        return model_shape(*get_args(annotation))._replace(is_array=True)
    if get_origin(annotation) is Literal:
        return Shape(frozenset({"str"}), values=frozenset(get_args(annotation)))
    if get_origin(annotation) is dict:
        return Shape(frozenset({"obj"}))
    if annotation is WhatsAppMessage:
        return Shape(frozenset(MESSAGE_TYPES))
    if annotation is Any:
        return Shape(frozenset({"any"}))
    return Shape(frozenset({OBJECTS.get(annotation, annotation.__name__)}))


def models_in(annotation: Any) -> Iterator[type[BrazeObject]]:
    """The models that a field's type names."""
    if annotation is WhatsAppMessage:
        yield from MESSAGE_TYPES.values()
    elif isinstance(annotation, type) and issubclass(annotation, BrazeObject):
        yield annotation
    else:
        for part in get_args(annotation):
            yield from models_in(part)


def fields_of(model: type[BrazeObject]) -> dict[str, tuple[Any, bool]]:
    """Type of each field of a model and whether it is required, by Braze's names."""
    hints = typing.get_type_hints(model)
    return {
        field.alias or name: (hints[name], field.is_required()) for name, field in model.model_fields.items()
    }


def paired() -> dict[type[BrazeObject], str]:
    """By model: the name of Braze's object, found by the fields that hold it."""
    found: dict[type[BrazeObject], str] = {Schedule: "schedule"}
    found |= {model: name for name, model in MESSAGE_TYPES.items()}
    waiting = [*((name, model) for name, model in REQUESTS.items()), *((n, m) for m, n in found.items())]
    while waiting:
        name, model = waiting.pop()
        documented = {code(row["Field"])[0]: shape_of(row["Type"]) for row in tables().get(name, ())}
        for field, (annotation, _) in fields_of(model).items():
            objects = documented.get(field, Shape(frozenset())).kinds & tables().keys()
            for inner in models_in(annotation):
                if inner not in found and len(objects) == 1:
                    found[inner] = next(iter(objects))
                    waiting.append((found[inner], inner))
    return found


OBJECTS = paired()
MODELS = {**REQUESTS, **{name: model for model, name in OBJECTS.items()}}


def differences(name: str) -> Iterator[tuple[tuple[str, str], str]]:
    """The differences between a table and its model, by table and field."""
    documented = {code(row["Field"])[0]: row for row in tables()[name]}
    fields = fields_of(MODELS[name])
    for field in documented.keys() | fields.keys():
        if field not in fields:
            yield (name, field), "not in the model"
        elif field not in documented:
            yield (name, field), "not documented"
        else:
            annotation, is_required = fields[field]
            expected, found = shape_of(documented[field]["Type"]), model_shape(annotation)
            if found != expected:
                is_choice = found._replace(values=expected.values) == expected
                yield (name, field), "other choices" if is_choice else f"documented as {expected}, is {found}"
            if is_required != documented[field]["Required"].startswith("R"):
                yield (name, field), f"documented as {'optional' if is_required else 'required'}"


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_the_fields_that_braze_documents(name):
    assert dict(differences(name)) == {at: what for at, what in DIFFERENCES.items() if at[0] == name}


def test_every_table_has_its_model():
    assert tables().keys() - {"Endpoints", "Rate limits"} == MODELS.keys()


def test_every_model_has_its_table():
    for module in pkgutil.walk_packages(api.__path__, f"{api.__name__}."):
        importlib.import_module(module.name)

    def below(model: type[BrazeObject]) -> Iterator[type[BrazeObject]]:
        subclasses = [one for one in model.__subclasses__() if one.__module__.startswith(api.__name__)]
        for one in subclasses:
            yield from below(one)
        if not subclasses:
            yield model

    assert set(below(BrazeObject)) - set(MODELS.values()) == NOT_BRAZE_S


def test_the_tables_are_read_cell_by_cell():
    text = "# A\n\n| Field | Type |\n|---|---|\n| `a` | `x` \\| `y` |\n\n## B\n| C |\n|---|\n"
    assert read_tables(text) == {"A": [{"Field": "`a`", "Type": "`x` | `y`"}], "B": []}
    assert shape_of("[`x` | `y`]") == Shape(frozenset({"str"}), True, frozenset({"x", "y"}))
    assert shape_of("str | alert") == Shape(frozenset({"str", "alert"}))
