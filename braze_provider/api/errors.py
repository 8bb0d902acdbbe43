"""
Everything that can go wrong between a Dag and Braze, as one family of plain exceptions.

No message of theirs holds an API key, and none holds a recipient's data: Braze's own texts are
shortened, and bad input is named by its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from braze_provider.api.limits import RateLimitState
from braze_provider.api.outcomes import Outcome

MAX_PROBLEMS_SHOWN = 50


class BrazeError(Exception):
    """Base of every error that this package raises on its own account."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Python would call the class with ``args`` alone, and an error that can't be copied or leave its
        # process hides what went wrong.
        return _restored, (type(self), self.args), self.__dict__


class BrazeConnectionError(BrazeError, ValueError):
    """The Airflow connection is missing something or holds something that can't be used."""


def _restored(kind: type[BrazeError], args: tuple[Any, ...]) -> BrazeError:
    return kind.__new__(kind, *args)


@dataclass(frozen=True)
class Problem:
    """
    One mistake in a request.

    :param path: Where it is, such as ``recipients[3].user_alias.alias_name``; empty for the whole request.
    :param reason: What is wrong there. Never holds the value itself.
    :param fields: The top-level fields that a rule over several fields looks at.
    """

    path: str
    reason: str
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


class BrazeValidationError(BrazeError, ValueError):
    """
    A request that breaks Braze's contract, found before anything was sent.

    :param subject: What was checked, such as ``/messages/send`` or ``row 17``.
    :param problems: Every mistake that was found.
    :param total: Number of mistakes when only the first ones are listed; default: all are.
    """

    def __init__(self, subject: str, problems: Sequence[Problem], *, total: int | None = None) -> None:
        self.subject = subject
        self.problems = tuple(problems)
        self.total = len(self.problems) if total is None else total
        super().__init__(subject, self.problems, self.total)

    def __str__(self) -> str:
        shown = self.problems[:MAX_PROBLEMS_SHOWN]
        mistakes = "1 mistake" if self.total == 1 else f"{self.total:,} mistakes"
        lines = [f"{self.subject}: {mistakes}, nothing was sent", *(f"  - {problem}" for problem in shown)]
        if self.total > len(shown):
            lines.append(f"  … and {self.total - len(shown):,} more")
        return "\n".join(lines)


class BrazeRequestError(BrazeError):
    """
    A request that did not end in success.

    :param message: What happened, in a sentence.
    :param outcome: Whether Braze can have accepted the request.
    :param status: HTTP status of the answer; None when there was none.
    :param braze_message: Braze's own words, shortened; empty when there were none.
    :param errors: Braze's list of errors, as short texts.
    :param ids: Braze's ids of a request that was accepted all the same, by name.
    """

    def __init__(
        self,
        message: str,
        *,
        outcome: Outcome,
        status: int | None = None,
        braze_message: str = "",
        errors: Sequence[str] = (),
        ids: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.status = status
        self.braze_message = braze_message
        self.errors = tuple(errors)
        self.ids = dict(ids or {})
        self.rate_limit = RateLimitState()
        """What the answer's headers said of the rate limit."""
        self.batch = ""
        """The batch of a delivery that it belongs to, such as ``batch 12``; empty if it belongs to none."""

    @property
    def dispatch_id(self) -> str | None:
        """The dispatch id of a request that was accepted all the same."""
        return self.ids.get("dispatch_id")

    def __str__(self) -> str:
        message = super().__str__()
        return f"{self.batch}: {message}" if self.batch else message


class BrazeConfigurationError(BrazeRequestError):
    """An answer that every further request would get as well: the delivery stops at once."""


class BrazeAuthenticationError(BrazeConfigurationError):
    """401: Braze does not know the API key, as that of another workspace or instance, or may not take it."""


class BrazePermissionError(BrazeConfigurationError):
    """403: the API key is valid but lacks the endpoint's permission, or plan or IP allow-list forbid it."""


class BrazeNotFoundError(BrazeConfigurationError):
    """404, or a redirect where a repeat does no harm: no such endpoint, or no such thing, at that host."""


class BrazeRejectedError(BrazeRequestError):
    """Any other 4xx: Braze read the request and refused it. Fix the request first."""


class BrazeInertError(BrazeRequestError):
    """A 2xx with a ``notice``: accepted, but it reaches nobody (a paused or archived Canvas)."""


class BrazeRateLimitError(BrazeRequestError):
    """429: over a rate limit. Nothing was sent."""


class BrazeServerError(BrazeRequestError):
    """500, 502 or 503 of Braze's: it failed, and documents that nothing was sent."""


class BrazeNoAnswerError(BrazeRequestError):
    """A read timeout, a lost connection, or an answer that is not Braze's, where a repeat does no harm."""


class BrazeUnreachableError(BrazeRequestError):
    """The request was never written: DNS, refused connection, proxy or TLS."""


class BrazeWithheldError(BrazeRequestError):
    """The request was never written: the caller took back its leave at the last moment."""


class BrazeUncertainError(BrazeRequestError):
    """A read timeout, a lost connection, 504, or an answer that is not Braze's: it may have been accepted."""
