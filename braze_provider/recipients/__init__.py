"""Where recipients come from. A source is a stream, so that a million recipients are never in memory."""

from braze_provider.recipients.base import RecipientSource
from braze_provider.recipients.blocks import BadRow
from braze_provider.recipients.files import FileRecipients
from braze_provider.recipients.inline import InlineRecipients
from braze_provider.recipients.sql import SqlRecipients
from braze_provider.recipients.tables import TableRecipients

__all__ = [
    "BadRow",
    "FileRecipients",
    "InlineRecipients",
    "RecipientSource",
    "SqlRecipients",
    "TableRecipients",
]
