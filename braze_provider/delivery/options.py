"""What users decide about a delivery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pendulum

from braze_provider.delivery.prepare import OnInvalid
from braze_provider.delivery.sender import OnUncertain

OnEmpty = Literal["succeed", "skip", "fail"]
OnSourceChange = Literal["fail", "send_rest"]


@dataclass(frozen=True)
class DeliveryOptions:
    """
    The user's decisions about a delivery.

    :param concurrency: Requests under way at the same time.
    :param on_uncertain: What to do about a request that Braze may have accepted.
    :param on_invalid: What to do about a row that names no valid recipient.
    :param on_empty: What to do if the source names no recipients.
    :param max_recipients: If there are more distinct recipients, the delivery fails before the first request.
    :param max_rejected: If more recipients are rejected than this number, or than this share if it is below
        1, the delivery stops.
    :param allow_duplicates: Send to a recipient once for each of its rows instead of only once.
    :param resend: Start over with all recipients. True does so once for each time that the task is cleared, a
        text once for each new text.
    :param on_source_change: What to do if the source names other recipients than at an earlier try.
    :param pool: The Airflow pool that the task runs in.
    :param pool_slots: The slots of the pool that the task holds.
    :param max_slot_wait: Seconds to wait for the rate limit at most before the delivery pauses. Default: no
        limit.
    :param not_after: The moment after which no more requests are made. Default: none.
    :param dry_run: Do everything except the requests that send.
    :param allow_unknown_fields: Send fields that the models don't know, and name each once in the log.
    """

    concurrency: int = 8
    on_uncertain: OnUncertain = "hold"
    on_invalid: OnInvalid = "fail"
    on_empty: OnEmpty = "succeed"
    max_recipients: int | None = None
    max_rejected: float | None = None
    allow_duplicates: bool = False
    resend: bool | str = False
    on_source_change: OnSourceChange = "fail"
    pool: str = ""
    pool_slots: int = 1
    max_slot_wait: float | None = None
    not_after: pendulum.DateTime | None = None
    dry_run: bool = False
    allow_unknown_fields: bool = False
