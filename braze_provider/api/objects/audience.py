"""The connected audience: filters in a request that limit which users it reaches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, Literal

from braze_provider.api.base import BrazeObject, Breach
from braze_provider.api.instants import Instant, iso_8601
from braze_provider.api.open_json import JsonValue
from braze_provider.api.reasons import kind, listed
from braze_provider.api.values import Array, NonEmptyText, Omittable, has_liquid, is_empty_array

SubscriptionStatus = Literal["opted_in", "subscribed", "unsubscribed"]

Comparison = Literal[
    "equals",
    "not_equal",
    "matches_regex",
    "does_not_match_regex",
    "exists",
    "does_not_exist",
    "is_any_of",
    "is_none_of",
    "includes_value",
    "does_not_include_value",
    "greater_than",
    "greater_than_or_equal_to",
    "less_than",
    "less_than_or_equal_to",
    "less_than_x_days_ago",
    "greater_than_x_days_ago",
    "less_than_x_days_in_the_future",
    "greater_than_x_days_in_the_future",
    "after",
    "before",
]


class SubscriptionFilter(BrazeObject):
    """
    Users by the subscription state of a channel.

    :param comparison: ``is`` or ``is_not``.
    :param value: ``opted_in``, ``subscribed`` or ``unsubscribed``.
    """

    comparison: Literal["is", "is_not"]
    value: SubscriptionStatus


class LastUsedAppFilter(BrazeObject):
    """
    Users by when they last used the app.

    :param comparison: ``after`` or ``before``.
    :param value: An ISO 8601 date and time.
    """

    comparison: Literal["after", "before"]
    value: Instant


class CustomAttributeFilter(BrazeObject):
    """
    Users by one of their custom attributes.

    :param custom_attribute_name: Name of the attribute. Nested attributes and arrays of objects can't be
        filtered on.
    :param comparison: How the attribute is compared. The attribute's type decides which comparisons make
        sense.
    :param value: What the attribute is compared with. Absent for ``exists`` and ``does_not_exist``. Otherwise
        a text, number or Boolean, text for regular expressions, a number of days, an ISO 8601 date, or a text
        or an array of texts for ``is_any_of`` and ``is_none_of``.
    """

    hints: ClassVar[Mapping[str, str]] = {
        "does_not_equal": "Braze has renamed `does_not_equal` to `not_equal`"
    }

    custom_attribute_name: NonEmptyText
    comparison: Comparison
    value: Omittable[JsonValue] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check the value against its comparison."""
        comparison, value = given.get("comparison"), given.get("value")
        if comparison in ("exists", "does_not_exist"):
            if value is not None:
                yield Breach(f"must be left out with `{comparison}`", ("value",))
            return
        expected = _VALUES.get(comparison) if isinstance(comparison, str) else None
        if expected is None:  # the comparison itself is wrong and is reported elsewhere
            return
        what, fits = expected
        if value is None:
            yield Breach(f"is required with `{comparison}`", ("value",))
        elif not fits(value):
            yield Breach(f"must be {what} with `{comparison}`, not {kind(value)}", ("value",))


class Audience(BrazeObject):
    """
    A connected audience: one filter, or an array of audiences of which all (``AND``) or any (``OR``) hold.

    Default attributes, events and segments can't be filtered on: put them into a segment in the dashboard.

    :param AND: Audiences that must all hold.
    :param OR: Audiences of which one must hold.
    :param custom_attribute: A filter on a custom attribute.
    :param push_subscription_status: A filter on the subscription state of push messages.
    :param email_subscription_status: A filter on the subscription state of e-mail.
    :param last_used_app: A filter on when the app was last used.

    .. seealso:: https://www.braze.com/docs/api/objects_filters/connected_audience
    """

    hints: ClassVar[Mapping[str, str]] = {"and": "it is called `AND`", "or": "it is called `OR`"}

    AND: Omittable[Array[Audience]] = None
    OR: Omittable[Array[Audience]] = None
    custom_attribute: Omittable[CustomAttributeFilter] = None
    push_subscription_status: Omittable[SubscriptionFilter] = None
    email_subscription_status: Omittable[SubscriptionFilter] = None
    last_used_app: Omittable[LastUsedAppFilter] = None

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """Check that the audience is exactly one filter, one `AND` or one `OR`."""
        named = [name for name in cls.model_fields if given.get(name) is not None]
        if len(named) > 1:
            yield Breach(f"holds {listed(named, 'and')}; combine them in an `AND` or an `OR`")
        elif not any(value is not None for value in given.values()):  # a misspelt name is its own mistake
            yield Breach(f"is empty: give one of {listed(cls.model_fields)}")
        for operator in ("AND", "OR"):
            if is_empty_array(given.get(operator)):
                yield Breach("must not be empty", (operator,))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_scalar(value: object) -> bool:
    return isinstance(value, (str, int, float))


def _is_instant(value: object) -> bool:
    return isinstance(value, str) and (has_liquid(value) or iso_8601(value) is not None)


def _or_array(fits: Callable[[object], bool]) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        if isinstance(value, (list, tuple)):
            return bool(value) and all(map(fits, value))
        return fits(value)

    return check


_Expected = tuple[str, Callable[[object], bool]]
_SCALAR: _Expected = ("a text, a number or a Boolean", _is_scalar)
_NUMBER: _Expected = ("a number", _is_number)
_DAYS: _Expected = ("a number of days", _is_number)
_REGEX: _Expected = ("a regular expression", _is_text)
_INSTANT: _Expected = ("an ISO 8601 date and time", _is_instant)
_TEXTS: _Expected = ("a text or an array of texts", _or_array(_is_text))

_VALUES: Mapping[str, _Expected] = {
    "equals": _SCALAR,
    "not_equal": _SCALAR,
    "matches_regex": _REGEX,
    "does_not_match_regex": _REGEX,
    "is_any_of": _TEXTS,
    "is_none_of": _TEXTS,
    "includes_value": ("a value or an array of values", _or_array(_is_scalar)),
    "does_not_include_value": _SCALAR,
    "greater_than": _NUMBER,
    "greater_than_or_equal_to": _NUMBER,
    "less_than": _NUMBER,
    "less_than_or_equal_to": _NUMBER,
    "less_than_x_days_ago": _DAYS,
    "greater_than_x_days_ago": _DAYS,
    "less_than_x_days_in_the_future": _DAYS,
    "greater_than_x_days_in_the_future": _DAYS,
    "after": _INSTANT,
    "before": _INSTANT,
}
"""The kind of value that each comparison of a custom attribute takes."""
