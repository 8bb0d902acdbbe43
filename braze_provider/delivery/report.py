"""What a delivery came to, as a person and an XCom want it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any


@dataclass
class DeliveryReport:
    """
    The figures of a delivery. All but ``requests`` and ``invalid`` count people, and they add up:
    ``recipients = sent + rejected + uncertain + failed + already_sent``.

    A broadcast is one request to people whom only Braze knows: its ``recipients`` is None and the outcomes
    count that request.

    :param recipients: Distinct valid recipients of the source.
    :param requests: Requests made to Braze in this try, repeats included.
    :param sent: Accepted by Braze.
    :param rejected: Refused by Braze, or accepted without reaching anybody.
    :param uncertain: Braze may have accepted them: held back, not sent again.
    :param failed: Not sent.
    :param invalid: Rows of the source that are no recipients.
    :param duplicates_dropped: Rows of people who had been there before.
    :param already_sent: Sent by an earlier try.
    :param started_at: When the first request could be made, ISO 8601 in UTC.
    :param finished_at: When the last answer was there, ISO 8601 in UTC.
    """

    recipients: int | None = 0
    requests: int = 0
    sent: int = 0
    rejected: int = 0
    uncertain: int = 0
    failed: int = 0
    invalid: int = 0
    duplicates_dropped: int = 0
    already_sent: int = 0
    started_at: str = ""
    finished_at: str = ""

    @classmethod
    def of_finished(cls, report: Mapping[str, Any]) -> DeliveryReport:
        """
        Report on a delivery that an earlier try had finished: everybody has been sent to already.

        :param report: The report of that try, as a dict. Another release may have made it: what it lacks has
            its default, and what this release does not know is left out.
        """
        was = cls(**{one.name: report[one.name] for one in fields(cls) if one.name in report})
        return replace(was, requests=0, sent=0, already_sent=was.sent + was.already_sent)

    def to_dict(self) -> dict[str, Any]:
        """Give the report as the plain dict that goes to XCom."""
        return asdict(self)

    def __str__(self) -> str:
        whom = "a broadcast" if self.recipients is None else counted(self.recipients, "recipient")
        outcomes = ", ".join(
            f"{getattr(self, name):,} {name.replace('_', ' ')}"
            for name in ("sent", "already_sent", "rejected", "uncertain", "failed", "invalid")
            if getattr(self, name) or name == "sent"
        )
        return f"{whom} in {counted(self.requests, 'request')}: {outcomes}"


def counted(number: int, noun: str) -> str:
    """
    Say how many there are: ``1 recipient``, ``2,000 recipients``.

    :param number: How many.
    :param noun: What one of them is called.
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
