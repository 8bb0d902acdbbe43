"""What the decorators are made of: a task that sends, whose recipients come from a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import Asset, get_current_context
from airflow.sdk.bases.decorator import DecoratedOperator

from braze_provider._compat import determine_kwargs
from braze_provider.api.errors import BrazeValidationError, Problem
from braze_provider.recipients.function import FunctionRecipients
from braze_provider.tasks.send import BrazeSendOperator

if TYPE_CHECKING:
    from jinja2 import Environment

    from braze_provider._compat import Context
    from braze_provider.recipients.base import RecipientSource

_SHOWN = (str, bytes, int, float, bool, type(None), date, time, timedelta, Asset)


@dataclass(frozen=True)
class Hidden:
    """
    An argument of the function that may hold recipients. Airflow stores its size, and nothing of its content.

    :param value: The argument.
    """

    value: Any

    def __repr__(self) -> str:
        name = type(self.value).__name__
        return f"{name} of {len(self.value):,}" if hasattr(self.value, "__len__") else name

    def serialize(self) -> str:
        """Give what Airflow stores of the argument in the rendered fields."""
        return repr(self)


class RecipientsOfFunction(DecoratedOperator, BrazeSendOperator):
    """
    A task that sends to the recipients that a function yields.

    The function gets its arguments rendered, and by their names the values of Airflow's context. It is called
    while the task runs, before the first request, and anew in each try: it must then yield the same
    recipients in the same order.

    :param python_callable: The function.
    :param op_args: Its positional arguments. (templated)
    :param op_kwargs: Its named arguments. (templated)
    """

    custom_operator_name: ClassVar[str]
    shallow_copy_attrs = ("python_callable", "recipients")

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        problems = [
            Problem(name, "must be left out: the function gives the recipients")
            for name in self.recipient_fields
            if kwargs.get(name) is not None
        ]
        if inspect.iscoroutinefunction(python_callable) or inspect.isasyncgenfunction(python_callable):
            problems.append(Problem("python_callable", "must not be an async function"))
        if problems:
            raise BrazeValidationError(self.custom_operator_name, problems)
        super().__init__(
            python_callable=python_callable,
            op_args=op_args,
            op_kwargs=op_kwargs,
            **{**kwargs, "recipients": FunctionRecipients(python_callable)},
        )

    def execute(self, context: Context) -> dict[str, Any]:
        """Send, and return the report. Assets among the function's arguments become inlets."""
        self.inlets.extend(
            value for value in (*self.op_args, *self.op_kwargs.values()) if isinstance(value, Asset)
        )
        # DecoratedOperator's own method fails on Airflow 3.0 for all tasks but those of plain Python.
        report: dict[str, Any] = super(DecoratedOperator, self).execute(context)
        return report

    def recipient_source(self) -> RecipientSource:
        """Return the function with its arguments, as a source."""
        args = [_revealed(value) for value in self.op_args]
        named = {name: _revealed(value) for name, value in self.op_kwargs.items()}
        context = {**get_current_context(), **named}
        return FunctionRecipients(
            self.python_callable, args, determine_kwargs(self.python_callable, args, context)
        )

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: Environment,
        seen_oids: set[int],
    ) -> None:
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
        if parent is self:
            self.op_args = [_hidden(value) for value in self.op_args]
            self.op_kwargs = {name: _hidden(value) for name, value in self.op_kwargs.items()}


def fields_of(operator: type[BrazeSendOperator]) -> tuple[str, ...]:
    """
    List the template fields of a decorated operator: the function's arguments, and the operator's own.

    :param operator: The operator.
    """
    others = operator.recipient_fields.keys() - {"recipients"}
    return (*DecoratedOperator.template_fields, *(f for f in operator.template_fields if f not in others))


def _hidden(value: Any) -> Any:
    return value if isinstance(value, (*_SHOWN, Hidden)) else Hidden(value)


def _revealed(value: Any) -> Any:
    return value.value if isinstance(value, Hidden) else value
