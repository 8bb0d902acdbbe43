"""
One family of plain exceptions, for everything that can go wrong between a Dag and Braze.

Their messages never hold an API key or a recipient's data. Braze's own texts are shortened, and bad input is
named by its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from braze_provider.api.limits import RateLimitState
from braze_provider.api.outcomes import Outcome

MAX_PROBLEMS_SHOWN = 50


class BrazeError(Exception):
    """Base of all errors of this package."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Without this, Python would call the class with ``args`` alone, which fails for these classes. An
        # error that can't be copied or sent to another process would then hide the real problem.
        return _restored, (type(self), self.args), self.__dict__


class BrazeConnectionError(BrazeError, ValueError):
    """The Airflow connection is missing something or holds something that can't be used."""


def _restored(kind: type[BrazeError], args: tuple[Any, ...]) -> BrazeError:
    return kind.__new__(kind, *args)


@dataclass(frozen=True)
class Problem:
    """
    One mistake in a request.

    :param path: Place of the mistake, such as ``recipients[3].user_alias.alias_name``. Empty: the whole
        request.
    :param reason: What is wrong there. It never holds the value itself.
    :param fields: For a rule about several fields: the top-level fields that it reads.
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
    :param problems: All mistakes that were found.
    :param total: Number of all mistakes, if ``problems`` holds only the first ones. Default: it holds all.
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
    :param status: HTTP status of the answer. None: there was no answer.
    :param braze_message: Braze's own words, shortened. Empty: there were none.
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
        """The state of the rate limit, from the answer's headers."""
        self.batch = ""
        """The delivery's batch that the request was for, such as ``batch 12``. Empty: it was for no batch."""

    @property
    def dispatch_id(self) -> str | None:
        """The dispatch id of a request that was accepted all the same."""
        return self.ids.get("dispatch_id")

    def __str__(self) -> str:
        message = super().__str__()
        return f"{self.batch}: {message}" if self.batch else message


class BrazeConfigurationError(BrazeRequestError):
    """An answer that every further request would get too: the delivery stops at once."""


class BrazeAuthenticationError(BrazeConfigurationError):
    """401: Braze refuses the API key, or does not know it, such as a key of another workspace or instance."""


class BrazePermissionError(BrazeConfigurationError):
    """403: the API key is valid, but it lacks the permission, or plan or IP allow-list forbid the request."""


class BrazeNotFoundError(BrazeConfigurationError):
    """404, or a redirect where a repeat does no harm: that host has no such endpoint, or no such object."""


class BrazeRejectedError(BrazeRequestError):
    """Any other 4xx: Braze read the request and refused it. The request must be fixed first."""


class BrazeInertError(BrazeRequestError):
    """A 2xx with a ``notice``: accepted, but it reaches no recipient (a paused or archived Canvas)."""


class BrazeRateLimitError(BrazeRequestError):
    """429: the request was over a rate limit. Nothing was sent."""


class BrazeConflictError(BrazeRequestError):
    """429 that is no rate limit: one runs already, and only one runs at a time. Nothing was started."""


class BrazeServerError(BrazeRequestError):
    """500, 502 or 503 from Braze: Braze failed, and documents that nothing was sent."""


class BrazeNoAnswerError(BrazeRequestError):
    """No usable answer (timeout, lost connection, not Braze's answer), where a repeat does no harm."""


class BrazeUnreachableError(BrazeRequestError):
    """The request was never written: DNS, refused connection, proxy or TLS."""


class BrazeWithheldError(BrazeRequestError):
    """The request was never written: the caller withdrew its permission at the last moment."""


class BrazeUncertainError(BrazeRequestError):
    """
    Braze may have accepted the request.

    The cause is a read timeout, a lost connection, a 504, or an answer that Braze did not write.
    """
