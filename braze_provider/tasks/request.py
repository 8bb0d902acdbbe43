"""A task that makes one request, or one for each id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from braze_provider._compat import AirflowFailException
from braze_provider.api.errors import BrazeConfigurationError, BrazeRejectedError, BrazeUncertainError
from braze_provider.tasks.task import BrazeTask, model_of

if TYPE_CHECKING:
    from braze_provider._compat import Context
    from braze_provider.api.answers import Answer
    from braze_provider.api.base import BrazeObject
    from braze_provider.api.endpoints import Endpoint
    from braze_provider.api.errors import Problem
    from braze_provider.tasks.arguments import Templated


class BrazeRequestOperator(BrazeTask):
    """
    Base of the operators that make one request, or one for each id.

    All of them take its parameters.

    After a failure, the request is repeated as long as a repeat does no harm: six requests at most. A refusal
    fails the task at once, because a retry would be refused too.

    :param braze_conn_id: Id of the Airflow connection of type ``braze``. Default ``braze_default``.
        (templated)
    :param allow_unknown_fields: Whether to send fields that this package does not know to Braze unchanged.
        Default False: they are refused, because most are typing mistakes.
    """

    each: ClassVar[tuple[str, str] | None] = None
    """An argument that is a list, and the field of the request that each of its items is. Default: none."""

    def __init__(
        self,
        *,
        braze_conn_id: Templated = "braze_default",
        allow_unknown_fields: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.braze_conn_id = braze_conn_id
        self.allow_unknown_fields = allow_unknown_fields

    def execute(self, context: Context) -> Any:
        """Make the request, or one for each item, and return the result."""
        from braze_provider.tasks.calls import call_patiently

        endpoint = self.target()
        results: list[Any] = []
        # All of them are checked before the first one is made.
        for path, body in [
            self._checked(endpoint, values) for values in self.requests_of(self.request_values())
        ]:
            try:
                answer = call_patiently(self.hook, endpoint, body, path=path, log=self.log)
            except (BrazeConfigurationError, BrazeRejectedError, BrazeUncertainError) as error:
                done = f" {len(results):,} of the requests before it succeeded." if results else ""
                raise AirflowFailException(f"{error}{done}") from None
            results.append(self.result_of(answer))
        return results if self.each else results[0]

    def _checked(self, endpoint: Endpoint, values: dict[str, Any]) -> tuple[dict[str, str], BrazeObject]:
        from braze_provider.api.validation import unknown_fields, validate

        path = {name: values.pop(name) for name in endpoint.path_parameters if name in values}
        unknown = self.allow_unknown_fields
        body: BrazeObject = validate(model_of(endpoint), values, endpoint.path, allow_unknown_fields=unknown)
        if names := unknown_fields(body):
            self.log.warning("Fields unknown to this package are sent as they are: %s", ", ".join(names))
        return path, body

    def requests_of(self, values: dict[str, Any]) -> list[dict[str, Any]]:
        """
        Give the fields of each request.

        :param values: The fields that are set.
        """
        if self.each is None:
            return [values]
        argument, field = self.each
        items = values.pop(argument, None)
        # At Dag parse, the argument may be another task's output, which is not a list yet.
        return [{**values, field: item} for item in (items if isinstance(items, (list, tuple)) else [items])]

    def target(self) -> Endpoint:
        """Return the endpoint that is called."""
        return self.endpoint

    def result_of(self, answer: Answer) -> Any:
        """
        Say what the task returns for a request.

        :param answer: Braze's answer.
        """
        return dict(answer.body)

    def check_constants(self) -> None:
        """
        Check the arguments that rendering will not change, at Dag parse.

        :raises BrazeValidationError: With all mistakes that can be found before rendering.
        """
        from braze_provider.tasks.parse_checks import problems_of_fields

        endpoint = self.target()
        problems: list[Problem] = []
        for values in self.requests_of(self.request_values()):
            fields = {name: value for name, value in values.items() if name not in endpoint.path_parameters}
            unknown = self.allow_unknown_fields is True
            problems += problems_of_fields(model_of(endpoint), fields, allow_unknown_fields=unknown)
        self.refuse(problems)
