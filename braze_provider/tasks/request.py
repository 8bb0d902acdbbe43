"""A task that makes one request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from braze_provider._compat import AirflowFailException
from braze_provider.api.errors import BrazeConfigurationError, BrazeRejectedError, BrazeUncertainError
from braze_provider.tasks.task import BrazeTask

if TYPE_CHECKING:
    from braze_provider._compat import Context
    from braze_provider.api.answers import Answer
    from braze_provider.tasks.arguments import Templated


class BrazeRequestOperator(BrazeTask):
    """
    Base of the operators that make one request. Its parameters are those that every one of them takes.

    After a failure, the request is repeated as long as a repeat does no harm: six requests at most. A refusal
    fails the task at once, because a retry would be refused too.

    :param braze_conn_id: Id of the Airflow connection of type ``braze``. Default ``braze_default``.
        (templated)
    :param allow_unknown_fields: Whether to send fields that this package does not know to Braze unchanged.
        Default False: they are refused, because most are typing mistakes.
    """

    templated_options: ClassVar[tuple[str, ...]] = ("braze_conn_id",)

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
        """Make the request, and return what it gave."""
        from braze_provider.api.validation import validate
        from braze_provider.tasks.calls import call_patiently

        values = self.request_values()
        path = {name: values.pop(name) for name in self.endpoint.path_parameters if name in values}
        body = validate(
            self.request_model, values, self.endpoint.path, allow_unknown_fields=self.allow_unknown_fields
        )
        try:
            answer = call_patiently(self.hook, self.endpoint, body, path=path, log=self.log)
        except (BrazeConfigurationError, BrazeRejectedError, BrazeUncertainError) as error:
            raise AirflowFailException(str(error)) from None
        return self.result_of(answer)

    def result_of(self, answer: Answer) -> Any:
        """
        Say what the task returns.

        :param answer: Braze's answer.
        """
        return dict(answer.body)

    def check_constants(self) -> None:
        """
        Check the arguments that rendering will not change, at Dag parse.

        :raises BrazeValidationError: With all mistakes that can be found before rendering.
        """
        from braze_provider.tasks.parse_checks import problems_of_fields

        values = self.request_values()
        for name in self.endpoint.path_parameters:
            values.pop(name, None)
        self.refuse(
            problems_of_fields(
                self.request_model, values, allow_unknown_fields=self.allow_unknown_fields is True
            )
        )
