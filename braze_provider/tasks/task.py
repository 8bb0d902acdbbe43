"""The base of all tasks of this package: fields, a connection, and checks at Dag parse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from braze_provider._compat import BaseOperator
from braze_provider.api.errors import BrazeValidationError, Problem
from braze_provider.links.braze import DASHBOARD_LINKS
from braze_provider.tasks.fields import Field, Kind
from braze_provider.tasks.rendering import LiquidAwareRendering

if TYPE_CHECKING:
    from airflow.sdk.definitions.xcom_arg import PlainXComArg

    from braze_provider.api.endpoints import Endpoint
    from braze_provider.hooks.braze import BrazeHook


def model_of(endpoint: Endpoint) -> Any:
    """
    Import the model of an endpoint's request.

    :param endpoint: An endpoint that has one.
    """
    from braze_provider.api import requests as models

    return getattr(models, endpoint.request or "")


class BrazeTask(LiquidAwareRendering, BaseOperator):
    """
    Base of all operators and sensors.

    A class states each of its fields once, by kind, in :attr:`request_fields`. All that Airflow and the
    rendering read (``template_fields`` and similar) is derived from it.
    """

    endpoint: ClassVar[Endpoint]
    """The endpoint of the request."""
    endpoints: ClassVar[tuple[Endpoint, ...]]
    """All endpoints that the request may go to, if the arguments decide. Default: :attr:`endpoint` alone."""
    request_fields: ClassVar[Mapping[str, Field]] = {}
    """The arguments that make the request, in the order in which Airflow shows them."""
    composed_fields: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    """By field of the request: the arguments that make it, if they do not have its name."""
    deciding_fields: ClassVar[tuple[str, ...]] = ()
    """The arguments that decide where the request goes. They are no fields of it."""
    templated_options: ClassVar[tuple[str, ...]] = ("braze_conn_id",)
    """The other arguments that are rendered, all of them as text."""
    operator_extra_links = DASHBOARD_LINKS
    ui_color = "#f9e1d2"

    # Text after it is rendered.
    braze_conn_id: Any

    if TYPE_CHECKING:

        @property
        def output(self) -> PlainXComArg:
            """What the task returns. For type checkers, Airflow's own type knows no ``output["send_id"]``."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "endpoint" in vars(cls) and "endpoints" not in vars(cls):
            cls.endpoints = (cls.endpoint,)
        if not {"request_fields", "templated_options"} & vars(cls).keys():
            return  # A user's subclass may have template fields of its own.
        names = {
            kind: tuple(name for name, field in cls.request_fields.items() if field.kind is kind)
            for kind in Kind
        }
        cls.text_fields = (*names[Kind.TEXT], *cls.templated_options)
        cls.content_fields = names[Kind.CONTENT]
        cls.recipient_fields = {name: cls.request_fields[name].item for name in names[Kind.RECIPIENTS]}
        fixed = names[Kind.FIXED]
        cls.template_fields = (*(n for n in cls.request_fields if n not in fixed), *cls.templated_options)
        cls.template_fields_renderers = {
            **dict.fromkeys((*names[Kind.JSON], *names[Kind.CONTENT]), "json"),
            **{f"{name}.sql": "sql" for name in names[Kind.RECIPIENTS]},
            **vars(cls).get("template_fields_renderers", {}),
        }

    # Airflow would take the inherited method for this class's own, and put defaults into it a second time.
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)

    @cached_property
    def hook(self) -> BrazeHook:
        """The hook that makes the requests."""
        from braze_provider.hooks.braze import BrazeHook

        return BrazeHook(self.braze_conn_id)

    def request_values(self) -> dict[str, Any]:
        """Give the fields of the request that are set, without the recipients."""
        others = (*self.recipient_fields, *self.deciding_fields)
        return self._set(name for name in self.request_fields if name not in others)

    def field_of(self, argument: str) -> str:
        """
        Give the field of the request that an argument makes.

        :param argument: Name of the argument.
        """
        fields = (field for field, names in self.composed_fields.items() if argument in names)
        return next(fields, argument)

    def refuse(self, problems: list[Problem]) -> None:
        """
        Raise an error that names the task, if there are problems.

        :param problems: The problems.
        :raises BrazeValidationError: If there is a problem.
        """
        if problems:
            raise BrazeValidationError(f"{type(self).__name__} {self.task_id!r}", problems)

    def _set(self, names: Iterable[str]) -> dict[str, Any]:
        return {name: value for name in names if (value := getattr(self, name)) is not None}
