"""One call, repeated as long as a repeat does no harm."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from itertools import count
from typing import TYPE_CHECKING, Any

from braze_provider.api.errors import BrazeRateLimitError, BrazeRequestError
from braze_provider.api.outcomes import Outcome, Repeat
from braze_provider.delivery.pacing import Pacer
from braze_provider.delivery.sender import FIRST_BACKOFF, MAX_ATTEMPTS, MAX_BACKOFF

if TYPE_CHECKING:
    from airflow.sdk.types import Logger

    from braze_provider.api.answers import Answer
    from braze_provider.api.base import BrazeObject
    from braze_provider.api.endpoints import Endpoint
    from braze_provider.hooks.braze import BrazeHook


def call_patiently(
    hook: BrazeHook,
    endpoint: Endpoint,
    body: Mapping[str, Any] | BrazeObject | None = None,
    *,
    path: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
    log: Logger,
) -> Answer:
    """
    Make a request, and repeat it after a failure as long as a repeat does no harm: six requests at most.

    After a 429 the task waits until the rate limit resets. After any other failure it waits for a short time
    that grows and is partly random.

    :param hook: The hook that makes the requests.
    :param endpoint: The endpoint to call. Its row says what a repeat does.
    :param body: The request.
    :param path: Values of the parameters in the endpoint's path.
    :param params: Query parameters.
    :param log: The task's log.
    :return: Braze's answer.
    :raises BrazeRequestError: The last error, or the first error after which a repeat may do harm.
    """
    bucket = hook.connection.bucket(endpoint.bucket)
    pacer = Pacer(bucket.limit, bucket.window)
    for attempt in count(1):
        pacer.reserve()
        try:
            return hook.call(endpoint, body, path=path, params=params)
        except BrazeRequestError as error:
            if attempt == MAX_ATTEMPTS or not _is_harmless_to_repeat(endpoint, error):
                raise
            is_refused = isinstance(error, BrazeRateLimitError)
            pacer.observe(error.rate_limit, refused=is_refused)
            longest = min(FIRST_BACKOFF * 2 ** (attempt - 1), MAX_BACKOFF)
            wait = pacer.closed_for + random.uniform(0, longest)  # noqa: S311 - no secret
            log.warning("%s: the request is repeated in %.0f s", error, wait)
        time.sleep(wait)
    raise AssertionError  # for mypy: the loop has no end


def _is_harmless_to_repeat(endpoint: Endpoint, error: BrazeRequestError) -> bool:
    if error.outcome is Outcome.UNCERTAIN:
        return endpoint.repeat is Repeat.KEYED
    return error.outcome in (Outcome.NOT_SENT, Outcome.REPEATABLE)
