"""Operators that write to the profiles of users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.links.braze import DASHBOARD_LINKS
from braze_provider.tasks.fields import Field, Kind
from braze_provider.tasks.send import BrazeSendOperator

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from braze_provider.tasks.arguments import Recipients, SendArguments

_Objects = Sequence[Mapping[str, Any]]


class UsersTrackOperator(BrazeSendOperator):
    """
    Write attributes, events and purchases to the profiles of users: 75 objects in each request.

    Each argument takes a list of Braze's objects, a source such as
    :class:`~braze_provider.recipients.SqlRecipients`, a table of pandas, polars or Arrow, or an XComArg. In a
    source, the column ``external_id`` (or ``alias_name`` and ``alias_label``, ``braze_id``, ``email``,
    ``phone``) names the user. For attributes, every other column is an attribute. For events and purchases,
    the columns are the object's fields, and ``properties.<name>`` is a property.

    Plain attributes may be written again without harm. So a retry repeats requests whose outcome is not
    known, a cleared task writes everything again, and no ledger is needed. Events, purchases and increments
    (``inc``, ``$add``) would count twice. The ledger guards them as it does messages.

    If Braze refuses some of the objects, the task fails at the end, and the log names their rows.

    :class:`~braze_provider.tasks.send.BrazeSendOperator` explains what a retry and a kill do, the XComs, and
    the parameters that all sending operators share. Where these say recipient, it is an object here. Every
    row counts: ``allow_duplicates`` is True by default.

    .. seealso::
        - :ref:`howto/operator:UsersTrackOperator`
        - https://www.braze.com/docs/api/endpoints/user_data/post_user_track

    :param attributes: Attributes of users. (templated)
    :param events: Events of users. (templated)
    :param purchases: Purchases of users. (templated)
    :raises BrazeValidationError: For bad arguments or objects, before anything is written.
    """

    endpoint = ENDPOINTS["users_track"]
    operator_extra_links = DASHBOARD_LINKS
    request_fields: ClassVar[Mapping[str, Field]] = {
        name: Field(Kind.RECIPIENTS, placed=True) for name in ("attributes", "events", "purchases")
    }

    def __init__(
        self,
        *,
        attributes: _Objects | Recipients | None = None,
        events: _Objects | Recipients | None = None,
        purchases: _Objects | Recipients | None = None,
        **kwargs: Unpack[SendArguments],
    ) -> None:
        kwargs.setdefault("allow_duplicates", True)
        super().__init__(**kwargs)
        self.attributes = attributes
        self.events = events
        self.purchases = purchases
        self.check_constants()
