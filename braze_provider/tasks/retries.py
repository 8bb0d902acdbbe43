"""What Airflow 3.3 and newer are told about retrying a failed delivery."""

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
    Retry when it can help, and when.

    A wrong key, a missing permission or a malformed connection fails at once: a retry would meet it again. A
    rate limit that is closed is waited for until it resets. Everything else is left to the task's settings.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """
        Decide about a failed try.

        :param exception: What it failed with.
        :param try_number: Number of the try, from 1.
        :param max_tries: Number of tries at most.
        :param context: Airflow's context of the task.
        """
        if isinstance(exception, (BrazeConfigurationError, BrazeConnectionError)):
            return RetryDecision.fail(str(exception))
        if isinstance(exception, DeliveryError) and exception.retry_in:
            return RetryDecision.retry(timedelta(seconds=exception.retry_in), "the rate limit resets then")
        return RetryDecision.default()

    def serialize(self) -> dict[str, Any]:
        """Give what there is to store of the policy: nothing but its class."""
        return {}

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> BrazeRetryPolicy:
        """
        Make the policy again.

        :param data: What :meth:`serialize` gave.
        """
        return cls()
