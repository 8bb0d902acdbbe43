"""Send a batch, attempt by attempt, until it has an outcome."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

import pendulum

from braze_provider.api.endpoints import Endpoint
from braze_provider.api.errors import (
    BrazeConfigurationError,
    BrazeError,
    BrazeRateLimitError,
    BrazeRequestError,
    BrazeUncertainError,
)
from braze_provider.api.limits import RateLimitState
from braze_provider.api.outcomes import Outcome
from braze_provider.delivery.batches import Batch, Envelope
from braze_provider.delivery.lease import Lease
from braze_provider.delivery.pacing import Pacer
from braze_provider.delivery.stop import StopSignal

if TYPE_CHECKING:
    from braze_provider.api.answers import Answer
    from braze_provider.hooks.braze import BrazeHook

OnUncertain = Literal["hold", "resend", "accept"]

MAX_ATTEMPTS = 6
FIRST_BACKOFF = 1.0
MAX_BACKOFF = 60.0
MAX_WITHHELD = 10
"""How often a batch may be withheld because the ledger's confirmation has run out. This is no attempt."""


@dataclass(frozen=True)
class Settled:
    """
    A batch with its outcome.

    :param batch: The batch.
    :param outcome: Its outcome.
    :param answer: Braze's answer, if it accepted the batch.
    :param error: The last error; None if there was no error or no attempt.
    :param fatal: An error because of which no further batch can or should be sent.
    :param withheld: Whether the request was not written, because of a stop or an old confirmation.
    """

    batch: Batch
    outcome: Outcome
    answer: Answer | None = None
    error: BrazeRequestError | None = None
    fatal: BaseException | None = None
    withheld: bool = False


class TimePassedError(BrazeError):
    """Nothing more is scheduled: the time for which messages should be scheduled has passed."""


class Sender:
    """
    Sends batches, each with a limited number of attempts. All threads share one sender.

    :param hook: Makes the requests. Each thread gets its own keep-alive session.
    :param endpoint: Where the requests go.
    :param envelope: The part of the requests that all of them share.
    :param pacer: Admits requests at the pace that the rate limit leaves.
    :param stop: Ends every wait. A batch without an attempt by then stays unsent.
    :param on_uncertain: ``resend`` makes another attempt if Braze may have accepted the batch; the other
        values do not. A batch that may be repeated without harm is always repeated, and so is one with a key
        by which Braze recognises it.
    :param max_slot_wait: Seconds to wait for the rate limit at most. A longer wait ends the delivery for now;
        :attr:`resume_in` tells until when. Default: no limit.
    :param not_after: The moment after which no more requests are made. Default: none.
    :param max_attempts: Requests made at most for one batch. Default 6.
    :param first_backoff: Seconds to wait at most before the second attempt, doubled for each further one.
        Default 1.
    """

    def __init__(
        self,
        *,
        hook: BrazeHook,
        endpoint: Endpoint,
        envelope: Envelope,
        pacer: Pacer,
        stop: StopSignal,
        on_uncertain: OnUncertain = "hold",
        max_slot_wait: float | None = None,
        not_after: pendulum.DateTime | None = None,
        max_attempts: int = MAX_ATTEMPTS,
        first_backoff: float = FIRST_BACKOFF,
    ) -> None:
        self._hook = hook
        self.endpoint = endpoint
        """Where the requests go."""
        self._envelope = envelope
        self._pacer = pacer
        self._stop = stop
        self._on_uncertain = on_uncertain
        self._max_slot_wait = max_slot_wait
        self._not_after = not_after
        self._max_attempts = max_attempts
        self._first_backoff = first_backoff
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self.lease = Lease()
        """The ledger's confirmation. It must be valid at each request."""
        self.requests = 0
        """Requests made, repeats included."""
        self.refused = 0
        """Requests that were over the rate limit."""
        self.turns = 0
        """Batches that the rate limit has admitted and that do not wait for another turn."""
        self.busy_seconds = 0.0
        """Seconds that a turn keeps its thread busy, on average lately; 0 before the first one is over."""
        self.resume_in: float | None = None
        """Seconds after which to go on, if the rate limit is closed for longer than ``max_slot_wait``."""

    @property
    def closed_for(self) -> float:
        """Seconds until the rate limit admits requests again; 0 if it does."""
        return self._pacer.closed_for

    @property
    def pace(self) -> float:
        """Requests a second that the rate limit leaves at the moment."""
        return self._pacer.rate

    def send(self, batch: Batch, in_doubt_since: str | None = None) -> Settled:
        """
        Send a batch: make attempts until it has an outcome, no attempts are left, or a stop is requested.

        :param batch: A claimed batch.
        :param in_doubt_since: Since when Braze may have it from an earlier try, ISO 8601. Default: it can't.
        """
        body = self._envelope.body(batch)
        settled = Settled(batch, Outcome.NOT_SENT)
        doubt: Settled | None = None
        attempts = withheld = 0
        since = None if in_doubt_since is None else datetime.fromisoformat(in_doubt_since)
        while self._admitted():
            if since is not None and self._is_forgotten(since):
                self._note_turn(time.monotonic())
                return Settled(batch, Outcome.UNCERTAIN, error=self._forgotten(batch))
            began = time.monotonic()
            # Only the age of a key is ever asked for, and a clock is slow beside the rest of a request.
            at = None if self.endpoint.key is None else pendulum.now("UTC")
            attempt = self._attempt(batch, body)
            if attempt.withheld and withheld < MAX_WITHHELD:
                withheld += 1
                self._note_turn(began, again=True)
                continue
            settled = attempt
            attempts += 1
            if settled.outcome is Outcome.UNCERTAIN:
                doubt, since = settled, since or at
            if not self._may_repeat(settled) or attempts == self._max_attempts:
                self._note_turn(began)
                break
            # Full jitter, so that batches that failed together do not come back together. After a 429, the
            # pacer also makes all threads wait for the window's end.
            longest = min(self._first_backoff * 2 ** (attempts - 1), MAX_BACKOFF)
            self._stop.wait(random.uniform(0, longest))  # noqa: S311 - no secret
            self._note_turn(began, again=True)
        if doubt is not None and settled.outcome is not Outcome.SENT:
            # An earlier attempt may have sent it: the failure of a later attempt does not change that.
            return Settled(batch, Outcome.UNCERTAIN, error=doubt.error, fatal=settled.fatal)
        return settled

    def is_harmless(self, batch: Batch) -> bool:
        """
        Tell whether the batch's request may be repeated as often as one likes.

        :param batch: The batch.
        """
        return self._envelope.is_harmless(batch)

    def refused_rows(self, batch: Batch, answer: Answer) -> dict[int, str]:
        """
        Tell which rows Braze refused of a request that it accepted, and why.

        :param batch: The batch.
        :param answer: Braze's answer.
        """
        return self._envelope.refused_rows(batch, answer)

    def admits(self, seconds: float) -> int:
        """
        Tell how many requests the rate limit will admit.

        :param seconds: From now on.
        """
        return self._pacer.admits(seconds)

    def pause_if_closed(self) -> None:
        """End the delivery for now if the rate limit is closed for longer than ``max_slot_wait``."""
        if self._max_slot_wait is not None and (wait := self._pacer.wait) > self._max_slot_wait:
            self.resume_in = wait
            self._stop.request()

    def _admitted(self) -> bool:
        # Only one thread waits for the pacer, and the others wait for this lock. Else the pacer would wake
        # all of them each time.
        with self._turn:
            # A thread that may not send must not take a request from the pacer. The check that counts is made
            # right before the first byte.
            while not self._stop.requested and self.lease.wait(self._stop):
                wait = self._pacer.reserve()
                if not wait:
                    with self._lock:
                        self.turns += 1
                    return True
                self.pause_if_closed()
                self._stop.wait(wait)
            return False

    def _note_turn(self, began: float, *, again: bool = False) -> None:
        """Note that a turn is over, and whether the batch waits for another turn."""
        seconds = time.monotonic() - began
        with self._lock:
            self.turns -= again
            self.busy_seconds += (seconds - self.busy_seconds) / (8 if self.busy_seconds else 1)

    def _attempt(self, batch: Batch, body: bytes) -> Settled:
        with self._lock:
            self.requests += 1
        said, refused, withheld = RateLimitState(), False, False

        def may_be_written() -> bool:
            # Check this as late as possible: this thread, or the whole machine, may have slept until now.
            nonlocal withheld
            withheld = self._stop.requested or not self.lease.is_valid
            return not withheld

        try:
            self._check_time()
            answer = self._hook.call(
                self.endpoint, body, path=self._envelope.path, before_write=may_be_written
            )
            said = answer.rate_limit
        except BrazeRequestError as error:
            error.batch = str(batch)
            if withheld:
                with self._lock:
                    self.requests -= 1
                return Settled(batch, Outcome.NOT_SENT, error=error, withheld=True)
            said, refused = error.rate_limit, isinstance(error, BrazeRateLimitError)
            with self._lock:
                self.refused += refused
            fatal = error if isinstance(error, BrazeConfigurationError) else None
            outcome = error.outcome
            if outcome is Outcome.UNCERTAIN and self.is_harmless(batch):
                outcome = Outcome.REPEATABLE
            return Settled(batch, outcome, error=error, fatal=fatal)
        except BrazeError as error:
            # The hook refused to make the request, for example because the connection can't be used.
            return Settled(batch, Outcome.NOT_SENT, fatal=error)
        except BaseException as error:  # noqa: BLE001 - it is unexpected, so assume the worst
            return Settled(batch, Outcome.UNCERTAIN, error=_interrupted(batch, error), fatal=error)
        finally:
            self._pacer.observe(said, refused=refused)
        return Settled(batch, Outcome.SENT, answer=answer)

    def _is_forgotten(self, since: datetime) -> bool:
        return (
            self.endpoint.key is not None
            and self._on_uncertain != "resend"
            and not key_holds(self.endpoint, since)
        )

    def _forgotten(self, batch: Batch) -> BrazeUncertainError:
        error = BrazeUncertainError(
            f"Braze may have accepted it more than {self.endpoint.key_hours - 1} hours ago, and may have "
            f"forgotten the {self.endpoint.key} by which it would recognise a repeat",
            outcome=Outcome.UNCERTAIN,
        )
        error.batch = str(batch)
        return error

    def _check_time(self) -> None:
        if self._not_after is not None and pendulum.now("UTC") > self._not_after:
            raise TimePassedError(
                f"time: nothing more is scheduled, because {self._not_after.isoformat()} has passed"
            )

    def _may_repeat(self, settled: Settled) -> bool:
        if settled.fatal is not None or settled.withheld:
            return False
        if settled.outcome is Outcome.UNCERTAIN:
            return self._on_uncertain == "resend" or self.endpoint.key is not None
        return settled.outcome in (Outcome.NOT_SENT, Outcome.REPEATABLE)


def key_holds(endpoint: Endpoint, since: datetime) -> bool:
    """
    Tell whether Braze surely recognises a repeat of a request by its key.

    :param endpoint: The endpoint, which has keys.
    :param since: When Braze may have got the request first.
    """
    # An hour less: the clocks may differ, and a request may be under way for a while.
    return pendulum.now("UTC") < since + timedelta(hours=endpoint.key_hours - 1)


def _interrupted(batch: Batch, error: BaseException) -> BrazeUncertainError:
    uncertain = BrazeUncertainError(
        f"{type(error).__name__} while the request was under way: Braze may have accepted it",
        outcome=Outcome.UNCERTAIN,
    )
    uncertain.batch = str(batch)
    return uncertain
