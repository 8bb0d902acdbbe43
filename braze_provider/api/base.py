"""The base of all models of Braze's API: strict, closed, and able to name all mistakes at once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import ErrorDetails, InitErrorDetails

from braze_provider.api.open_json import plain_json
from braze_provider.api.reasons import REFUSED, near_miss, reason_for, refusal

if TYPE_CHECKING:
    from typing_extensions import Self

ALLOW_UNKNOWN_FIELDS: ContextVar[bool] = ContextVar("allow_unknown_fields", default=False)
"""
Whether the current validation takes fields that the models don't know;
:func:`~braze_provider.api.validation.validate` sets it.
"""


class Breach(NamedTuple):
    """
    A broken rule over several fields of one object.

    :param reason: What is wrong, as a sentence fragment that follows the path. Never holds a value.
    :param at: Where, as keys and indexes below the object; default: the object itself.
    :param fields: For a rule of a whole request, the top-level fields that it looks at; default: none.
    """

    reason: str
    at: tuple[str | int, ...] = ()
    fields: tuple[str, ...] = ()


class BrazeObject(BaseModel):
    """
    Base of every object that is sent to Braze.

    - **Strict**: ``"false"`` is not a Boolean, ``5`` is not a text, and nothing is converted.
    - **Closed**: an unknown field is a mistake, unless :data:`ALLOW_UNKNOWN_FIELDS` is set; it is then kept,
      and sent as it is.
    - **Literal**: :meth:`to_body` gives exactly what was given. Nothing is added, not even a default.
    - **Thorough**: wrong fields and broken :meth:`rules` are reported together, at every level.

    Its ``repr`` names the fields that were given. It shows no values, because they are recipients' data.
    """

    model_config = ConfigDict(
        strict=True,
        # Unknown fields are kept: the check below refuses them, or the JSON has them if they are allowed.
        extra="allow",
        frozen=True,
        hide_input_in_errors=True,
        # A Dag that triggers a campaign does not need the schemas of nine message channels.
        defer_build=True,
    )

    hints: ClassVar[Mapping[str, str]] = {}
    """Advice about fields and choices that this object does not have, but that users try."""

    older_names: ClassVar[Mapping[str, str]] = {}
    """Names that Braze has replaced, each with the name of today. Either is taken, and both at once are
    refused. JSON has the name of today."""

    other_fields: ClassVar[Literal["unknown", "custom", "none"]] = "unknown"
    """
    How to treat a field that this object does not have. ``unknown``: it is a mistake, unless unknown fields
    are allowed. ``custom``: it is a name that the user chose. ``none``: it is always a mistake.
    """

    _wire_names: ClassVar[Mapping[str, str]] = {}
    _known_names: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Note the fields' names, and which names in Python differ from Braze's."""
        super().__pydantic_init_subclass__(**kwargs)
        cls._wire_names = {name: field.alias for name, field in cls.model_fields.items() if field.alias}
        cls._known_names = frozenset(cls._wire_names.get(name, name) for name in cls.model_fields)

    @classmethod
    def rules(cls, given: Mapping[str, Any]) -> Iterator[Breach]:
        """
        Check the rules over several fields. Each object states its rules here, once.

        :param given: The fields by Braze's names; an absent one may be missing or None. After a failed
            validation, the values are raw and of any type, so a rule must check the type before it reads.
        """
        return iter(())

    @classmethod
    def unknown_field(cls, name: str) -> str:
        """Say what is wrong with a field that this object does not have."""
        if name in cls.hints:
            return f"unknown field; {cls.hints[name]}"
        known = (field.alias or python_name for python_name, field in cls.model_fields.items())
        return f"unknown field{near_miss(name, known)}"

    def by_wire_name(self) -> dict[str, Any]:
        """Give the values of the object's fields by Braze's names; None if a field was left out."""
        return {self._wire_names.get(name, name): value for name, value in self.__dict__.items()}

    def to_body(self) -> dict[str, Any]:
        """Give the object as plain JSON data, under Braze's names: the given fields and no other."""
        return self.model_dump(by_alias=True, exclude_unset=True)

    def to_json(self) -> bytes:
        """Give the object as compact JSON in UTF-8."""
        # Not `model_dump_json`: it would turn the bytes into a str, which a million recipients pay for.
        return self.__pydantic_serializer__.to_json(self, by_alias=True, exclude_unset=True)

    def split(self, names: Collection[str]) -> tuple[dict[str, Any], Self]:
        """
        Take some fields out of the object.

        :param names: Their names, the same in Python and in Braze's JSON.
        :returns: The values of those that are given, and the object without them.
        """
        taken = {name: getattr(self, name) for name in names if name in self.model_fields_set}
        if not taken:
            return {}, self
        rest = self.model_copy(update=dict.fromkeys(taken))
        rest.model_fields_set.difference_update(taken)
        return taken, rest

    def __repr_args__(self) -> Iterator[tuple[None, str]]:
        return ((None, name) for name in type(self).model_fields if name in self.model_fields_set)

    @model_validator(mode="wrap")
    @classmethod
    def _check_fields_and_rules(
        cls, data: Any, handler: ModelWrapValidatorHandler[BrazeObject]
    ) -> BrazeObject:
        # A "wrap" validator, because pydantic runs no "after" validator once a field has failed. So users
        # see all mistakes at once and need no second run.
        if type(data) is not dict and isinstance(data, Mapping):
            data = dict(data)  # such as Airflow's params, which pydantic does not accept as an object
        given: Mapping[Any, str] = {}
        mistakes: list[InitErrorDetails] = []
        if cls.older_names and isinstance(data, dict):
            data, given, twice = cls._with_names_of_today(data)
            mistakes += map(_as_error, twice)
        try:
            made = handler(data)
        except ValidationError as error:
            mistakes += [cls._worded(mistake) for mistake in error.errors(include_url=False)]
            if isinstance(data, dict):
                mistakes += cls._refused_names(data)
                mistakes += map(_as_error, cls.rules(data))
            for mistake in mistakes:  # The user knows the field by the name that they gave.
                if (loc := mistake.get("loc")) and loc[0] in given:
                    mistake["loc"] = (given[loc[0]], *loc[1:])
            raise ValidationError.from_exception_data(cls.__name__, mistakes, hide_input=True) from None
        fields = made.by_wire_name() if cls._wire_names else made.__dict__
        if (others := made.__pydantic_extra__) and cls.other_fields != "custom":
            mistakes += cls._refused_names(others) or cls._made_plain(others)
            fields = {**fields, **others}
        if (breaches := list(cls.rules(fields))) or mistakes:
            mistakes += map(_as_error, breaches)
            raise ValidationError.from_exception_data(cls.__name__, mistakes, hide_input=True)
        return made

    @classmethod
    def _with_names_of_today(
        cls, data: dict[str, Any]
    ) -> tuple[dict[str, Any], dict[Any, str], list[Breach]]:
        """Replace older names. Also tells which were replaced, by today's name, and which come twice."""
        older = {name: today for name, today in cls.older_names.items() if name in data}
        if not older:
            return data, {}, []
        given: dict[Any, str] = {today: name for name, today in older.items() if today not in data}
        twice = [
            Breach(f"is the older name of `{today}`: give only one of them", (name,), (name, today))
            for name, today in older.items()
            if today in data
        ]
        others = {name: value for name, value in data.items() if name not in older}
        return {**others, **{today: data[name] for today, name in given.items()}}, given, twice

    @classmethod
    def _refused_names(cls, given: Mapping[Any, Any]) -> list[InitErrorDetails]:
        if cls.other_fields == "custom" or (cls.other_fields == "unknown" and ALLOW_UNKNOWN_FIELDS.get()):
            return []
        unknown = (name for name in given if isinstance(name, str) and name not in cls._known_names)
        return [
            InitErrorDetails(type=refusal(cls.unknown_field(name)), loc=(name,), input=None)
            for name in unknown
        ]

    @classmethod
    def _made_plain(cls, others: dict[str, Any]) -> list[InitErrorDetails]:
        """Make the values of unknown fields plain JSON in place; gives the mistakes."""
        try:
            others.update(plain_json(others))
        except ValidationError as error:
            return [cls._worded(mistake) for mistake in error.errors(include_url=False)]
        return []

    @classmethod
    def _worded(cls, error: ErrorDetails) -> InitErrorDetails:
        if error["type"] == REFUSED:  # an inner object or value has worded it already
            context = error["ctx"]
            worded = refusal(context["reason"], context["fields"])
        elif (
            error["type"] == "literal_error"
            and isinstance(error["input"], str)
            and error["input"] in cls.hints
        ):
            worded = refusal(f"{reason_for(error)}; {cls.hints[error['input']]}")
        else:
            worded = refusal(reason_for(error))
        return InitErrorDetails(type=worded, loc=error["loc"], input=None)


class MessagePart(BrazeObject):
    """
    Base of every object inside a message: a field that is null counts as left out.

    Content is often built by code that gives every field, and null for those that it does not use. Inside
    extras and other open JSON, null stays: the user means it.
    """

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if value is not None}


def _as_error(breach: Breach) -> InitErrorDetails:
    return InitErrorDetails(type=refusal(breach.reason, breach.fields), loc=breach.at, input=None)


def part(of: object, name: str) -> Any:
    """
    Read one field of an object that may be a model, raw JSON data, or neither.

    :param of: The object.
    :param name: Name of the field, the same in Python and in Braze's JSON.
    :returns: Its value; None when it is absent, or when there is no object to read from.
    """
    if isinstance(of, Mapping):
        return of.get(name)
    return getattr(of, name, None) if isinstance(of, BrazeObject) else None
