"""A task that writes rows of one kind. Each kind has an argument of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braze_provider.api.errors import Problem
from braze_provider.api.reasons import listed
from braze_provider.tasks.send import BrazeSendOperator
from braze_provider.templating import may_be_templated

if TYPE_CHECKING:
    from braze_provider.recipients.base import RecipientSource


class BrazeOneKindOperator(BrazeSendOperator):
    """Base of the operators of which one task takes exactly one of several arguments with rows."""

    def argument_problems(self) -> list[Problem]:
        """Check that not more than one argument has rows, as far as it can be known before rendering."""
        given = self._set(self.recipient_fields)
        return self._several([name for name, value in given.items() if not may_be_templated(value)])

    def recipient_source(self) -> RecipientSource | None:
        """Return the source of the rows."""
        self.refuse(self._several(list(self._set(self.recipient_fields))))
        return super().recipient_source()

    def _several(self, given: list[str]) -> list[Problem]:
        if len(given) < 2:
            return []
        reason = f"one task takes exactly one of {listed(self.recipient_fields)}"
        return [Problem(name, reason) for name in given[1:]]
