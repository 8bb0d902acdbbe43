"""An operator states its fields once, and Airflow, the rendering and the request all agree with it."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
from conformance.reach import classes

from braze_provider.api.errors import BrazeValidationError
from braze_provider.tasks.fields import Kind
from braze_provider.tasks.request import BrazeRequestOperator
from braze_provider.tasks.send import BrazeSendOperator
from braze_provider.tasks.task import model_of

CLASSES: Any = classes()
SENDING = [one for one in CLASSES if issubclass(one, BrazeSendOperator)]
REQUESTING = [one for one in CLASSES if issubclass(one, BrazeRequestOperator)]
each_that_requests = pytest.mark.parametrize("operator", REQUESTING, ids=lambda one: one.__name__)
each = pytest.mark.parametrize("operator", CLASSES, ids=lambda one: one.__name__)
each_that_sends = pytest.mark.parametrize("operator", SENDING, ids=lambda one: one.__name__)


def arguments_of(operator: type) -> set[str]:
    return set(inspect.signature(inspect.unwrap(operator.__init__)).parameters) - {"self", "kwargs"}


def test_there_are_operators():
    assert len(SENDING) >= 3


@each
def test_the_constructor_takes_each_field_and_nothing_else(operator):
    assert arguments_of(operator) == set(operator.request_fields)


@each
def test_the_docstring_says_what_each_argument_is(operator):
    described = set(re.findall(r":param (\w+):", operator.__doc__))
    assert described == arguments_of(operator)


@each
def test_the_docstring_says_which_arguments_are_templated(operator):
    parts = re.findall(r":param (\w+):(.*?)(?=:param|:raises|$)", operator.__doc__, re.DOTALL)
    said = {name for name, text in parts if "(templated" in text}
    assert said == {name for name, field in operator.request_fields.items() if field.kind is not Kind.FIXED}


@each_that_sends
def test_the_request_has_each_field_and_no_other(operator):
    fields = operator.request_fields
    recipients = {name for name, field in fields.items() if field.kind is Kind.RECIPIENTS}
    composed = {name for names in operator.composed_fields.values() for name in names}
    arrays = {name for endpoint in operator.endpoints for name in endpoint.arrays}
    in_models = {name for endpoint in operator.endpoints for name in model_of(endpoint).model_fields}
    expected = in_models - arrays - operator.composed_fields.keys() | composed
    assert set(fields) - recipients == (expected - recipients) | set(operator.deciding_fields)
    arrays = {argument for name in arrays for argument in operator.composed_fields.get(name, (name,))}
    assert arrays <= recipients <= {*arrays, "recipients"}


@each_that_requests
def test_a_single_request_has_each_field_and_no_other(operator):
    fields = set(operator.request_fields)
    for argument, field in filter(None, [operator.each]):
        fields = fields - {argument} | {field}
    composed = {name for names in operator.composed_fields.values() for name in names}
    for endpoint in operator.endpoints:
        model = model_of(endpoint)
        assert set(model.model_fields) - operator.composed_fields.keys() | composed <= fields
    assert fields == composed.union(*(set(model_of(e).model_fields) for e in operator.endpoints)) - (
        operator.composed_fields.keys()
    )


@each_that_sends
def test_the_request_goes_where_its_model_says(operator):
    assert all(model_of(endpoint).endpoint is endpoint for endpoint in operator.endpoints)


@each
def test_all_fields_except_fixed_ones_are_rendered(operator):
    templated = {name for name, field in operator.request_fields.items() if field.kind is not Kind.FIXED}
    assert set(operator.template_fields) == templated | set(operator.templated_options)


@each
def test_each_option_that_is_rendered_is_an_argument(operator):
    shared = set().union(*(arguments_of(base) for base in operator.__mro__ if "__init__" in vars(base)))
    assert set(operator.templated_options) <= shared


@each_that_sends
def test_each_argument_is_checked_at_dag_parse(operator):
    constants = {name: object() for name in operator.request_fields}
    with pytest.raises(BrazeValidationError) as caught:
        operator(task_id="t", **constants)
    named = {re.split(r"\W", problem.path)[0] for problem in caught.value.problems}
    assert named >= set(operator.request_fields)


@each_that_sends
def test_each_argument_is_kept_under_its_name(operator):
    given = {name: f"{{{{ {name} }}}}" for name in operator.request_fields}
    made = operator(
        task_id="t",
        max_recipients=1,
        **{
            **given,
            **{name: None for name, field in operator.request_fields.items() if field.kind is Kind.FIXED},
        },
    )
    kept = {name: getattr(made, name) for name in given}
    assert {name: value for name, value in kept.items() if value is not None} == {
        name: value for name, value in given.items() if operator.request_fields[name].kind is not Kind.FIXED
    }


def test_a_field_that_a_users_subclass_adds_is_rendered():
    class Own(SENDING[0]):
        template_fields = (*SENDING[0].template_fields, "label")

    assert "label" in Own.template_fields
