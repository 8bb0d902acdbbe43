"""Connected audiences: filters, and filters combined with AND and OR."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from braze_provider.sandbox.refusals import refuse
from braze_provider.sandbox.rules.checks import (
    Check,
    array,
    child,
    choice,
    filled,
    json_name,
    number,
    shape,
    text,
    timestamp,
)


def _anything(value: object, path: str) -> None:
    if value is None:
        refuse(f"{path} must not be null")


def _one_or_more_texts(value: object, path: str) -> None:
    if isinstance(value, list):
        array(text, least=1)(value, path)
    else:
        text(value, path)


# What each comparison of a custom attribute takes for its value; None for those that take none.
_COMPARISONS: Mapping[str, Check | None] = MappingProxyType(
    {
        "equals": _anything,
        "not_equal": _anything,
        "does_not_equal": _anything,  # what booleans used to have
        "matches_regex": text,
        "does_not_match_regex": text,
        "exists": None,
        "does_not_exist": None,
        "is_any_of": _one_or_more_texts,
        "is_none_of": _one_or_more_texts,
        "includes_value": _anything,
        "does_not_include_value": _anything,
        "greater_than": number(),
        "greater_than_or_equal_to": number(),
        "less_than": number(),
        "less_than_or_equal_to": number(),
        "less_than_x_days_ago": number(),
        "greater_than_x_days_ago": number(),
        "less_than_x_days_in_the_future": number(),
        "greater_than_x_days_in_the_future": number(),
        "after": timestamp,
        "before": timestamp,
    }
)


def _custom_attribute(value: object, path: str) -> None:
    shape(
        {
            "custom_attribute_name": filled,
            "comparison": choice(*_COMPARISONS),
            "value": lambda *_: None,
        },
        required=("custom_attribute_name", "comparison"),
    )(value, path)
    if not isinstance(value, dict):
        return
    takes = _COMPARISONS[value["comparison"]]
    if takes is None:
        if "value" in value:
            refuse(f"{path}.value must be absent with {value['comparison']}")
    elif "value" not in value:
        refuse(f"{path}.value is required with {value['comparison']}")
    else:
        takes(value["value"], f"{path}.value")


_SUBSCRIPTION_STATUS = shape(
    {
        "comparison": choice("is", "is_not"),
        "value": choice("opted_in", "subscribed", "unsubscribed"),
    },
    required=("comparison", "value"),
)

_FILTERS: Mapping[str, Check] = MappingProxyType(
    {
        "custom_attribute": _custom_attribute,
        "push_subscription_status": _SUBSCRIPTION_STATUS,
        "email_subscription_status": _SUBSCRIPTION_STATUS,
        "last_used_app": shape(
            {"comparison": choice("after", "before"), "value": timestamp}, required=("comparison", "value")
        ),
    }
)


def connected_audience(value: object, path: str) -> None:
    """
    One filter, or an AND or OR of such audiences to any depth.

    :param value: the audience.
    :param path: its path (str) in the request.
    :raises RefusedError: when it is anything else.
    """
    if not isinstance(value, dict):
        refuse(f"{path} must be an object, not {json_name(value)}")
    if len(value) != 1:
        refuse(f"{path} must hold exactly one of AND, OR, {', '.join(_FILTERS)}")
    ((name, inner),) = value.items()
    if name in ("AND", "OR"):
        array(connected_audience, least=1)(inner, child(path, name))
    elif name in _FILTERS:
        _FILTERS[name](inner, child(path, name))
    else:
        refuse(f"{child(path, name)} is not a known filter")
