"""The figures of a delivery, for the log and for XCom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

RECIPIENT = "recipient"


@dataclass
class DeliveryReport:
    """
    The figures of a delivery. They count recipients, and they add up:
    ``recipients = sent + rejected + uncertain + failed + already_sent``. Only ``requests``, ``invalid`` and
    ``duplicates_dropped`` count other things.

    In a broadcast only Braze knows the recipients: ``recipients`` is None, and the outcomes count the one
    request.

    :param recipients: Distinct valid recipients of the source.
    :param requests: Requests made to Braze in this try, repeats included.
    :param sent: Recipients that Braze accepted.
    :param rejected: Recipients that Braze refused, or accepted without sending a message.
    :param uncertain: Recipients that Braze may have accepted: they are held, and not sent to again.
    :param failed: Recipients that were not sent to.
    :param invalid: Rows of the source that name no valid recipient.
    :param duplicates_dropped: Rows that repeat the recipient of an earlier row.
    :param already_sent: Recipients that an earlier try has sent to.
    :param started_at: When the first request could be made, ISO 8601 in UTC.
    :param finished_at: When the last answer had come, ISO 8601 in UTC.
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

    noun = RECIPIENT
    """What texts call a recipient, in the singular. It is no figure, so the dict does not have it."""

    @classmethod
    def of_finished(cls, report: Mapping[str, Any], noun: str = RECIPIENT) -> DeliveryReport:
        """
        Make the report of a delivery that an earlier try has finished: all its recipients are already sent.

        :param report: The report of that try, as a dict. Another release may have made it: figures that it
            lacks get their defaults, and figures that this release does not know are left out.
        :param noun: What texts call a recipient.
        """
        was = cls(**{one.name: report[one.name] for one in fields(cls) if one.name in report})
        return replace(was, requests=0, sent=0, already_sent=was.sent + was.already_sent).about(noun)

    def about(self, noun: str) -> DeliveryReport:
        """
        Let texts call a recipient something else, and return this report.

        :param noun: The noun in the singular.
        """
        self.noun = noun
        return self

    def move(self, number: int, before: str, after: str) -> None:
        """
        Count recipients under another figure, because something was undone.

        :param number: Number of recipients.
        :param before: The figure that counted them. What it lacks is taken from ``already_sent``.
        :param after: The figure that counts them from now on.
        """
        for name in (before, "already_sent"):
            moved = min(number, getattr(self, name))
            setattr(self, name, getattr(self, name) - moved)
            setattr(self, after, getattr(self, after) + moved)
            number -= moved

    def to_dict(self) -> dict[str, Any]:
        """Give the report as a plain dict for XCom."""
        return asdict(self)

    def __str__(self) -> str:
        whom = "a broadcast" if self.recipients is None else counted(self.recipients, self.noun)
        outcomes = ", ".join(
            f"{getattr(self, name):,} {name.replace('_', ' ')}"
            for name in ("sent", "already_sent", "rejected", "uncertain", "failed", "invalid")
            if getattr(self, name) or name == "sent"
        )
        return f"{whom} in {counted(self.requests, 'request')}: {outcomes}"


def counted(number: int, noun: str) -> str:
    """
    Write a number with its noun: ``1 recipient``, ``2,000 recipients``.

    :param number: The number.
    :param noun: The noun in the singular.
    """
    return f"{number:,} {noun if number == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """
    Give the plural of a noun.

    :param noun: The noun in the singular.
    """
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"


def is_sent(noun: str) -> str:
    """
    Say what a delivery does with its rows: recipients are ``sent to``, all others are ``sent``.

    :param noun: What texts call a row.
    """
    return "sent to" if noun == RECIPIENT else "sent"
