"""The retry policy of a failed delivery, for Airflow 3.3 and newer."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk.definitions.retry_policy import RetryDecision, RetryPolicy

from braze_provider.api.errors import BrazeConfigurationError, BrazeConnectionError
from braze_provider.delivery.failure import DeliveryError

if TYPE_CHECKING:
    from braze_provider._compat import Context


class BrazeRetryPolicy(RetryPolicy):
    """
    Decides whether a failed task is retried, and when.

    A wrong key, a missing permission or a malformed connection fails the task at once, because a retry would
    fail in the same way. If a rate limit is closed, the retry comes when it resets. Everything else is left
    to the task's settings.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """
        Decide about a failed try.

        :param exception: The error of the try.
        :param try_number: Number of the try, from 1.
        :param max_tries: The largest number of tries.
        :param context: Airflow's context of the task.
        """
        if isinstance(exception, (BrazeConfigurationError, BrazeConnectionError)):
            return RetryDecision.fail(str(exception))
        if isinstance(exception, DeliveryError) and exception.retry_in:
            return RetryDecision.retry(timedelta(seconds=exception.retry_in), "the rate limit resets then")
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Give the data that Airflow stores with the policy's class: none."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> BrazeRetryPolicy:
        """
        Make the policy again.

        :param data: The data from :meth:`serialize`.
        """
        return cls()
