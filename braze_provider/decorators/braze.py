"""``@task.braze_campaign`` and ``@task.braze_messages``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk.bases.decorator import DecoratedOperator, task_decorator_factory

from braze_provider.decorators.base import RecipientsOfFunction, fields_of
from braze_provider.operators.campaigns import CampaignTriggerOperator
from braze_provider.operators.messages import MessagesSendOperator

if TYPE_CHECKING:
    from airflow.sdk.bases.decorator import TaskDecorator


class CampaignDecoratedOperator(RecipientsOfFunction, CampaignTriggerOperator):
    """Trigger an API-triggered campaign for the recipients that a function yields."""

    custom_operator_name = "@task.braze_campaign"
    template_fields = fields_of(CampaignTriggerOperator)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **CampaignTriggerOperator.template_fields_renderers,
    }


class MessagesDecoratedOperator(RecipientsOfFunction, MessagesSendOperator):
    """Send messages to the recipients that a function yields."""

    custom_operator_name = "@task.braze_messages"
    template_fields = fields_of(MessagesSendOperator)
    template_fields_renderers: ClassVar[dict[str, str]] = {
        **DecoratedOperator.template_fields_renderers,
        **MessagesSendOperator.template_fields_renderers,
    }


def braze_campaign_task(
    python_callable: Callable[..., Any] | None = None, multiple_outputs: bool = False, **kwargs: Any
) -> TaskDecorator:
    """
    Make a function that yields recipients into a task that triggers a campaign for them.

    The recipients are a stream, so that a generator may yield millions of them. Each is a recipient object of
    Braze's, or an external id alone. A retry calls the function again: it must yield the same recipients in
    the same order, and the ledger checks that.

    .. seealso::
        - :ref:`howto/decorator:braze_campaign`
        - :class:`~braze_provider.operators.campaigns.CampaignTriggerOperator`

    :param python_callable: The function. It may also return a list, a table or a source of recipients.
    :param multiple_outputs: Whether each figure of the delivery report is an XCom of its own. Default False.
    :param kwargs: The arguments of ``CampaignTriggerOperator``, except ``recipients``.
    """
    return task_decorator_factory(
        python_callable,
        multiple_outputs=multiple_outputs,
        decorated_operator_class=CampaignDecoratedOperator,
        **kwargs,
    )


def braze_messages_task(
    python_callable: Callable[..., Any] | None = None, multiple_outputs: bool = False, **kwargs: Any
) -> TaskDecorator:
    """
    Make a function that yields recipients into a task that sends messages to them.

    The recipients are a stream, so that a generator may yield millions of them. Each is an external id, or an
    object with ``external_user_id`` or ``user_alias``. A retry calls the function again: it must yield the
    same recipients in the same order, and the ledger checks that.

    .. seealso::
        - :ref:`howto/decorator:braze_messages`
        - :class:`~braze_provider.operators.messages.MessagesSendOperator`

    :param python_callable: The function. It may also return a list, a table or a source of recipients.
    :param multiple_outputs: Whether each figure of the delivery report is an XCom of its own. Default False.
    :param kwargs: The arguments of ``MessagesSendOperator``, except ``recipients``, ``external_user_ids`` and
        ``user_aliases``.
    """
    return task_decorator_factory(
        python_callable,
        multiple_outputs=multiple_outputs,
        decorated_operator_class=MessagesDecoratedOperator,
        **kwargs,
    )
