"""Operators for send identifiers."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, ClassVar

from braze_provider.api.endpoints import SENDS_ID_CREATE
from braze_provider.tasks.fields import TEXT, Field
from braze_provider.tasks.request import BrazeRequestOperator

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from braze_provider._compat import Context
    from braze_provider.api.answers import Answer
    from braze_provider.tasks.arguments import RequestArguments, Templated


class SendIdCreateOperator(BrazeRequestOperator):
    """
    Register a send identifier, under which Braze tracks a send. Braze registers 100 a day.

    The identifier is the task's ``return_value`` and its XCom ``send_id``. Give ``register.output`` to the
    ``send_id`` of the operator that sends, and of the sensor that waits for its statistics.

    .. seealso::
        - :ref:`howto/operator:SendIdCreateOperator`
        - https://www.braze.com/docs/api/endpoints/messaging/send_messages/post_create_send_ids

    :param campaign_id: Id of the campaign whose sends get the label. (templated)
    :param send_id: The identifier, ASCII of 64 characters at most. Default: made from the Dag, the run, the
        task and the map index, so that a retry does not register a second one. (templated)
    :raises BrazeValidationError: For bad arguments, before the request is made.
    """

    endpoint = SENDS_ID_CREATE
    request_fields: ClassVar[Mapping[str, Field]] = {"campaign_id": TEXT, "send_id": TEXT}

    def __init__(
        self,
        *,
        campaign_id: Templated,
        send_id: Templated | None = None,
        **kwargs: Unpack[RequestArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.campaign_id = campaign_id
        self.send_id = send_id
        self.check_constants()

    def execute(self, context: Context) -> Any:
        """Register the identifier, and return it."""
        if self.send_id is None:
            ti = context["ti"]
            identity = repr((ti.dag_id, ti.run_id, ti.task_id, ti.map_index))
            self.send_id = blake2b(identity.encode(), digest_size=16).hexdigest()
        send_id = super().execute(context)
        context["ti"].xcom_push(key="send_id", value=send_id)
        return send_id

    def result_of(self, answer: Answer) -> Any:
        """Return the identifier from Braze's answer, or else the one that was given."""
        return answer.send_id or self.send_id
