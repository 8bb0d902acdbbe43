"""Operators that write to the profiles of users, give users aliases and ids, and delete users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from braze_provider._compat import AirflowFailException
from braze_provider.api.endpoints import ENDPOINTS
from braze_provider.api.errors import Problem
from braze_provider.links.braze import DASHBOARD_LINKS
from braze_provider.tasks.fields import Field, Kind
from braze_provider.tasks.one_kind import BrazeOneKindOperator
from braze_provider.tasks.send import BrazeSendOperator

if TYPE_CHECKING:
    from typing_extensions import Required, Unpack

    from braze_provider._compat import Context
    from braze_provider.api.endpoints import Endpoint
    from braze_provider.tasks.arguments import Recipients, SendArguments

    class DeleteArguments(SendArguments, total=False):
        """The arguments that all sending operators share. One of them is required here."""

        max_recipients: Required[int]  # type: ignore[misc]


_Objects = Sequence[Mapping[str, Any]]
_Ids = Sequence[str | int]


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


class UsersAliasOperator(BrazeOneKindOperator):
    """
    Give users new aliases, or rename aliases: 50 in each request.

    Give ``user_aliases`` or ``alias_updates``. Each takes a list of Braze's objects, a source such as
    :class:`~braze_provider.recipients.SqlRecipients`, a table of pandas, polars or Arrow, or an XComArg. In a
    source, the columns are the object's fields.

    Braze skips a new alias that is in use already, by whomever, and counts it all the same. It passes over a
    new name for an alias that does not exist. So a retry repeats requests whose outcome is not known, a
    cleared task writes everything again, and no ledger is needed.

    To create users who have an alias alone and attributes, use :class:`UsersTrackOperator` instead: a user
    with a new alias may not be found for a while.

    :class:`~braze_provider.tasks.send.BrazeSendOperator` explains what a kill does, the XComs, and the
    parameters that all sending operators share. Where these say recipient, it is an alias here.

    .. seealso::
        - :ref:`howto/operator:UsersAliasOperator`
        - https://www.braze.com/docs/api/endpoints/user_data/post_user_alias

    :param user_aliases: New aliases: ``alias_name``, ``alias_label``, and ``external_id`` of the user who
        gets it. Without ``external_id``, Braze creates a user who has the alias alone. (templated)
    :param alias_updates: New names: ``alias_label``, ``old_alias_name`` and ``new_alias_name``. Braze keeps
        no order among them. (templated)
    :raises BrazeValidationError: For bad arguments or aliases, before anything is written.
    """

    operator_extra_links = DASHBOARD_LINKS
    endpoint = ENDPOINTS["users_alias_new"]
    endpoints = (ENDPOINTS["users_alias_new"], ENDPOINTS["users_alias_update"])
    request_fields: ClassVar[Mapping[str, Field]] = {
        "user_aliases": Field(Kind.RECIPIENTS),
        "alias_updates": Field(Kind.RECIPIENTS),
    }

    def __init__(
        self,
        *,
        user_aliases: _Objects | Recipients | None = None,
        alias_updates: _Objects | Recipients | None = None,
        **kwargs: Unpack[SendArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.user_aliases = user_aliases
        self.alias_updates = alias_updates
        self.check_constants()

    def target(self) -> Endpoint:
        """Return the endpoint for new aliases, or else for new names."""
        return self.endpoints[0 if self.alias_updates is None else 1]


class UsersIdentifyOperator(BrazeSendOperator):
    """
    Give an id to users who have only an alias, an e-mail address or a telephone number: 50 in each request.

    If a user has the id already, the profile that was found is merged into that user's profile, which keeps
    its own values. The other one disappears. This can't be undone.

    Each argument takes a list of Braze's objects, a source such as
    :class:`~braze_provider.recipients.SqlRecipients`, a table of pandas, polars or Arrow, or an XComArg. In a
    source, the columns are the object's fields: ``external_id``, and ``alias_name`` with ``alias_label``, or
    ``email`` or ``phone`` with ``prioritization``.

    A repeat changes nothing. So a retry repeats requests whose outcome is not known, a cleared task writes
    everything again, and no ledger is needed.

    :class:`~braze_provider.tasks.send.BrazeSendOperator` explains what a kill does, the XComs, and the
    parameters that all sending operators share. Where these say recipient, it is a user here.

    .. seealso::
        - :ref:`howto/operator:UsersIdentifyOperator`
        - https://www.braze.com/docs/api/endpoints/user_data/post_user_identify

    :param aliases_to_identify: Users with an alias. (templated)
    :param emails_to_identify: Users with an e-mail address. (templated)
    :param phone_numbers_to_identify: Users with a telephone number. (templated)
    :raises BrazeValidationError: For bad arguments or users, before anything is written.
    """

    operator_extra_links = DASHBOARD_LINKS
    endpoint = ENDPOINTS["users_identify"]
    request_fields: ClassVar[Mapping[str, Field]] = {
        "aliases_to_identify": Field(Kind.RECIPIENTS, placed=True),
        "emails_to_identify": Field(Kind.RECIPIENTS, placed=True),
        "phone_numbers_to_identify": Field(Kind.RECIPIENTS, placed=True),
    }

    def __init__(
        self,
        *,
        aliases_to_identify: _Objects | Recipients | None = None,
        emails_to_identify: _Objects | Recipients | None = None,
        phone_numbers_to_identify: _Objects | Recipients | None = None,
        **kwargs: Unpack[SendArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.aliases_to_identify = aliases_to_identify
        self.emails_to_identify = emails_to_identify
        self.phone_numbers_to_identify = phone_numbers_to_identify
        self.check_constants()


class UsersDeleteOperator(BrazeOneKindOperator):
    """
    Delete users, each with the whole profile: 50 in each request. **This can't be undone.**

    ``max_recipients`` is required. With more users than this, nothing is deleted.

    Give exactly one kind of identifier. Its argument takes a list, a source such as
    :class:`~braze_provider.recipients.SqlRecipients`, a table of pandas, polars or Arrow, or an XComArg. A
    source has the columns ``external_id``, ``alias_name`` and ``alias_label``, ``braze_id``, or ``email`` or
    ``phone`` with ``prioritization``.

    A deletion hits whoever has the identifier at that moment. A retry repeats requests whose outcome is not
    known, and no others. A cleared task whose delivery had finished deletes nobody, unless ``resend`` says
    so: somebody may have got one of the ids since. The ledger knows what was deleted. A task without a
    durable ledger is not retried, and deletes nobody once it was cleared.

    Braze answers once it has queued the users. It usually deletes them within a second, and within five
    minutes at most.

    :class:`~braze_provider.tasks.send.BrazeSendOperator` explains what a kill does, the XComs, and the
    parameters that all sending operators share. Where these say recipient, it is a user here, and *sent*
    means that Braze has queued the deletion.

    .. seealso::
        - :ref:`howto/operator:UsersDeleteOperator`
        - https://www.braze.com/docs/api/endpoints/user_data/post_user_delete

    :param external_ids: Ids in your systems. A deprecated id deletes the whole profile too. (templated)
    :param user_aliases: User aliases. (templated)
    :param braze_ids: Braze's own ids. (templated)
    :param email_addresses: Objects with ``email`` and ``prioritization``. (templated)
    :param phone_numbers: Objects with ``phone`` and ``prioritization``. (templated)
    :raises BrazeValidationError: For bad arguments or identifiers, before anything is deleted.
    """

    operator_extra_links = DASHBOARD_LINKS
    endpoint = ENDPOINTS["users_delete"]
    request_fields: ClassVar[Mapping[str, Field]] = {
        "external_ids": Field(Kind.RECIPIENTS, item="external_id", placed=True),
        "user_aliases": Field(Kind.RECIPIENTS, placed=True),
        "braze_ids": Field(Kind.RECIPIENTS, item="braze_id", placed=True),
        "email_addresses": Field(Kind.RECIPIENTS, placed=True),
        "phone_numbers": Field(Kind.RECIPIENTS, placed=True),
    }

    def __init__(
        self,
        *,
        external_ids: _Ids | Recipients | None = None,
        user_aliases: _Objects | Recipients | None = None,
        braze_ids: _Ids | Recipients | None = None,
        email_addresses: _Objects | Recipients | None = None,
        phone_numbers: _Objects | Recipients | None = None,
        **kwargs: Unpack[DeleteArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.external_ids = external_ids
        self.user_aliases = user_aliases
        self.braze_ids = braze_ids
        self.email_addresses = email_addresses
        self.phone_numbers = phone_numbers
        self.check_constants()

    def argument_problems(self) -> list[Problem]:
        """Check that there is one kind of identifier, and a limit."""
        problems = super().argument_problems()
        if self.max_recipients is None:
            reason = "is required: a deletion can't be undone. Say how many users the task may delete at most"
            problems.append(Problem("max_recipients", reason))
        return problems

    def execute(self, context: Context) -> dict[str, Any]:
        """Delete, and return the report."""
        from braze_provider.tasks.options import BOOLEANS
        from braze_provider.tasks.records import try_of

        has_ledger = self.ledger_conn_id or context.get("task_state_store") is not None
        was_cleared = try_of(context, retries=self.retries or 0, resumed=False).was_cleared
        resends = BOOLEANS.get(self.resend, self.resend)
        if was_cleared and not has_ledger and not resends and not bool(self.dry_run):
            # Other tasks start over here: without a ledger, a clear by a person means just that.
            raise AirflowFailException(
                "Nobody is deleted: the task was cleared, and without a ledger it is not known whom an "
                "earlier try has deleted. Somebody else may have got one of the ids since. Clear it with "
                "resend=True to delete all of them, or set ledger_conn_id before the first try"
            )
        return super().execute(context)
