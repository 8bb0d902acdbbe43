"""Operators that set the state of users in subscription groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.links.braze import DASHBOARD_LINKS
from braze_provider.tasks.fields import FIXED, TEXT, Field, Kind
from braze_provider.tasks.one_kind import BrazeOneKindOperator

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from braze_provider.tasks.arguments import Recipients, SendArguments, Templated


class SubscriptionSetOperator(BrazeOneKindOperator):
    """
    Set the state of users in a subscription group for e-mail, SMS or WhatsApp: 50 in each request.

    Give exactly one of ``external_ids``, ``emails`` and ``phones``. It takes a list, a source such as
    :class:`~braze_provider.recipients.SqlRecipients`, a table of pandas, polars or Arrow, or an XComArg. A
    source has one column: ``external_id``, ``email`` or ``phone``. All profiles that have an address or a
    number change.

    The state may be set again without harm. So a retry repeats requests whose outcome is not known, a cleared
    task sets the state of all users again, also of those who have changed it since, and no ledger is needed.

    For new users, write ``subscription_groups`` with
    :class:`~braze_provider.operators.users.UsersTrackOperator` instead.

    :class:`~braze_provider.tasks.send.BrazeSendOperator` explains what a kill does, the XComs, and the
    parameters that all sending operators share. Where these say recipient, it is a user here.

    .. seealso::
        - :ref:`howto/operator:SubscriptionSetOperator`
        - https://www.braze.com/docs/api/endpoints/subscription_groups/post_update_user_subscription_group_status

    :param subscription_group_id: Id of the subscription group. (templated)
    :param subscription_state: ``subscribed`` or ``unsubscribed``. (templated)
    :param external_ids: The users' ids in your systems. (templated)
    :param emails: E-mail addresses, for a group of e-mails. (templated)
    :param phones: Telephone numbers in E.164, such as ``+4930123456``, for a group of SMS or WhatsApp.
        (templated)
    :param use_double_opt_in_logic: True lets an SMS group ask the users to confirm. Default: not given.
    :raises BrazeValidationError: For bad arguments or users, before anything is written.
    """

    operator_extra_links = DASHBOARD_LINKS
    endpoint = ENDPOINTS["subscription_status_set"]
    request_fields: ClassVar[Mapping[str, Field]] = {
        "subscription_group_id": TEXT,
        "subscription_state": TEXT,
        "external_ids": Field(Kind.RECIPIENTS, item="external_id", placed=True),
        "emails": Field(Kind.RECIPIENTS, item="email", placed=True),
        "phones": Field(Kind.RECIPIENTS, item="phone", placed=True),
        "use_double_opt_in_logic": FIXED,
    }
    composed_fields: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "external_id": ("external_ids",),
        "email": ("emails",),
        "phone": ("phones",),
    }

    def __init__(
        self,
        *,
        subscription_group_id: Templated,
        subscription_state: Literal["subscribed", "unsubscribed"] | Templated,
        external_ids: Sequence[str | int] | Recipients | None = None,
        emails: Sequence[str] | Recipients | None = None,
        phones: Sequence[str] | Recipients | None = None,
        use_double_opt_in_logic: bool | None = None,
        **kwargs: Unpack[SendArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.subscription_group_id = subscription_group_id
        self.subscription_state = subscription_state
        self.external_ids = external_ids
        self.emails = emails
        self.phones = phones
        self.use_double_opt_in_logic = use_double_opt_in_logic
        self.check_constants()
